"""Counts of what clients hold open, such as connections: of one process, or of all processes of a server."""

import os
import secrets
from collections import Counter
from typing import Protocol

from gateway.sharing.processes import is_running
from gateway.sharing.shared_table import EMPTY, Bucket, Row, SharedTable

_START = secrets.randbits(32)
"""Number of this process, by which it recognizes the rows of an earlier process with the same id."""


class OpenCounts(Protocol):
    """Counts by name."""

    def try_acquire(self, name: str, limit: int) -> bool:
        """Add one to a count and return True, or return False if the count is at the limit."""
        ...

    def release(self, name: str) -> None:
        """Subtract one from a count that this process has acquired."""
        ...


class LocalCounts:
    """Counts of one process, in its memory."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def try_acquire(self, name: str, limit: int) -> bool:
        """As in the protocol."""
        if self._counts[name] >= limit:
            return False
        self._counts[name] += 1
        return True

    def release(self, name: str) -> None:
        """As in the protocol."""
        self._counts[name] -= 1
        if not self._counts[name]:
            del self._counts[name]


class SharedCounts:
    """Counts of all processes of a server. What a process held that has ended, however it ended, counts no more.

    A row holds the key, the process, the number of its start, and its count.
    """

    def __init__(self, table: SharedTable) -> None:
        self._table = table

    def try_acquire(self, name: str, limit: int) -> bool:
        """As in the protocol. Also returns False if there is no room for a further name."""
        key = self._table.key(name)
        with self._table.bucket(key) as bucket:
            if self._acquire(bucket, key, limit):
                return True
            _remove_ended(bucket)
            return self._acquire(bucket, key, limit)

    def release(self, name: str) -> None:
        """As in the protocol."""
        key = self._table.key(name)
        with self._table.bucket(key) as bucket:
            for index in bucket.find(key):
                row = bucket.read(index)
                if _is_own(row):
                    bucket.write(index, row._replace(third=row.third - 1) if row.third > 1 else EMPTY)

    @staticmethod
    def _acquire(bucket: Bucket, key: bytes, limit: int) -> bool:
        rows = {index: bucket.read(index) for index in bucket.find(key)}
        if sum(row.third for row in rows.values()) >= limit:
            return False
        for index, row in rows.items():
            if _is_own(row):
                bucket.write(index, row._replace(third=row.third + 1))
                return True
        free = bucket.find(EMPTY.key)
        if free:
            bucket.write(free[0], Row(key, os.getpid(), _START, 1))
        return bool(free)


def _is_own(row: Row) -> bool:
    return row.first == os.getpid() and row.second == _START


def _remove_ended(bucket: Bucket) -> None:
    """Remove the rows of processes that have ended, also of one whose id this process has now."""
    for index in range(bucket.rows):
        row = bucket.read(index)
        if row.key != EMPTY.key and not _is_own(row) and (row.first == os.getpid() or not is_running(row.first)):
            bucket.write(index, EMPTY)
