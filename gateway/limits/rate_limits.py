"""Points that were spent within the last minute, by caller: in this process, or in Redis for all processes.

Two counters a caller, for this minute and the one before; what was spent before counts less and less as this minute
goes by (a sliding window counter). Redis does it in one script of the library `limits`. Its store in memory is not
used: at each hit it looks at every key it has (1.0 ms at 10,000 callers), and an attacker chooses how many that are.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

WINDOW_S = 60

CALLERS_KEPT = 100_000
"""In one process; 27 MB. Beyond, whoever was not heard of for longest begins anew."""


@dataclass(frozen=True, slots=True)
class PointsSpent:
    """What a caller spent.

    Attributes
    ----------
    before, before_left_s
        Points of the window before, and for how many seconds they still count.
    now, now_left_s
        Points of this window, and for how many seconds they still count: up to two windows.
    """

    before: float = 0.0
    before_left_s: float = 0.0
    now: float = 0.0
    now_left_s: float = 0.0

    @property
    def points(self) -> float:
        """Points that count at this moment."""
        return self.before * self.before_left_s / WINDOW_S + self.now

    def seconds_until_affordable(self, asked: int, limit: int) -> float:
        """Tell after how many seconds so many points can be spent; `asked` is at most `limit`."""
        left = limit - asked
        if self.points <= left:
            return 0.0
        if self.now <= left:
            return self.before_left_s - (left - self.now) * WINDOW_S / self.before
        window_ends_s = self.now_left_s - WINDOW_S
        return max(0.0, window_ends_s) + WINDOW_S * (1 - left / self.now)

    def seconds_until_full(self) -> float:
        """Tell after how many seconds nothing counts any more."""
        return self.now_left_s if self.now else self.before_left_s if self.before else 0.0


class RateLimitStore(Protocol):
    """Where spent points are counted."""

    async def spend(self, caller: str, points: int, limit: int) -> bool:
        """Spend points; nothing is spent if they are more than are left of the limit, and the answer is False."""
        ...

    async def spent(self, caller: str) -> PointsSpent:
        """Tell what a caller spent."""
        ...


class MemoryRateLimitStore:
    """Counts in this process: each operation touches one caller.

    Parameters
    ----------
    callers
        How many are remembered.
    clock
        Seconds that only go forward.
    """

    def __init__(self, callers: int = CALLERS_KEPT, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = callers
        self._clock = clock
        self._counted: OrderedDict[str, tuple[int, int, int]] = OrderedDict()  # window, spent in it, and before it

    async def spend(self, caller: str, points: int, limit: int) -> bool:
        """As in `RateLimitStore`."""
        spent = self._spent(caller)
        if spent.points + points > limit:
            return False
        self._counted[caller] = (self._window(), int(spent.now) + points, int(spent.before))
        self._counted.move_to_end(caller)
        if len(self._counted) > self._most:
            self._counted.popitem(last=False)
        return True

    async def spent(self, caller: str) -> PointsSpent:
        """As in `RateLimitStore`."""
        return self._spent(caller)

    def _window(self) -> int:
        return int(self._clock() // WINDOW_S)

    def _spent(self, caller: str) -> PointsSpent:
        window, now, before = self._counted.get(caller, (0, 0, 0))
        gone = self._window() - window
        if gone:
            now, before = 0, now if gone == 1 else 0
        left_s = WINDOW_S - self._clock() % WINDOW_S
        return PointsSpent(before, left_s if before else 0.0, now, left_s + WINDOW_S if now else 0.0)
