"""A ranking is made once however many want it, found while it is fresh, and made again when it is not."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from db.cache.base import Entry
from db.cache.embedded import EmbeddedCache
from db.catalog.project_cards import ProjectFilter
from db.errors import Store, StoreUnavailable
from db.models import FeedKind
from scoring import tunables
from scoring.mathematics.signals import Signal
from scoring.ranking import Ranking, Strategy
from scoring.snapshots.snapshot_store import EXTEND_EVERY_S, POINTER_KEPT_S, RankingKey, RankingSnapshot, SnapshotStore
from tests.doubles.memory_cache import MemoryCache
from tests.scoring.test_feeds import Away

SHARED = RankingKey("popular_feed:shared", None, "arguments", ProjectFilter(), 60.0)


class Making:
    """Makes rankings, and counts them."""

    def __init__(self, takes_s: float = 0.0, degraded: tuple[Store, ...] = (), at: datetime | None = None) -> None:
        self.at = at or datetime.now(UTC)
        self.takes_s = takes_s
        self.degraded = degraded
        self.made = 0

    async def __call__(self) -> Ranking:
        self.made += 1
        await asyncio.sleep(self.takes_s)
        return Ranking(
            kind=FeedKind.POPULAR,
            strategy=Strategy.POPULAR,
            model="test",
            signals=(Signal.LIKES,),
            ids=np.array([7, self.made]),
            values=np.ones((2, 1), dtype=np.float32),
            contributions=np.ones((2, 1), dtype=np.int64),
            adjustments={},
            generated_at=self.at,
            degraded=self.degraded,
        )


@pytest.fixture
async def cache(tmp_path: Path) -> AsyncIterator[EmbeddedCache]:
    opened = EmbeddedCache(tmp_path / "cache.sqlite", busy_timeout_s=30)
    yield opened
    await opened.close()


class Counting(MemoryCache):
    """A cache that lists the keys of its reads."""

    def __init__(self) -> None:
        super().__init__()
        self.read: list[str] = []

    async def get(self, key: str, *, extend_s: float | None = None) -> bytes | None:
        self.read.append(key)
        return await super().get(key, extend_s=extend_s)


async def test_many_requests_on_two_workers_make_one_ranking(cache: EmbeddedCache, tmp_path: Path):
    other = EmbeddedCache(tmp_path / "cache.sqlite", busy_timeout_s=30)
    make = Making(takes_s=0.05)
    workers = (SnapshotStore(cache), SnapshotStore(other))
    found = await asyncio.gather(*(workers[number % 2].find_or_make(SHARED, make) for number in range(40)))
    await other.close()
    assert make.made == 1
    assert len({snapshot.id for snapshot in found}) == 1
    assert all(snapshot.ranking.ids.tolist() == [7, 1] for snapshot in found)


async def test_a_ranking_is_found_while_it_is_fresh_and_its_cursors_hold_for_longer():
    clock = [0.0]
    rankings, make = SnapshotStore(MemoryCache(clock=lambda: clock[0]), clock=lambda: clock[0]), Making()
    first = await rankings.find_or_make(SHARED, make)
    clock[0] = 59
    assert (await rankings.find_or_make(SHARED, make)).id == first.id
    clock[0] = 61
    second = await rankings.find_or_make(SHARED, make)
    assert second.id != first.id
    assert make.made == 2
    assert (await rankings.by_id(first.id)) is not None


async def test_what_was_made_without_a_store_is_not_kept_long():
    clock = [0.0]
    cache = MemoryCache(clock=lambda: clock[0])
    rankings, make = SnapshotStore(cache, clock=lambda: clock[0]), Making(degraded=(Store.VECTORS,))
    first = await rankings.find_or_make(SHARED, make)
    clock[0] = tunables.DEGRADED_FRESH_S - 0.1
    assert (await rankings.find_or_make(SHARED, make)).id == first.id
    clock[0] = tunables.DEGRADED_FRESH_S + 0.1
    assert (await rankings.find_or_make(SHARED, make)).id != first.id


@pytest.mark.parametrize("hours", [-24, -1, 1, 24])
async def test_a_ranking_from_before_the_clock_was_set_is_made_anew(hours: int):
    cache, at = MemoryCache(), datetime(2026, 5, 1, tzinfo=UTC)
    await SnapshotStore(cache).find_or_make(SHARED, Making(degraded=(Store.VECTORS,), at=at))
    later, make = at + timedelta(hours=hours), Making(at=at + timedelta(hours=hours))
    for _ in range(2):
        assert (await SnapshotStore(cache, now=lambda: later).find_or_make(SHARED, make)).ranking.degraded == ()
    assert make.made == 1


async def test_a_pointer_that_outlived_its_ranking_is_put_right():
    cache, make = MemoryCache(), Making()
    rankings = SnapshotStore(cache)
    gone = await rankings.find_or_make(SHARED, make)
    await cache.delete(f"snapshot:{gone.id}")
    other_process = SnapshotStore(cache)
    second = await other_process.find_or_make(SHARED, make)
    assert (await other_process.find_or_make(SHARED, make)).id == second.id
    assert make.made == 2


async def test_a_process_asks_the_cache_for_a_ranking_once_a_minute():
    clock, cache = [0.0], Counting()
    rankings = SnapshotStore(cache, clock=lambda: clock[0])
    snapshot = await rankings.find_or_make(SHARED, Making())
    cache.read.clear()
    clock[0] = EXTEND_EVERY_S - 1
    assert await rankings.by_id(snapshot.id) is snapshot
    assert cache.read == []
    clock[0] = EXTEND_EVERY_S
    assert await rankings.by_id(snapshot.id) is snapshot
    assert cache.read == [f"snapshot:{snapshot.id}"]
    await cache.delete(f"snapshot:{snapshot.id}")
    assert await rankings.by_id(snapshot.id) is snapshot
    clock[0] = 2 * EXTEND_EVERY_S
    assert await rankings.by_id(snapshot.id) is None


async def test_a_process_follows_the_pointer_of_another_for_a_few_seconds():
    clock, cache, make = [0.0], Counting(), Making()
    first = await SnapshotStore(cache).find_or_make(SHARED, make)
    rankings = SnapshotStore(cache, clock=lambda: clock[0])
    assert (await rankings.find_or_make(SHARED, make)).id == first.id
    cache.read.clear()
    clock[0] = POINTER_KEPT_S - 0.1
    assert (await rankings.find_or_make(SHARED, make)).id == first.id
    assert cache.read == []
    clock[0] = POINTER_KEPT_S
    assert (await rankings.find_or_make(SHARED, make)).id == first.id
    assert cache.read == [SHARED.pointer]


async def test_a_process_keeps_the_rankings_that_fit():
    cache = Counting()
    rankings = SnapshotStore(cache, max_kept_bytes=1_000)
    keys = [replace(SHARED, pointer=f"{SHARED.pointer}{number}") for number in range(4)]
    first, *_, last = [await rankings.find_or_make(key, Making()) for key in keys]
    cache.read.clear()
    assert await rankings.by_id(last.id) is last
    assert cache.read == []
    assert (await rankings.by_id(first.id)) is not None
    assert cache.read == [f"snapshot:{first.id}"]


async def test_without_a_cache_a_process_makes_its_own_for_a_few_seconds_and_says_so():
    clock, make = [0.0], Making()
    rankings = SnapshotStore(Away(Store.CACHE), clock=lambda: clock[0])  # type: ignore[arg-type]
    first, again = await rankings.find_or_make(SHARED, make), await rankings.find_or_make(SHARED, make)
    assert first.ranking.degraded == (Store.CACHE,)
    assert again is first
    clock[0] = tunables.DEGRADED_FRESH_S
    assert (await rankings.find_or_make(SHARED, make)).id != first.id
    assert await rankings.by_id(first.id) is first


class Failing(MemoryCache):
    """A cache that is unavailable while `is_away`."""

    is_away = False

    async def get(self, key: str, *, extend_s: float | None = None) -> bytes | None:
        self._check()
        return await super().get(key, extend_s=extend_s)

    async def put_many(self, values: Mapping[str, Entry]) -> None:
        self._check()
        await super().put_many(values)

    def _check(self) -> None:
        if self.is_away:
            raise StoreUnavailable(Store.CACHE, "away")


async def test_a_ranking_that_another_process_made_is_unavailable_not_expired_while_the_cache_is_away():
    cache = Failing()
    first = await SnapshotStore(cache).find_or_make(SHARED, Making())
    rankings, make = SnapshotStore(cache), Making()
    cache.is_away = True
    with pytest.raises(StoreUnavailable):
        await rankings.by_id(first.id)
    assert (await rankings.find_or_make(SHARED, make)).ranking.degraded == (Store.CACHE,)
    cache.is_away = False
    assert (await rankings.by_id(first.id)) is not None
    assert await rankings.by_id("00") is None


async def test_the_cursors_of_a_ranking_that_could_not_be_stored_hold_as_long_as_others():
    clock, cache = [0.0], Failing()
    rankings = SnapshotStore(cache, clock=lambda: clock[0])
    cache.is_away = True
    snapshot = await rankings.find_or_make(SHARED, Making())
    cache.is_away = False
    clock[0] = tunables.SNAPSHOT_TTL_S - 1
    assert await rankings.by_id(snapshot.id) is snapshot
    clock[0] = tunables.SNAPSHOT_TTL_S
    assert await rankings.by_id(snapshot.id) is None


async def test_a_pointer_whose_ranking_went_out_of_memory_does_not_need_the_cache():
    cache, make = Failing(), Making()
    rankings = SnapshotStore(cache, max_kept_bytes=0)
    await rankings.find_or_make(SHARED, make)
    cache.is_away = True
    assert (await rankings.find_or_make(SHARED, make)).ranking.degraded == (Store.CACHE,)
    assert make.made == 2


async def test_another_feeds_ranking_may_stand_in():
    rankings, make = SnapshotStore(MemoryCache()), Making()
    popular = await rankings.find_or_make(SHARED, make)

    async def borrow() -> RankingSnapshot:
        return popular

    own = RankingKey("for_you_feed:1:0", 1, "arguments", ProjectFilter(), 60.0)
    assert (await rankings.find_or_make(own, borrow)).id == popular.id
    assert (await rankings.find_or_make(own, make)).id == popular.id
    assert make.made == 1


async def test_what_fails_is_not_kept():
    rankings = SnapshotStore(MemoryCache())

    async def fail() -> Any:
        raise StoreUnavailable(Store.DATABASE, "as the test asked")

    with pytest.raises(StoreUnavailable):
        await rankings.find_or_make(SHARED, fail)
    assert (await rankings.find_or_make(SHARED, Making())).ranking.degraded == ()
