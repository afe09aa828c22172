"""Limits on open WebSockets and event streams: of the server, of one caller, and of one address."""

from collections.abc import Iterator
from contextlib import contextmanager

from gateway.errors import RequestRefused
from gateway.sharing.open_counts import OpenCounts
from scoring.use_cases.unit_of_work import Caller


class TooManyStreams(RequestRefused):
    """Too many streams are open."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(status, "TOO_MANY_STREAMS", message, {"Retry-After": "30"})


class StreamLimits:
    """Counts of the open streams. Each method raises `TooManyStreams` at its limit."""

    def __init__(self, max_total: int, max_per_caller: int, max_per_address: int, counts: OpenCounts) -> None:
        self._max_total = max_total
        self._max_per_caller = max_per_caller
        self._max_per_address = max_per_address
        self._counts = counts

    @contextmanager
    def for_address(self, address: str) -> Iterator[None]:
        """Count an open stream for its address, before its caller is authenticated."""
        full = TooManyStreams(503, "The server has reached its maximum number of streams. Try again in half a minute.")
        message = f"Your address has {self._max_per_address} streams open, which is the maximum."
        with (
            self._count("all", self._max_total, full),
            self._count(f"address {address}", self._max_per_address, TooManyStreams(429, message)),
        ):
            yield

    @contextmanager
    def for_caller(self, caller: Caller) -> Iterator[None]:
        """Count an open stream for its caller."""
        name = f"user {caller.user_key}" if caller.user_key is not None else f"session {caller.session_key}"
        message = f"You have {self._max_per_caller} streams open, which is the maximum. Close one."
        with self._count(name, self._max_per_caller, TooManyStreams(429, message)):
            yield

    @contextmanager
    def _count(self, name: str, limit: int, refusal: TooManyStreams) -> Iterator[None]:
        name = f"streams of {name}"
        if not self._counts.try_acquire(name, limit):
            raise refusal
        try:
            yield
        finally:
            self._counts.release(name)
