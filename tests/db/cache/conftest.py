"""The caches that the contract is tested on. A new engine joins by its name here."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from db.cache.base import Cache
from db.cache.embedded import EmbeddedCache

CACHES = ("embedded",)

MakeCache = Callable[[], Awaitable[Cache]]


@pytest.fixture(params=CACHES)
async def make_cache(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[MakeCache]:
    """Give a function that opens one store, empty at first, as often as a test has processes."""
    opened: list[Cache] = []

    async def make() -> Cache:
        assert request.param == "embedded"
        opened.append(EmbeddedCache(tmp_path / "cache.sqlite"))
        return opened[-1]

    yield make
    for cache in opened:
        await cache.close()


@pytest.fixture
async def cache(make_cache: MakeCache) -> Cache:
    """Give an empty cache of each engine in turn."""
    return await make_cache()
