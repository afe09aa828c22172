"""The least recently used values are evicted, and the sizes add up."""

from db.cache.lru_cache import LruCache


def test_the_least_recent_values_are_evicted() -> None:
    cache: LruCache[object, str] = LruCache(max_size=10)
    for number in range(4):
        cache.put(number, str(number), 3)
        cache.get(0)
    assert [cache.get(number) for number in range(4)] == ["0", None, "2", "3"]
    cache.put("large", "", 11)
    assert len(cache) == 0


def test_a_replaced_value_does_not_count() -> None:
    cache: LruCache[str, int] = LruCache(max_size=10)
    for number in range(20):
        cache.put("growing", number, 6)
    cache.put("other", 0, 4)
    assert (cache.get("growing"), cache.get("other")) == (19, 0)
