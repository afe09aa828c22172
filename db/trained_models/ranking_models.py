"""The ranking models of this installation: kept for ever, one of them in service."""

from collections.abc import Mapping
from dataclasses import dataclass
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
    """A model as it is kept: its curves by signal, and the report of how it was made and judged."""

    name: str
    curves: Mapping[str, Any]
    report: Mapping[str, Any]
    is_active: bool
    created_at: datetime


_COLUMNS = (
    RankingModel.name,
    RankingModel.curves,
    RankingModel.report,
    RankingModel.is_active,
    RankingModel.created_at,
)
_ALL = select(*_COLUMNS).order_by(RankingModel.created_at.desc(), RankingModel.id.desc())
_IN_SERVICE = select(*_COLUMNS).where(RankingModel.is_active)
_RETIRE = (
    update(RankingModel)
    .where(RankingModel.is_active)
    .values(is_active=False, retired_at=bindparam("at", type_=UtcDateTime()))
)
_BEFORE = (
    select(RankingModel.name)
    .where(RankingModel.retired_at.is_not(None), RankingModel.is_active.is_(False))
    .order_by(RankingModel.retired_at.desc(), RankingModel.id.desc())
    .limit(1)
)
_NAMED = select(RankingModel.id).where(RankingModel.name == bindparam("chosen"))
_APPOINT = update(RankingModel).where(RankingModel.name == bindparam("chosen")).values(is_active=True)


async def all_models(database: Database) -> list[StoredModel]:
    """List every model, the latest first."""
    return [StoredModel(*row) for row in await database.fetch(_ALL)]


async def active_model(database: Database) -> StoredModel | None:
    """Read the model that ranks; None while none was chosen."""
    for row in await database.fetch(_IN_SERVICE):
        return StoredModel(*row)
    return None


async def store_model(
    connection: AsyncConnection, name: str, curves: Mapping[str, Any], report: Mapping[str, Any]
) -> None:
    """Keep a model, out of service.

    Raises
    ------
    InvalidRecord
        If there is one of that name: models are never overwritten.
    """
    if (await connection.execute(_NAMED, {"chosen": name})).first():
        raise InvalidRecord(f"there is a model named {name!r} already; models are kept for ever, so take another name")
    await connection.execute(insert(RankingModel).values(name=name, curves=dict(curves), report=dict(report)))


async def activate_model(connection: AsyncConnection, name: str | None) -> None:
    """Let a model rank from now on, and no other; None lets the preset rank that ships.

    Raises
    ------
    InvalidRecord
        If there is no model of that name; nothing has changed once the caller's transaction is rolled back.
    """
    await connection.execute(_RETIRE, {"at": now()})
    if name is not None and (await connection.execute(_APPOINT, {"chosen": name})).rowcount != 1:
        raise InvalidRecord(f"there is no model named {name!r}; see: explore models")


async def previous_model(database: Database) -> str | None:
    """Name the model that was in service before the one that is; None if that was the preset that ships."""
    for row in await database.fetch(_BEFORE):
        name: str = row.name
        return name
    return None
