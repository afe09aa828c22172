"""Points that callers have spent within the last minute: in this process, or in Redis for all processes.

A sliding window counter: two counters per caller, for this minute and for the previous one, whose weight falls as
this minute passes. The library `limits` implements it in Redis. The memory store of that library is not used: each hit
scans all keys (1.0 ms with 10,000 callers), and an attacker chooses their number.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

WINDOW_S = 60

MAX_CALLERS = 100_000
"""Callers that one process counts (27 MB). Above, the least recent caller starts again with a full budget."""


@dataclass(frozen=True, slots=True)
class PointsSpent:
    """Points that a caller has spent."""

    previous: float = 0.0  # points of the previous window
    previous_left_s: float = 0.0  # seconds for which points of the previous window still count
    current: float = 0.0  # points of this window
    current_left_s: float = 0.0  # seconds for which points of this window still count: up to two windows

    @property
    def points(self) -> float:
        """Points that count at this moment."""
        return self.previous * self.previous_left_s / WINDOW_S + self.current

    def seconds_until_affordable(self, points: int, limit: int) -> float:
        """Return the seconds until these points can be spent. `points` is at most `limit`."""
        max_spent = limit - points
        if self.points <= max_spent:
            return 0.0
        if self.current <= max_spent:
            return self.previous_left_s - (max_spent - self.current) * WINDOW_S / self.previous
        window_ends_s = self.current_left_s - WINDOW_S
        return max(0.0, window_ends_s) + WINDOW_S * (1 - max_spent / self.current)

    def seconds_until_full(self) -> float:
        """Return the seconds until no spent point counts any more."""
        return self.current_left_s if self.current else self.previous_left_s if self.previous else 0.0


class RateLimitStore(Protocol):
    """Store of spent points."""

    async def spend(self, caller: str, points: int, limit: int) -> bool:
        """Spend points and return True, or return False and spend nothing if fewer points are left."""
        ...

    async def spent(self, caller: str) -> PointsSpent:
        """Return the points that a caller has spent."""
        ...


class MemoryRateLimitStore:
    """Store in the memory of this process. Each operation reads one caller. `clock` returns monotonic seconds."""

    def __init__(self, callers: int = MAX_CALLERS, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_callers = callers
        self._clock = clock
        self._counters: OrderedDict[str, tuple[int, int, int]] = (
            OrderedDict()
        )  # window, points in it, points in the previous window

    async def spend(self, caller: str, points: int, limit: int) -> bool:
        """As in the protocol."""
        spent = self._spent(caller)
        if spent.points + points > limit:
            return False
        self._counters[caller] = (self._window(), int(spent.current) + points, int(spent.previous))
        self._counters.move_to_end(caller)
        if len(self._counters) > self._max_callers:
            self._counters.popitem(last=False)
        return True

    async def spent(self, caller: str) -> PointsSpent:
        """As in the protocol."""
        return self._spent(caller)

    def _window(self) -> int:
        return int(self._clock() // WINDOW_S)

    def _spent(self, caller: str) -> PointsSpent:
        window, current, previous = self._counters.get(caller, (0, 0, 0))
        windows_passed = self._window() - window
        if windows_passed:
            current, previous = 0, current if windows_passed == 1 else 0
        left_s = WINDOW_S - self._clock() % WINDOW_S
        return PointsSpent(previous, left_s if previous else 0.0, current, left_s + WINDOW_S if current else 0.0)
