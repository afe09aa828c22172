"""Knowing that the server stops before it waits for its requests to end: an event stream ends when it is told to."""

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def set_on_shutdown_signal(ending: asyncio.Event) -> Iterator[None]:
    """Set the event at the signal that stops the server, and let the server have the signal as before.

    uvicorn waits for running requests first and tells the application last, when nothing runs any more: without this
    every open stream would hold each stop back for the whole time of grace.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in _SIGNALS}

    def tell(number: int, frame: FrameType | None) -> Any:
        loop.call_soon_threadsafe(ending.set)
        handler = before[signal.Signals(number)]
        return handler(number, frame) if callable(handler) else None

    ours = [number for number, handler in before.items() if callable(handler)]
    for number in ours:
        signal.signal(number, tell)
    try:
        yield
    finally:
        for number in ours:
            if signal.getsignal(number) is tell:
                signal.signal(number, before[number])
