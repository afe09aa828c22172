"""Notifications that the database has changed: subscribers check for changes at once instead of at their next poll.

A notification has no payload and can be lost, so subscribers also poll. While Redis is unavailable, subscribers see
changes of other processes some seconds later.
"""

import asyncio
from collections.abc import Callable


class FeedChangeNotifier:
    """Notifications within one process."""

    def __init__(self) -> None:
        self._callbacks: list[Callable[[], None]] = []

    @property
    def receives_remote(self) -> bool:
        """Whether notifications of other processes are received now."""
        return False

    def subscribe(self, callback: Callable[[], None]) -> None:
        """Call `callback` at each notification."""
        self._callbacks.append(callback)

    def notify(self) -> None:
        """Call every subscriber's callback. Does not block."""
        for callback in self._callbacks:
            callback()

    async def run(self, stop: asyncio.Event) -> None:
        """Send and receive notifications until stopped."""
        await stop.wait()
