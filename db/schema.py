"""The schema of the truth: which revision it is at, bringing it up to date, and the months of `interactions`."""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import BigInteger, Connection, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.database.column_types import TextList
from db.database.engine import Database
from db.errors import MigrationPending
from db.models import now

_FOLDER = Path(__file__).parent / "migrations"

MONTHS_AHEAD = 3
"""Partitions that `create_upcoming_partitions` keeps ready: the first event of a month shall not wait for a schema change."""

_MIGRATION_LOCK = 7_305_117_001
_PARTITION_LOCK = 7_305_117_002

_one_at_a_time = asyncio.Lock()
"""Alembic's context is one for the whole process."""

_LOCK = text("SELECT pg_advisory_xact_lock(:number)").bindparams(bindparam("number", type_=BigInteger()))
_VERSION_TABLE_SQLITE = text("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'alembic_version'")
_VERSION_TABLE_POSTGRESQL = text("SELECT 1 WHERE to_regclass('alembic_version') IS NOT NULL")
_VERSION = text("SELECT version_num FROM alembic_version")
# Not to_regclass(): its "no such table" of the look before the lock would be remembered in the look after it.
_MISSING_PARTITIONS = text(
    """SELECT name FROM unnest(:names) AS name
       WHERE name NOT IN (SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
                          WHERE inhparent = 'interactions'::regclass)
       ORDER BY name"""
).bindparams(bindparam("names", type_=TextList()))


# --- revisions -----------------------------------------------------------------------------------------------------


def configuration(connection: Connection) -> Config:
    """Give Alembic's configuration for commands that shall run on this connection."""
    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def revisions() -> list[str]:
    """Give every revision that this code knows, oldest first."""
    return [script.revision for script in ScriptDirectory(str(_FOLDER)).walk_revisions()][::-1]


async def migrate(database: Database) -> list[str]:
    """Bring the schema up to date, one transaction a revision, and make the partitions of the coming months.

    Safe when several processes do it at once: the transaction holds an advisory lock (PostgreSQL) or the write lock
    of the file (SQLite), and looks at the schema's revision only then.

    Returns
    -------
    list of str
        The revisions that were applied by this call, oldest first.

    Raises
    ------
    MigrationPending
        If a newer version of this code migrated the database already.
    """
    applied: list[str] = []
    async with _one_at_a_time:
        while (revision := await _apply_next(database)) is not None:
            applied.append(revision)
    await create_upcoming_partitions(database)
    return applied


async def is_pending(database: Database) -> bool:
    """Tell whether the schema is not the one that this code was written for."""
    return await _revision_of(database) != revisions()[-1]


async def require_current(database: Database) -> None:
    """Refuse to go on with a schema that this code was not written for.

    Raises
    ------
    MigrationPending
        With one sentence that says how to mend it.
    """
    there, known = await _revision_of(database), revisions()
    if there is None:
        raise MigrationPending("the database is empty; run `explore migrate`")
    _refuse_newer(there, known)
    if there != known[-1]:
        raise MigrationPending(
            f"the database is at revision {there} and this version needs {known[-1]}; run `explore migrate`"
        )


async def _apply_next(database: Database) -> str | None:
    async with database.write() as connection:
        if not database.is_sqlite:
            await connection.execute(_LOCK, {"number": _MIGRATION_LOCK})
        return await connection.run_sync(_upgrade_by_one)


def _upgrade_by_one(connection: Connection) -> str | None:
    there, known = MigrationContext.configure(connection).get_current_revision(), revisions()
    if there is not None:
        _refuse_newer(there, known)
    following = known.index(there) + 1 if there is not None else 0
    if following == len(known):
        return None
    command.upgrade(configuration(connection), known[following])
    return known[following]


def _refuse_newer(there: str, known: list[str]) -> None:
    if there not in known:
        raise MigrationPending(
            f"the database is at revision {there}, which this version does not know: a newer version migrated it; "
            "install that version, or restore the backup that was made before"
        )


async def _revision_of(database: Database) -> str | None:
    table = _VERSION_TABLE_SQLITE if database.is_sqlite else _VERSION_TABLE_POSTGRESQL
    if not await database.fetch(table):
        return None
    rows = await database.fetch(_VERSION)
    return str(rows[0].version_num) if rows else None


# --- the months of `interactions` on PostgreSQL --------------------------------------------------------------------


async def create_upcoming_partitions(database: Database, ahead: int = MONTHS_AHEAD) -> None:
    """Make the partitions of this month and of the next ones; `migrate` does it, and a daily job may."""
    if database.is_sqlite:
        return
    this_month, months = now().replace(day=1), [now()]
    for _ in range(ahead):
        this_month = _month_after(this_month)
        months.append(this_month)
    async with database.write() as connection:
        await ensure_partitions(connection, months)


async def ensure_partitions(connection: AsyncConnection, times: Iterable[datetime]) -> None:
    """Make the monthly partitions of `interactions` that these times need; nothing to do on SQLite.

    One statement when all of them are there. Making one locks `actors` and `projects` against writes until the
    transaction ends, because a partition carries their foreign keys: call it before the transaction's first write,
    or two transactions that are both past it may deadlock, which PostgreSQL ends by refusing one.
    Rows of the month that stand in the default partition already are moved.
    """
    if connection.dialect.name != "postgresql":
        return
    months = {_partition_name(time): time for time in times}
    if not months or not await _missing(connection, months):
        return
    await connection.execute(_LOCK, {"number": _PARTITION_LOCK})
    for name in await _missing(connection, months):  # again: another transaction may have made them meanwhile
        await _make_partition(connection, name, months[name])


async def _missing(connection: AsyncConnection, names: Iterable[str]) -> list[str]:
    return list((await connection.execute(_MISSING_PARTITIONS, {"names": sorted(names)})).scalars())


async def _make_partition(connection: AsyncConnection, name: str, time: datetime) -> None:
    """Make the table beside `interactions`, move what the default partition holds of it, and attach it.

    ``CREATE TABLE … PARTITION OF`` would lock all of `interactions` against readers, and fail if the default
    partition held a row of the month.
    """
    start = time.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    low, high = f"'{start.isoformat()}'", f"'{_month_after(start).isoformat()}'"
    for statement in (
        # Nobody may put a row of this month into the default partition while its rows are moved.
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
