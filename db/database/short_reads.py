"""Short reads: statements that are compiled once and run by the driver without SQLAlchemy, as for every page.

SQLAlchemy's handling of a statement and its rows takes longer than the statement: 0.6 of 0.8 ms on SQLite, and 0.8 of
1.1 ms on PostgreSQL. Rows are tuples as the driver returns them. SQLite's driver returns no times and no booleans.
"""

import asyncio
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
from sqlalchemy.engine import Dialect
from sqlalchemy.sql import Executable

from db.database.connections import ConnectionSlots
from db.errors import Store, StoreTimeout
from db.resilience import Guard

MAX_STEPS = 100_000
"""Instructions of SQLite's virtual machine after which a read on the event loop is interrupted: after about 5 to 10
ms."""

CANCEL_TIMEOUT_S = 0.5
"""Longest wait for PostgreSQL's confirmation that a statement was canceled."""

Parameters = Mapping[str, Any]
RawRows = Sequence[Sequence[Any]]


class NotShort(Exception):
    """The read was interrupted, or the driver failed. The caller must run the statement in the usual way."""


class _Compiled(NamedTuple):
    """SQL text, and the name, constant value and converter of each of its parameters, by position."""

    sql: str
    parameters: tuple[tuple[str, Any, Callable[[Any], Any] | None], ...]


class ShortReads(ABC):
    """Runs short statements of a database; each statement object is compiled once and must be kept by its module.

    `listeners` are called with the SQL and the values of each read before it runs.
    """

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._compiled: dict[Executable, _Compiled] = {}
        self.listeners: list[Callable[[str, Sequence[Any]], None]] = []

    @property
    def connection_wait_s(self) -> float:
        """Seconds for which the first of the waiting reads has waited for a connection; 0 if none waits."""
        return 0.0

    def bind(self, statement: Executable, parameters: Parameters) -> tuple[str, Sequence[Any]]:
        """Return the SQL of a statement, and its values by position."""
        compiled = self._compiled.get(statement)
        if compiled is None:
            compiled = self._compiled[statement] = self._compile(statement)
        values = [
            parameters.get(name, constant) if convert is None else convert(parameters.get(name, constant))
            for name, constant, convert in compiled.parameters
        ]
        for listen in self.listeners:
            listen(compiled.sql, values)
        return compiled.sql, values

    def _compile(self, statement: Executable) -> _Compiled:
        compiled: Any = statement.compile(dialect=self._dialect)  # type: ignore[attr-defined]  # every statement has it
        binds = compiled.binds
        return _Compiled(
            str(compiled),
            tuple(
                (name, binds[name].value, binds[name].type.dialect_impl(self._dialect).bind_processor(self._dialect))
                for name in compiled.positiontup
            ),
        )

    @abstractmethod
    async def fetch(self, statement: Executable, parameters: Parameters) -> RawRows:
        """Run a statement. Raises `NotShort` if the statement must be run in the usual way."""

    @abstractmethod
    async def expire(self) -> None:
        """Make later reads open new connections."""

    @abstractmethod
    def close(self) -> None:
        """Close the connections."""


class NoShortReads(ShortReads):
    """Short reads of a database whose connections cannot keep prepared statements."""

    async def fetch(self, statement: Executable, parameters: Parameters) -> RawRows:
        """Raise `NotShort`."""
        raise NotShort

    async def expire(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class SqliteShortReads(ShortReads):
    """Short reads on the event loop, which save two thread switches. A read that is slow or waits is interrupted."""

    def __init__(self, dialect: Dialect, path: Path) -> None:
        super().__init__(dialect)
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._progress_calls = 0  # calls of `_is_too_long` since the statement was started

    async def fetch(self, statement: Executable, parameters: Parameters) -> RawRows:
        """Run a statement. Raises `NotShort` if it takes too long, or the file is locked or damaged."""
        sql, values = self.bind(statement, parameters)
        self._progress_calls = 0
        try:
            return self._open().execute(sql, values).fetchall()
        except sqlite3.Error as error:
            self.close()
            raise NotShort from error

    async def expire(self) -> None:
        """Close the connection; the next read opens another."""
        self.close()

    def close(self) -> None:
        """Close the connection; the next read opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            # `mode=rw` creates no file. The reads never wait for another process.
            uri = f"{self._path.absolute().as_uri()}?mode=rw"
            self._connection = sqlite3.connect(uri, uri=True, timeout=0, isolation_level=None)
            self._connection.execute("PRAGMA cache_size = -16384")
            self._connection.set_progress_handler(self._is_too_long, MAX_STEPS)
        return self._connection

    def _is_too_long(self) -> bool:
        """Return whether to interrupt the statement; SQLite calls this after each `MAX_STEPS` instructions.

        SQLite does not count from 0 for each statement, so that the first call can come early. The second one decides.
        """
        self._progress_calls += 1
        return self._progress_calls > 1


class PostgresqlShortReads(ShortReads):
    """Short reads on separate connections. Nobody changes the state of these connections, so they need no reset."""

    def __init__(
        self,
        dialect: Dialect,
        connect: Callable[..., Awaitable[Any]],
        pool_size: int,
        deadline_s: float,
        guard: Guard,
    ) -> None:
        super().__init__(dialect)
        self._connect = connect
        self._pool_size = pool_size
        self._deadline_s = deadline_s
        self._guard = guard
        self._slots = ConnectionSlots(pool_size, deadline_s)
        self._pool: asyncpg.Pool[Any] | None = None

    async def fetch(self, statement: Executable, parameters: Parameters) -> RawRows:
        """Run a statement. Raises `NotShort` after an error, and `StoreUnavailable` without an answer in time."""
        sql, values = self.bind(statement, parameters)
        async with self._slots:
            try:
                with self._guard.watch("fetch"):
                    return await self._fetch_in_time(sql, values)
            except _DRIVER_ERRORS as error:
                raise NotShort from error

    @property
    def connection_wait_s(self) -> float:
        """Seconds for which the first of the waiting reads has waited for a connection."""
        return self._slots.wait_s

    async def _fetch_in_time(self, sql: str, values: Sequence[Any]) -> RawRows:
        try:
            async with asyncio.timeout(self._deadline_s):
                pool = await self._open()
                connection = await pool.acquire()
                try:
                    return await _fetch(connection, sql, values)
                finally:
                    await _give_back(pool, connection)
        except TimeoutError:
            raise StoreTimeout(Store.DATABASE, f"fetch: no answer within {self._deadline_s:g} s") from None

    async def expire(self) -> None:
        """Make later reads open new connections. Running reads end on theirs."""
        if self._pool is not None:
            await self._pool.expire_connections()

    def close(self) -> None:
        """Close all connections without notifying the server; the next read opens others."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.terminate()

    async def _open(self) -> "asyncpg.Pool[Any]":
        if self._pool is None:
            pool = asyncpg.create_pool(min_size=0, max_size=self._pool_size, connect=self._connect, reset=_keep_state)
            self._pool = pool  # before it is awaited, so that concurrent first reads share it
        await self._pool
        return self._pool


# `InternalClientError` reports a connection that the server has closed while it was idle.
_DRIVER_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)


async def _fetch(connection: Any, sql: str, values: Sequence[Any]) -> RawRows:
    """Run a statement. After an error, the connection is closed, because its state is unknown."""
    try:
        rows: RawRows = await connection.fetch(sql, *values)
    except _DRIVER_ERRORS:
        connection.terminate()
        raise
    return rows


async def _give_back(pool: "asyncpg.Pool[Any]", connection: Any) -> None:
    """Return a connection. If its statement was canceled and the server does not confirm that in time, close it."""
    with suppress(TimeoutError, *_DRIVER_ERRORS):  # the pool has then closed the connection
        await pool.release(connection, timeout=CANCEL_TIMEOUT_S)


async def _keep_state(_connection: Any) -> None:
    """Leave the state of a returned connection as it is."""
