"""The circuit of a server's database: it opens when nothing answers, and not because this process is busy."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import bindparam, text

from db.database.engine import Database
from db.errors import Store, StoreBusy, StoreUnavailable
from db.resilience import CallOutcome, CircuitBreaker, CircuitState, Guard
from tests.doubles.proxy import FaultProxy
from tests.servers import PostgresqlServer
from tests.waiting import WAIT_AT_MOST_S

pytestmark = pytest.mark.servers

ONE = text("SELECT 1")
SHORT = text("SELECT 1 WHERE 1 = :one").bindparams(bindparam("one"))
SLEEP = text("SELECT pg_sleep(60)")
DEADLINE_S = 0.3


class Clock:
    """A clock that stands until a test moves it, so that no probe comes by itself."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


class GuardedDatabase:
    """A database behind a proxy, with the circuit breaker of a server."""

    def __init__(self, proxy: FaultProxy, pool_size: int = 3) -> None:
        self.proxy, self.clock = proxy, Clock()
        self.outcomes: Counter[tuple[str, CallOutcome]] = Counter()
        self.states: list[CircuitState] = []
        self.breaker = CircuitBreaker(2, 30.0, probe_interval_s=2.0, consecutive=True, clock=self.clock)
        guard = Guard(
            Store.DATABASE,
            DEADLINE_S,
            breaker=self.breaker,
            cancellation_counts_after_s=60.0,
            on_change=lambda _store, state, _reason: self.states.append(state),
            on_call=lambda _store, operation, outcome, _s: self.outcomes.update([(operation, outcome)]),
        )
        url = f"postgresql://postgres@127.0.0.1:{proxy.port}/postgres"
        self.database = Database(url, pool_size, DEADLINE_S, DEADLINE_S, guard)

    def not_sent(self) -> int:
        """Count the calls that were refused because the circuit is open."""
        return sum(number for (_, outcome), number in self.outcomes.items() if outcome is CallOutcome.NOT_SENT)

    async def is_up(self) -> bool:
        try:
            await self.database.fetch(ONE)
        except StoreUnavailable:
            return False
        return True

    async def until_up(self) -> None:
        async with asyncio.timeout(WAIT_AT_MOST_S):
            while not await self.is_up():  # noqa: ASYNC110
                await asyncio.sleep(0.01)


@pytest.fixture
async def guarded(postgresql_server: PostgresqlServer) -> AsyncIterator[GuardedDatabase]:
    async with FaultProxy("127.0.0.1", postgresql_server.port) as proxy:
        made = GuardedDatabase(proxy)
        yield made
        await proxy.forward()
        await made.database.close()


async def write(database: Database) -> None:
    async with database.write() as connection:
        await connection.execute(ONE)


async def open_circuit(guarded: GuardedDatabase) -> None:
    """Let reads, short reads and writes hang until the circuit opens."""
    database = guarded.database
    await database.fetch_short(SHORT, {"one": 1})
    await write(database)
    guarded.proxy.black_hole()
    hanging = (database.fetch_short(SHORT, {"one": 1}), database.fetch(ONE), write(database))
    failures = await asyncio.gather(*hanging, return_exceptions=True)
    assert all(isinstance(failure, StoreUnavailable) for failure in failures), failures
    assert guarded.states == [CircuitState.OPEN]


async def test_after_two_time_outs_nothing_is_sent_to_a_hanging_database(guarded: GuardedDatabase) -> None:
    await open_circuit(guarded)
    connections, before = guarded.proxy.connections, guarded.not_sent()
    for _ in range(20):
        for call in (guarded.database.fetch(ONE), guarded.database.fetch_short(SHORT, {"one": 1})):
            with pytest.raises(StoreUnavailable, match="the circuit is open"):
                await call
        with pytest.raises(StoreUnavailable, match="the circuit is open"):
            await write(guarded.database)
    assert (guarded.proxy.connections, guarded.not_sent()) == (connections, before + 60)


async def test_one_probe_an_interval_is_sent_and_no_caller_waits_for_it(guarded: GuardedDatabase) -> None:
    await open_circuit(guarded)
    for interval in range(1, 3):
        connections = guarded.proxy.connections
        guarded.clock.now += 2.0
        for _ in range(20):
            assert not await guarded.is_up()
        async with asyncio.timeout(WAIT_AT_MOST_S):
            while guarded.outcomes["probe", CallOutcome.TIMEOUT] < interval:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert guarded.proxy.connections == connections + 1
        assert guarded.breaker.state is CircuitState.OPEN


async def test_a_probe_heals_reads_and_writes_although_the_old_connections_are_dead(guarded: GuardedDatabase) -> None:
    await open_circuit(guarded)
    await guarded.proxy.forward()
    guarded.clock.now += 2.0
    await guarded.until_up()
    assert guarded.states == [CircuitState.OPEN, CircuitState.CLOSED]
    await write(guarded.database)
    assert len(await guarded.database.fetch_short(SHORT, {"one": 1})) == 1


async def test_a_slow_statement_beside_others_that_succeed_is_no_outage(guarded: GuardedDatabase) -> None:
    for _ in range(3):
        slow = asyncio.create_task(guarded.database.fetch(SLEEP))
        while not slow.done():
            await guarded.database.fetch(ONE)
        with pytest.raises(StoreUnavailable, match="no answer within"):
            slow.result()
    assert (guarded.outcomes["fetch", CallOutcome.TIMEOUT], guarded.states) == (3, [])


async def test_a_wait_for_a_connection_is_no_outage(guarded: GuardedDatabase) -> None:
    idle = GuardedDatabase(guarded.proxy, pool_size=1)
    async with idle.database.write():  # holds the only connection, and sends nothing that could be late
        waiting = [idle.database.fetch(ONE), idle.database.fetch(ONE), write(idle.database)]
        failures = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(failure) for failure in failures] == [StoreBusy] * 3
    assert idle.states == []
    assert await idle.is_up()
    await idle.database.close()


async def test_a_canceled_read_is_no_outage(guarded: GuardedDatabase) -> None:
    for _ in range(3):
        read = asyncio.create_task(guarded.database.fetch(SLEEP))
        await asyncio.sleep(0)
        read.cancel()
        await asyncio.wait([read])
    assert guarded.outcomes["fetch", CallOutcome.CANCELLED] == 3
    assert guarded.states == []


async def test_a_transaction_fails_at_the_statement_that_hangs(guarded: GuardedDatabase) -> None:
    async def hang() -> None:
        async with guarded.database.write() as connection:
            await connection.execute(ONE)
            guarded.proxy.black_hole()
            await connection.execute(ONE)
            pytest.fail("the statement was answered")

    with pytest.raises(StoreUnavailable):
        await hang()


async def test_a_transaction_fails_at_the_commit_that_hangs(guarded: GuardedDatabase) -> None:
    async def hang() -> None:
        async with guarded.database.write() as connection:
            await connection.execute(ONE)
            guarded.proxy.black_hole()

    with pytest.raises(StoreUnavailable):
        await hang()


async def test_a_pause_between_statements_has_no_deadline(guarded: GuardedDatabase) -> None:
    async with guarded.database.write() as connection:
        await connection.execute(ONE)
        await asyncio.sleep(2 * DEADLINE_S)
        assert (await connection.execute(ONE)).scalar_one() == 1


@pytest.fixture
async def sqlite_guard(sqlite_database: Database) -> AsyncIterator[tuple[Database, CircuitBreaker]]:
    breaker = CircuitBreaker(2, 30.0, consecutive=True)
    database = Database(str(sqlite_database.url), guard=Guard(Store.DATABASE, DEADLINE_S, breaker=breaker))
    yield database, breaker
    await database.close()


async def fail_in_transaction(database: Database, store: Store) -> None:
    with pytest.raises(StoreUnavailable):
        async with database.write():
            raise StoreUnavailable(store, "as the test asked")


async def test_an_outage_of_another_store_within_a_transaction_is_none_of_the_database(
    sqlite_guard: tuple[Database, CircuitBreaker],
) -> None:
    database, breaker = sqlite_guard
    for _ in range(3):
        await fail_in_transaction(database, Store.VECTORS)
    assert breaker.state is CircuitState.CLOSED
    for _ in range(2):
        await fail_in_transaction(database, Store.DATABASE)
    assert breaker.state is CircuitState.OPEN


async def test_writes_that_fail_beside_short_reads_of_sqlite_open_no_circuit(
    sqlite_guard: tuple[Database, CircuitBreaker],
) -> None:
    database, breaker = sqlite_guard
    for _ in range(3):
        await fail_in_transaction(database, Store.DATABASE)
        await database.fetch_short(SHORT, {"one": 1})
    assert breaker.state is CircuitState.CLOSED
