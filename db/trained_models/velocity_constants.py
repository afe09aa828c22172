"""The constants of trends that this installation fitted: kept for ever, one set of them in service."""

from collections.abc import Mapping
from dataclasses import dataclass
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
    """Constants as they are kept: by window, with the clock's rates, and how they were judged."""

    id: int
    constants: Mapping[str, Any]
    report: Mapping[str, Any]
    is_active: bool
    created_at: datetime


_COLUMNS = (
    VelocityConstants.id,
    VelocityConstants.constants,
    VelocityConstants.report,
    VelocityConstants.is_active,
    VelocityConstants.created_at,
)
_ALL = select(*_COLUMNS).order_by(VelocityConstants.id.desc())
_IN_SERVICE = select(*_COLUMNS).where(VelocityConstants.is_active)
_KEEP = insert(VelocityConstants).returning(VelocityConstants.id)
_RETIRE = update(VelocityConstants).where(VelocityConstants.is_active).values(is_active=False)
_APPOINT = (
    update(VelocityConstants).where(VelocityConstants.id == bindparam("chosen", type_=BigIntId)).values(is_active=True)
)


async def all_constants(database: Database) -> list[StoredConstants]:
    """List every set, the latest first."""
    return [StoredConstants(*row) for row in await database.fetch(_ALL)]


async def active_constants(database: Database) -> StoredConstants | None:
    """Read the set that ranks trends; None while those that ship do."""
    for row in await database.fetch(_IN_SERVICE):
        return StoredConstants(*row)
    return None


async def store_constants(connection: AsyncConnection, constants: Mapping[str, Any], report: Mapping[str, Any]) -> int:
    """Keep a set, out of service; give its id."""
    kept = await connection.execute(_KEEP, {"constants": dict(constants), "report": dict(report)})
    return int(kept.scalar_one())


async def activate_constants(connection: AsyncConnection, chosen: int | None, clock: ActivityClock) -> None:
    """Let a set rank trends from now on, by its clock; None lets those that ship do so.

    The sums of people go on by the new clock; `db.interactions.velocity_queries.refresh_velocities` counts them anew.

    Raises
    ------
    InvalidRecord
        If there is no such set; nothing has changed once the caller's transaction is rolled back.
    """
    await connection.execute(_RETIRE)
    if chosen is not None and (await connection.execute(_APPOINT, {"chosen": chosen})).rowcount != 1:
        raise InvalidRecord(f"there are no constants of trends number {chosen}; see: explore trends")
    await store_clock(connection, clock)
