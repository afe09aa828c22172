"""The revision of the database's schema, and its migration to the present one."""

import asyncio
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from db.database.engine import Database
from db.errors import MigrationPending
from db.partitions import ADVISORY_LOCK, create_upcoming_partitions

_FOLDER = Path(__file__).parent / "migrations"
_LOCK_NUMBER = 7_305_117_001

_one_at_a_time = asyncio.Lock()
"""Alembic has one context for the whole process."""

_VERSION_TABLE_SQLITE = text("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'alembic_version'")
_VERSION_TABLE_POSTGRESQL = text("SELECT 1 WHERE to_regclass('alembic_version') IS NOT NULL")
_VERSION = text("SELECT version_num FROM alembic_version")


def configuration(connection: Connection) -> Config:
    """Return Alembic's configuration for commands on this connection."""
    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def revisions() -> list[str]:
    """Return the known revisions, oldest first."""
    return [script.revision for script in ScriptDirectory(str(_FOLDER)).walk_revisions()][::-1]


async def migrate(database: Database) -> list[str]:
    """Upgrade the schema, one transaction for each revision, and create the partitions of the coming months.

    Safe when several processes do it at once: the transaction holds an advisory lock (PostgreSQL) or the write lock of
    the file (SQLite) before it reads the revision. Returns the revisions that this call applied, oldest first. Raises
    `MigrationPending` if the database is at a revision that this version cannot upgrade.
    """
    applied: list[str] = []
    async with _one_at_a_time:
        while (revision := await _apply_next(database)) is not None:
            applied.append(revision)
    await create_upcoming_partitions(database)
    return applied


async def require_current(database: Database) -> None:
    """Require the schema that this version was written for.

    Raises `MigrationPending` with one sentence that says what to do.
    """
    present, known = await _revision_of(database), revisions()
    if present is None:
        raise MigrationPending("the database is empty; run `explore migrate`")
    _require_known(present, known)
    if present != known[-1]:
        raise MigrationPending(
            f"the database is at revision {present} and this version needs {known[-1]}; run `explore migrate`"
        )


async def _apply_next(database: Database) -> str | None:
    async with database.write() as connection:
        if not database.is_sqlite:
            await connection.execute(ADVISORY_LOCK, {"number": _LOCK_NUMBER})
        return await connection.run_sync(_upgrade_by_one)


def _upgrade_by_one(connection: Connection) -> str | None:
    present, known = MigrationContext.configure(connection).get_current_revision(), revisions()
    if present is not None:
        _require_known(present, known)
    following = known.index(present) + 1 if present is not None else 0
    if following == len(known):
        return None
    command.upgrade(configuration(connection), known[following])
    return known[following]


def _require_known(present: str, known: list[str]) -> None:
    if present in known:
        return
    if present < known[0]:
        raise MigrationPending(
            f"the database is at revision {present}, and this version upgrades from {known[0]}; run `explore migrate` "
            "of the version before this one first, or import the platform's data into an empty database"
        )
    raise MigrationPending(
        f"the database is at revision {present}, which this version does not know: a newer version migrated it; "
        "install that version, or restore the backup that was made before"
    )


async def _revision_of(database: Database) -> str | None:
    table = _VERSION_TABLE_SQLITE if database.is_sqlite else _VERSION_TABLE_POSTGRESQL
    if not await database.fetch(table):
        return None
    rows = await database.fetch(_VERSION)
    return str(rows[0].version_num) if rows else None
