"""Notifications that the database has changed, so that subscribers check for changes before their next poll.

A notification has no payload and may be lost, so subscribers also poll. No key of a user is transmitted, and an
unavailable Redis delays changes by seconds.
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
        """Notify subscribers of a change; never waits."""
        for callback in self._callbacks:
            callback()

    async def run(self, stop: asyncio.Event) -> None:
        """Send and receive notifications until stopped."""
        await stop.wait()
