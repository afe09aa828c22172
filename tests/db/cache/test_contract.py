"""Contract of every cache."""

import asyncio

import pytest

from db.cache.base import Cache, entries
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
        await cache.put("key", b"value", 1.0)
        assert await cache.get("key", extend_s=60) == b"value"
        await asyncio.sleep(1.05)
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

    async def test_several_values_come_and_go_together(self, cache: Cache):
        values = {f"key{number}": bytes([number]) * number for number in range(50)}
        await cache.put_many(entries(values, 60))
        assert await cache.get_many(["never put", *values]) == values
        assert await cache.get("key7") == bytes([7]) * 7
        await cache.put("key7", b"newer", 60)
        assert await cache.get_many(["key7", "key7"]) == {"key7": b"newer"}

    async def test_several_values_expire_together(self, cache: Cache):
        await cache.put_many(entries({"a": b"1", "b": b"2"}, 0.05))
        await cache.put("c", b"3", 60)
        await asyncio.sleep(0.1)
        assert await cache.get_many(["a", "b", "c"]) == {"c": b"3"}

    async def test_no_values_are_no_error(self, cache: Cache):
        await cache.put_many(entries({}, 60))
        assert await cache.get_many([]) == {}

    async def test_adding_keeps_what_is_there(self, cache: Cache):
        assert await cache.add("key", b"first", 60)
        assert not await cache.add("key", b"second", 60)
        assert await cache.get("key") == b"first"
        await cache.delete("key")
        assert await cache.add("key", b"third", 60)
        assert await cache.get("key") == b"third"

    async def test_what_expired_can_be_added_again(self, cache: Cache):
        assert await cache.add("key", b"first", 0.05)
        await asyncio.sleep(0.1)
        assert await cache.add("key", b"second", 60)
        assert await cache.get("key") == b"second"

    async def test_of_many_who_add_at_once_one_succeeds(self, make_cache: MakeCache):
        caches = [await make_cache() for _ in range(4)]
        added = await asyncio.gather(
            *(cache.add("key", b"%d" % number, 60) for number, cache in enumerate(caches * 10))
        )
        assert sum(added) == 1
        assert await caches[0].get("key") == b"%d" % added.index(True)

    async def test_keys_with_a_tag_are_keys_like_others(self, cache: Cache):
        values = {"{viewer:1}:pointer": b"a", "{viewer:1}:body": b"b", "{viewer:2}:pointer": b"c", "{}": b"d"}
        await cache.put_many(entries(values, 60))
        assert await cache.get_many(list(values)) == values

    async def test_keys_are_listed_by_what_they_begin_with(self, cache: Cache):
        names = ["actor:1:a", "actor:1:ä", "actor:12:a", "actor:1", "a*", "a[b]", "a-b^c", "other"]
        await cache.put_many(entries(dict.fromkeys(names, b"x"), 60))
        assert sorted(await cache.keys("actor:1:")) == ["actor:1:a", "actor:1:ä"]
        assert await cache.keys("a*") == ["a*"]
        assert await cache.keys("a[b") == ["a[b]"]
        assert await cache.keys("a-b^") == ["a-b^c"]
        assert await cache.keys("nothing") == []
        assert sorted(await cache.keys("")) == sorted(names)

    async def test_what_expired_is_not_listed(self, cache: Cache):
        await cache.put("a:1", b"x", 0.05)
        await cache.put("a:2", b"x", 60)
        await asyncio.sleep(0.1)
        assert await cache.keys("a:") == ["a:2"]

    async def test_scrubbing_leaves_what_is_there(self, cache: Cache):
        await cache.put("a", b"x", 60)
        await cache.scrub()
        assert await cache.get("a") == b"x"

    async def test_many_at_once_get_what_is_theirs(self, cache: Cache):
        async def one(number: int) -> bool:
            await cache.put(f"key{number}", b"%d" % number, 60)
            return await cache.get(f"key{number}") == b"%d" % number

        assert all(await asyncio.gather(*map(one, range(200))))
