"""The connection that writes to SQLite: one change of threads a statement, and commits that survive a power failure."""

from typing import Any

import aiosqlite
import pytest
from sqlalchemy import insert, select

from db.database.engine import Database
from db.models import Term

FULL = 2
TWO = [{"kind": "topic", "key": key, "name": key} for key in "ab"]


async def test_a_statement_is_one_change_of_threads(sqlite_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []
    execute = aiosqlite.Connection._execute

    async def counted(self: aiosqlite.Connection, function: Any, *arguments: Any) -> Any:
        calls.append(function)
        return await execute(self, function, *arguments)  # type: ignore[no-untyped-call]

    async with sqlite_database.write():
        pass  # opens the connection
    monkeypatch.setattr(aiosqlite.Connection, "_execute", counted)
    async with sqlite_database.write() as connection:
        await connection.execute(insert(Term), TWO)
        rows = (await connection.execute(select(Term.key).order_by(Term.key))).scalars().all()
        updated = await connection.execute(insert(Term).values(kind="topic", key="c", name="c").returning(Term.id))
    assert (rows, updated.scalar_one() > 0) == (["a", "b"], True)
    assert len(calls) == 5  # BEGIN, three statements, COMMIT


async def test_a_commit_survives_a_power_failure(sqlite_database: Database) -> None:
    async with sqlite_database.write() as connection:
        assert (await connection.exec_driver_sql("PRAGMA synchronous")).scalar_one() == FULL
        assert (await connection.exec_driver_sql("PRAGMA journal_mode")).scalar_one() == "wal"
