"""A hash table in a file that several processes map into their memory.

An operation takes 10 µs, and waits only for another process that works on the same bucket. The lock of a bucket ends
with its process, and a row is written at once: a process that is killed leaves no lock and no half-written row behind.
"""

import fcntl
import mmap
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from struct import Struct
from typing import NamedTuple

BUCKET_ROWS = 16
"""Rows of a bucket. A table with one bucket for each expected key overflows with a probability below 1e-13 a bucket."""

KEY_BYTES = 16

_ROW = Struct(f"<{KEY_BYTES}s4I")
_BUCKET_BYTES = BUCKET_ROWS * _ROW.size
_HEADER_BYTES = KEY_BYTES


class Row(NamedTuple):
    """A row: its key, and four numbers below 2^32 whose meaning the user of the table defines."""

    key: bytes
    first: int = 0
    second: int = 0
    third: int = 0
    fourth: int = 0


EMPTY = Row(bytes(KEY_BYTES))


class Bucket:
    """The rows that share a bucket, and that no other process reads or writes meanwhile."""

    def __init__(self, memory: mmap.mmap, offset: int) -> None:
        self._memory = memory
        self._offset = offset

    def find(self, key: bytes) -> list[int]:
        """Return the indices of the rows with a key."""
        found: list[int] = []
        end = self._offset + _BUCKET_BYTES
        place = self._memory.find(key, self._offset, end)
        while place >= 0:
            index, remainder = divmod(place - self._offset, _ROW.size)
            if remainder == 0:  # else numbers of rows happen to look like the key
                found.append(index)
            place = self._memory.find(key, self._offset + (index + 1) * _ROW.size, end)
        return found

    def read(self, index: int) -> Row:
        """Return a row."""
        return Row._make(_ROW.unpack_from(self._memory, self._offset + index * _ROW.size))

    def write(self, index: int, row: Row) -> None:
        """Replace a row."""
        _ROW.pack_into(self._memory, self._offset + index * _ROW.size, *row)


class SharedTable:
    """An existing table. It can be pickled for another process, which opens the same file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        self._memory = mmap.mmap(self._file, 0)
        self._hash_key = self._memory[:_HEADER_BYTES]
        self._buckets = (len(self._memory) - _HEADER_BYTES) // _BUCKET_BYTES

    @classmethod
    def create(cls, path: Path, keys: int) -> None:
        """Create a table for this many keys. The file takes 512 bytes for each of them, but only where it is used."""
        with path.open("xb") as file:
            # A secret key of the hashes, so that no client can choose names that fill the bucket of another one.
            file.write(secrets.token_bytes(_HEADER_BYTES))
            file.truncate(_HEADER_BYTES + keys * _BUCKET_BYTES)

    def __reduce__(self) -> tuple[type["SharedTable"], tuple[Path]]:
        return SharedTable, (self._path,)

    def key(self, name: str) -> bytes:
        """Return the key of a name, which the file does not hold."""
        return blake2b(name.encode(), digest_size=KEY_BYTES, key=self._hash_key).digest()

    @contextmanager
    def bucket(self, key: bytes) -> Iterator[Bucket]:
        """Lock the bucket of a key."""
        number = int.from_bytes(key[:8]) % self._buckets
        fcntl.lockf(self._file, fcntl.LOCK_EX, 1, number)
        try:
            yield Bucket(self._memory, _HEADER_BYTES + number * _BUCKET_BYTES)
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, number)
