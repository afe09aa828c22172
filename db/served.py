"""The log of what was served: noted without waiting, written in batches, kept for 7 days."""

from collections import deque
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, insert

from db.engine import Database
from db.models import ServedPage, now

KEPT = timedelta(days=7)
_MOST = 2_000
"""Pages that may wait to be written; beyond that the oldest are lost, and counted: serving must not wait for a log."""


class ServedLog:
    """Collects served pages in memory until `flush` writes them; a crash loses what was not written yet.

    Attributes
    ----------
    lost
        Pages that were dropped because writing did not keep up.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: deque[dict[str, Any]] = deque()
        self.lost = 0

    def note(self, **page: Any) -> None:
        """Remember a page; the names are the columns of `ServedPage`."""
        if len(self._waiting) >= _MOST:
            self._waiting.popleft()
            self.lost += 1
        self._waiting.append(page)

    async def flush(self) -> int:
        """Write what has been noted since the last time, and give how many pages that were."""
        pages, self._waiting = self._waiting, deque()
        if not pages:
            return 0
        try:
            async with self._database.write() as connection:
                await connection.execute(insert(ServedPage), list(pages))
        except BaseException:
            self._waiting.extendleft(reversed(pages))
            raise
        return len(pages)

    async def expire(self) -> None:
        """Forget pages that were served more than `KEPT` ago."""
        async with self._database.write() as connection:
            await connection.execute(delete(ServedPage).where(ServedPage.at < now() - KEPT))
