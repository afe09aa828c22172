"""Monthly partitions of `interactions` on PostgreSQL. On SQLite, which has no partitions, nothing is done."""

from collections.abc import Iterable
from datetime import UTC, datetime

from sqlalchemy import BigInteger, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.database.column_types import UNKNOWN_TIME, TextList
from db.database.driver_errors import Fault, fault_of
from db.database.engine import Database
from db.errors import StoreUnavailable
from db.models import now

MONTHS_AHEAD = 3
"""Number of partitions created in advance, so that the first event of a month does not wait for a schema change."""

ADVISORY_LOCK = text("SELECT pg_advisory_xact_lock(:number)").bindparams(bindparam("number", type_=BigInteger()))
_LOCK_NUMBER = 7_305_117_002
_LOCK_TIMEOUT = text("SET LOCAL lock_timeout = '500ms'")
"""Lock timeout. It is less than PostgreSQL's deadlock_timeout (1 s), so that a deadlock ends the bulk load and not the
other transaction."""
_DROP_LOCK_TIMEOUT = text("SET LOCAL lock_timeout = '2s'")
_TRIES = 3

_PARTITIONS = "SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid"
# to_regclass() is not used: at the second lookup, after the lock, it would return its cached result.
_MISSING = text(
    f"""SELECT name FROM unnest(:names) AS name
        WHERE name NOT IN ({_PARTITIONS} WHERE inhparent = 'interactions'::regclass)
        ORDER BY name"""  # noqa: S608 (a constant)
).bindparams(bindparam("names", type_=TextList()))
_MONTHS = text(
    f"""{_PARTITIONS} WHERE inhparent = 'interactions'::regclass AND relname ~ '^interactions_[0-9]{{4}}_[0-9]{{2}}$'
        ORDER BY relname"""
)
_IS_OWNER = text("SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = 'interactions'::regclass")
_DELETE = text("DELETE FROM interactions WHERE at < :before AND at > :unknown")
_DELETE_FROM_DEFAULT = text("DELETE FROM interactions_default WHERE at < :before AND at > :unknown")


async def create_upcoming_partitions(database: Database) -> None:
    """Create the partitions of this month and of the next `MONTHS_AHEAD`. A daily job calls this."""
    if database.is_sqlite:
        return
    months = [now().replace(day=1)]
    for _ in range(MONTHS_AHEAD):
        months.append(_month_after(months[-1]))
    async with database.write() as connection:
        await ensure_partitions(connection, months)


async def prepare_partitions(database: Database, times: Iterable[datetime]) -> None:
    """Create the partitions for a bulk load of old events. Call this before the transaction of the load.

    `db.interactions.interactions.record_interactions` creates no partitions, because that blocks every writer of
    `projects` and `actors` until the transaction ends. This function waits at most 500 ms for each lock and tries three
    times. Rows of a month without a partition are in the default partition; a later call moves them.
    """
    months = {_partition_name(time): time for time in times if time != UNKNOWN_TIME}
    if database.is_sqlite or not months:
        return
    for _ in range(_TRIES):
        try:
            async with database.write() as connection:
                await connection.execute(_LOCK_TIMEOUT)
                await ensure_partitions(connection, months.values())
        except StoreUnavailable as error:
            if fault_of(error.__cause__) is not Fault.CONFLICT:
                raise
        else:
            return


async def ensure_partitions(connection: AsyncConnection, times: Iterable[datetime]) -> None:
    """Create the partitions of the months of `times`, and move their rows out of the default partition.

    Runs one statement if all partitions exist. The foreign keys of a new partition block writes to `actors` and
    `projects` until the transaction ends. Call this before the transaction's first write; otherwise two such
    transactions can deadlock. A role that does not own the table creates no partition: its rows are in the default
    partition until the owner runs `explore migrate`.
    """
    if connection.dialect.name != "postgresql":
        return
    months = {_partition_name(time): time for time in times}
    if not months or not await _missing(connection, months) or not await _is_owner(connection):
        return
    await connection.execute(ADVISORY_LOCK, {"number": _LOCK_NUMBER})
    for name in await _missing(connection, months):  # read again: another transaction may have created some
        await _create_partition(connection, name, months[name])


async def drop_old_months(connection: AsyncConnection, before: datetime) -> None:
    """Drop the partitions of months that ended before `before`, and delete older rows of the default partition.

    Events at `UNKNOWN_TIME` (January 1970) stay. The cost does not depend on the number of rows, unless the role does
    not own the table: then all rows are deleted one by one.
    """
    if not await _is_owner(connection):
        await connection.execute(_DELETE, {"before": before, "unknown": UNKNOWN_TIME})
        return
    await connection.execute(_DROP_LOCK_TIMEOUT)
    await connection.execute(_DELETE_FROM_DEFAULT, {"before": before, "unknown": UNKNOWN_TIME})
    for month in await connection.scalars(_MONTHS):
        if month < _partition_name(before) and month != _partition_name(UNKNOWN_TIME):
            await connection.exec_driver_sql(f"DROP TABLE {month}")


async def _is_owner(connection: AsyncConnection) -> bool:
    return bool((await connection.execute(_IS_OWNER)).scalar_one())


async def _missing(connection: AsyncConnection, names: Iterable[str]) -> list[str]:
    return list((await connection.execute(_MISSING, {"names": sorted(names)})).scalars())


async def _create_partition(connection: AsyncConnection, name: str, time: datetime) -> None:
    """Create a table, move the month's rows of the default partition into it, and attach it.

    ``CREATE TABLE … PARTITION OF`` would block readers of `interactions`, and fail if the default partition contained a
    row of the month.
    """
    start = time.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    start_text, end_text = f"'{start.isoformat()}'", f"'{_month_after(start).isoformat()}'"
    for statement in (
        # Other transactions must not add rows to the default partition while rows are moved.
        "LOCK TABLE interactions_default IN ACCESS EXCLUSIVE MODE",
        f"CREATE TABLE {name} (LIKE interactions INCLUDING DEFAULTS INCLUDING CONSTRAINTS)",
        f"WITH moved AS (DELETE FROM interactions_default WHERE at >= {start_text} AND at < {end_text} RETURNING *) "  # noqa: S608
        f"INSERT INTO {name} SELECT * FROM moved",
        f"ALTER TABLE interactions ATTACH PARTITION {name} FOR VALUES FROM ({start_text}) TO ({end_text})",
    ):
        await connection.exec_driver_sql(statement)


def _partition_name(time: datetime) -> str:
    return f"interactions_{time.astimezone(UTC):%Y_%m}"


def _month_after(start: datetime) -> datetime:
    year, month = divmod(start.year * 12 + start.month, 12)
    return start.replace(year=year, month=month + 1)
