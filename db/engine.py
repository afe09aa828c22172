"""The connection to the relational truth, and nothing else."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.sql import Executable

from db.errors import InvalidRecord

Rows = Sequence[Any]
"""Rows of a result. Not `Row[...]`: statements are built from lists of columns, whose types no checker can follow."""
Parameters = Mapping[str, Any]

_BACKENDS = {"sqlite": "sqlite", "postgresql": "postgresql", "postgres": "postgresql"}


class Database:
    """The relational truth: `fetch` to read, `write` to change it.

    On SQLite reads run in a few threads, one hop each (0.32 ms CPU a statement; through aiosqlite, which hops for every
    call of the driver, 1.34 ms), and writes go through one connection whose transactions start with
    ``BEGIN IMMEDIATE``: one that reads first and writes then would fail at once when another writer was faster,
    whatever its ``busy_timeout``. On PostgreSQL both share asyncpg's pool.

    Parameters
    ----------
    url
        ``sqlite:///path`` or ``postgresql://user:password@host/name``; the drivers are chosen here.
    pool_size
        Connections held open for reading (on PostgreSQL for writing too).
    """

    def __init__(self, url: str, pool_size: int = 5) -> None:
        self.url = parse_url(url)
        self._threads: ThreadPoolExecutor | None = None
        if self.is_sqlite:
            self._reader = create_engine(self.url, pool_size=pool_size, max_overflow=0)
            self._threads = ThreadPoolExecutor(pool_size, thread_name_prefix="sqlite")
            self._writer = create_async_engine(self.url.set(drivername="sqlite+aiosqlite"), pool_size=1, max_overflow=0)
            _prepare_sqlite(self._reader, begin="BEGIN")
            _prepare_sqlite(self._writer.sync_engine, begin="BEGIN IMMEDIATE")
        else:
            self._writer = create_async_engine(
                self.url.set(drivername="postgresql+asyncpg"), pool_size=pool_size, max_overflow=pool_size
            )
            # Reading needs no transaction of its own: BEGIN and ROLLBACK would be two more round trips a statement.
            self._autocommit = self._writer.execution_options(isolation_level="AUTOCOMMIT")
            self._reader = self._autocommit.sync_engine

    @property
    def is_sqlite(self) -> bool:
        """Whether this is the embedded default."""
        return self.url.get_backend_name() == "sqlite"

    @property
    def engines(self) -> tuple[Engine, ...]:
        """The engines that statements run on, for tests that count them."""
        return tuple(dict.fromkeys((self._reader, self._writer.sync_engine)))

    async def fetch(self, statement: Executable, parameters: Parameters | None = None) -> Rows:
        """Run one reading statement on a connection of its own and give all its rows."""
        if self._threads is not None:
            return await asyncio.get_running_loop().run_in_executor(
                self._threads, _fetch, self._reader, statement, parameters
            )
        async with self._autocommit.connect() as connection:
            return (await connection.execute(statement, parameters)).all()

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """Lend a connection inside one transaction, committed at the end and rolled back on any error."""
        async with self._writer.begin() as connection:
            yield connection

    async def close(self) -> None:
        """Close every connection."""
        await self._writer.dispose()
        if self._threads is not None:
            self._threads.shutdown()
            self._reader.dispose()


def parse_url(url: str) -> URL:
    """Read a database URL, and make the folder that an SQLite file will lie in.

    Raises
    ------
    InvalidRecord
        If the URL cannot be read or names a database that this product does not speak.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # the second for a port that is no number
        raise InvalidRecord(
            "DATABASE_URL cannot be read; write sqlite:///var/explore.sqlite or postgresql://user:password@host/name"
        ) from None
    backend = parsed.drivername.partition("+")[0]
    if backend not in _BACKENDS:
        raise InvalidRecord(f"DATABASE_URL names {backend!r}; SQLite and PostgreSQL are supported")
    if backend == "sqlite":
        if parsed.database in (None, "", ":memory:"):
            raise InvalidRecord("an SQLite database needs a file: sqlite:///var/explore.sqlite")
        Path(str(parsed.database)).parent.mkdir(parents=True, exist_ok=True)
    return parsed.set(drivername=_BACKENDS[backend])


def _fetch(engine: Engine, statement: Executable, parameters: Parameters | None) -> Rows:
    with engine.connect() as connection:
        return connection.execute(statement, parameters).all()


def _prepare_sqlite(engine: Engine, begin: str) -> None:
    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # SQLAlchemy says BEGIN itself, below
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = NORMAL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute("PRAGMA busy_timeout = 10000")
        cursor.execute("PRAGMA cache_size = -65536")  # 64 MB a connection
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)
