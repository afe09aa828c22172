"""The stores that tests run on: a real PostgreSQL and a real SQLite, each test with a fresh and migrated database."""

import asyncio
import fcntl
import gc
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import uvloop
from sqlalchemy import event

from db.database.engine import Database
from tests.leaks import LeakHandler
from tests.node_packages import NodeMissing, NodePackages, installed
from tests.pgbouncer import running_pgbouncer
from tests.running import serving
from tests.servers import PostgresqlServer, ServerMissing, running_postgresql
from tests.templates import Template, created, migrated

STOPS_WITHIN_S = 30
ENGINES = ("sqlite", "postgresql")
NOT_COUNTED = ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE", "PRAGMA")

OPEN_DATABASES = {"template", "sqlite_template", "postgresql_template", "postgresql_server", "database", "make_url"}
START_SERVERS = {"make_store", "demo_data", "node", "redis_server", "redis_cluster", "weaviate_address", "browser"}

LONGEST = {
    f"tests/{name}.py": rank
    for rank, name in enumerate(
        (
            "gateway/test_image",
            "gateway/test_abuse",
            "scoring/test_feeds",
            "gateway/test_server",
            "resolvers/test_edges",
            "db/test_demo",
            "gateway/subscriptions/test_websockets",
            "bench/test_kills",
            "gateway/test_fuzz",
            "browser/test_explore_panel",
            "resolvers/feeds/test_feed_connection",
            "db/test_migrations",
            "db/imports/test_importer",
            "db/vectors/test_embedded",
            "db/vectors/test_weaviate",
            "gateway/test_secrets",
        )
    )
}
"""The files that take longest begin first: what begins last must be short, or the other workers wait for it."""

MakeUrl = Callable[[str], AbstractAsyncContextManager[str]]
MakeDatabase = Callable[[str], AbstractAsyncContextManager[Database]]
CountStatements = Callable[[Database], AbstractContextManager[list[str]]]

# A law holds on a busy machine as well: an example that waits 0.3 s for its turn has broken none. A long run with new
# examples: pytest --hypothesis-profile=thorough.
hypothesis.settings.register_profile("suite", deadline=None, max_examples=30)
hypothesis.settings.register_profile("thorough", deadline=None, max_examples=1_000)
hypothesis.settings.load_profile("suite")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Run one worker more than there are cores: tests also wait, for servers, timeouts and the browser."""
    return (os.cpu_count() or 1) + 1


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run the tests on the event loop of the server: its transports raise other errors than those of asyncio."""
    return {"uvloop": uvloop.new_event_loop}


gc.disable()
"""Importing modules and making items leaves little garbage, and the search for it takes a quarter of that time."""


def pytest_collection_finish() -> None:
    """Collect garbage again, less often than by default, and never look at the modules and the items."""
    gc.freeze()
    gc.set_threshold(20_000, 10, 10)
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests whose fixtures open a database or start a server, and put the longest files first.

    Modules that open databases or start servers themselves are marked in their own text.
    """
    items.sort(key=lambda item: LONGEST.get(item.nodeid.partition("::")[0], len(LONGEST)))
    for item in items:
        if isinstance(item, pytest.Function) and not (OPEN_DATABASES | START_SERVERS).isdisjoint(item.fixturenames):
            item.add_marker(pytest.mark.servers)


@pytest.fixture(scope="session", autouse=True)
def logs_hold_no_secrets() -> Iterator[None]:
    """Look at every record that is logged in this process during the whole run."""
    handler = LeakHandler()
    logging.getLogger().addHandler(handler)
    yield
    logging.getLogger().removeHandler(handler)
    assert handler.found == []


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Undo what a command that runs in this process makes of the logs.

    Its handler writes to a stream that is closed when it ends, and has replaced the one that looks for secrets.
    """
    root = logging.getLogger()
    before = (root.handlers[:], root.level, sys.excepthook)
    yield
    root.handlers[:], root.level, sys.excepthook = before


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgresqlServer]:
    """Start PostgreSQL once for the whole run; without its programs the tests fail and say what to install."""
    try:
        with running_postgresql() as server:
            yield server
    except ServerMissing as missing:
        raise pytest.fail.Exception(str(missing), pytrace=False) from None


@pytest.fixture(scope="session")
def pgbouncer(postgresql_server: PostgresqlServer) -> Iterator[int]:
    """Start PgBouncer in front of PostgreSQL once for the whole run, and give its port."""
    try:
        with running_pgbouncer(postgresql_server) as port:
            yield port
    except ServerMissing as missing:
        raise pytest.fail.Exception(str(missing), pytrace=False) from None


@pytest.fixture(scope="session")
def demo_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a VAR_DIR as the first `explore serve --demo` leaves it, made once for all workers: it takes 14 s of CPU.

    The periodic jobs have run on it, so that no server of a test changes what viewers see while they look.
    """
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "demo_data"
    shared.mkdir(exist_ok=True)
    with (shared / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / "loaded").exists():
            with serving(shared, "--demo") as (server, _):
                server.terminate()
                assert server.wait(STOPS_WITHIN_S) in (0, -signal.SIGTERM), (shared / "stderr").read_text()
            (shared / "loaded").touch()
    return shared / "var"


@pytest.fixture(scope="session")
def node() -> NodePackages:
    """Give the packages of tests/node; where they cannot be had, what needs them is left out and says why."""
    try:
        return installed(Path(__file__).parent / "node")
    except NodeMissing as missing:
        pytest.skip(f"left out: {missing}")


@pytest.fixture(scope="session")
async def postgresql_template(
    postgresql_server: PostgresqlServer, tmp_path_factory: pytest.TempPathFactory
) -> Template:
    """Migrate one PostgreSQL database for all tests to copy."""
    return await Template(tmp_path_factory.mktemp("postgresql"), postgresql_server).filled(migrated)


@pytest.fixture(scope="session")
async def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    """Migrate one SQLite database for all tests to copy."""
    return await Template(tmp_path_factory.mktemp("sqlite")).filled(migrated)


@pytest.fixture(params=ENGINES)
def template(request: pytest.FixtureRequest) -> Template:
    """Give the migrated template of each engine in turn."""
    return request.getfixturevalue(f"{request.param}_template")  # type: ignore[no-any-return]


@pytest.fixture
def make_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> MakeUrl:
    """Give a function that lends the URL of a database without any table: ``async with make_url("sqlite") as url``."""

    @asynccontextmanager
    async def lend(engine: str) -> AsyncIterator[str]:
        if engine == "sqlite":
            yield f"sqlite:///{tmp_path_factory.mktemp('empty') / 'truth.sqlite'}"
            return
        async with created(request.getfixturevalue("postgresql_server"), "template1") as url:
            yield url

    return lend


@pytest.fixture
def make_database(sqlite_template: Template, postgresql_template: Template, tmp_path: Path) -> MakeDatabase:
    """Give a function that lends fresh, migrated databases: ``async with make_database("sqlite") as database``.

    For tests that need more than one, and for property tests, where each example needs its own.
    """
    templates = {"sqlite": sqlite_template, "postgresql": postgresql_template}
    return lambda engine: templates[engine].copy(tmp_path)


@pytest.fixture
async def sqlite_database(sqlite_template: Template, tmp_path: Path) -> AsyncIterator[Database]:
    """Give a fresh, migrated SQLite database."""
    async with sqlite_template.copy(tmp_path) as database:
        yield database


@pytest.fixture
async def postgresql_database(postgresql_template: Template, tmp_path: Path) -> AsyncIterator[Database]:
    """Give a fresh, migrated PostgreSQL database."""
    async with postgresql_template.copy(tmp_path) as database:
        yield database


@pytest.fixture(params=ENGINES)
def database(request: pytest.FixtureRequest) -> Database:
    """Give a fresh, migrated database of each engine in turn."""
    return request.getfixturevalue(f"{request.param}_database")  # type: ignore[no-any-return]


@pytest.fixture
def statements() -> CountStatements:
    """Give `count_statements` to a test: ``with statements(database) as issued: ...; assert len(issued) == 3``."""
    return count_statements


@contextmanager
def count_statements(database: Database) -> Iterator[list[str]]:
    """Collect the text of each SQL statement issued meanwhile, transactions' own words and pragmas left out."""
    issued: list[str] = []
    contexts: list[Any] = []

    def note(_connection: Any, _cursor: Any, statement: str, _parameters: Any, context: Any, _many: bool) -> None:
        # On PostgreSQL one engine stands upon the other, and both report a read.
        if any(context is other for other in contexts) or statement.lstrip().upper().startswith(NOT_COUNTED):
            return
        contexts.append(context)
        issued.append(statement)

    def note_short(statement: str, _values: Any) -> None:
        issued.append(statement)

    for engine in database.engines:
        event.listen(engine, "before_cursor_execute", note)
    database.short_reads.listeners.append(note_short)
    try:
        yield issued
    finally:
        database.short_reads.listeners.remove(note_short)
        for engine in database.engines:
            event.remove(engine, "before_cursor_execute", note)
