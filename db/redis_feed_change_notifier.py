"""Notifications between processes through Redis publish/subscribe."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from db.cache.redis import new_client
from db.cache.redis_address import node_options
from db.feed_change_notifier import FeedChangeNotifier

CHANNEL = "explore:written"

NOTIFY_EVERY_S = 0.2
"""Minimum interval between two notifications of a process: at most five a second."""

RETRY_AFTER_S = 2.0
"""Pause before the next attempt to connect."""

WAIT_S = 5.0
"""Duration of one wait for notifications. The connection is checked after each wait."""

log = structlog.get_logger(__name__)


class RedisFeedChangeNotifier(FeedChangeNotifier):
    """Notifications between processes that share a Redis server or cluster.

    `url` has the format that `db.cache.redis.RedisCache` takes.
    """

    def __init__(self, url: str) -> None:
        super().__init__()
        self._nodes = node_options(url)
        self._pending = asyncio.Event()
        self._receives = False

    @property
    def receives_remote(self) -> bool:
        """Whether notifications of other processes are received now."""
        return self._receives

    def notify(self) -> None:
        """Call subscribers of this process at once, and subscribers of other processes within `NOTIFY_EVERY_S`."""
        super().notify()
        self._pending.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Send and receive notifications until stopped. Reconnects after a lost connection."""
        while not stop.is_set():
            await _run_until(stop, self._communicate(self._nodes[0]))
            self._nodes.append(self._nodes.pop(0))  # the next node of a cluster
            with suppress(TimeoutError):
                async with asyncio.timeout(RETRY_AFTER_S):
                    await stop.wait()

    async def _communicate(self, node: dict[str, Any]) -> None:
        """Send and receive notifications until the connection is lost."""
        options = {"socket_connect_timeout": RETRY_AFTER_S, **node, "socket_timeout": WAIT_S, "protocol": 2}
        client = new_client(options | {"health_check_interval": 5})
        try:
            async with client, client.pubsub(ignore_subscribe_messages=False) as channel:
                await channel.subscribe(CHANNEL)
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._receive(channel))
                    tasks.create_task(self._send(client))
        except* (RedisError, OSError) as errors:
            if self._receives:
                log.warning("notifications of other processes are not received", reason=str(errors.exceptions[0]))
        finally:
            self._receives = False

    async def _receive(self, channel: Any) -> None:
        while True:
            message = await channel.get_message(timeout=WAIT_S)
            if message is None:
                continue
            self._receives = True  # the first message confirms the subscription
            super().notify()

    async def _send(self, client: Redis) -> None:
        while True:
            await self._pending.wait()
            self._pending.clear()
            await client.publish(CHANNEL, b"")
            await asyncio.sleep(NOTIFY_EVERY_S)


async def _run_until(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> None:
    """Await `work`, and cancel it when `stop` is set."""
    working, stopping = asyncio.create_task(work), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (working, stopping):
            task.cancel()
    with suppress(asyncio.CancelledError):
        await working
