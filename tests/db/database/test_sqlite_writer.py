"""The connection that writes to SQLite: one change of threads a statement, and commits that survive a power failure."""

import asyncio
import sqlite3
from typing import Any

import aiosqlite
import pytest
from sqlalchemy import insert, select, text

from db.database import sqlite_writer
from db.database.engine import Database
from db.models import Term

FULL = 2
ENDLESS = text("WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n")
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


async def test_a_canceled_write_interrupts_its_statement_and_gives_back_the_lock(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, begun, outcomes = sqlite_writer._run, asyncio.Event(), list[str]()
    loop = asyncio.get_running_loop()

    def watched(cursor: sqlite3.Cursor, sql: str, parameters: Any) -> Any:
        if sql != ENDLESS.text:
            return run(cursor, sql, parameters)
        # The first instructions of the statement call this, so that the interruption finds it running.
        cursor.connection.set_progress_handler(lambda: loop.call_soon_threadsafe(begun.set) and None, 1_000)
        try:
            return run(cursor, sql, parameters)
        except sqlite3.OperationalError as error:
            outcomes.append(str(error))
            raise

    async def write() -> None:
        async with sqlite_database.write() as connection:
            await connection.execute(insert(Term), TWO)
            await connection.execute(ENDLESS)

    monkeypatch.setattr(sqlite_writer, "_run", watched)
    writing = asyncio.create_task(write())
    async with asyncio.timeout(60):
        await begun.wait()
        writing.cancel()
        await asyncio.wait({writing})
        assert (writing.cancelled(), outcomes) == (True, ["interrupted"])
        async with sqlite_database.write() as connection:  # while the lock is held, this fails after 10 s
            assert (await connection.execute(select(Term.key))).all() == []
