"""Deadlines that tell the code inside whether a cancellation means that they have passed.

A call to a store that is canceled by a deadline is a sign of a failing store. A call is also canceled because its
client has disconnected, or because another part of the operation has failed; this is no sign of a failing store.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar

_deadlines: ContextVar[tuple[asyncio.Timeout, ...]] = ContextVar("deadlines", default=())
"""The deadlines around the running code. Tasks inherit them."""


@asynccontextmanager
async def deadline(seconds: float) -> AsyncIterator[asyncio.Timeout]:
    """Set a deadline as `asyncio.timeout` does, which `deadline_has_passed` knows."""
    async with asyncio.timeout(seconds) as timeout:
        token = _deadlines.set((*_deadlines.get(), timeout))
        try:
            yield timeout
        finally:
            _deadlines.reset(token)


def deadline_has_passed() -> bool:
    """Return whether one of the deadlines around the running code has passed."""
    return any(timeout.expired() for timeout in _deadlines.get())
