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

    before: float = 0.0  # points of the previous window
    before_left_s: float = 0.0  # seconds for which points of the previous window still count
    now: float = 0.0  # points of this window
    now_left_s: float = 0.0  # seconds for which points of this window still count: up to two windows

    @property
    def points(self) -> float:
        """Points that count at this moment."""
        return self.before * self.before_left_s / WINDOW_S + self.now

    def seconds_until_affordable(self, asked: int, limit: int) -> float:
        """Return the seconds until `asked` points can be spent; `asked` is at most `limit`."""
        left = limit - asked
        if self.points <= left:
            return 0.0
        if self.now <= left:
            return self.before_left_s - (left - self.now) * WINDOW_S / self.before
        window_ends_s = self.now_left_s - WINDOW_S
        return max(0.0, window_ends_s) + WINDOW_S * (1 - left / self.now)

    def seconds_until_full(self) -> float:
        """Return the seconds until no spent point counts any more."""
        return self.now_left_s if self.now else self.before_left_s if self.before else 0.0


class RateLimitStore(Protocol):
    """Store of spent points."""

    async def spend(self, caller: str, points: int, limit: int) -> bool:
        """Spend points and return True; return False and spend nothing if fewer are left."""
        ...

    async def spent(self, caller: str) -> PointsSpent:
        """Return the points that a caller has spent."""
        ...


class MemoryRateLimitStore:
    """Store in the memory of this process; each operation reads one caller. `clock` returns monotonic seconds."""

    def __init__(self, callers: int = MAX_CALLERS, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_callers = callers
        self._clock = clock
        self._counted: OrderedDict[str, tuple[int, int, int]] = (
            OrderedDict()
        )  # window, points in it, points in the previous window

    async def spend(self, caller: str, points: int, limit: int) -> bool:
        """As in the protocol."""
        spent = self._spent(caller)
        if spent.points + points > limit:
            return False
        self._counted[caller] = (self._window(), int(spent.now) + points, int(spent.before))
        self._counted.move_to_end(caller)
        if len(self._counted) > self._max_callers:
            self._counted.popitem(last=False)
        return True

    async def spent(self, caller: str) -> PointsSpent:
        """As in the protocol."""
        return self._spent(caller)

    def _window(self) -> int:
        return int(self._clock() // WINDOW_S)

    def _spent(self, caller: str) -> PointsSpent:
        window, now, before = self._counted.get(caller, (0, 0, 0))
        windows_passed = self._window() - window
        if windows_passed:
            now, before = 0, now if windows_passed == 1 else 0
        left_s = WINDOW_S - self._clock() % WINDOW_S
        return PointsSpent(before, left_s if before else 0.0, now, left_s + WINDOW_S if now else 0.0)
