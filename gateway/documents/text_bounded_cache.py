"""A least-recently-used cache that is bounded by the length of texts instead of their number."""

from collections import OrderedDict
from typing import Generic, TypeVar

V = TypeVar("V")


class TextBoundedCache(Generic[V]):
    """Values by key. `max_characters` is the maximum of the summed lengths of their texts."""

    def __init__(self, max_characters: int) -> None:
        self._max_characters = max_characters
        self._characters = 0
        self._values: OrderedDict[str, tuple[V, int]] = OrderedDict()

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def get(self, key: str) -> V | None:
        """Return a value, which becomes the most recent one."""
        if key not in self._values:
            return None
        self._values.move_to_end(key)
        return self._values[key][0]

    def put(self, key: str, value: V, characters: int) -> None:
        """Add a value and evict the least recent values. An existing value is not replaced."""
        if key in self._values or characters > self._max_characters:
            return
        self._values[key] = (value, characters)
        self._characters += characters
        while self._characters > self._max_characters:
            _, (_, evicted) = self._values.popitem(last=False)
            self._characters -= evicted
