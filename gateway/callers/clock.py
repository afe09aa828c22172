"""Wall clock for the times of tokens; tests pass one that they move themselves."""

import asyncio
import time

MAX_SLEEP_S = 15.0
"""The wall clock is read again after this time: it may have been set, and a machine may have slept."""


class Clock:
    """Wall clock in seconds since 1970."""

    def now(self) -> float:
        """Return the present time."""
        return time.time()

    async def until(self, moment: float) -> None:
        """Wait for a moment; an infinite one never comes."""
        while (left_s := moment - self.now()) > 0:  # noqa: ASYNC110 (nothing signals the time)
            await asyncio.sleep(min(left_s, MAX_SLEEP_S))
