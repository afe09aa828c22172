"""Connections to the relational database, SQLite or PostgreSQL."""

import asyncio
import logging
import sqlite3
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.sql import Executable

from db.database import sqlite_writer
from db.database.address import PostgresqlAddress, parse_url
from db.database.connections import ConnectionSlots, OpenConnections, limit_statements, set_deadline
from db.database.driver_errors import Fault, fault_of, hide_values_in_errors, translate
from db.database.pooling import statement_options
from db.database.short_reads import (
    NoShortReads,
    NotShort,
    PostgresqlShortReads,
    RawRows,
    ShortReads,
    SqliteShortReads,
)
from db.errors import Store, StoreBusy, StoreTimeout, StoreUnavailable, WritesRefused
from db.private_files import make_private_file
from db.redaction import display_url
from db.resilience import CircuitBreaker, CircuitState, Guard
from db.sqlite_file import open_existing, truncate_log

Rows = Sequence[Any]
"""Rows of a result. `Row[...]` is not used, because type checkers cannot infer the columns of a dynamically built
statement."""
Parameters = Mapping[str, Any]

_ENGINE_OPTIONS: Mapping[str, Any] = {
    "hide_parameters": True,
    # Reads whole numbers beyond 64 bits as floats: JSONB stores 1e23 as 100000000000000000000000.
    "json_deserializer": orjson.loads,
}

READ_DEADLINE_S = 5.0
"""Default deadline of a read, which usually takes milliseconds."""

WRITE_DEADLINE_S = 10.0
"""Deadline of each statement of a request's transaction on PostgreSQL, which may wait for locks of others."""

LOG_TIMEOUT_S = 5.0
"""Longest wait for other readers of SQLite's write-ahead log in `Database.scrub`."""

SWITCH_INTERVAL_S = 0.0005
"""Time after which a thread that waits for the interpreter's lock gets it, on SQLite (Python's default: 5 ms). Reads in
threads hold the lock while they make rows; each statement of a write waits for it twice (bench/sqlite_writers.py)."""

_IS_READ_ONLY = text("SELECT current_setting('transaction_read_only') = 'on'")
_SAME_VERSION = "PRAGMA user_version = {}"
"""Writes the first page of an SQLite file again."""
_PROBE = text("SELECT 1")

FAILURES, FAILURE_WINDOW_S, PROBE_DEADLINE_S = 2, 30.0, 2.0
"""Consecutive failures that open the circuit of the database, the seconds within which they must happen, and the
deadline of a probe. Two time-outs of 5 s, between which no statement succeeds, are no coincidence."""

log = logging.getLogger(__name__)


class Database:
    """The relational database: `fetch` reads, `write` opens a transaction.

    On SQLite, reads run in `pool_size` threads (0.32 ms of CPU per statement; 1.34 ms through aiosqlite, which switches
    threads for each driver call). Writes use one connection, whose transactions start with ``BEGIN IMMEDIATE``: a
    transaction that starts with a read would fail at its first write if another process has written meanwhile, despite
    ``busy_timeout``. On PostgreSQL, reads and writes share up to `pool_size` connections, and short reads have as many
    of their own. Through a pooler (`db.database.pooling`), reads run in transactions, and there are no short reads. A
    read that takes longer than `read_deadline_s` raises `StoreUnavailable`, and so does a write with a statement that
    takes longer than `write_deadline_s` (None: no deadline).

    With the `guard` of a server, all reads and writes raise at once while its circuit is open. One read every few
    seconds then probes the database in the background, so that no request waits for it.
    """

    def __init__(
        self,
        url: str,
        pool_size: int = 5,
        read_deadline_s: float = READ_DEADLINE_S,
        write_deadline_s: float | None = None,
        guard: Guard | None = None,
    ) -> None:
        self._write_deadline_s = write_deadline_s
        self._guard = Guard(Store.DATABASE, read_deadline_s, breaker=_never_opening()) if guard is None else guard
        self._guard.on_open = self._abort_connections
        self._slots = ConnectionSlots(pool_size, read_deadline_s)
        self._probe: asyncio.Task[None] | None = None
        self._connections: OpenConnections | None = None
        self.url = parse_url(url)
        self._address = None if self.is_sqlite else PostgresqlAddress(self.url)
        self._threads: ThreadPoolExecutor | None = None
        self._is_read_only = False  # since the last write, which failed
        if self._address is None:
            self._reader = create_engine(self.url, pool_size=pool_size, max_overflow=0, **_ENGINE_OPTIONS)
            self._threads = ThreadPoolExecutor(pool_size, thread_name_prefix="sqlite")
            self._writer = create_async_engine(
                self.url.set(drivername="sqlite+aiosqlite"),
                pool_size=1,
                max_overflow=0,
                **_ENGINE_OPTIONS,
                connect_args={"async_creator_fn": sqlite_writer.connect},
            )
            sys.setswitchinterval(SWITCH_INTERVAL_S)
            _prepare_sqlite(self._reader, begin="BEGIN")
            _prepare_sqlite(self._writer.sync_engine, begin="BEGIN IMMEDIATE")
        else:
            is_pooled = self._address.is_pooled
            self._writer = create_async_engine(
                "postgresql+asyncpg://",
                # Without overflow: a connection beyond `pool_size` would be closed after use and opened again.
                pool_size=pool_size,
                max_overflow=0,
                **_ENGINE_OPTIONS,
                connect_args={"async_creator_fn": self._address.connect, **statement_options(is_pooled=is_pooled)},
            )
            # Reads need no transaction: BEGIN and ROLLBACK would add two round trips per statement. A pooler needs it.
            self._read_engine = (
                self._writer if is_pooled else self._writer.execution_options(isolation_level="AUTOCOMMIT")
            )
            self._reader = self._read_engine.sync_engine
            self._connections = OpenConnections(self._writer.sync_engine)
            limit_statements(self._writer.sync_engine)
        for engine in self.engines:
            hide_values_in_errors(engine)
        self.short_reads = self._make_short_reads(pool_size, read_deadline_s)

    def _make_short_reads(self, pool_size: int, deadline_s: float) -> ShortReads:
        dialect = self._reader.dialect
        if self._address is None:
            return SqliteShortReads(dialect, Path(str(self.url.database)))
        if self._address.is_pooled:
            return NoShortReads(dialect)
        return PostgresqlShortReads(dialect, self._address.connect, pool_size, deadline_s, self._guard)

    @property
    def where(self) -> str:
        """The database URL without secrets."""
        return display_url(str(self.url)) if self._address is None else self._address.shown

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is SQLite, the default."""
        return self.url.get_backend_name() == "sqlite"

    @property
    def engines(self) -> tuple[Engine, ...]:
        """The engines that execute statements, for tests that count them."""
        return tuple(dict.fromkeys((self._reader, self._writer.sync_engine)))

    @property
    def connection_wait_s(self) -> float:
        """Seconds for which the first of the waiting statements has waited for a connection; 0 if none waits."""
        return max(self._slots.wait_s, self.short_reads.connection_wait_s)

    async def fetch(self, statement: Executable, parameters: Parameters | None = None) -> Rows:
        """Run a SELECT statement and return all rows.

        Raises `StoreUnavailable` if the database cannot be reached or does not answer within the deadline, and its
        subclass `StoreBusy` if no connection is free.
        """
        self._refuse_while_open("fetch")
        async with self._slots:
            return await self._guard.call("fetch", partial(self._fetch, statement, parameters))

    async def _fetch(self, statement: Executable, parameters: Parameters | None) -> Rows:
        try:
            if self._threads is not None:
                return await self._fetch_in_thread(self._threads, statement, parameters)
            return await self._fetch_async(statement, parameters)
        except (SQLAlchemyError, OSError) as error:
            raise await self._failure(error) from error

    def _refuse_while_open(self, operation: str) -> None:
        """Raise `StoreUnavailable` unless the circuit is closed, and probe the database if it is time for that."""
        state = self._guard.breaker.state
        if state is CircuitState.CLOSED:
            return
        if state is CircuitState.HALF_OPEN and (self._probe is None or self._probe.done()):
            self._probe = asyncio.create_task(self._send_probe(), name="database probe")
        self._guard.refuse(operation)

    async def _send_probe(self) -> None:
        try:
            await self._guard.call("probe", partial(self._fetch, _PROBE, None))
        except (StoreUnavailable, SQLAlchemyError) as error:
            log.debug("probe of the database failed: %s", error)

    def _abort_connections(self) -> None:
        """Abort the connections to PostgreSQL when the circuit opens: those to a server that is gone never answer."""
        if self._connections is not None:
            self._connections.abort()
            self.short_reads.close()

    async def fetch_short(self, statement: Executable, parameters: Parameters) -> RawRows:
        """Run a SELECT statement that takes less than a millisecond; return the rows as the driver returns them.

        The statement is compiled once, so it must be an object that lives as long as the process. Raises as `fetch`.
        """
        self._refuse_while_open("fetch")
        try:
            rows = await self.short_reads.fetch(statement, parameters)
        except NotShort:
            return await self.fetch(statement, parameters)
        if self._threads is not None:  # SQLite, whose short reads cannot hang
            self._guard.note_success()
        return rows

    async def _fetch_async(self, statement: Executable, parameters: Parameters | None) -> Rows:
        try:
            async with self._read_engine.connect() as connection:
                return (await connection.execute(statement, parameters)).all()
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
        # The server closed an idle connection, whereupon the pool discarded all its connections.
        async with self._read_engine.connect() as connection:
            return (await connection.execute(statement, parameters)).all()

    async def _fetch_in_thread(
        self, threads: ThreadPoolExecutor, statement: Executable, parameters: Parameters | None
    ) -> Rows:
        running: list[sqlite3.Connection] = []
        try:
            return await asyncio.get_running_loop().run_in_executor(
                threads, _fetch, self._reader, statement, parameters, running
            )
        except asyncio.CancelledError:
            # Otherwise the statement would continue to occupy its thread.
            for connection in running:
                connection.interrupt()
            raise

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """Open a transaction, committed at the end and rolled back on any exception.

        Raises `StoreUnavailable` as `fetch`, and if the connection is lost.
        """
        self._refuse_while_open("write")
        async with nullcontext() if self.is_sqlite else self._slots:
            with self._guard.watch("write"):
                async with self._open_transaction() as connection:
                    yield connection

    @asynccontextmanager
    async def _open_transaction(self) -> AsyncIterator[AsyncConnection]:
        if self._is_read_only:
            await self._discard_connections()
        connection = self._writer.connect()
        try:
            async with asyncio.timeout(self._write_deadline_s):
                await connection.start()
        except TimeoutError:
            # On SQLite another process, or another write of this one, holds the lock for writing.
            error_type = StoreBusy if self.is_sqlite else StoreTimeout
            raise error_type(Store.DATABASE, f"write: not begun within {self._write_deadline_s:g} s") from None
        except (SQLAlchemyError, OSError) as error:
            raise await self._failure(error) from error
        sync_connection = connection.sync_connection
        assert sync_connection is not None  # noqa: S101 (for the type checker: it has been started)
        set_deadline(sync_connection, self._write_deadline_s)
        try:
            async with connection.begin():
                yield connection
            self._is_read_only = False
        except SQLAlchemyError as error:  # an OSError in the block comes from the caller's code
            raise await self._failure(error) from error
        finally:
            set_deadline(sync_connection, None)
            await connection.close()

    async def check_writable(self) -> None:
        """Check that the server is not read-only. On SQLite, write a page unchanged, unless another process writes.

        Raises `WritesRefused` if the server or the file accepts no writes; on SQLite also if the disk is full.
        """
        if self.is_sqlite:
            try:
                await asyncio.to_thread(_write_version, str(self.url.database))
            except sqlite3.Error as error:
                raise WritesRefused(Store.DATABASE, str(error)) from error
            return
        async with self.write() as connection:
            if (await connection.execute(_IS_READ_ONLY)).scalar_one():
                await self._discard_connections()
                raise WritesRefused(Store.DATABASE, "the server accepts no writes")

    async def _failure(self, error: SQLAlchemyError | OSError) -> Exception:
        """Return the error to raise, and discard all connections if the server or file accepts no writes.

        A connection that was opened meanwhile stays read-only, or leads to a server that is no longer the primary.
        """
        if fault_of(error) is Fault.READ_ONLY:
            await self._discard_connections()
        return translate(error, self._address.user if self._address else "")

    async def _discard_connections(self) -> None:
        self._is_read_only = True
        await self._writer.dispose()
        if self._threads is not None:
            self._reader.dispose()
        await self.short_reads.expire()

    async def scrub(self) -> None:
        """Remove deleted rows from SQLite's files. PostgreSQL does this in ``VACUUM`` (docs/privacy.md).

        Raises `StoreUnavailable` if other connections read the write-ahead log.
        """
        if self.is_sqlite:
            try:
                await asyncio.to_thread(_empty_log, str(self.url.database))
            except sqlite3.Error as error:
                raise StoreUnavailable(Store.DATABASE, str(error)) from error

    async def close(self) -> None:
        """Close all connections and stop the threads."""
        if self._probe is not None:
            self._probe.cancel()
        self.short_reads.close()
        await self._writer.dispose()
        if self._threads is not None:
            self._threads.shutdown()
            self._reader.dispose()


def database_breaker() -> CircuitBreaker:
    """Return the circuit breaker of a server's database."""
    return CircuitBreaker(FAILURES, FAILURE_WINDOW_S, consecutive=True)


def _never_opening() -> CircuitBreaker:
    return CircuitBreaker(failures=sys.maxsize)


def _fetch(
    engine: Engine, statement: Executable, parameters: Parameters | None, running: list[sqlite3.Connection]
) -> Rows:
    with engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)  # noqa: S101 (tells the type checker)
        running.append(driver)
        try:
            return connection.execute(statement, parameters).all()
        finally:
            running.clear()


def _write_version(path: str) -> None:
    with closing(open_existing(path, timeout_s=0.0)) as connection:  # another writer proves that writes are accepted
        try:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            connection.execute(_SAME_VERSION.format(version))
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname not in ("SQLITE_BUSY", "SQLITE_LOCKED"):
                raise


def _empty_log(path: str) -> None:
    with closing(open_existing(path, LOG_TIMEOUT_S)) as connection:
        truncate_log(connection)


def _prepare_sqlite(engine: Engine, begin: str) -> None:
    file = Path(str(engine.url.database))

    @event.listens_for(engine, "do_connect")
    def _keep_private(*_: Any) -> None:
        make_private_file(file)

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # SQLAlchemy emits BEGIN, below
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = FULL")  # a commit survives a power failure
        cursor.execute("PRAGMA secure_delete = ON")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute("PRAGMA busy_timeout = 10000")
        cursor.execute("PRAGMA cache_size = -65536")  # 64 MB per connection
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)
