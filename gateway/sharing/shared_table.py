"""A hash table in a file that several processes map into their memory.

An operation takes some 15 µs, and waits only for another process that works on the same bucket. The lock of a bucket
ends with its process, and a row is written at once: a process that is killed leaves no lock and no half-written row.
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
"""Rows of a bucket, one per key. A table with one bucket for each expected key overflows with a probability below 1e-13
a bucket."""

KEY_BYTES = 16

_ROW = Struct(f"<{KEY_BYTES}s4I")
_ROWS = Struct("<I")
_HEADER_BYTES = KEY_BYTES + _ROWS.size


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

    def __init__(self, memory: mmap.mmap, offset: int, rows: int) -> None:
        self._memory = memory
        self._offset = offset
        self.rows = rows

    def find(self, key: bytes) -> list[int]:
        """Return the indices of the rows with a key."""
        found: list[int] = []
        end = self._offset + self.rows * _ROW.size
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
        self._hash_key = self._memory[:KEY_BYTES]
        (self._rows,) = _ROWS.unpack_from(self._memory, KEY_BYTES)
        self._bucket_bytes = self._rows * _ROW.size
        self._buckets = (len(self._memory) - _HEADER_BYTES) // self._bucket_bytes

    @classmethod
    def create(cls, path: Path, keys: int, rows: int = BUCKET_ROWS) -> None:
        """Create a table for this many keys, with `rows` rows of 32 bytes each. The file takes space where it is used.

        A table whose keys have several rows needs buckets of more rows.
        """
        with path.open("xb") as file:
            # A secret key of the hashes, so that no client can choose names that fill the bucket of another one.
            file.write(secrets.token_bytes(KEY_BYTES) + _ROWS.pack(rows))
            file.truncate(_HEADER_BYTES + keys * rows * _ROW.size)

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
            yield Bucket(self._memory, _HEADER_BYTES + number * self._bucket_bytes, self._rows)
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, number)
