"""Deletion of expired events, client event ids and network counts."""

from datetime import datetime, timedelta

from sqlalchemy import Float, bindparam, case, delete

from db.actors.actor_trust import MAX_INTERACTION_AGE
from db.database.column_types import UNKNOWN_TIME, UtcDateTime
from db.database.engine import Database
from db.interactions.network_cap import SESSIONS
from db.models import EventId, Interaction, NetworkCount
from db.partitions import drop_old_months

NETWORK_COUNT_RETENTION = timedelta(days=7)
"""Time without a new actor after which counts are deleted. By then, less than a hundredth of a count remains."""

SESSIONS_RETENTION = timedelta(days=60)
"""The same for the counts of sessions, which decay more slowly, in addition."""

_BEFORE = bindparam("before", type_=UtcDateTime())
_DELETE_EVENT_IDS = delete(EventId).where(EventId.recorded_at < _BEFORE)
_DELETE_NETWORK_COUNTS = delete(NetworkCount).where(
    NetworkCount.as_of_s
    < bindparam("before_s", type_=Float(53))
    - case((NetworkCount.network == SESSIONS, SESSIONS_RETENTION.total_seconds()), else_=0.0)
)
_DELETE_INTERACTIONS = delete(Interaction).where(
    Interaction.at < _BEFORE, Interaction.at > bindparam("unknown", UNKNOWN_TIME, type_=UtcDateTime())
)


async def delete_expired(database: Database, at: datetime, keep: timedelta) -> None:
    """Delete events older than `keep`, ids of events that are too old to be sent again, and old network counts.

    Aggregates of events (engagement, likes, saves, counters) are kept. PostgreSQL drops the partition of a month
    when all its events are older than `keep`; SQLite deletes rows.
    """
    async with database.write() as connection:
        # One day more than the age of the oldest accepted event, because clocks differ.
        await connection.execute(_DELETE_EVENT_IDS, {"before": at - MAX_INTERACTION_AGE - timedelta(days=1)})
        before_s = (at - NETWORK_COUNT_RETENTION).timestamp()
        await connection.execute(_DELETE_NETWORK_COUNTS, {"before_s": before_s})
    async with database.write() as connection:
        if database.is_sqlite:
            await connection.execute(_DELETE_INTERACTIONS, {"before": at - keep})
        else:
            await drop_old_months(connection, at - keep)
