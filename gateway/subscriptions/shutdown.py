"""Notification of event streams when the server stops, so that they end before it waits for its requests."""

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def set_on_shutdown_signal(event: asyncio.Event) -> Iterator[None]:
    """Set the event at the signal that stops the server, and pass the signal on.

    uvicorn waits for running requests first and notifies the application last. Without this function, an open stream
    would delay each stop of the server for the whole grace period.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    previous_handlers = {number: signal.getsignal(number) for number in _SIGNALS}

    def notify(number: int, frame: FrameType | None) -> Any:
        loop.call_soon_threadsafe(event.set)
        handler = previous_handlers[signal.Signals(number)]
        return handler(number, frame) if callable(handler) else None

    handled = [number for number, handler in previous_handlers.items() if callable(handler)]
    for number in handled:
        signal.signal(number, notify)
    try:
        yield
    finally:
        for number in handled:
            if signal.getsignal(number) is notify:
                signal.signal(number, previous_handlers[number])
