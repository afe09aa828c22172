"""The cache in memory beyond the contract: its size limit, and eviction of the least recently used value."""

from hypothesis import given
from hypothesis import strategies as st

from tests.doubles.memory_cache import ENTRY_BYTES, MemoryCache

OPERATIONS = st.lists(
    st.tuples(st.sampled_from(["put", "add", "get", "delete", "wait"]), st.sampled_from("abcdef"), st.integers(0, 400)),
    max_size=60,
)


async def test_what_was_not_used_for_longest_goes_first() -> None:
    cache = MemoryCache(max_bytes=3 * (ENTRY_BYTES + 11))
    for key in "abc":
        await cache.put(key, bytes(10), 60)
    await cache.get("a")
    await cache.put("d", bytes(10), 60)
    assert sorted(await cache.get_many(list("abcd"))) == ["a", "c", "d"]


async def test_a_value_larger_than_the_cache_is_not_kept_and_evicts_nothing() -> None:
    cache = MemoryCache(max_bytes=1_000)
    await cache.put("other", b"value", 60)
    await cache.put("key", b"small", 60)
    await cache.put("key", bytes(1_000), 60)
    assert await cache.get("key") is None
    assert await cache.get("other") == b"value"


async def test_a_closed_cache_is_empty() -> None:
    cache = MemoryCache()
    await cache.put("key", b"value", 60)
    await cache.close()
    assert (await cache.get("key"), cache.size_bytes) == (None, 0)


@given(OPERATIONS)
async def test_it_never_exceeds_its_bytes_nor_tells_what_was_not_put(operations: list[tuple[str, str, int]]) -> None:
    now = 0.0
    cache = MemoryCache(max_bytes=1_500, clock=lambda: now)
    put: dict[str, tuple[bytes, float]] = {}
    for operation, key, number in operations:
        match operation:
            case "put":
                await cache.put(key, bytes(number), 10)
                put[key] = bytes(number), now + 10
            case "add":
                if await cache.add(key, bytes(number), 5):
                    put[key] = bytes(number), now + 5
            case "delete":
                await cache.delete(key)
                put.pop(key, None)
            case "wait":
                now += number / 100
        value, until = put.get(key, (None, 0.0))
        assert await cache.get(key) in (None, value if now < until else None)
        assert 0 <= cache.size_bytes <= 1_500
    held = await cache.get_many(list("abcdef"))
    assert cache.size_bytes == sum(len(value) + 1 + ENTRY_BYTES for value in held.values())
