"""Cache of serialized contents in this process."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Any

MAX_VALUES = 200_000
"""Maximum number of cached field values: 15,000 cards of 13 fields. A card with owner and terms takes 3 KB."""


class ContentCache:
    """The serialized fields of objects that were read last. Responses share each dictionary, so none may be changed."""

    def __init__(self, max_values: int = MAX_VALUES) -> None:
        self._max_values = max_values
        self._values = 0
        self._contents: OrderedDict[Hashable, tuple[dict[str, Any], int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._contents)

    def get(self, key: Hashable) -> dict[str, Any] | None:
        """Return a content, which becomes the most recent one."""
        found = self._contents.get(key)
        if found is None:
            return None
        self._contents.move_to_end(key)
        return found[0]

    def put(self, key: Hashable, content: dict[str, Any], values: int) -> None:
        """Add a content of `values` field values, and evict the least recent ones."""
        self._contents[key] = (content, values)
        self._values += values
        while self._values > self._max_values:
            _, (_, evicted) = self._contents.popitem(last=False)
            self._values -= evicted
