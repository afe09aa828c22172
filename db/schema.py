"""Revisions of the database schema, and the migration to the newest revision."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, text

from db.database.engine import Database
from db.errors import MigrationPending
from db.partitions import ADVISORY_LOCK, create_upcoming_partitions

if TYPE_CHECKING:
    from alembic.config import Config

# Alembic is imported only for a migration: it takes a tenth of a server's start.

_FOLDER = Path(__file__).parent / "migrations"
_LOCK_NUMBER = 7_305_117_001

_alembic_lock = asyncio.Lock()
"""Lock of migrations in this process, because Alembic has one global context."""

_VERSION_TABLE_SQLITE = text("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'alembic_version'")
_VERSION_TABLE_POSTGRESQL = text("SELECT 1 WHERE to_regclass('alembic_version') IS NOT NULL")
_VERSION = text("SELECT version_num FROM alembic_version")


def configuration(connection: Connection) -> "Config":
    """Return Alembic's configuration for commands on this connection."""
    from alembic.config import Config  # noqa: PLC0415 (only for a migration)

    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def revisions() -> list[str]:
    """Return the revisions in `db/migrations`, oldest first."""
    return sorted(path.name.partition("_")[0] for path in (_FOLDER / "versions").glob("[0-9]*.py"))


async def migrate(database: Database) -> list[str]:
    """Upgrade the schema, one transaction per revision, and create the partitions of the next months.

    Several processes can call this at once: each transaction takes an advisory lock (PostgreSQL) or the write lock of
    the file (SQLite) before it reads the revision. Returns the revisions that this call applied, oldest first. Raises
    `MigrationPending` if this version cannot upgrade the revision of the database.
    """
    applied: list[str] = []
    if await _revision_of(database) != revisions()[-1]:
        async with _alembic_lock:
            while (revision := await _apply_next(database)) is not None:
                applied.append(revision)
    await create_upcoming_partitions(database)
    return applied


async def require_current(database: Database) -> None:
    """Raise `MigrationPending` if the database is not at the newest revision; the message says what to do."""
    current, all_revisions = await _revision_of(database), revisions()
    if current is None:
        raise MigrationPending("the database is empty; run `explore migrate`")
    _require_known(current, all_revisions)
    if current != all_revisions[-1]:
        raise MigrationPending(
            f"the database is at revision {current} and this version needs {all_revisions[-1]}; run `explore migrate`"
        )


async def _apply_next(database: Database) -> str | None:
    async with database.write() as connection:
        if not database.is_sqlite:
            await connection.execute(ADVISORY_LOCK, {"number": _LOCK_NUMBER})
        return await connection.run_sync(_upgrade_by_one)


def _upgrade_by_one(connection: Connection) -> str | None:
    from alembic import command  # noqa: PLC0415 (only for a migration)
    from alembic.runtime.migration import MigrationContext  # noqa: PLC0415

    current, all_revisions = MigrationContext.configure(connection).get_current_revision(), revisions()
    if current is not None:
        _require_known(current, all_revisions)
    next_index = all_revisions.index(current) + 1 if current is not None else 0
    if next_index == len(all_revisions):
        return None
    command.upgrade(configuration(connection), all_revisions[next_index])
    return all_revisions[next_index]


def _require_known(current: str, all_revisions: list[str]) -> None:
    if current in all_revisions:
        return
    if current < all_revisions[0]:
        raise MigrationPending(
            f"the database is at revision {current}, and this version upgrades from {all_revisions[0]}; "
            "run `explore migrate` of the version before this one first, or import the platform's data into an empty "
            "database"
        )
    raise MigrationPending(
        f"the database is at revision {current}, which this version does not know: a newer version migrated it; "
        "install that version, or restore the backup that was made before"
    )


async def _revision_of(database: Database) -> str | None:
    table = _VERSION_TABLE_SQLITE if database.is_sqlite else _VERSION_TABLE_POSTGRESQL
    if not await database.fetch(table):
        return None
    rows = await database.fetch(_VERSION)
    return str(rows[0].version_num) if rows else None
