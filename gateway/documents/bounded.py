"""A mapping that keeps what was used last, bounded by the length of texts rather than by their number."""

from collections import OrderedDict
from typing import Generic, TypeVar

V = TypeVar("V")


class BoundedByText(Generic[V]):
    """Values by key, each as heavy as a text is long.

    Parameters
    ----------
    most
        Characters of all texts.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._characters = 0
        self._values: OrderedDict[str, tuple[V, int]] = OrderedDict()

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def get(self, key: str) -> V | None:
        """Give a value, and keep it longer."""
        if key not in self._values:
            return None
        self._values.move_to_end(key)
        return self._values[key][0]

    def put(self, key: str, value: V, characters: int) -> None:
        """Keep a value, in place of those that were used longest ago. What is there already stays as it is."""
        if key in self._values or characters > self._most:
            return
        self._values[key] = (value, characters)
        self._characters += characters
        while self._characters > self._most:
            _, (_, gone) = self._values.popitem(last=False)
            self._characters -= gone
