"""Hints between processes, by way of Redis (publish and subscribe)."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from db.feed_change_notifier import FeedChangeNotifier

CHANNEL = "explore:written"

TOLD_EVERY_S = 0.2
"""The least time between two hints that a process sends: a thousand writes a second are five hints."""

AGAIN_AFTER_S = 2.0
"""Pause before a Redis that is away is tried again."""

LISTENED_S = 5.0
"""How long one wait for hints lasts; between two of them the connection is looked after."""

log = structlog.get_logger(__name__)


class RedisFeedChangeNotifier(FeedChangeNotifier):
    """Hints between the processes that share a Redis, or a Redis Cluster (which passes them on to all its nodes).

    Parameters
    ----------
    url
        As in `db.cache.redis.RedisCache`.
    """

    def __init__(self, url: str) -> None:
        super().__init__()
        self._urls = _urls(url)
        self._to_tell = asyncio.Event()
        self._hears = False

    @property
    def receives_remote(self) -> bool:
        """Whether the hints of other processes arrive just now."""
        return self._hears

    def notify(self) -> None:
        """Say so here at once, and to the others within `TOLD_EVERY_S`."""
        super().notify()
        self._to_tell.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Send and hear hints until told to stop; connects again whenever the connection is lost."""
        while not stop.is_set():
            await _until(stop, self._talk(self._urls[0]))
            self._urls.append(self._urls.pop(0))  # of a cluster, the next node
            with suppress(TimeoutError):
                async with asyncio.timeout(AGAIN_AFTER_S):
                    await stop.wait()

    async def _talk(self, url: str) -> None:
        """Send and hear until the connection is lost."""
        client: Redis = Redis.from_url(
            url, protocol=2, socket_connect_timeout=AGAIN_AFTER_S, socket_timeout=LISTENED_S, health_check_interval=5
        )
        try:
            async with client, client.pubsub(ignore_subscribe_messages=False) as heard:
                await heard.subscribe(CHANNEL)
                async with asyncio.TaskGroup() as both:
                    both.create_task(self._hear(heard))
                    both.create_task(self._send(client))
        except* (RedisError, OSError) as lost:
            if self._hears:
                log.warning("hints of other processes are not heard", reason=str(lost.exceptions[0]))
        finally:
            self._hears = False

    async def _hear(self, heard: Any) -> None:
        while True:
            message = await heard.get_message(timeout=LISTENED_S)
            if message is None:
                continue
            self._hears = True  # the first one says that we have subscribed
            super().notify()

    async def _send(self, client: Redis) -> None:
        while True:
            await self._to_tell.wait()
            self._to_tell.clear()
            await client.publish(CHANNEL, b"")
            await asyncio.sleep(TOLD_EVERY_S)


async def _until(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> None:
    """Do work until it ends or we are told to stop."""
    working, stopping = asyncio.create_task(work), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (working, stopping):
            task.cancel()
    with suppress(asyncio.CancelledError):
        await working


def _urls(url: str) -> list[str]:
    """Give the URL of each node that a URL names."""
    parts = urlsplit(url)
    account, at, hosts = parts.netloc.rpartition("@")
    return [urlunsplit(parts._replace(netloc=f"{account}{at}{host}")) for host in hosts.split(",")]
