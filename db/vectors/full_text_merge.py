"""Taking the words of removed projects out of the full-text index, a slice at a time.

FTS5 only notes that a text was removed: its words stay in the file until everything has been merged.
"""

from collections.abc import Callable

from db.vectors import generations, keywords
from db.vectors.generations import Generation, Space
from db.vectors.sqlite_connection import Connection

_WHICH: tuple[Callable[..., Generation | None], ...] = (generations.serving, generations.staged)


class Merge:
    """One merge of all that is in service or being filled."""

    def __init__(self, writer: Connection, space: Space) -> None:
        self._writer = writer
        self._space = space
        self._left = list(_WHICH)
        self._begun = False

    def go_on(self) -> bool:
        """Merge a slice; tell whether anything is left. Lets other writers in between two slices."""
        with self._writer.transaction("BEGIN IMMEDIATE") as connection:
            found = self._left[0](connection, self._space)
            more = found is not None and keywords.merge(connection, found.words, first=not self._begun)
        self._begun = more
        if not more:
            self._left.pop(0)
        return bool(self._left)
