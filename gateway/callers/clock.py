"""Wall clock for the times of tokens. Tests pass a clock that they advance."""

import asyncio
import time

MAX_SLEEP_S = 15.0
"""Longest sleep before the wall clock is read again, because somebody may set the clock or suspend the machine."""


class Clock:
    """Wall clock in seconds since 1970."""

    def now(self) -> float:
        """Return the time in seconds since 1970."""
        return time.time()

    async def sleep_until(self, moment: float) -> None:
        """Sleep until this time in seconds since 1970, or forever if it is infinite."""
        while (left_s := moment - self.now()) > 0:  # noqa: ASYNC110 (nothing signals the time)
            await asyncio.sleep(min(left_s, MAX_SLEEP_S))
