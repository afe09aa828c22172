"""Registry of fitted trending constants: never deleted, at most one set of them active."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from db.database.column_types import BigIntId
from db.database.engine import Database
from db.errors import InvalidRecord
from db.interactions.activity_time import ActivityClock, store_clock
from db.models import VelocityConstants


@dataclass(frozen=True, slots=True)
class StoredConstants:
    """Constants by window, with the rates of the activity clock, and the report of their evaluation."""

    id: int
    constants: Mapping[str, Any]
    report: Mapping[str, Any]
    is_active: bool
    created_at: datetime


_COLUMNS = [getattr(VelocityConstants, field.name) for field in fields(StoredConstants)]
_ALL = select(*_COLUMNS).order_by(VelocityConstants.id.desc())
_ACTIVE = select(*_COLUMNS).where(VelocityConstants.is_active)
_KEEP = insert(VelocityConstants).returning(VelocityConstants.id)
_DEACTIVATE = update(VelocityConstants).where(VelocityConstants.is_active).values(is_active=False)
_ACTIVATE = (
    update(VelocityConstants).where(VelocityConstants.id == bindparam("chosen", type_=BigIntId)).values(is_active=True)
)


async def all_constants(database: Database) -> list[StoredConstants]:
    """Read every set, latest first."""
    return [StoredConstants(*row) for row in await database.fetch(_ALL)]


async def active_constants(database: Database) -> StoredConstants | None:
    """Read the active set; None while the built-in constants rank."""
    for row in await database.fetch(_ACTIVE):
        return StoredConstants(*row)
    return None


async def store_constants(connection: AsyncConnection, constants: Mapping[str, Any], report: Mapping[str, Any]) -> int:
    """Store a set without activating it; return its id."""
    kept = await connection.execute(_KEEP, {"constants": dict(constants), "report": dict(report)})
    return int(kept.scalar_one())


async def activate_constants(connection: AsyncConnection, chosen: int | None, clock: ActivityClock) -> None:
    """Activate a set with its clock, and deactivate the one before; None activates the built-in constants.

    The next hourly job recounts the decayed counters by the new clock.

    Raises `InvalidRecord` if there is no such set; the caller must roll the transaction back.
    """
    await connection.execute(_DEACTIVATE)
    if chosen is not None and (await connection.execute(_ACTIVATE, {"chosen": chosen})).rowcount != 1:
        raise InvalidRecord(f"there are no trending constants number {chosen}; see: explore trends")
    await store_clock(connection, clock)
