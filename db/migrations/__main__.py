"""Draft the next revision: ``python -m db.migrations "summary"``; then review and complete it.

Alembic compares the models with a scratch SQLite database at the newest revision. Changed check constraints and
PostgreSQL's partitions must be written by hand; `tests/db/test_migrations.py` fails if they are missing.
"""

import asyncio
import sys
import tempfile
from pathlib import Path

from alembic import command
from sqlalchemy import Connection

from db.database.engine import Database
from db.schema import configuration, migrate, revisions


async def _draft(message: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{Path(folder) / 'scratch.sqlite'}")
        try:
            await migrate(database)
            async with database.write() as connection:
                await connection.run_sync(_write_revision, message)
        finally:
            await database.close()


def _write_revision(connection: Connection, message: str) -> None:
    number = f"{int(revisions()[-1]) + 1:04}"
    command.revision(configuration(connection), message, autogenerate=True, rev_id=number)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit('Usage: python -m db.migrations "projects have a license"')
    asyncio.run(_draft(sys.argv[1]))
