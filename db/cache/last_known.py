"""What was read of the truth lately, for what everybody shares, while the truth itself is away."""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

SNAPSHOT_TTL_S = 1_800.0
"""As long as a stored ranking lives. What went private within this time before the truth went away may still be shown:
whoever cannot read the truth cannot know (docs/decisions/0007)."""


class LastKnownValues(Generic[K, V]):
    """The values that were read last, in this process; the oldest go first.

    Parameters
    ----------
    max_entries
        Values that are kept.
    max_age_s
        How old one may be and still be given.
    clock
        Seconds, rising.
    """

    def __init__(
        self, max_entries: int, max_age_s: float = SNAPSHOT_TTL_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most = max_entries
        self._kept_s = max_age_s
        self._clock = clock
        self._held: OrderedDict[K, tuple[float, V]] = OrderedDict()

    def remember(self, found: Mapping[K, V]) -> None:
        """Remember what was just read."""
        read_at = self._clock()
        for key, value in found.items():
            self._held[key] = (read_at, value)
            self._held.move_to_end(key)
        while len(self._held) > self._most:
            self._held.popitem(last=False)

    def recall(self, keys: Iterable[K]) -> dict[K, V]:
        """Give what is remembered of these, and is not too old."""
        since = self._clock() - self._kept_s
        held = ((key, self._held.get(key)) for key in keys)
        return {key: one[1] for key, one in held if one is not None and one[0] >= since}

    def clear(self) -> None:
        """Forget everything."""
        self._held.clear()
