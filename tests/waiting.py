"""Waiting for what happens by itself, and giving up on what hangs."""

import asyncio
from collections.abc import Callable

CANCELLATION_COUNTS_AFTER_S = 20.0
"""Tells what comes from what hangs; nothing is timed by it."""


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something holds of which nobody tells."""
    async with asyncio.timeout(CANCELLATION_COUNTS_AFTER_S):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.02)
