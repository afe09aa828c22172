"""Points that callers have spent within the last minute, in the memory of this process.

`shared_rate_limits` counts for all processes of a server, `redis_rate_limits` for all servers.

A sliding window counter: two counters per caller, for this minute and for the previous one, whose weight falls as
this minute passes. The library `limits` implements it in Redis. The memory store of that library is not used: each hit
scans all keys (1.0 ms with 10,000 callers), and an attacker chooses their number.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

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


class WindowCounters(NamedTuple):
    """The number of a window since the clock's start, the points spent in it, and those spent in the window before."""

    window: int = 0
    current: int = 0
    previous: int = 0

    def advance(self, now_s: float) -> "WindowCounters":
        """Return the counters at a later time."""
        window = int(now_s // WINDOW_S)
        if window == self.window:
            return self
        return WindowCounters(window, 0, self.current if window == self.window + 1 else 0)

    def spent(self, now_s: float) -> PointsSpent:
        """Return the points that count now; the counters are those of this window."""
        left_s = WINDOW_S - now_s % WINDOW_S
        return PointsSpent(
            self.previous,
            left_s if self.previous else 0.0,
            self.current,
            left_s + WINDOW_S if self.current else 0.0,
        )


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
        self._counters: OrderedDict[str, WindowCounters] = OrderedDict()

    async def spend(self, caller: str, points: int, limit: int) -> bool:
        """As in the protocol."""
        now_s = self._clock()
        counters = self._counters.get(caller, WindowCounters()).advance(now_s)
        if counters.spent(now_s).points + points > limit:
            return False
        self._counters[caller] = counters._replace(current=counters.current + points)
        self._counters.move_to_end(caller)
        if len(self._counters) > self._max_callers:
            self._counters.popitem(last=False)
        return True

    async def spent(self, caller: str) -> PointsSpent:
        """As in the protocol."""
        now_s = self._clock()
        return self._counters.get(caller, WindowCounters()).advance(now_s).spent(now_s)
