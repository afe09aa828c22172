"""Load shedding: whose operations run, wait and are refused, and how the limit follows the delay."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway import load_shedding
from gateway.load_shedding import (
    FIRST_LIMIT,
    INTERVAL_S,
    MAX_LIMIT,
    MAX_WAITING,
    MIN_LIMIT,
    MIN_SAMPLES,
    OVERLOAD_WAIT_S,
    TARGET_DELAY_S,
    CallerClass,
    LoadShedder,
    Overloaded,
    Priority,
)

ANONYMOUS = Priority(CallerClass.ANONYMOUS, True, 100)
CHEAP, EXPENSIVE = Priority(CallerClass.VIEWER, True, 100), Priority(CallerClass.VIEWER, True, 900)
MUTATION = Priority(CallerClass.VIEWER, False, 2_000)
SERVICE = Priority(CallerClass.SERVICE, True, 9_000)
SHARED = Priority(CallerClass.SHARED, True, 900)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Turns:
    """Operations that run until they are released, and the order in which they began."""

    def __init__(self, limit: int) -> None:
        self.clock = Clock()
        self.shedder = LoadShedder(self.clock)
        self.shedder.limit = limit
        self.began: list[Any] = []
        self._release: list[asyncio.Event] = []
        self._tasks: list[asyncio.Task[bool]] = []

    async def ask(self, priority: Priority) -> asyncio.Task[bool]:
        """Begin an operation. The result of its task tells whether it ran; it is not canceled."""
        task = asyncio.create_task(self._run(priority))
        self._tasks.append(task)
        await self.settle()
        return task

    async def _run(self, priority: Priority) -> bool:
        try:
            async with self.shedder.turn(priority):
                self.began.append(priority)
                release = asyncio.Event()
                self._release.append(release)
                await release.wait()
        except Overloaded:
            return False
        return True

    async def finish_one(self) -> None:
        """End the operation that began first."""
        self._release.pop(0).set()
        await self.settle()

    @staticmethod
    async def settle() -> None:
        for _ in range(5):
            await asyncio.sleep(0)

    async def end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)


@contextmanager
def waits(monkeypatch: pytest.MonkeyPatch, seconds: float) -> Iterator[None]:
    monkeypatch.setattr(load_shedding, "BURST_WAIT_S", seconds)
    monkeypatch.setattr(load_shedding, "OVERLOAD_WAIT_S", seconds)
    yield


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let no operation be refused because of real time."""
    with waits(monkeypatch, 3_600.0):
        yield


async def test_service_first_then_mutations_then_the_cheap_then_anonymous_callers() -> None:
    turns = Turns(limit=1)
    await turns.ask(CHEAP)
    for priority in (ANONYMOUS, EXPENSIVE, CHEAP, MUTATION, SERVICE, SHARED):
        await turns.ask(priority)
    for _ in range(6):
        await turns.finish_one()
    assert turns.began == [CHEAP, SHARED, SERVICE, MUTATION, CHEAP, EXPENSIVE, ANONYMOUS]
    await turns.end()


async def test_a_full_queue_refuses_the_last_by_priority_at_once() -> None:
    turns = Turns(limit=1)
    await turns.ask(CHEAP)
    waiting = [await turns.ask(EXPENSIVE) for _ in range(MAX_WAITING)]
    refused = await turns.ask(ANONYMOUS)
    assert refused.done()
    assert not refused.result()
    better = await turns.ask(SERVICE)
    assert not better.done()
    assert [task.done() for task in waiting] == [False] * (MAX_WAITING - 1) + [True]
    await turns.end()


async def test_who_waits_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    turns = Turns(limit=1)
    await turns.ask(CHEAP)
    with waits(monkeypatch, 0.0):
        assert not await (await turns.ask(SERVICE))
    await turns.end()


async def test_in_an_overload_those_who_have_waited_are_refused_too() -> None:
    turns = Turns(limit=1)
    turns.clock.now += 1
    await turns.ask(CHEAP)
    old = await turns.ask(CHEAP)
    for _ in range(MAX_WAITING):
        await turns.ask(EXPENSIVE)  # the last of them is refused, and an overload begins
    assert turns.shedder.is_overloaded
    turns.clock.now += OVERLOAD_WAIT_S / 2
    load_shedding_wait = 3_600.0
    turns.clock.now += load_shedding_wait
    turns.shedder._count_shed(EXPENSIVE)
    turns.shedder.observe(0.0)
    await turns.settle()
    assert old.done()
    await turns.end()


async def test_a_canceled_operation_gives_its_turn_to_the_next() -> None:
    turns = Turns(limit=1)
    running = await turns.ask(CHEAP)
    waiting = await turns.ask(CHEAP)
    last = await turns.ask(EXPENSIVE)
    waiting.cancel()
    await turns.settle()
    running.cancel()
    await turns.settle()
    assert turns.began == [CHEAP, EXPENSIVE]
    assert not last.done()
    await turns.end()


async def test_an_operation_that_is_canceled_as_its_turn_comes_holds_no_place() -> None:
    turns = Turns(limit=1)
    await turns.ask(CHEAP)
    waiting = await turns.ask(CHEAP)
    turns._release.pop(0).set()
    await asyncio.sleep(0)  # the first has ended, and the second has not noticed yet
    waiting.cancel()
    await turns.settle()
    await turns.ask(EXPENSIVE)
    assert turns.began[-1] == EXPENSIVE
    await turns.end()


async def test_bodies_are_not_read_for_callers_who_have_no_chance() -> None:
    turns = Turns(limit=1)
    await turns.ask(CHEAP)
    await turns.ask(CHEAP)
    turns.shedder.refuse_early(CallerClass.ANONYMOUS)  # nothing was refused so far
    turns.clock.now += 1
    turns.shedder._count_shed(ANONYMOUS)
    turns.shedder.refuse_early(CallerClass.VIEWER)
    with pytest.raises(Overloaded):
        turns.shedder.refuse_early(CallerClass.ANONYMOUS)
    await turns.end()


def intervals(shedder: LoadShedder, clock: Clock, count: int, *delays_s: float) -> None:
    """Let a number of intervals pass with these samples in each, or with enough of the last one."""
    samples = (*delays_s, *[delays_s[-1]] * (MIN_SAMPLES - len(delays_s)))
    for _ in range(count):
        for delay_s in samples[:-1]:
            shedder.observe(delay_s)
        clock.now += 1.01 * INTERVAL_S
        shedder.observe(samples[-1])


async def test_the_limit_falls_while_operations_wait_and_all_delays_of_an_interval_are_large() -> None:
    turns = Turns(limit=FIRST_LIMIT)
    for _ in range(2 * FIRST_LIMIT):
        await turns.ask(CHEAP)
    intervals(turns.shedder, turns.clock, 5, 2 * TARGET_DELAY_S, 0.0, 2 * TARGET_DELAY_S)
    assert turns.shedder.limit >= FIRST_LIMIT
    intervals(turns.shedder, turns.clock, 50, 2 * TARGET_DELAY_S, 3 * TARGET_DELAY_S)
    assert turns.shedder.limit == MIN_LIMIT
    await turns.end()


async def test_one_long_block_of_the_loop_lowers_no_limit() -> None:
    turns = Turns(limit=FIRST_LIMIT)
    for _ in range(FIRST_LIMIT + 1):
        await turns.ask(CHEAP)
    for delay_s in (0.15, 0.0, 0.0, 0.0):
        turns.clock.now += 0.02 + delay_s
        turns.shedder.observe(delay_s)
    assert turns.shedder.limit >= FIRST_LIMIT
    await turns.end()


async def test_an_idle_process_on_a_busy_machine_runs_a_burst_at_once() -> None:
    clock = Clock()
    shedder = LoadShedder(clock)
    intervals(shedder, clock, 100, 0.15)
    turns = Turns(limit=int(shedder.limit))
    assert [(await turns.ask(ANONYMOUS)).done() for _ in range(30)] == [False] * 30
    assert len(turns.began) == 30
    await turns.end()


async def test_a_limit_that_an_overload_lowered_returns_when_nothing_waits() -> None:
    clock = Clock()
    shedder = LoadShedder(clock)
    shedder.limit = MIN_LIMIT
    intervals(shedder, clock, 2 * FIRST_LIMIT, 0.15)
    assert shedder.limit == FIRST_LIMIT


async def test_without_waiting_operations_a_raised_limit_falls_to_the_first_one() -> None:
    clock = Clock()
    shedder = LoadShedder(clock)
    shedder.limit = MAX_LIMIT
    intervals(shedder, clock, 50, 2 * TARGET_DELAY_S)
    assert shedder.limit == FIRST_LIMIT


async def test_the_limit_rises_only_if_operations_wait_for_it() -> None:
    turns = Turns(limit=FIRST_LIMIT)
    intervals(turns.shedder, turns.clock, 5, 0.0)
    assert turns.shedder.limit == FIRST_LIMIT
    for _ in range(MAX_LIMIT):
        await turns.ask(CHEAP)
    intervals(turns.shedder, turns.clock, 5, 0.0)
    assert turns.shedder.limit > FIRST_LIMIT
    intervals(turns.shedder, turns.clock, 2 * MAX_LIMIT, 0.0)
    assert turns.shedder.limit <= MAX_LIMIT
    await turns.end()


async def test_refusals_make_one_line_for_each_class_an_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    with capture_logs() as lines:
        monkeypatch.setattr(load_shedding, "log", load_shedding.structlog.get_logger())
        clock = Clock()
        shedder = LoadShedder(clock)
        for _ in range(25):  # seconds
            for priority in (ANONYMOUS, ANONYMOUS, CHEAP):
                shedder._count_shed(priority)
            clock.now += 1
    shown = [(line["caller"], line["lines_left_out"]) for line in lines]
    assert shown == [("anonymous", 0), ("viewer", 0), *[("anonymous", 19), ("viewer", 9)] * 2]
