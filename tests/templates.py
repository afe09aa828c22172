"""Databases that are migrated and filled once for each worker, and copied for each test (0.02 s)."""

import asyncio
import itertools
import shutil
import tempfile
from collections import UserDict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from weakref import WeakKeyDictionary

import asyncpg

from db.database.engine import Database
from db.schema import migrate
from tests.servers import PostgresqlServer

DEADLINE_S = 30.0
"""Of the databases that no test makes slow: two cores may be busy with a browser and four servers."""
SQLITE_FILE = "database.sqlite"

Fill = Callable[[Database, Path], Awaitable[None]]
"""Writes rows into a database, and files (an index, a cache) into a folder."""

_numbers = itertools.count(1)


class CompiledStatements(UserDict[tuple[Any, ...], Any]):
    """SQL that is compiled once for all databases of a driver, which takes 40 % of a short test otherwise.

    SQLAlchemy's keys begin with the dialect, an object of the engine's own.
    """

    def get(self, key: tuple[Any, ...], default: Any = None) -> Any:
        """Return the compiled statement of a key of SQLAlchemy's."""
        return self.data.get((key[0].driver, *key[1:]), default)

    def __setitem__(self, key: tuple[Any, ...], compiled: Any) -> None:
        """Keep a compiled statement."""
        self.data[key[0].driver, *key[1:]] = compiled


_compiled = CompiledStatements()


@dataclass(slots=True)
class Template:
    """A closed database with the files that belong to it.

    Parameters
    ----------
    folder
        The files, on SQLite the database among them.
    server
        The PostgreSQL server that holds the database, or None for SQLite.
    name
        The name of the database on that server.
    """

    folder: Path
    server: PostgresqlServer | None = None
    name: str = "template1"
    _filled: dict[Fill, Self] = field(default_factory=dict)

    @asynccontextmanager
    async def copy(self, folder: Path) -> AsyncIterator[Database]:
        """Lend a copy of the database, and put copies of the files into a folder."""
        # A test may open several copies in one folder: the SQLite file gets a name of its own.
        path = folder / f"database_{next(_numbers)}.sqlite"
        for file in self.folder.iterdir():
            shutil.copyfile(file, path if file.name == SQLITE_FILE else folder / file.name)
        if self.server is None:
            async with opened(f"sqlite:///{path}") as database:
                yield database
        else:
            async with created(self.server, self.name) as url, opened(url) as database:
                yield database

    async def filled(self, fill: Fill) -> Self:
        """Return the template that a function has filled; it runs once for each worker."""
        if fill not in self._filled:
            folder = Path(tempfile.mkdtemp(prefix="filled-", dir=self.folder.parent))
            name = f"filled_{next(_numbers)}"
            if self.server is None:
                for file in self.folder.iterdir():
                    shutil.copyfile(file, folder / file.name)
                url = f"sqlite:///{folder / SQLITE_FILE}"
            else:
                await as_owner(self.server, copy_statement(name, self.name))
                url = self.server.url(name)
            async with opened(url) as database:
                await fill(database, folder)
            self._filled[fill] = type(self)(folder, self.server, name)
        return self._filled[fill]


async def migrated(database: Database, _folder: Path) -> None:
    """Migrate an empty database to the newest version."""
    await migrate(database)


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    """Open a database and close it at the end."""
    database = Database(url, read_deadline_s=DEADLINE_S)
    for engine in database.engines:
        engine.update_execution_options(compiled_cache=_compiled)
    try:
        yield database
    finally:
        await database.close()


@asynccontextmanager
async def created(server: PostgresqlServer, template: str) -> AsyncIterator[str]:
    """Lend the URL of a new PostgreSQL database, dropped at the end."""
    name = f"explore_{next(_numbers)}"
    await as_owner(server, copy_statement(name, template))
    try:
        yield server.url(name)
    finally:
        await as_owner(server, f"DROP DATABASE {name} WITH (FORCE)")


def copy_statement(name: str, template: str) -> str:
    """Return the SQL that copies a database.

    A copy of the files takes half of the CPU time of a copy through the write-ahead log, which is the default.
    """
    return f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY"


async def as_owner(server: PostgresqlServer, statement: str) -> None:
    """Run a statement outside of the test's database."""
    owner = _owners.setdefault(asyncio.get_running_loop(), Owner())
    await owner.execute(server, statement)


class Owner:
    """The connection on which one event loop creates and drops databases: to open one takes as long as a copy."""

    def __init__(self) -> None:
        self._connections: dict[str, asyncpg.Connection] = {}
        self._lock = asyncio.Lock()

    async def execute(self, server: PostgresqlServer, statement: str) -> None:
        """Run one statement at a time."""
        url = server.url("postgres")
        async with self._lock:
            if url not in self._connections:
                self._connections[url] = await asyncpg.connect(url)
            await self._connections[url].execute(statement)


_owners: WeakKeyDictionary[asyncio.AbstractEventLoop, Owner] = WeakKeyDictionary()
