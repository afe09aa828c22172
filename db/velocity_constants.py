"""The constants of trends that this installation fitted: kept for ever, one set of them in service."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from db.activity.busy import Clock, set_clock
from db.columns import Identity
from db.engine import Database
from db.errors import InvalidRecord
from db.models import VelocityConstants


@dataclass(frozen=True, slots=True)
class StoredConstants:
    """Constants as they are kept: by window, with the clock's rates, and how they were judged."""

    id: int
    constants: Mapping[str, Any]
    report: Mapping[str, Any]
    in_service: bool
    created_at: datetime


_COLUMNS = (
    VelocityConstants.id,
    VelocityConstants.constants,
    VelocityConstants.report,
    VelocityConstants.in_service,
    VelocityConstants.created_at,
)
_ALL = select(*_COLUMNS).order_by(VelocityConstants.id.desc())
_IN_SERVICE = select(*_COLUMNS).where(VelocityConstants.in_service)
_KEEP = insert(VelocityConstants).returning(VelocityConstants.id)
_RETIRE = update(VelocityConstants).where(VelocityConstants.in_service).values(in_service=False)
_APPOINT = (
    update(VelocityConstants).where(VelocityConstants.id == bindparam("chosen", type_=Identity)).values(in_service=True)
)


async def all_constants(database: Database) -> list[StoredConstants]:
    """List every set, the latest first."""
    return [StoredConstants(*row) for row in await database.fetch(_ALL)]


async def constants_in_service(database: Database) -> StoredConstants | None:
    """Read the set that ranks trends; None while those that ship do."""
    for row in await database.fetch(_IN_SERVICE):
        return StoredConstants(*row)
    return None


async def keep_constants(connection: AsyncConnection, constants: Mapping[str, Any], report: Mapping[str, Any]) -> int:
    """Keep a set, out of service; give its id."""
    kept = await connection.execute(_KEEP, {"constants": dict(constants), "report": dict(report)})
    return int(kept.scalar_one())


async def put_constants_in_service(connection: AsyncConnection, chosen: int | None, clock: Clock) -> None:
    """Let a set rank trends from now on, by its clock; None lets those that ship do so.

    The sums of people go on by the new clock; `db.activity.velocity.refresh_velocities` counts them anew.

    Raises
    ------
    InvalidRecord
        If there is no such set; nothing has changed once the caller's transaction is rolled back.
    """
    await connection.execute(_RETIRE)
    if chosen is not None and (await connection.execute(_APPOINT, {"chosen": chosen})).rowcount != 1:
        raise InvalidRecord(f"there are no constants of trends number {chosen}; see: explore trends")
    await set_clock(connection, clock)
