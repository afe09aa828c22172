"""In-memory cache of recently read values."""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

MAX_AGE_S = 1_800.0
"""The TTL of a ranking snapshot. The values are served while the database is unavailable. A project that became private
within this time before an outage may therefore be shown during the outage (docs/decisions/0007)."""


class LastKnownValues(Generic[K, V]):
    """The values that this process read last, limited in number and age. The oldest values are dropped first."""

    def __init__(
        self, max_entries: int, max_age_s: float = MAX_AGE_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._max_entries = max_entries
        self._max_age_s = max_age_s
        self._clock = clock
        self._entries: OrderedDict[K, tuple[float, V]] = OrderedDict()

    def remember(self, values: Mapping[K, V]) -> None:
        """Store values that were just read from the database."""
        read_at = self._clock()
        for key, value in values.items():
            self._entries[key] = (read_at, value)
            self._entries.move_to_end(key)
        while len(self._entries) > self._max_entries:
            self._entries.popitem(last=False)

    def recall(self, keys: Iterable[K]) -> dict[K, V]:
        """Return the stored values of these keys that are at most `max_age_s` old."""
        oldest = self._clock() - self._max_age_s
        entries = ((key, self._entries.get(key)) for key in keys)
        return {key: entry[1] for key, entry in entries if entry is not None and entry[0] >= oldest}

    def forget(self, key: K) -> None:
        """Remove the value of a key."""
        self._entries.pop(key, None)

    def clear(self) -> None:
        """Remove all values from memory."""
        self._entries.clear()
