"""Log lines that many requests cause alike: the first at once, then one an interval with the number left out."""

import time
from collections.abc import Callable

LINE_EVERY_S = 10.0


class RepeatedLines:
    """Decides which lines of each kind are written. There must be few kinds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kinds: dict[str, tuple[float, int]] = {}  # the time of the next line, and the lines left out

    def left_out(self, kind: str) -> int | None:
        """Return how many lines of this kind were left out before this one; None: leave this one out too."""
        now = self._clock()
        next_at, count = self._kinds.get(kind, (now, 0))
        is_due = now >= next_at
        self._kinds[kind] = (now + LINE_EVERY_S, 0) if is_due else (next_at, count + 1)
        return count if is_due else None
