"""A missing value is computed once across tasks and workers, and a killed worker delays nobody for long."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from db.cache.base import Cache, Entry
from db.cache.embedded import EmbeddedCache
from db.cache.single_flight import Computed, get_or_compute
from db.errors import Store, StoreUnavailable
from tests.db.cache.conftest import SHARED, compute_once
from tests.doubles.memory_cache import MemoryCache
from tests.preloaded import Code
from tests.waiting import until

pytestmark = pytest.mark.servers

PROCESS = """
import asyncio, sys
from pathlib import Path
from db.cache.embedded import EmbeddedCache
from tests.db.cache.conftest import compute_once

async def main(folder: Path, number: str) -> None:
    cache = EmbeddedCache(folder / "cache.sqlite", busy_timeout_s=30)

    async def compute() -> bytes:
        with (folder / "computed").open("a") as file:
            file.write("x")
        await asyncio.sleep(0.2)
        return b"value"

    (folder / f"ready-{number}").touch()
    while not (folder / "go").exists():
        await asyncio.sleep(0.005)
    values = await asyncio.gather(*(compute_once(cache, "key", compute, ttl_s=60, lock_s=30) for _ in range(10)))
    assert set(values) == {b"value"}
    await cache.close()

asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
"""


class Computing:
    """A computation that counts how often it runs."""

    def __init__(self, takes_s: float = 0.05, *, fails: int = 0, until: asyncio.Event | None = None) -> None:
        self.takes_s = takes_s
        self.fails = fails
        self.until = until
        self.begun = asyncio.Event()
        self.started = 0
        self.ended = 0

    async def __call__(self) -> bytes:
        self.started += 1
        self.begun.set()
        mine = self.started
        await asyncio.sleep(self.takes_s)
        if self.until is not None:
            await self.until.wait()
        self.ended += 1
        if mine <= self.fails:
            raise ValueError("as the test asked")
        return b"value %d" % mine


class AwayCache(MemoryCache):
    """A cache that is unavailable for the operations a test names."""

    def __init__(self, *away: str) -> None:
        super().__init__()
        self.away = set(away)

    def _check(self, operation: str) -> None:
        if operation in self.away:
            raise StoreUnavailable(Store.CACHE, "as the test asked")

    async def get(self, key: str, *, extend_s: float | None = None) -> bytes | None:
        self._check("get")
        return await super().get(key, extend_s=extend_s)

    async def get_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        self._check("get_many")
        return await super().get_many(keys)

    async def put(self, key: str, value: bytes, ttl_s: float) -> None:
        self._check("put")
        await super().put(key, value, ttl_s)

    async def put_many(self, values: Mapping[str, Entry]) -> None:
        self._check("put_many")
        await super().put_many(values)

    async def add(self, key: str, value: bytes, ttl_s: float) -> bool:
        self._check("add")
        if not await MemoryCache.get(self, key):
            await MemoryCache.put(self, key, value, ttl_s)
            return True
        return False


@pytest.fixture(params=SHARED)
def two(request: pytest.FixtureRequest, open_cache: Callable[[str], Cache]) -> tuple[Cache, Cache]:
    """Return two connections to one store, as two workers have."""
    return open_cache(request.param), open_cache(request.param)


async def test_fifty_callers_on_two_workers_compute_once(two: tuple[Cache, Cache]) -> None:
    compute = Computing(0.1)
    calls = (compute_once(cache, "key", compute, ttl_s=60, lock_s=10) for cache in two * 25)
    assert set(await asyncio.gather(*calls)) == {b"value 1"}
    assert compute.started == 1
    assert await compute_once(two[1], "key", compute, ttl_s=60, lock_s=10) == b"value 1"
    assert await two[0].get("key:lock") is None


async def test_several_processes_compute_once(tmp_path: Path) -> None:
    processes = [Code(PROCESS, tmp_path, number) for number in range(4)]
    await until(lambda: len(list(tmp_path.glob("ready-*"))) == 4)
    (tmp_path / "go").touch()
    for process in processes:
        _, errors = await asyncio.to_thread(process.communicate)
        assert process.returncode == 0, errors
    assert (tmp_path / "computed").read_text() == "x"


async def test_a_value_that_is_there_is_not_computed() -> None:
    cache, compute = MemoryCache(), Computing()
    await cache.put("key", b"kept", 60)
    assert await compute_once(cache, "key", compute, ttl_s=60, lock_s=10) == b"kept"
    assert compute.started == 0


async def test_each_key_is_computed() -> None:
    cache, compute = MemoryCache(), Computing()
    values = await asyncio.gather(*(compute_once(cache, key, compute, ttl_s=60, lock_s=10) for key in "abcabc"))
    assert values[:3] == values[3:]
    assert len(set(values)) == compute.started == 3


async def test_a_value_expires_and_is_computed_again() -> None:
    cache, compute = MemoryCache(), Computing(0)
    for expected in (b"value 1", b"value 2"):
        assert await compute_once(cache, "key", compute, ttl_s=0.05, lock_s=10) == expected
        await asyncio.sleep(0.1)


async def test_the_first_caller_who_goes_away_takes_nobody_along(two: tuple[Cache, Cache]) -> None:
    gone = asyncio.Event()
    compute = Computing(until=gone)
    first = asyncio.create_task(compute_once(two[0], "key", compute, ttl_s=60, lock_s=60))
    others = [asyncio.create_task(compute_once(cache, "key", compute, ttl_s=60, lock_s=60)) for cache in two]
    await compute.begun.wait()
    first.cancel()
    gone.set()
    assert await asyncio.gather(*others) == [b"value 1"] * 2
    assert first.cancelled()
    assert compute.started == 1


async def test_what_was_computed_for_nobody_is_kept() -> None:
    cache, compute = MemoryCache(), Computing(0.05)
    only = asyncio.create_task(compute_once(cache, "key", compute, ttl_s=60, lock_s=10))
    await asyncio.sleep(0.02)
    only.cancel()
    await asyncio.sleep(0.1)
    assert await cache.get("key") == b"value 1"


async def test_a_failure_reaches_those_who_waited_here_and_others_try_themselves(two: tuple[Cache, Cache]) -> None:
    compute = Computing(0.2, fails=1)
    here = [asyncio.create_task(compute_once(two[0], "key", compute, ttl_s=60, lock_s=10)) for _ in range(3)]
    await asyncio.sleep(0.05)
    there = asyncio.create_task(compute_once(two[1], "key", compute, ttl_s=60, lock_s=10))
    for outcome in await asyncio.gather(*here, return_exceptions=True):
        assert isinstance(outcome, ValueError)
    assert await there == b"value 2"
    assert compute.started == 2


async def test_a_dead_leaders_lock_expires(two: tuple[Cache, Cache]) -> None:
    assert await two[0].add("key:lock", b"of one who died", 0.2)
    compute = Computing(0)
    started = time.monotonic()
    assert await compute_once(two[1], "key", compute, ttl_s=60, lock_s=60) == b"value 1"
    assert time.monotonic() - started < 25


async def test_nobody_waits_longer_than_the_lock_may_take() -> None:
    cache, compute = MemoryCache(), Computing(0)
    assert await cache.add("key:lock", b"of one who hangs", 60)
    started = time.monotonic()
    assert await compute_once(cache, "key", compute, ttl_s=60, lock_s=0.2) == b"value 1"
    assert 0.2 <= time.monotonic() - started < 25
    assert await cache.get("key:lock") == b"of one who hangs"


async def test_a_lock_whose_answer_was_lost_is_ours() -> None:
    class Forgetful(MemoryCache):
        async def add(self, key: str, value: bytes, ttl_s: float) -> bool:
            await super().add(key, value, ttl_s)
            return False

    compute = Computing(0)
    started = time.monotonic()
    assert await compute_once(Forgetful(), "key", compute, ttl_s=60, lock_s=60) == b"value 1"
    assert time.monotonic() - started < 25


async def test_a_caller_who_hangs_up_during_the_release_leaves_no_lock() -> None:
    class Slow(MemoryCache):
        def __init__(self) -> None:
            super().__init__()
            self.is_releasing, self.goes_on = asyncio.Event(), asyncio.Event()

        async def delete(self, key: str) -> None:
            self.is_releasing.set()
            await self.goes_on.wait()
            await super().delete(key)

    async def compute() -> Computed[None]:
        return Computed(b"value", 60)

    cache = Slow()
    caller = asyncio.create_task(get_or_compute(cache, "key", compute, lock_s=60, cancel_when_abandoned=True))
    await cache.is_releasing.wait()
    caller.cancel()
    await asyncio.wait([caller])
    await asyncio.sleep(0)
    cache.goes_on.set()
    for _ in range(5):  # turns of the event loop
        await asyncio.sleep(0)
    assert await cache.get("key:lock") is None


async def test_what_another_put_between_our_look_and_our_lock_is_taken() -> None:
    class Late(MemoryCache):
        async def add(self, key: str, value: bytes, ttl_s: float) -> bool:
            await self.put("key", b"another's", 60)
            return await super().add(key, value, ttl_s)

    compute = Computing(0)
    assert await compute_once(Late(), "key", compute, ttl_s=60, lock_s=5) == b"another's"
    assert compute.started == 0


@pytest.mark.parametrize(
    "away", [("get",), ("get_many",), ("add",), ("put_many",), ("get", "put_many", "add", "get_many")]
)
async def test_without_the_cache_the_value_is_computed_all_the_same(away: tuple[str, ...]) -> None:
    compute = Computing(0.02)
    cache = AwayCache(*away)
    calls = (compute_once(cache, "key", compute, ttl_s=60, lock_s=0.2) for _ in range(5))
    assert set(await asyncio.gather(*calls)) == {b"value 1"}
    assert compute.started == 1


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(starts=st.lists(st.tuples(st.integers(0, 1), st.integers(0, 40)), min_size=2, max_size=30))
async def test_whenever_callers_come_they_all_get_one_value(
    tmp_path_factory: pytest.TempPathFactory, starts: list[tuple[int, int]]
) -> None:
    path = tmp_path_factory.mktemp("flight") / "cache.sqlite"
    caches = [EmbeddedCache(path), EmbeddedCache(path)]
    compute = Computing(0.02)

    async def call(worker: int, after_ms: int) -> bytes:
        await asyncio.sleep(after_ms / 1000)
        return await compute_once(caches[worker], "key", compute, ttl_s=60, lock_s=30)

    values = await asyncio.gather(*(call(*start) for start in starts))
    for cache in caches:
        await cache.close()
    assert set(values) == {b"value 1"}
    assert compute.started == 1
