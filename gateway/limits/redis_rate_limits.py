"""Spent points in Redis or Redis Cluster, shared by all gateways: the scripts of the library `limits`."""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

from limits.aio.storage import RedisStorage

from gateway.limits.rate_limits import WINDOW_S, PointsSpent

PREFIX = "explore:limits"
"""Prefix of each key."""

T = TypeVar("T")


class RedisAccess(Protocol):
    """`db.cache.redis.RedisCache`, behind its guard."""

    async def run(self, ask: Callable[[Any], Awaitable[T]]) -> T:
        """Call `ask` with the client."""
        ...


class RedisRateLimitStore:
    """Store in Redis, one round trip per operation. A key holds a hash and lives for two minutes.

    While the cache is unavailable each operation raises `StoreUnavailable`, at once if its circuit is open.
    """

    def __init__(self, cache: RedisAccess) -> None:
        self._cache = cache
        self._storage: _SharedClientStorage | None = None

    async def spend(self, caller: str, points: int, limit: int) -> bool:
        """As in the protocol."""
        return await self._cache.run(
            lambda client: self._storage_of(client).acquire_sliding_window_entry(caller, limit, WINDOW_S, points)
        )

    async def spent(self, caller: str) -> PointsSpent:
        """As in the protocol."""
        windows = await self._cache.run(lambda client: self._storage_of(client).get_sliding_window(caller, WINDOW_S))
        return PointsSpent(*windows)

    def _storage_of(self, client: Any) -> RedisStorage:
        if self._storage is None or self._storage.client is not client:
            self._storage = _SharedClientStorage(client)
        return self._storage


class _SharedClientStorage(RedisStorage):
    """The library's storage on an existing client of Redis or Redis Cluster."""

    def __init__(self, client: Any) -> None:
        self.client = client
        super().__init__("redis://", implementation="redispy", key_prefix=PREFIX)

    def configure_bridge(self) -> None:
        """Use the client instead of creating one."""
        self.bridge.storage = self.client  # type: ignore[attr-defined]
        self.bridge.connection_getter = lambda _: self.client  # type: ignore[attr-defined]
