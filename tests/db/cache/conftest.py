"""The caches under the contract tests. A new engine is added by its name here."""

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from db.cache.base import Cache
from db.cache.embedded import EmbeddedCache
from db.cache.redis import RedisCache
from db.cache.single_flight import Computed, get_or_compute
from tests.doubles.memory_cache import MemoryCache
from tests.servers import RedisServer, ServerMissing, running_redis, running_redis_cluster

CACHES = ("embedded", "memory", "redis", "redis-cluster")
SHARED = ("embedded", "redis", "redis-cluster")
"""Engines that several processes share."""

DEADLINE_S = 5.0
"""Time limit of the caches that no test slows down: two cores may be busy."""

MakeCache = Callable[[], Awaitable[Cache]]
MakeRedis = Callable[..., RedisCache]

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """Start Redis once for the whole run; without its program the tests fail and say what to install."""
    try:
        with running_redis() as server:
            yield server
    except ServerMissing as missing:
        raise pytest.fail.Exception(str(missing), pytrace=False) from None


@pytest.fixture(scope="session")
def redis_cluster() -> Iterator[list[RedisServer]]:
    """Start a Redis Cluster of three masters once for the whole run."""
    try:
        with running_redis_cluster() as servers:
            yield servers
    except ServerMissing as missing:
        raise pytest.fail.Exception(str(missing), pytrace=False) from None


@pytest.fixture
async def make_redis() -> AsyncIterator[MakeRedis]:
    """Return a function that makes Redis caches by URL; those of one test share keys that no other test has."""
    opened: list[RedisCache] = []
    prefix = f"test{next(_numbers)}:"

    def make(url: str, deadline_s: float = DEADLINE_S) -> RedisCache:
        opened.append(RedisCache(url, deadline_s=deadline_s, prefix=prefix))
        return opened[-1]

    yield make
    for cache in opened:
        await cache.close()


@pytest.fixture
async def open_cache(
    request: pytest.FixtureRequest, tmp_path: Path, make_redis: MakeRedis
) -> AsyncIterator[Callable[[str], Cache]]:
    """Return a function that opens a cache of an engine, on one store each, empty at first."""
    opened: list[Cache] = []
    memory = MemoryCache()

    def open_one(engine: str) -> Cache:
        match engine:
            case "embedded":
                opened.append(EmbeddedCache(tmp_path / "cache.sqlite"))
            case "memory":
                return memory  # one process is all it has
            case "redis":
                return make_redis(request.getfixturevalue("redis_server").url)
            case "redis-cluster":
                return make_redis(request.getfixturevalue("redis_cluster")[0].url)
        return opened[-1]

    yield open_one
    for cache in opened:
        await cache.close()


@pytest.fixture(params=CACHES)
def make_cache(request: pytest.FixtureRequest, open_cache: Callable[[str], Cache]) -> MakeCache:
    """Return a function that opens one store, empty at first, as often as a test has processes."""

    async def make() -> Cache:
        return open_cache(request.param)

    return make


@pytest.fixture
async def cache(make_cache: MakeCache) -> Cache:
    """Return an empty cache of each engine in turn."""
    return await make_cache()


async def compute_once(
    cache: Cache, key: str, compute: Callable[[], Awaitable[bytes]], *, ttl_s: float, lock_s: float
) -> bytes:
    """Return the bytes of a key by single flight, with a fixed time to live."""

    async def computed() -> Computed[None]:
        return Computed(await compute(), ttl_s)

    return (await get_or_compute(cache, key, computed, lock_s=lock_s)).value
