"""Clients that hang up while their operation runs: on real sockets, and on both databases."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
import strawberry
import uvicorn
from sqlalchemy import text

from bench.abuse.wire import get, post
from db.database.engine import Database
from db.errors import Store
from db.resilience import CallOutcome, CircuitState, Guard
from gateway import load_shedding
from gateway.app import build
from gateway.limits.rate_limits import MemoryRateLimitStore
from gateway.server import server_config
from gateway.settings import Settings
from resolvers.common.context import Context
from resolvers.common.field_costs import Sharing, computed
from scoring.use_cases.unit_of_work import Caller
from tests.gateway.conftest import SECRET
from tests.waiting import until

ENDLESS = text("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :rows) SELECT count(*) FROM n")
ROWS = 2_000_000_000
"""Rows of a statement that takes minutes."""


@dataclass
class Work:
    """Counts of operations, and the database and the store that they use."""

    database: Database
    begun: int = 0
    running: int = 0
    ended: list[str] = field(default_factory=list)
    outcomes: list[CallOutcome] = field(default_factory=list)
    may_end: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        # Every cancellation that counts at all opens this circuit.
        self.guard = Guard(Store.VECTORS, None, cancellation_counts_after_s=0.0, on_call=self._note)
        self.guard.breaker.failures = 1

    def _note(self, _store: Store, _operation: str, outcome: CallOutcome, _seconds: float) -> None:
        self.outcomes.append(outcome)

    @asynccontextmanager
    async def counted(self, name: str) -> AsyncIterator[None]:
        self.begun += 1
        self.running += 1
        try:
            yield
            self.ended.append(name)
        finally:
            self.running -= 1


@strawberry.type
class Query:
    @strawberry.field
    async def reads(self, info: strawberry.Info) -> int:
        work: Work = info.context.work
        async with work.counted("read"):
            return len(await work.database.fetch(ENDLESS, {"rows": ROWS}))

    @strawberry.field
    async def searches(self, info: strawberry.Info) -> int:
        work: Work = info.context.work
        async with work.counted("search"):
            return int(await work.guard.call("near", lambda: asyncio.sleep(3_600, 1)))

    @computed(sharing=Sharing.PUBLIC)
    async def shared(self, info: strawberry.Info) -> int:
        async with info.context.work.counted("shared"):
            await info.context.work.may_end.wait()
        return 1


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def writes(self, info: strawberry.Info, name: str) -> bool:
        work: Work = info.context.work
        async with work.counted(name), work.database.write() as connection:
            await connection.execute(text("INSERT INTO noted VALUES (:name)"), {"name": name})
            await work.may_end.wait()
        return True


@dataclass
class Site:
    """A running gateway, and what its operations do."""

    port: int
    work: Work

    async def send(self, request: bytes) -> asyncio.StreamWriter:
        """Send a request on a connection of its own."""
        _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(request)
        return writer


@pytest.fixture
async def site(database: Database, tmp_path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    work = Work(database)
    async with database.write() as connection:
        await connection.execute(text("CREATE TABLE noted (name TEXT)"))

    def open_context(caller: Caller) -> Any:
        context = Context(SimpleNamespace(database=database), caller, feeds=None)
        context.work = work
        return context

    @asynccontextmanager
    async def opened() -> AsyncIterator[Any]:
        yield SimpleNamespace(
            open_context=open_context, rate_limits=MemoryRateLimitStore(), connection_wait=lambda: 0.0
        )

    settings = Settings(_env_file=None, var_dir=tmp_path, token_secret=SECRET, rate_limit=0, rate_limit_address=0)
    monkeypatch.setattr(load_shedding, "FIRST_LIMIT", 100)
    app = build(settings, strawberry.Schema(Query, Mutation), opened, tmp_path)
    server = uvicorn.Server(server_config(settings, app))
    server.config.port = 0
    serving = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    yield Site(server.servers[0].sockets[0].getsockname()[1], work)
    server.should_exit = True
    await serving


async def test_abandoned_reads_are_canceled_and_their_statements_stopped(site: Site):
    writers = [await site.send(post("{ reads }")) for _ in range(20)]  # no more than may run at once
    await until(lambda: site.work.begun == 20)
    for number, writer in enumerate(writers):
        if number % 2:
            writer.close()
        else:
            writer.transport.abort()  # reset
    await until(lambda: site.work.running == 0)
    assert site.work.ended == []
    # No statement keeps a connection or a thread.
    rows = await asyncio.gather(*(site.work.database.fetch(text("SELECT 1")) for _ in range(20)))
    assert len(rows) == 20
    if not site.work.database.is_sqlite:
        active = text("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%RECURSIVE n(i)%'")
        assert (await site.work.database.fetch(active, {}))[0][0] == 1  # the statement that counts


async def test_a_client_that_hangs_up_is_no_failure_of_a_store(site: Site):
    writers = [await site.send(post("{ searches }")) for _ in range(3)]
    await until(lambda: site.work.running == 3)
    for writer in writers:
        writer.close()
    await until(lambda: len(site.work.outcomes) == 3)
    assert set(site.work.outcomes) == {CallOutcome.CANCELLED}
    assert site.work.guard.breaker.state is CircuitState.CLOSED


async def test_a_mutation_runs_to_its_end_without_its_client(site: Site):
    writer = await site.send(post('mutation { first: writes(name: "a") second: writes(name: "b") }'))
    await until(lambda: site.work.running == 1)
    writer.close()
    watcher = await site.send(post("{ searches }"))  # whose end shows that the server has noticed hang-ups
    await until(lambda: site.work.running == 2)
    watcher.close()
    await until(lambda: site.work.running == 1)
    site.work.may_end.set()
    await until(lambda: site.work.ended == ["a", "b"])
    assert {row.name for row in await site.work.database.fetch(text("SELECT name FROM noted"), {})} == {"a", "b"}


async def test_a_shared_operation_is_canceled_when_the_last_client_has_gone(site: Site):
    writers = [await site.send(get("/graphql?query={shared}", "X-Explore-Request: 1")) for _ in range(3)]
    await until(lambda: site.work.running == 1)
    for writer in writers:
        writer.close()
    await until(lambda: site.work.running == 0)
    assert site.work.ended == []
