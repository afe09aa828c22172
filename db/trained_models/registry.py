"""Registries of ranking models and of trending constants. Entries are never deleted; at most one of each is active."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from db.database.column_types import BigIntId, UtcDateTime
from db.database.engine import Database
from db.errors import InvalidRecord
from db.interactions.activity_time import ActivityClock, store_clock
from db.models import RankingModel, VelocityConstants, now


@dataclass(frozen=True, slots=True)
class StoredModel:
    """A ranking model: curves by signal, and the report of its training and evaluation."""

    name: str
    curves: Mapping[str, Any]
    report: Mapping[str, Any]
    is_active: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class StoredConstants:
    """A set of trending constants by window, with the rates of the activity clock, and the report of the evaluation."""

    id: int
    constants: Mapping[str, Any]
    report: Mapping[str, Any]
    is_active: bool
    created_at: datetime


_MODELS = select(*(getattr(RankingModel, field.name) for field in fields(StoredModel))).order_by(
    RankingModel.created_at.desc(), RankingModel.id.desc()
)
_REPORTS = select(RankingModel.report)
_ACTIVE_MODEL = _MODELS.where(RankingModel.is_active)
_PREVIOUS_MODEL = (
    select(RankingModel.name)
    .where(RankingModel.retired_at.is_not(None), RankingModel.is_active.is_(False))
    .order_by(RankingModel.retired_at.desc(), RankingModel.id.desc())
    .limit(1)
)
_MODEL_ID = select(RankingModel.id).where(RankingModel.name == bindparam("chosen"))
_DEACTIVATE_MODEL = (
    update(RankingModel)
    .where(RankingModel.is_active)
    .values(is_active=False, retired_at=bindparam("at", type_=UtcDateTime()))
)
_ACTIVATE_MODEL = update(RankingModel).where(RankingModel.name == bindparam("chosen")).values(is_active=True)

_CONSTANTS = select(*(getattr(VelocityConstants, field.name) for field in fields(StoredConstants))).order_by(
    VelocityConstants.id.desc()
)
_ACTIVE_CONSTANTS = _CONSTANTS.where(VelocityConstants.is_active)
_INSERT_CONSTANTS = insert(VelocityConstants).returning(VelocityConstants.id)
_DEACTIVATE_CONSTANTS = update(VelocityConstants).where(VelocityConstants.is_active).values(is_active=False)
_ACTIVATE_CONSTANTS = (
    update(VelocityConstants).where(VelocityConstants.id == bindparam("chosen", type_=BigIntId)).values(is_active=True)
)


async def all_models(database: Database) -> list[StoredModel]:
    """Read all ranking models, latest first."""
    return [StoredModel(*row) for row in await database.fetch(_MODELS)]


async def is_any_model_trained(database: Database) -> bool:
    """Return whether a ranking model was ever trained, active or not. Presets are not trained."""
    return any(not row.report.get("preset") for row in await database.fetch(_REPORTS))


async def active_model(database: Database) -> StoredModel | None:
    """Read the active ranking model. None: the built-in preset is active."""
    rows = await database.fetch(_ACTIVE_MODEL)
    return StoredModel(*rows[0]) if rows else None


async def previous_model(database: Database) -> str | None:
    """Return the name of the last deactivated ranking model. None: no model was deactivated yet."""
    rows = await database.fetch(_PREVIOUS_MODEL)
    return rows[0].name if rows else None


async def store_model(
    connection: AsyncConnection, name: str, curves: Mapping[str, Any], report: Mapping[str, Any]
) -> None:
    """Store a ranking model without activating it.

    Raises `InvalidRecord` if a model of that name exists, because models are never overwritten.
    """
    if (await connection.execute(_MODEL_ID, {"chosen": name})).first():
        raise InvalidRecord(
            f"there is a model named {name!r} already; models are never deleted, so choose another name"
        )
    await connection.execute(insert(RankingModel).values(name=name, curves=dict(curves), report=dict(report)))


async def activate_model(connection: AsyncConnection, name: str | None) -> None:
    """Activate a ranking model and deactivate the active one. None activates the built-in preset.

    Raises `InvalidRecord` if no model of that name exists; the caller must roll back the transaction.
    """
    await connection.execute(_DEACTIVATE_MODEL, {"at": now()})
    if name is not None and (await connection.execute(_ACTIVATE_MODEL, {"chosen": name})).rowcount != 1:
        raise InvalidRecord(f"there is no model named {name!r}; see: explore models")


async def all_constants(database: Database) -> list[StoredConstants]:
    """Read all sets of trending constants, latest first."""
    return [StoredConstants(*row) for row in await database.fetch(_CONSTANTS)]


async def active_constants(database: Database) -> StoredConstants | None:
    """Read the active set of trending constants. None: the built-in constants are active."""
    rows = await database.fetch(_ACTIVE_CONSTANTS)
    return StoredConstants(*rows[0]) if rows else None


async def store_constants(connection: AsyncConnection, constants: Mapping[str, Any], report: Mapping[str, Any]) -> int:
    """Store a set of trending constants without activating it; return its id."""
    inserted = await connection.execute(_INSERT_CONSTANTS, {"constants": dict(constants), "report": dict(report)})
    return int(inserted.scalar_one())


async def activate_constants(connection: AsyncConnection, constants_id: int | None, clock: ActivityClock) -> None:
    """Activate a set of trending constants with its clock, and deactivate the active set.

    None activates the built-in constants. The next hourly job recounts the decayed counters by the new clock.

    Raises `InvalidRecord` if no set has this id; the caller must roll back the transaction.
    """
    await connection.execute(_DEACTIVATE_CONSTANTS)
    if constants_id is not None:
        activated = await connection.execute(_ACTIVATE_CONSTANTS, {"chosen": constants_id})
        if activated.rowcount != 1:
            raise InvalidRecord(f"there are no trending constants number {constants_id}; see: explore trends")
    await store_clock(connection, clock)
