"""Forgetting: raw events after their time, clients' ids of events, and crowds that nobody joins any more.

What follows from events (engagement, likes, saves, counters) stays. Nothing is read into this process.
"""

from datetime import datetime, timedelta

from sqlalchemy import bindparam, delete, text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.actors.actor_trust import MAX_INTERACTION_AGE
from db.database.column_types import UNKNOWN_TIME, UtcDateTime
from db.database.engine import Database
from db.interactions.network_cap import delete_expired_network_counts
from db.models import EventId, Interaction

_BEFORE = bindparam("before", type_=UtcDateTime())
_FORGET_IDS = delete(EventId).where(EventId.recorded_at < _BEFORE)
_OLD = (Interaction.at < _BEFORE, Interaction.at > bindparam("unknown", UNKNOWN_TIME, type_=UtcDateTime()))
_FORGET_EVENTS = delete(Interaction).where(*_OLD)
_FORGET_STRAYS = text("DELETE FROM interactions_default WHERE at < :before AND at > :unknown")
_MONTHS = text(
    """SELECT relname AS name FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
       WHERE inhparent = 'interactions'::regclass AND relname ~ '^interactions_[0-9]{4}_[0-9]{2}$'
       ORDER BY relname"""
)
_LOCK_TIMEOUT = text("SET LOCAL lock_timeout = '2s'")


async def delete_expired(database: Database, at: datetime, keep: timedelta) -> None:
    """Forget what has had its time: raw events older than `keep`, ids of events that are refused by now, old crowds.

    On PostgreSQL whole months are dropped, which costs nothing however many events they hold; a month that is partly
    young stays until all of it is old. On SQLite rows are deleted.
    """
    async with database.write() as connection:
        # A day more than the oldest event that is taken, for clocks that differ.
        await connection.execute(_FORGET_IDS, {"before": at - MAX_INTERACTION_AGE - timedelta(days=1)})
    await delete_expired_network_counts(database, at)
    async with database.write() as connection:
        await (_delete_events if database.is_sqlite else _drop_months)(connection, at - keep)


async def _delete_events(connection: AsyncConnection, before: datetime) -> None:
    await connection.execute(_FORGET_EVENTS, {"before": before})


async def _drop_months(connection: AsyncConnection, before: datetime) -> None:
    """Drop the months that lie wholly before; events whose time nobody knows (January 1970) stay."""
    await connection.execute(_LOCK_TIMEOUT)
    await connection.execute(_FORGET_STRAYS, {"before": before, "unknown": UNKNOWN_TIME})
    this = f"interactions_{before:%Y_%m}"
    unknown = f"interactions_{UNKNOWN_TIME:%Y_%m}"
    for month in await connection.execute(_MONTHS):
        if month.name < this and month.name != unknown:
            await connection.exec_driver_sql(f"DROP TABLE {month.name}")
