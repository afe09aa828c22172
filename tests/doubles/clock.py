"""A clock that advances only when a test says so."""

import asyncio
import time

from gateway.callers.clock import Clock


class ManualClock(Clock):
    """Starts at the present second and stands still."""

    def __init__(self) -> None:
        self._present = float(int(time.time()))
        self._moved = asyncio.Event()

    def now(self) -> float:
        return self._present

    def advance(self, seconds: float) -> None:
        self._present += seconds
        self._moved.set()
        self._moved = asyncio.Event()

    async def sleep_until(self, moment: float) -> None:
        while self._present < moment:
            await self._moved.wait()
