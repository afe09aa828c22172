"""The connection that writes to SQLite: each statement is one change to its thread and back.

aiosqlite changes threads to open a cursor, to run its statement, to fetch the rows and to close it. Beside threads that
read, each change waits for the interpreter's lock twice, so that a like of six statements took 28 such waits.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Self

import aiosqlite


class _Cursor(aiosqlite.Cursor):
    """A cursor that fetches its rows with the statement."""

    _rows: Sequence[Any] = ()

    async def execute(self, sql: str, parameters: Iterable[Any] | None = None) -> Self:
        """Run a statement and fetch all rows, in the connection's thread."""
        self._rows = await self._execute(_run, self._cursor, sql, parameters or ())  # type: ignore[no-untyped-call]
        return self

    async def fetchall(self) -> Sequence[Any]:
        """Return the rows of the last statement."""
        return self._rows

    async def close(self) -> None:
        """Close the cursor. Its statement has ended, so this does not wait."""
        self._cursor.close()


class _Connection(aiosqlite.Connection):
    _is_idle = True

    def cursor(self) -> _Cursor:  # type: ignore[override]  # SQLAlchemy enters it as a context
        return _Cursor(self, self._conn.cursor())

    async def rollback(self) -> None:
        """Roll back the transaction, if there is one: SQLAlchemy also asks for it after each commit."""
        if self._conn.in_transaction:
            await super().rollback()

    async def _execute(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        self._is_idle = False
        try:
            result = await super()._execute(fn, *args, **kwargs)  # type: ignore[no-untyped-call]
        except Exception:  # a cancellation is none: the call still runs in the thread
            self._is_idle = True
            raise
        self._is_idle = True
        return result

    async def close(self) -> None:
        """Close the connection. A running statement, whose caller was canceled, is interrupted."""
        self._end_transaction()
        await super().close()

    def stop(self) -> asyncio.Future[Any] | None:
        """Close the connection and end its thread. A running statement is interrupted."""
        self._end_transaction()
        return super().stop()

    def _end_transaction(self) -> None:
        """Interrupt the running statement, and roll back: a closed connection that has a cursor keeps its lock."""
        if self._connection is not None:
            if not self._is_idle:  # otherwise closing would not write the log into the database file
                self._connection.interrupt()
            self._tx.put_nowait((None, self._connection.rollback))


def connect(path: str, **options: Any) -> aiosqlite.Connection:
    """Return a connection to a file, which opens when it is awaited."""
    # Cursors are opened and closed in another thread than their statements; SQLite itself is used by one at a time.
    connection = _Connection(
        partial(sqlite3.connect, path, **options | {"check_same_thread": False}), iter_chunk_size=64
    )
    connection._thread.daemon = True  # as SQLAlchemy does with connections that it opens itself
    return connection


def _run(cursor: sqlite3.Cursor, sql: str, parameters: Iterable[Any]) -> Sequence[Any]:
    cursor.execute(sql, parameters)  # type: ignore[arg-type]  # SQLAlchemy sends tuples
    return cursor.fetchall() if cursor.description else ()
