"""An operation that takes too long is stopped, with all that it has begun; nobody else's work is."""

import asyncio
import time
from types import SimpleNamespace

import pytest
from sqlalchemy import text

from db.cache.single_flight import Computed, get_or_compute
from gateway.limits.limits import OperationTimeout, run_within
from resolvers.common.context import Context
from resolvers.common.loaders import MappedLoader
from scoring.use_cases.unit_of_work import Caller
from tests.doubles.memory_cache import MemoryCache
from tests.waiting import until

SLOW = text("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :rows) SELECT count(*) FROM n")


def context_on(database):
    return Context(SimpleNamespace(database=database), Caller(), feeds=None)


async def test_what_ends_in_time_is_given():
    async def quick():
        return 7

    assert await run_within(1, quick(), lambda: None) == 7


async def test_a_time_limit_of_a_resolvers_own_is_not_taken_for_ours():
    async def impatient():
        raise TimeoutError("a store")

    with pytest.raises(TimeoutError, match="a store"):
        await run_within(1, impatient(), lambda: None)


async def test_the_refusal_says_how_long_it_may_take():
    with pytest.raises(OperationTimeout, match=r"within 0\.01 s") as refused:
        await run_within(0.01, asyncio.sleep(5), lambda: None)
    assert (refused.value.status, refused.value.code) == (503, "TIMEOUT")


async def test_a_loader_and_its_statement_are_stopped(database):
    """The loader runs in a task of its own, which nobody who waits for it would stop."""
    context = context_on(database)
    ended: list[str] = []

    async def read(reading, keys):
        try:
            await reading.stores.database.fetch(SLOW, {"rows": 2_000_000_000})
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise
        return {}

    loader = MappedLoader(context, read)
    with pytest.raises(OperationTimeout):
        await run_within(0.3, asyncio.gather(loader.load(1), loader.load(2)), context.stop)
    await until(lambda: ended == ["cancelled"])  # asyncpg first asks the server to stop the statement
    started = time.monotonic()
    await asyncio.gather(*(database.fetch(text("SELECT 1")) for _ in range(10)))
    assert time.monotonic() - started < 4, "no statement keeps a connection or a thread"


async def test_a_flight_that_others_wait_for_goes_on():
    cache, flown = MemoryCache(), asyncio.Event()

    async def compute():
        await flown.wait()
        return Computed(b"made", 60)

    def fly():
        return get_or_compute(cache, "key", compute, lock_s=5, cancel_when_abandoned=True)

    other = asyncio.create_task(fly())
    with pytest.raises(OperationTimeout):
        await run_within(0.05, fly(), lambda: None)
    flown.set()
    assert (await other).value == b"made"


async def test_a_flight_that_nobody_waits_for_any_more_is_stopped():
    cache, ended = MemoryCache(), list[str]()

    async def compute():
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise
        return Computed(b"", 60)

    with pytest.raises(OperationTimeout):
        await run_within(
            0.05, get_or_compute(cache, "key", compute, lock_s=5, cancel_when_abandoned=True), lambda: None
        )
    await asyncio.sleep(0.01)
    assert ended == ["cancelled"]

    async def again():
        return Computed(b"made", 60)

    assert (await get_or_compute(cache, "key", again, lock_s=0.5)).value == b"made"
