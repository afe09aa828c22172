"""Time limit of an operation. When it is over, all work of the operation is canceled."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from gateway.errors import RequestRefused

T = TypeVar("T")


class OperationTimeout(RequestRefused):
    """An operation took too long. Committed writes remain; a mutation is one transaction."""

    def __init__(self, within_s: float) -> None:
        message = f"The operation did not end within {within_s:g} s and was stopped. Select fewer things at a time."
        super().__init__(503, "TIMEOUT", message, extensions={"seconds": within_s})


async def run_within(seconds: float, operation: Awaitable[T], cancel: Callable[[], None]) -> T:
    """Wait for an operation, then call `cancel` to stop the tasks that it has started. Raises `OperationTimeout`."""
    try:
        async with asyncio.timeout(seconds) as deadline:
            return await operation
    except TimeoutError:
        if not deadline.expired():
            raise  # the timeout of a resolver
        raise OperationTimeout(seconds) from None
    finally:
        cancel()
