"""Notifications between processes over a real Redis, also during its outages."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from db import redis_feed_change_notifier
from db.cache.redis_address import node_urls
from db.feed_change_notifier import FeedChangeNotifier
from db.redis_feed_change_notifier import RedisFeedChangeNotifier
from tests.doubles.proxy import FaultProxy
from tests.servers import running_redis, running_redis_cluster, start_redis, stop_redis
from tests.waiting import until

pytestmark = pytest.mark.servers


@asynccontextmanager
async def at_work(notifier: FeedChangeNotifier) -> AsyncIterator[asyncio.Event]:
    """Run a notifier beside the test, and lend an event that each notification sets."""
    stop, heard = asyncio.Event(), asyncio.Event()
    notifier.subscribe(heard.set)
    running = asyncio.create_task(notifier.run(stop))
    try:
        yield heard
    finally:
        stop.set()
        async with asyncio.timeout(10):
            await running


async def hear(*notifier: FeedChangeNotifier, others: bool = True) -> None:
    await until(lambda: all(one.receives_remote is others for one in notifier))


async def hears(heard: asyncio.Event) -> None:
    async with asyncio.timeout(20):
        await heard.wait()


async def test_within_a_process_a_hint_is_heard_at_once() -> None:
    notifier = FeedChangeNotifier()
    async with at_work(notifier) as heard:
        assert not notifier.receives_remote
        notifier.notify()
        assert heard.is_set()


async def test_a_hint_of_one_process_is_heard_by_another() -> None:
    with running_redis() as redis:
        here, there = RedisFeedChangeNotifier(redis.url), RedisFeedChangeNotifier(redis.url)
        async with at_work(here), at_work(there) as heard:
            await hear(here, there)
            heard.clear()
            here.notify()
            await hears(heard)


async def test_a_redis_that_went_away_and_came_back_is_heard_again(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(redis_feed_change_notifier, "RETRY_AFTER_S", 0.1)
    redis = start_redis(tmp_path)
    here, there = RedisFeedChangeNotifier(redis.url), RedisFeedChangeNotifier(redis.url)
    async with at_work(here) as at_home, at_work(there) as heard:
        await hear(here, there)
        stop_redis(redis)
        await hear(here, there, others=False)
        at_home.clear()
        here.notify()
        assert at_home.is_set()  # our own process needs no Redis
        back = start_redis(tmp_path, port=redis.port)
        try:
            await hear(here, there)
            heard.clear()
            here.notify()
            await hears(heard)
        finally:
            stop_redis(back)


async def test_connections_that_were_reset_are_made_anew(monkeypatch) -> None:
    monkeypatch.setattr(redis_feed_change_notifier, "RETRY_AFTER_S", 0.1)
    with running_redis() as redis:
        async with FaultProxy("127.0.0.1", redis.port) as proxy:
            here, there = (RedisFeedChangeNotifier(f"redis://127.0.0.1:{proxy.port}/0") for _ in range(2))
            async with at_work(here), at_work(there) as heard:
                await hear(here, there)
                for _ in range(3):
                    before = proxy.connections
                    proxy.reset_open()
                    await until(lambda before=before: proxy.connections >= before + 2)  # both receive again
                    heard.clear()
                    await until(lambda: (here.notify(), heard.is_set())[1])


async def test_a_redis_that_was_never_there_holds_nothing_up() -> None:
    notifier = RedisFeedChangeNotifier("redis://127.0.0.1:1/0")
    async with at_work(notifier) as heard:
        notifier.notify()
        assert heard.is_set()
        await asyncio.sleep(0.1)
        assert not notifier.receives_remote


async def test_a_thousand_writes_are_few_hints_to_others() -> None:
    with running_redis() as redis:
        here, there = RedisFeedChangeNotifier(redis.url), RedisFeedChangeNotifier(redis.url)
        count = 0

        def callback() -> None:
            nonlocal count
            count += 1

        there.subscribe(callback)
        async with at_work(here), at_work(there):
            await hear(here, there)
            before = count
            for _ in range(1_000):
                here.notify()
                await asyncio.sleep(0)
            await asyncio.sleep(3 * redis_feed_change_notifier.NOTIFY_EVERY_S)
            assert 1 <= count - before <= 5


async def test_hints_pass_between_the_nodes_of_a_cluster() -> None:
    with running_redis_cluster() as nodes:
        here, there = (RedisFeedChangeNotifier(f"redis://127.0.0.1:{node.port}/0") for node in nodes[:2])
        async with at_work(here), at_work(there) as heard:
            await hear(here, there)
            heard.clear()
            here.notify()
            await hears(heard)


@pytest.mark.parametrize(
    ("url", "first", "second"),
    [("redis://u:p@a:1,b:2/0", "redis://u:p@a:1/0", "redis://u:p@b:2/0"), ("rediss://a", "rediss://a", None)],
)
def test_each_node_that_a_url_names_has_a_url_of_its_own(url, first, second) -> None:
    assert node_urls(url) == [one for one in (first, second) if one is not None]
