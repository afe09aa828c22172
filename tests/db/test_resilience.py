"""The guard answers in time, opens its circuit, probes, and counts; the circuit keeps its laws whatever happens."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from db.cache.base import Cache
from db.cache.redis import RedisCache
from db.deadlines import deadline
from db.embeddings.base import Embedder, Vectors
from db.errors import InvalidRecord, Store, StoreUnavailable
from db.resilience import CallOutcome, CircuitBreaker, CircuitState, Guard, guarded
from tests.doubles.memory_cache import MemoryCache
from tests.doubles.proxy import FaultProxy
from tests.servers import running_redis

pytestmark = pytest.mark.servers

Ask = Callable[[], Awaitable[str]]


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Changes(list[tuple[Store, CircuitState, str]]):
    def __call__(self, store: Store, state: CircuitState, reason: str) -> None:
        self.append((store, state, reason))


class Tally:
    """Counts calls by operation and outcome, and adds up their time."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, CallOutcome]] = Counter()
        self.seconds: Counter[str] = Counter()

    def __call__(self, _store: Store, operation: str, outcome: CallOutcome, seconds: float) -> None:
        self.counts[operation, outcome] += 1
        self.seconds[operation] += seconds  # type: ignore[assignment]


@pytest.fixture
def tally() -> Tally:
    return Tally()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def changes() -> Changes:
    return Changes()


@pytest.fixture
def guard(clock: Clock, changes: Changes, tally: Tally) -> Guard:
    breaker = CircuitBreaker(failures=3, window_s=10, probe_interval_s=2, clock=clock)
    return Guard(Store.VECTORS, 0.5, deadlines_s={"slowly": None}, breaker=breaker, on_change=changes, on_call=tally)


async def fine() -> str:
    return "fine"


async def away() -> str:
    raise StoreUnavailable(Store.VECTORS, "nothing listens")


async def hanging() -> str:
    await asyncio.sleep(30)
    return "never"


async def refusing() -> str:
    raise InvalidRecord("wrong dimension")


async def broken() -> str:
    raise KeyError("a fault of ours")


async def fail(guard: Guard, times: int = 3, ask: Ask = away) -> None:
    for _ in range(times):
        with pytest.raises(StoreUnavailable):
            await guard.call("near", ask)


class TestGuard:
    async def test_an_answer_passes(self, guard: Guard, tally: Tally) -> None:
        assert await guard.call("near", fine) == "fine"
        assert tally.counts == {("near", CallOutcome.OK): 1}

    async def test_a_call_ends_at_its_deadline(self, guard: Guard, tally: Tally) -> None:
        started = time.monotonic()
        with pytest.raises(StoreUnavailable, match=r"near: no answer within 0\.5 s") as caught:
            await guard.call("near", hanging)
        assert time.monotonic() - started < 25  # and not the half minute that it would take
        assert caught.value.store is Store.VECTORS
        assert tally.counts == {("near", CallOutcome.TIMEOUT): 1}

    async def test_a_client_that_ignores_its_cancellation_does_not_keep_the_caller(self, guard: Guard) -> None:
        released = asyncio.Event()

        async def stubborn() -> str:
            try:
                await asyncio.sleep(30)
            except asyncio.CancelledError:
                await released.wait()
            return "late"

        async with asyncio.timeout(25):
            with pytest.raises(StoreUnavailable):
                await guard.call("near", stubborn)
        released.set()

    async def test_an_operation_may_have_a_deadline_of_its_own_or_none(self, guard: Guard) -> None:
        async def slow() -> str:
            await asyncio.sleep(1)
            return "slow"

        assert await guard.call("slowly", slow) == "slow"
        with pytest.raises(StoreUnavailable):
            await guard.call("near", slow)

    async def test_an_open_circuit_admits_no_call(self, guard: Guard, changes: Changes, tally: Tally) -> None:
        await fail(guard)
        asked = []
        with pytest.raises(StoreUnavailable, match="not called"):
            await guard.call("near", lambda: asked.append(1) or fine())
        assert asked == []
        assert tally.counts == {("near", CallOutcome.UNAVAILABLE): 3, ("near", CallOutcome.NOT_SENT): 1}
        assert changes == [(Store.VECTORS, CircuitState.OPEN, "nothing listens")]

    async def test_failures_that_lie_apart_do_not(self, guard: Guard, clock: Clock) -> None:
        for _ in range(5):
            await fail(guard, 2)
            clock.now += 10.1
        assert await guard.call("near", fine) == "fine"

    async def test_a_probe_that_succeeds_closes_it(self, guard: Guard, clock: Clock, changes: Changes) -> None:
        await fail(guard)
        clock.now += 2
        assert await guard.call("near", fine) == "fine"
        assert guard.breaker.state is CircuitState.CLOSED
        assert [state for _, state, _ in changes] == [CircuitState.OPEN, CircuitState.CLOSED]
        await fail(guard, 2)
        assert guard.breaker.state is CircuitState.CLOSED  # earlier failures are forgotten

    async def test_a_probe_that_fails_opens_it_for_another_pause(
        self, guard: Guard, clock: Clock, changes: Changes
    ) -> None:
        await fail(guard)
        clock.now += 2
        await fail(guard, 1)
        clock.now += 1.9
        with pytest.raises(StoreUnavailable, match="not called"):
            await guard.call("near", fine)
        clock.now += 0.1
        assert await guard.call("near", fine) == "fine"
        assert len(changes) == 2

    async def test_there_is_one_probe_at_a_time(self, guard: Guard, clock: Clock) -> None:
        await fail(guard)
        clock.now += 2
        probe = asyncio.create_task(guard.call("near", hanging))
        await asyncio.sleep(0)
        with pytest.raises(StoreUnavailable, match="not called"):
            await guard.call("near", fine)
        with pytest.raises(StoreUnavailable, match="no answer"):
            await probe

    async def test_a_cancelled_probe_makes_room_for_the_next(self, guard: Guard, clock: Clock) -> None:
        await fail(guard)
        clock.now += 2
        probe = asyncio.create_task(guard.call("near", hanging))
        await asyncio.sleep(0)
        probe.cancel()
        with pytest.raises(asyncio.CancelledError):
            await probe
        assert await guard.call("near", fine) == "fine"

    async def test_what_the_store_refuses_is_an_answer(self, guard: Guard, clock: Clock, tally: Tally) -> None:
        for _ in range(5):
            with pytest.raises(InvalidRecord):
                await guard.call("upsert", refusing)
        assert guard.breaker.state is CircuitState.CLOSED
        assert tally.counts["upsert", CallOutcome.INPUT_REJECTED] == 5
        await fail(guard)
        clock.now += 2
        with pytest.raises(InvalidRecord):
            await guard.call("upsert", refusing)
        assert guard.breaker.state is CircuitState.CLOSED

    async def test_a_fault_of_ours_rises_and_says_nothing_about_the_store(self, guard: Guard, clock: Clock) -> None:
        for _ in range(5):
            with pytest.raises(KeyError):
                await guard.call("near", broken)
        assert guard.breaker.state is CircuitState.CLOSED
        await fail(guard)
        clock.now += 2
        with pytest.raises(KeyError):
            await guard.call("near", broken)
        assert guard.breaker.state is CircuitState.HALF_OPEN
        assert await guard.call("near", fine) == "fine"

    async def test_a_caller_who_goes_away_is_no_failure_and_a_deadline_of_the_caller_is_one(
        self, guard: Guard, clock: Clock, tally: Tally
    ) -> None:
        limits: list[asyncio.Timeout] = []

        async def call() -> None:
            async with deadline(3_600) as limit:
                limits.append(limit)
                await asyncio.create_task(guard.call("slowly", hanging))  # in another task, as a DataLoader's call

        for waited_s, has_passed, outcome in (
            (0.5, False, CallOutcome.CANCELLED),
            (0.01, True, CallOutcome.CANCELLED),
            (0.5, True, CallOutcome.TIMEOUT),
        ):
            tally.counts.clear()
            for _ in range(3):
                calling = asyncio.create_task(call())
                for _ in range(3):
                    await asyncio.sleep(0)
                clock.now += waited_s
                if has_passed:
                    limits[-1].reschedule(0)
                else:
                    calling.cancel()
                with pytest.raises(TimeoutError if has_passed else asyncio.CancelledError):
                    await calling
            assert tally.counts == {("slowly", outcome): 3}
            assert (guard.breaker.state is CircuitState.CLOSED) is (outcome is CallOutcome.CANCELLED)

    async def test_time_is_counted_by_operation(self, guard: Guard, clock: Clock, tally: Tally) -> None:
        async def slow() -> str:
            clock.now += 0.25
            return "slow"

        await guard.call("near", slow)
        await guard.call("near", slow)
        assert tally.seconds == pytest.approx({"near": 0.5})


class Words:
    """An embedder that a test switches off."""

    model = "words"
    dimension = 2

    def __init__(self) -> None:
        self.is_there = True
        self.closed = 0

    async def embed(self, texts: Sequence[str]) -> Vectors:
        if not self.is_there:
            raise StoreUnavailable(Store.VECTORS, "off")
        return np.ones((len(texts), 2), np.float32)

    async def close(self) -> None:
        self.closed += 1


class TestGuardedStores:
    async def test_every_method_is_guarded_and_properties_pass(self, guard: Guard, tally: Tally) -> None:
        words = Words()
        embedder: Embedder = guarded(words, guard)
        assert (embedder.model, embedder.dimension) == ("words", 2)
        assert (await embedder.embed(["a", "b"])).shape == (2, 2)
        words.is_there = False
        for _ in range(4):
            with pytest.raises(StoreUnavailable):
                await embedder.embed(["a"])
        assert tally.counts == {
            ("embed", CallOutcome.OK): 1,
            ("embed", CallOutcome.UNAVAILABLE): 3,
            ("embed", CallOutcome.NOT_SENT): 1,
        }

    async def test_closing_is_never_refused(self, guard: Guard) -> None:
        words = Words()
        await fail(guard)
        await guarded(words, guard).close()
        assert words.closed == 1

    async def test_what_is_no_method_is_no_attribute(self, guard: Guard) -> None:
        with pytest.raises(AttributeError):
            guarded(Words(), guard).nothing  # noqa: B018

    async def test_a_guarded_cache_is_a_cache(self, guard: Guard) -> None:
        cache: Cache = guarded(MemoryCache(), guard)
        await cache.put("key", b"value", 60)
        assert await cache.get("key", extend_s=60) == b"value"
        assert not await cache.add("key", b"other", 60)


async def test_a_store_behind_a_cable_that_is_cut_is_noticed_and_found_again() -> None:
    with running_redis() as server:
        async with FaultProxy("127.0.0.1", server.port) as proxy:
            guard = Guard(Store.CACHE, 0.2, breaker=CircuitBreaker(failures=3, probe_interval_s=0.5))
            behind = RedisCache(f"redis://127.0.0.1:{proxy.port}")
            cache = guarded(behind, guard)
            await cache.put("key", b"value", 60)
            proxy.black_hole()
            for _ in range(3):
                started = time.monotonic()
                with pytest.raises(StoreUnavailable):
                    await cache.get("key")
                assert time.monotonic() - started < 25  # and not for ever
            with pytest.raises(StoreUnavailable, match="not called"):
                await cache.get("key")
            await proxy.forward()
            async with asyncio.timeout(5):
                while guard.breaker.state is not CircuitState.CLOSED:
                    await asyncio.sleep(0.05)
                    try:
                        assert await cache.get("key") == b"value"
                    except StoreUnavailable:
                        continue
            await behind.close()


class Circuit(RuleBasedStateMachine):
    """Calls begin and end in any order while time passes; a plain model says what the circuit must do."""

    FAILURES, WINDOW_S, PROBE_INTERVAL_S = 3, 10.0, 2.0

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.breaker = CircuitBreaker(self.FAILURES, self.WINDOW_S, self.PROBE_INTERVAL_S, self.clock)
        self.under_way: list[tuple[float, bool]] = []  # when admitted, and whether as a probe
        self.failed_at: list[float] = []
        self.opened_at: float | None = None

    @rule(seconds=st.sampled_from([0.1, 0.5, 1.0, 2.0, 5.0, 10.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule()
    def a_call_begins(self) -> None:
        admitted = self.breaker.admit()
        if self.opened_at is None:
            assert admitted
        elif self.clock.now < self.opened_at + self.PROBE_INTERVAL_S:
            assert not admitted
        else:
            assert admitted is not any(is_probe for _, is_probe in self.under_way)
        if admitted:
            self.under_way.append((self.clock.now, self.opened_at is not None))

    @precondition(lambda self: self.under_way)
    @rule(
        data=st.data(),
        outcome=st.sampled_from([outcome for outcome in CallOutcome if outcome is not CallOutcome.NOT_SENT]),
    )
    def a_call_ends(self, data: st.DataObject, outcome: CallOutcome) -> None:
        admitted_at, is_probe = self.under_way.pop(data.draw(st.integers(0, len(self.under_way) - 1)))
        self.breaker.report(outcome, admitted_at)
        says_away = outcome in (CallOutcome.UNAVAILABLE, CallOutcome.TIMEOUT)
        if self.opened_at is None and says_away:
            self.failed_at.append(self.clock.now)
            recent = [at for at in self.failed_at if at >= self.clock.now - self.WINDOW_S]
            if len(recent) >= self.FAILURES:
                self.opened_at, self.failed_at = self.clock.now, []
        elif is_probe and outcome in (CallOutcome.OK, CallOutcome.INPUT_REJECTED):
            self.opened_at, self.failed_at = None, []
        elif is_probe and says_away:
            self.opened_at = self.clock.now

    @invariant()
    def its_state_is_that_of_the_model(self) -> None:
        if self.opened_at is None:
            assert self.breaker.state is CircuitState.CLOSED
        else:
            is_open = self.clock.now < self.opened_at + self.PROBE_INTERVAL_S
            assert self.breaker.state is (CircuitState.OPEN if is_open else CircuitState.HALF_OPEN)

    @invariant()
    def after_the_pause_a_probe_is_under_way_or_may_begin(self) -> None:
        if self.breaker.state is CircuitState.HALF_OPEN:
            assert sum(is_probe for _, is_probe in self.under_way) <= 1


TestCircuit = Circuit.TestCase
TestCircuit.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)
