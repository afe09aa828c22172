"""Hints that something was written: so that whoever waits for a change looks now, and not at the next poll.

A hint says nothing but "look", and may be lost: whoever relies on it also looks by itself now and then. So no key of
anybody travels, and a Redis that is away costs seconds, not changes.
"""

import asyncio
from collections.abc import Callable


class FeedChangeNotifier:
    """Hints within one process."""

    def __init__(self) -> None:
        self._listeners: list[Callable[[], None]] = []

    @property
    def receives_remote(self) -> bool:
        """Whether the hints of other processes arrive just now."""
        return False

    def subscribe(self, callback: Callable[[], None]) -> None:
        """Call this at each hint, from now on."""
        self._listeners.append(callback)

    def notify(self) -> None:
        """Say that something was written; never waits."""
        for callback in self._listeners:
            callback()

    async def run(self, stop: asyncio.Event) -> None:
        """Do what sending and hearing hints needs, until told to stop."""
        await stop.wait()
