"""A report that is answered in time although making it may take long."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")

ANSWER_WITHIN_S = 0.05
"""Longest wait for a new report if there is an earlier one. Monitoring asks for an answer within 0.1 s."""

MAX_AGE_S = 30.0
"""Age from which an earlier report is not answered any more: two intervals of Prometheus, three of health checks. The
next request gets the report that an earlier one has begun."""

CHECK_TIMEOUT_S = 2.0
"""Deadline of each call to a store for a report. Load balancers and monitoring time out after 5 to 10 s."""


class Refreshed(Generic[T]):
    """The last report of a kind. Concurrent requests wait for the same new one."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: tuple[float, T] | None = None
        self._running: asyncio.Task[T] | None = None

    async def get(self, make: Callable[[], Awaitable[T]]) -> T:
        """Return a new report, or the last one if the new one is not made within `ANSWER_WITHIN_S`."""
        if self._running is None:
            self._running = asyncio.ensure_future(make())
            self._running.add_done_callback(self._keep)
        running = self._running
        if self._kept is not None and self._clock() <= self._kept[0] + MAX_AGE_S:
            await asyncio.wait({running}, timeout=ANSWER_WITHIN_S)
            if not running.done():
                return self._kept[1]
        return await asyncio.shield(running)

    def _keep(self, made: "asyncio.Task[T]") -> None:
        self._running = None
        if not made.cancelled() and made.exception() is None:
            self._kept = (self._clock(), made.result())
