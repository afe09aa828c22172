"""Limits on open WebSockets and event streams: of the process, of one caller, and of one address."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from gateway.errors import RequestRefused
from scoring.use_cases.unit_of_work import Caller


class TooManyStreams(RequestRefused):
    """Too many streams are open."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(status, "TOO_MANY_STREAMS", message, {"Retry-After": "30"})


class StreamLimits:
    """Counts the open streams of this process; each method raises `TooManyStreams` at its limit."""

    def __init__(self, max_total: int, max_per_caller: int, max_per_address: int) -> None:
        self._max_total = max_total
        self._max_per_caller = max_per_caller
        self._max_per_address = max_per_address
        self._counts: Counter[str] = Counter()
        self.open = 0

    @contextmanager
    def for_address(self, address: str) -> Iterator[None]:
        """Count an open stream for its address, before its caller is authenticated."""
        if self.open >= self._max_total:
            raise TooManyStreams(503, "This server holds as many streams as it can. Try again in half a minute.")
        if self._counts[address] >= self._max_per_address:
            raise TooManyStreams(429, f"Your address has {self._max_per_address} streams open, the most allowed.")
        self.open += 1
        try:
            with self._count(address):
                yield
        finally:
            self.open -= 1

    @contextmanager
    def for_caller(self, caller: Caller) -> Iterator[None]:
        """Count an open stream for its caller."""
        name = f"user {caller.user_key}" if caller.user_key is not None else f"session {caller.session_key}"
        if self._counts[name] >= self._max_per_caller:
            raise TooManyStreams(429, f"You have {self._max_per_caller} streams open, the most allowed. Close one.")
        with self._count(name):
            yield

    @contextmanager
    def _count(self, name: str) -> Iterator[None]:
        self._counts[name] += 1
        try:
            yield
        finally:
            self._counts[name] -= 1
            if not self._counts[name]:
                del self._counts[name]
