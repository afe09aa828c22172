"""Budgets in a true Redis and a true Redis Cluster, shared by two processes' worth of clients."""

import asyncio
from contextlib import contextmanager

import pytest

from db.cache.redis import RedisCache
from db.errors import StoreUnavailable
from gateway.limits.rate_limits import PointsSpent
from gateway.limits.redis_rate_limits import RedisRateLimitStore
from tests.doubles.proxy import FaultProxy
from tests.servers import running_redis, running_redis_cluster
from tests.waiting import until

pytestmark = pytest.mark.servers


@contextmanager
def running(kind):
    if kind == "redis":
        with running_redis() as server:
            yield server, f"redis://127.0.0.1:{server.port}/0"
    else:
        with running_redis_cluster() as servers:
            yield servers[0], f"redis://127.0.0.1:{servers[0].port}"


@pytest.mark.parametrize("kind", ["redis", "redis-cluster"])
async def test_two_gateways_count_together(kind):
    with running(kind) as (_server, url):
        here, there = RedisCache(url, deadline_s=5), RedisCache(url, deadline_s=5)
        one, other = RedisRateLimitStore(here), RedisRateLimitStore(there)
        assert await one.spent("ada") == PointsSpent()
        results = await asyncio.gather(*((one, other)[at % 2].spend("ada", 100, 1_000) for at in range(30)))
        spent = await other.spent("ada")
        assert sum(results) == 10
        assert (spent.points, spent.previous) == (1_000, 0)
        assert 110 < spent.seconds_until_full() <= 120
        assert 0 < spent.seconds_until_affordable(100, 1_000) <= 66 + 1
        assert await one.spend("bob}{", 1_000, 1_000)
        assert not await one.spend("carol", 1_001, 1_000)
        await here.close()
        await there.close()


async def test_connections_that_were_reset_are_made_anew():
    with running_redis() as server:
        async with FaultProxy("127.0.0.1", server.port) as proxy:
            cache = RedisCache(f"redis://127.0.0.1:{proxy.port}/0", deadline_s=5)
            windows = RedisRateLimitStore(cache)
            await asyncio.gather(*(windows.spend("ada", 1, 1_000) for _ in range(30)))
            pooled = [*cache._client.connection_pool._available_connections]
            proxy.reset_open()
            await until(lambda: all(connection._writer.transport.is_closing() for connection in pooled))
            assert all(await asyncio.gather(*(windows.spend("ada", 1, 1_000) for _ in range(30))))
            assert (await windows.spent("ada")).points == 60
            await cache.close()


async def test_a_redis_that_is_away_is_told_as_such():
    with running_redis() as server:
        url = f"redis://127.0.0.1:{server.port}/0"
        cache = RedisCache(url, deadline_s=1)
        windows = RedisRateLimitStore(cache)
        assert await windows.spend("ada", 1, 10)
    with pytest.raises(StoreUnavailable):
        await windows.spend("ada", 1, 10)
    await cache.close()
