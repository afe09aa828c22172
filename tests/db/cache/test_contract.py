"""What every cache does, whatever its engine."""

import asyncio

import pytest

from db.cache.base import Cache
from tests.db.cache.conftest import MakeCache


class TestCache:
    @pytest.mark.parametrize("value", [b"", b"plain", bytes(range(256)) * 400])
    async def test_a_value_comes_back_as_it_was(self, cache: Cache, value: bytes):
        await cache.put("key", value, 60)
        assert await cache.get("key") == value

    async def test_what_was_never_put_is_none(self, cache: Cache):
        assert await cache.get("key") is None
        assert await cache.get("key", extend_s=60) is None

    async def test_a_later_value_replaces_an_earlier_one(self, cache: Cache):
        await cache.put("key", b"old", 60)
        await cache.put("key", b"new", 60)
        assert await cache.get("key") == b"new"

    async def test_what_was_deleted_is_gone(self, cache: Cache):
        await cache.put("key", b"value", 60)
        await cache.put("other", b"value", 60)
        await cache.delete("key")
        await cache.delete("never put")
        assert await cache.get("key") is None
        assert await cache.get("other") == b"value"

    async def test_a_value_expires(self, cache: Cache):
        await cache.put("key", b"value", 0.05)
        await asyncio.sleep(0.1)
        assert await cache.get("key") is None
        assert await cache.get("key", extend_s=60) is None

    async def test_extending_gives_the_value_and_a_longer_life(self, cache: Cache):
        await cache.put("key", b"value", 0.2)
        assert await cache.get("key", extend_s=60) == b"value"
        await asyncio.sleep(0.25)
        assert await cache.get("key") == b"value"

    async def test_a_replaced_value_lives_as_long_as_the_new_one_says(self, cache: Cache):
        await cache.put("key", b"value", 60)
        await cache.put("key", b"value", 0.05)
        await asyncio.sleep(0.1)
        assert await cache.get("key") is None

    async def test_keys_are_taken_literally(self, cache: Cache):
        for key in ("a", "A", "a*", "a%", "a:b", "ä", "a'b"):
            await cache.put(key, key.encode(), 60)
        assert [await cache.get(key) for key in ("a", "A", "a*", "a%", "a:b", "ä", "a'b")] == [
            b"a", b"A", b"a*", b"a%", b"a:b", "ä".encode(), b"a'b",
        ]  # fmt: skip

    async def test_what_one_process_puts_another_gets(self, make_cache: MakeCache):
        one, other = await make_cache(), await make_cache()
        await one.put("key", b"value", 60)
        assert await other.get("key") == b"value"
        await other.delete("key")
        assert await one.get("key") is None
