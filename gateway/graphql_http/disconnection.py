"""Clients that disconnect while their operation runs."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect
from starlette.types import Receive

UNWATCHED_S = 0.05
"""Seconds after which the connection of a running operation is watched. Most operations end before, and need no watch,
which is a task of its own."""

T = TypeVar("T")


async def wait_for_disconnect(receive: Receive) -> None:
    """Wait until the client disconnects. The body of the request has been read."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def while_connected(receive: Receive, operation: Coroutine[Any, Any, T]) -> T:
    """Await an operation, and cancel it when the client disconnects. Raises `ClientDisconnect`."""
    task, has_left = asyncio.current_task(), False
    assert task is not None  # noqa: S101 (for the type checker)

    async def cancel_at_disconnect() -> None:
        nonlocal has_left
        await asyncio.sleep(UNWATCHED_S)
        await wait_for_disconnect(receive)
        has_left = True
        task.cancel()

    watch = asyncio.create_task(cancel_at_disconnect())
    try:
        return await operation
    except asyncio.CancelledError:
        if has_left and task.uncancel() == 0:
            raise ClientDisconnect from None
        raise
    finally:
        watch.cancel()
