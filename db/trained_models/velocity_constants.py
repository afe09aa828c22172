"""Registry of fitted trending constants. Sets are never deleted; at most one is active."""

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
    """A set of constants: by window, with the rates of the activity clock, and the report of the evaluation."""

    id: int
    constants: Mapping[str, Any]
    report: Mapping[str, Any]
    is_active: bool
    created_at: datetime


_COLUMNS = [getattr(VelocityConstants, field.name) for field in fields(StoredConstants)]
_ALL = select(*_COLUMNS).order_by(VelocityConstants.id.desc())
_ACTIVE = select(*_COLUMNS).where(VelocityConstants.is_active)
_INSERT = insert(VelocityConstants).returning(VelocityConstants.id)
_DEACTIVATE = update(VelocityConstants).where(VelocityConstants.is_active).values(is_active=False)
_ACTIVATE = (
    update(VelocityConstants).where(VelocityConstants.id == bindparam("chosen", type_=BigIntId)).values(is_active=True)
)


async def all_constants(database: Database) -> list[StoredConstants]:
    """Read all sets, latest first."""
    return [StoredConstants(*row) for row in await database.fetch(_ALL)]


async def active_constants(database: Database) -> StoredConstants | None:
    """Read the active set. None: the built-in constants are active."""
    for row in await database.fetch(_ACTIVE):
        return StoredConstants(*row)
    return None


async def store_constants(connection: AsyncConnection, constants: Mapping[str, Any], report: Mapping[str, Any]) -> int:
    """Store a set without activating it; return its id."""
    inserted = await connection.execute(_INSERT, {"constants": dict(constants), "report": dict(report)})
    return int(inserted.scalar_one())


async def activate_constants(connection: AsyncConnection, constants_id: int | None, clock: ActivityClock) -> None:
    """Activate a set with its clock and deactivate the active set. None activates the built-in constants.

    The next hourly job recounts the decayed counters by the new clock.

    Raises `InvalidRecord` if no set has this id; the caller must roll back the transaction.
    """
    await connection.execute(_DEACTIVATE)
    if constants_id is not None and (await connection.execute(_ACTIVATE, {"chosen": constants_id})).rowcount != 1:
        raise InvalidRecord(f"there are no trending constants number {constants_id}; see: explore trends")
    await store_clock(connection, clock)
