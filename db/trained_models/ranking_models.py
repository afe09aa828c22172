"""Registry of ranking models. Models are never deleted; at most one is active."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from db.database.column_types import UtcDateTime
from db.database.engine import Database
from db.errors import InvalidRecord
from db.models import RankingModel, now


@dataclass(frozen=True, slots=True)
class StoredModel:
    """A ranking model: curves by signal, and the report of its training and evaluation."""

    name: str
    curves: Mapping[str, Any]
    report: Mapping[str, Any]
    is_active: bool
    created_at: datetime


_COLUMNS = [getattr(RankingModel, field.name) for field in fields(StoredModel)]
_ALL = select(*_COLUMNS).order_by(RankingModel.created_at.desc(), RankingModel.id.desc())
_ACTIVE = select(*_COLUMNS).where(RankingModel.is_active)
_DEACTIVATE = (
    update(RankingModel)
    .where(RankingModel.is_active)
    .values(is_active=False, retired_at=bindparam("at", type_=UtcDateTime()))
)
_PREVIOUS = (
    select(RankingModel.name)
    .where(RankingModel.retired_at.is_not(None), RankingModel.is_active.is_(False))
    .order_by(RankingModel.retired_at.desc(), RankingModel.id.desc())
    .limit(1)
)
_NAMED = select(RankingModel.id).where(RankingModel.name == bindparam("chosen"))
_ACTIVATE = update(RankingModel).where(RankingModel.name == bindparam("chosen")).values(is_active=True)


async def all_models(database: Database) -> list[StoredModel]:
    """Read all models, latest first."""
    return [StoredModel(*row) for row in await database.fetch(_ALL)]


async def active_model(database: Database) -> StoredModel | None:
    """Read the active model. None: the built-in preset is active."""
    for row in await database.fetch(_ACTIVE):
        return StoredModel(*row)
    return None


async def store_model(
    connection: AsyncConnection, name: str, curves: Mapping[str, Any], report: Mapping[str, Any]
) -> None:
    """Store a model without activating it.

    Raises `InvalidRecord` if a model of that name exists, because models are never overwritten.
    """
    if (await connection.execute(_NAMED, {"chosen": name})).first():
        raise InvalidRecord(
            f"there is a model named {name!r} already; models are never deleted, so choose another name"
        )
    await connection.execute(insert(RankingModel).values(name=name, curves=dict(curves), report=dict(report)))


async def activate_model(connection: AsyncConnection, name: str | None) -> None:
    """Activate a model and deactivate the active one. None activates the built-in preset.

    Raises `InvalidRecord` if no model of that name exists; the caller must roll back the transaction.
    """
    await connection.execute(_DEACTIVATE, {"at": now()})
    if name is not None and (await connection.execute(_ACTIVATE, {"chosen": name})).rowcount != 1:
        raise InvalidRecord(f"there is no model named {name!r}; see: explore models")


async def previous_model(database: Database) -> str | None:
    """Return the name of the last deactivated model. None: no model was deactivated yet."""
    for row in await database.fetch(_PREVIOUS):
        name: str = row.name
        return name
    return None
