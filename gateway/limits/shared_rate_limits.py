"""Spent points in memory that the processes of one server share, for several processes without Redis."""

import time
from collections.abc import Callable

from gateway.limits.rate_limits import MemoryRateLimitStore, PointsSpent, RateLimitStore, WindowCounters
from gateway.sharing.shared_folder import spent_points_table
from gateway.sharing.shared_table import BUCKET_ROWS, EMPTY, Bucket, Row, SharedTable


class SharedRateLimitStore:
    """Store in a shared table. `clock` returns monotonic seconds, which are the same in all processes of a machine.

    A row holds the key of a caller and its `WindowCounters`. In a full bucket, the caller that has spent nothing for
    the longest time starts again with a full budget.
    """

    def __init__(self, table: SharedTable, clock: Callable[[], float] = time.monotonic) -> None:
        self._table = table
        self._clock = clock

    async def spend(self, caller: str, points: int, limit: int) -> bool:
        """As in the protocol."""
        key, now_s = self._table.key(caller), self._clock()
        with self._table.bucket(key) as bucket:
            index, counters = _find(bucket, key)
            counters = counters.advance(now_s)
            if counters.spent(now_s).points + points > limit:
                return False
            bucket.write(index, Row(key, counters.window, counters.current + points, counters.previous))
        return True

    async def spent(self, caller: str) -> PointsSpent:
        """As in the protocol."""
        key, now_s = self._table.key(caller), self._clock()
        with self._table.bucket(key) as bucket:
            _, counters = _find(bucket, key)
        return counters.advance(now_s).spent(now_s)


def local_rate_limits() -> RateLimitStore:
    """Return the store of this server without Redis: shared if the server has several processes."""
    table = spent_points_table()
    return MemoryRateLimitStore() if table is None else SharedRateLimitStore(table)


def _find(bucket: Bucket, key: bytes) -> tuple[int, WindowCounters]:
    """Return the counters of a caller, and the index of its row or of the row that it may take."""
    if own := bucket.find(key):
        row = bucket.read(own[0])
        return own[0], WindowCounters(row.first, row.second, row.third)
    free = bucket.find(EMPTY.key)
    return free[0] if free else min(range(BUCKET_ROWS), key=lambda index: bucket.read(index).first), WindowCounters()
