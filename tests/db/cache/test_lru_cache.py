"""The least recently used values are evicted, and the sizes add up."""

from db.cache.lru_cache import LruCache


def test_the_least_recent_values_are_evicted() -> None:
    cache: LruCache[object, str] = LruCache(max_size=10)
    for number in range(4):
        cache.put(number, str(number), 3)
        cache.get(0)
    assert [cache.get(number) for number in range(4)] == ["0", None, "2", "3"]
    for key in ("large", 0):
        cache.put(key, "", 11)
    assert [cache.get(key) for key in ("large", 0, 2, 3)] == [None, None, "2", "3"]
    cache.put(4, "4", 4)
    assert [cache.get(number) for number in (2, 3, 4)] == ["2", "3", "4"]


def test_a_replaced_value_does_not_count() -> None:
    cache: LruCache[str, int] = LruCache(max_size=10)
    for number in range(20):
        cache.put("growing", number, 6)
    cache.put("other", 0, 4)
    assert (cache.get("growing"), cache.get("other")) == (19, 0)
