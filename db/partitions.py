"""The months' partitions that a bulk load of old events needs, made so that nobody is blocked."""

from collections.abc import Iterable
from datetime import UTC, datetime

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from db.database.column_types import UNKNOWN_TIME
from db.database.engine import Database
from db.schema import ensure_partitions

_LOCK_TIMEOUT = text("SET LOCAL lock_timeout = '500ms'")
"""Below PostgreSQL's deadlock_timeout of 1 s, so that of two that block each other this one gives way."""

_LOCK_NOT_AVAILABLE = ("55P03", "40P01")
_TRIES = 3


async def prepare_partitions(database: Database, times: Iterable[datetime]) -> None:
    """Make the months' partitions that a bulk load of old events needs; to be called before its transaction.

    `db.interactions.interactions.record` does not do it: making a partition locks `projects` and `actors` against every
    writer until its transaction ends, and in the tests it deadlocked with one that held a project's row. This one waits
    at
    most `_LOCK_TIMEOUT` and holds nothing afterwards. The months of the present are made by `migrate` and its daily
    job, and a row whose month has no partition stands in the default one, where a later call finds and moves it.
    """
    months = {(time.astimezone(UTC).year, time.astimezone(UTC).month): time for time in times if time != UNKNOWN_TIME}
    if database.is_sqlite or not months:
        return
    for _ in range(_TRIES):
        try:
            async with database.write() as connection:
                await connection.execute(_LOCK_TIMEOUT)
                await ensure_partitions(connection, months.values())
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) not in _LOCK_NOT_AVAILABLE:
                raise
        else:
            return
