"""A cache in process memory, bounded in bytes, with a time to live.

For tests, and for values that one process alone needs; several workers share nothing through it.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from db.cache.base import Entry

MAX_BYTES = 64 * 2**20
"""Limit of keys and values: 2,000 ranking snapshots of 32 KB."""

ENTRY_BYTES = 200
"""Bytes counted for an entry besides its key and value, so that empty values are not free."""


class _Entry(NamedTuple):
    value: bytes
    expires_at: float


class MemoryCache:
    """Bytes by key in a dictionary; the least recently used are evicted first.

    Parameters
    ----------
    max_bytes
        Keys and values in all. A value that is larger than all of it is not kept.
    clock
        Seconds that only go forward.
    """

    def __init__(self, max_bytes: int = MAX_BYTES, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_bytes = max_bytes
        self._clock = clock
        self._entries: OrderedDict[str, _Entry] = OrderedDict()  # least recently used first
        self._bytes = 0

    @property
    def size_bytes(self) -> int:
        """Bytes of all entries, at most `max_bytes`."""
        return self._bytes

    async def get(self, key: str, *, extend_s: float | None = None) -> bytes | None:
        """Return a value, or None if it is missing or expired; extend its life to `extend_s` seconds from now on."""
        entry = self._living(key)
        if entry is None:
            return None
        if extend_s is not None:
            self._entries[key] = _Entry(entry.value, self._clock() + extend_s)
        self._entries.move_to_end(key)
        return entry.value

    async def get_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        """Return the existing values, by key."""
        return {key: value for key in keys if (value := await self.get(key)) is not None}

    async def put(self, key: str, value: bytes, ttl_s: float) -> None:
        """Store a value for `ttl_s` seconds, replacing an earlier one."""
        self._forget(key)
        weight = _weight(key, value)
        if weight > self._max_bytes:
            return
        self._entries[key] = _Entry(value, self._clock() + ttl_s)
        self._bytes += weight
        while self._bytes > self._max_bytes:
            self._forget(next(iter(self._entries)))

    async def put_many(self, values: Mapping[str, Entry]) -> None:
        """Store several values."""
        for key, (value, ttl_s) in values.items():
            await self.put(key, value, ttl_s)

    async def add(self, key: str, value: bytes, ttl_s: float) -> bool:
        """Store a value if there is none, and return whether it was stored."""
        if self._living(key) is not None:
            return False
        await self.put(key, value, ttl_s)  # it never waits, so that no other task comes in between
        return True

    async def delete(self, key: str) -> None:
        """Delete a value."""
        self._forget(key)

    async def keys(self, prefix: str) -> list[str]:
        """Return the keys with this prefix."""
        return [key for key in list(self._entries) if key.startswith(prefix) and self._living(key) is not None]

    async def scrub(self) -> None:
        """Do nothing: there is no file."""

    async def close(self) -> None:
        """Delete all values."""
        self._entries.clear()
        self._bytes = 0

    def _living(self, key: str) -> _Entry | None:
        entry = self._entries.get(key)
        if entry is not None and entry.expires_at <= self._clock():
            self._forget(key)
            return None
        return entry

    def _forget(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= _weight(key, entry.value)


def _weight(key: str, value: bytes) -> int:
    return len(key) + len(value) + ENTRY_BYTES
