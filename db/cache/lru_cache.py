"""In-memory cache that is limited by the size of its values."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class LruCache(Generic[K, V]):
    """The values that this process used last. `max_size` limits the sum of their sizes, in the caller's unit."""

    def __init__(self, max_size: int) -> None:
        self._max_size = max_size
        self._size = 0
        self._values: OrderedDict[K, tuple[V, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: K) -> V | None:
        """Return a value, which becomes the most recent one."""
        found = self._values.get(key)
        if found is None:
            return None
        self._values.move_to_end(key)
        return found[0]

    def put(self, key: K, value: V, size: int) -> None:
        """Add or replace a value, which becomes the most recent one; evict the least recent ones.

        A value that is larger than the cache is not added.
        """
        _, replaced = self._values.pop(key, (None, 0))
        if size > self._max_size:
            self._size -= replaced
            return
        self._values[key] = (value, size)
        self._size += size - replaced
        while self._size > self._max_size:
            _, (_, evicted) = self._values.popitem(last=False)
            self._size -= evicted
