"""The monthly partitions of `interactions` on PostgreSQL; SQLite has none, and every function does nothing there."""

from collections.abc import Iterable
from datetime import UTC, datetime

from sqlalchemy import BigInteger, bindparam, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from db.database.column_types import UNKNOWN_TIME, TextList
from db.database.engine import Database
from db.models import now

MONTHS_AHEAD = 3
"""Partitions kept ready, so that the first event of a month does not wait for a change of the schema."""

ADVISORY_LOCK = text("SELECT pg_advisory_xact_lock(:number)").bindparams(bindparam("number", type_=BigInteger()))
_LOCK_NUMBER = 7_305_117_002
_LOCK_TIMEOUT = text("SET LOCAL lock_timeout = '500ms'")
"""Below PostgreSQL's deadlock_timeout of 1 s, so that a bulk load gives way to the other transaction."""
_DROP_LOCK_TIMEOUT = text("SET LOCAL lock_timeout = '2s'")
_LOCK_NOT_AVAILABLE = ("55P03", "40P01")
_TRIES = 3

_PARTITIONS = "SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid"
# Not to_regclass(): the lookup after the lock would repeat the cached answer of the one before it.
_MISSING = text(
    f"""SELECT name FROM unnest(:names) AS name
        WHERE name NOT IN ({_PARTITIONS} WHERE inhparent = 'interactions'::regclass)
        ORDER BY name"""  # noqa: S608 (a constant)
).bindparams(bindparam("names", type_=TextList()))
_MONTHS = text(
    f"""{_PARTITIONS} WHERE inhparent = 'interactions'::regclass AND relname ~ '^interactions_[0-9]{{4}}_[0-9]{{2}}$'
        ORDER BY relname"""
)
_DELETE_FROM_DEFAULT = text("DELETE FROM interactions_default WHERE at < :before AND at > :unknown")


async def create_upcoming_partitions(database: Database) -> None:
    """Create the partitions of this month and of the next `MONTHS_AHEAD`; a daily job repeats it."""
    if database.is_sqlite:
        return
    months = [now().replace(day=1)]
    for _ in range(MONTHS_AHEAD):
        months.append(_month_after(months[-1]))
    async with database.write() as connection:
        await ensure_partitions(connection, months)


async def prepare_partitions(database: Database, times: Iterable[datetime]) -> None:
    """Create the partitions that a bulk load of old events needs; call it before the load's transaction.

    `db.interactions.interactions.record_interactions` does not do this: creating a partition locks `projects` and
    `actors` against every writer until the transaction ends. Here each lock waits 500 ms at most, in up to three tries.
    A row whose month has no partition stands in the default one; a later call moves it.
    """
    months = {_partition_name(time): time for time in times if time != UNKNOWN_TIME}
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


async def ensure_partitions(connection: AsyncConnection, times: Iterable[datetime]) -> None:
    """Create the partitions that these times need, and move rows of theirs out of the default partition.

    One statement when all partitions exist. Creating one locks `actors` and `projects` against writes until the
    transaction ends, because of its foreign keys: call it before the transaction's first write, or PostgreSQL may
    cancel one of two such transactions as a deadlock.
    """
    if connection.dialect.name != "postgresql":
        return
    months = {_partition_name(time): time for time in times}
    if not months or not await _missing(connection, months):
        return
    await connection.execute(ADVISORY_LOCK, {"number": _LOCK_NUMBER})
    for name in await _missing(connection, months):  # again: another transaction may have created some meanwhile
        await _create_partition(connection, name, months[name])


async def drop_old_months(connection: AsyncConnection, before: datetime) -> None:
    """Drop the partitions of months that ended before a time, and older rows of the default partition.

    Events of unknown time (January 1970) stay. Dropping a partition costs the same however many rows it holds.
    """
    await connection.execute(_DROP_LOCK_TIMEOUT)
    await connection.execute(_DELETE_FROM_DEFAULT, {"before": before, "unknown": UNKNOWN_TIME})
    for month in await connection.scalars(_MONTHS):
        if month < _partition_name(before) and month != _partition_name(UNKNOWN_TIME):
            await connection.exec_driver_sql(f"DROP TABLE {month}")


async def _missing(connection: AsyncConnection, names: Iterable[str]) -> list[str]:
    return list((await connection.execute(_MISSING, {"names": sorted(names)})).scalars())


async def _create_partition(connection: AsyncConnection, name: str, time: datetime) -> None:
    """Create a table, move the default partition's rows of the month into it, and attach it.

    ``CREATE TABLE … PARTITION OF`` would lock all of `interactions` against readers, and fail if the default
    partition held a row of the month.
    """
    start = time.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    low, high = f"'{start.isoformat()}'", f"'{_month_after(start).isoformat()}'"
    for statement in (
        # No transaction may add a row of this month to the default partition while its rows are moved.
        "LOCK TABLE interactions_default IN ACCESS EXCLUSIVE MODE",
        f"CREATE TABLE {name} (LIKE interactions INCLUDING DEFAULTS INCLUDING CONSTRAINTS)",
        f"WITH moved AS (DELETE FROM interactions_default WHERE at >= {low} AND at < {high} RETURNING *) "  # noqa: S608
        f"INSERT INTO {name} SELECT * FROM moved",
        f"ALTER TABLE interactions ATTACH PARTITION {name} FOR VALUES FROM ({low}) TO ({high})",
    ):
        await connection.exec_driver_sql(statement)


def _partition_name(time: datetime) -> str:
    return f"interactions_{time.astimezone(UTC):%Y_%m}"


def _month_after(start: datetime) -> datetime:
    year, month = divmod(start.year * 12 + start.month, 12)
    return start.replace(year=year, month=month + 1)
