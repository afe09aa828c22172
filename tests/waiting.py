"""Waiting for what happens by itself, and giving up on what hangs."""

import asyncio
from collections.abc import Callable

WAIT_AT_MOST_S = 20.0
"""Tells what comes from what hangs; nothing is timed by it."""


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something holds of which nobody tells."""
    async with asyncio.timeout(WAIT_AT_MOST_S):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.02)
