"""How many sockets and event streams are open: in all, of one viewer, and of one address."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from gateway.errors import RequestRefused
from scoring.use_cases.unit_of_work import Caller


class TooManyStreams(RequestRefused):
    """There are too many streams already."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(status, "TOO_MANY_STREAMS", message, {"Retry-After": "30"})


class StreamLimits:
    """Counts what is open in this process.

    Parameters
    ----------
    most, most_of_viewer, most_of_address
        How many there may be: in all, of one viewer, and of one address.
    """

    def __init__(self, most: int, most_of_viewer: int, most_of_address: int) -> None:
        self._most = most
        self._most_of_viewer = most_of_viewer
        self._most_of_address = most_of_address
        self._taken: Counter[str] = Counter()
        self.open = 0

    @contextmanager
    def for_address(self, address: str) -> Iterator[None]:
        """Take a seat for somebody of whom only the address is known yet.

        Raises
        ------
        TooManyStreams
            If there is none.
        """
        if self.open >= self._most:
            raise TooManyStreams(503, "This server holds as many streams as it can. Try again in half a minute.")
        if self._taken[address] >= self._most_of_address:
            raise TooManyStreams(429, f"Your address has {self._most_of_address} streams open, the most there may be.")
        self.open += 1
        try:
            with self._counted(address):
                yield
        finally:
            self.open -= 1

    @contextmanager
    def for_caller(self, caller: Caller) -> Iterator[None]:
        """Say whose a taken seat is.

        Raises
        ------
        TooManyStreams
            If this viewer has too many.
        """
        name = f"user {caller.user_key}" if caller.user_key is not None else f"session {caller.session_key}"
        if self._taken[name] >= self._most_of_viewer:
            raise TooManyStreams(
                429, f"You have {self._most_of_viewer} streams open, the most there may be. Close one."
            )
        with self._counted(name):
            yield

    @contextmanager
    def _counted(self, name: str) -> Iterator[None]:
        self._taken[name] += 1
        try:
            yield
        finally:
            self._taken[name] -= 1
            if not self._taken[name]:
                del self._taken[name]
