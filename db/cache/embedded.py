"""The embedded cache: one SQLite file that several processes share and that survives a restart.

A damaged file is renamed and replaced by an empty one; the call that finds the damage is repeated on the new file. Each
value has a checksum, which detects damage, and a time of writing: a value that was written in the future, because the
clock has been set back since, counts as missing.
"""

# ruff: noqa: S608 (the statements consist of constants)

import asyncio
import logging
import sqlite3
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from db.cache.base import Cache, Entry
from db.errors import Store, StoreDamaged
from db.sqlite_file import SqliteFile

T = TypeVar("T")
log = logging.getLogger(__name__)

MAX_BYTES = 256 * 2**20
"""Maximum total size of all values, without keys: 8,000 ranking snapshots of 32 KB."""

PURGE_EVERY_S = 60.0
PURGE_SHARE = 1 / 16
"""A process also purges after storing this share of `max_bytes`, so it exceeds the limit by at most this share."""

BUSY_TIMEOUT_S = 2.0

_SETUP = (
    "PRAGMA synchronous = NORMAL",  # a power failure loses the newest values, and does not damage the file
    "PRAGMA journal_size_limit = 16777216",
    "DROP TABLE IF EXISTS entries",  # of earlier versions
    "DROP TABLE IF EXISTS bodies",
    """CREATE TABLE IF NOT EXISTS lifetimes (
        key TEXT PRIMARY KEY, written_at REAL NOT NULL, expires_at REAL NOT NULL, size INTEGER NOT NULL)""",
    "CREATE INDEX IF NOT EXISTS lifetimes_expires_at ON lifetimes (expires_at)",
    # Separate from the values, so that extending a TTL does not rewrite the value (32 KB).
    """CREATE TABLE IF NOT EXISTS contents (
        key TEXT PRIMARY KEY, checksum INTEGER NOT NULL, value BLOB NOT NULL)""",
    """CREATE TRIGGER IF NOT EXISTS content_goes AFTER DELETE ON lifetimes
        BEGIN DELETE FROM contents WHERE key = OLD.key; END""",
)
_IS_VALID = "written_at <= :now AND expires_at > :now"
_GET = f"SELECT checksum, value FROM lifetimes JOIN contents USING (key) WHERE key = :key AND {_IS_VALID}"
_EXISTS = f"SELECT 1 FROM lifetimes WHERE key = :key AND {_IS_VALID}"
_EXTEND = "UPDATE lifetimes SET written_at = :now, expires_at = :expires_at WHERE key = :key"
_PUT_LIFETIME = """
    INSERT INTO lifetimes (key, written_at, expires_at, size) VALUES (:key, :now, :expires_at, :size)
    ON CONFLICT (key) DO UPDATE
    SET written_at = excluded.written_at, expires_at = excluded.expires_at, size = excluded.size"""
_PUT_CONTENT = """
    INSERT INTO contents (key, checksum, value) VALUES (:key, :checksum, :value)
    ON CONFLICT (key) DO UPDATE SET checksum = excluded.checksum, value = excluded.value"""
_DELETE = "DELETE FROM lifetimes WHERE key = :key"
_KEYS = f"SELECT key FROM lifetimes WHERE key >= :prefix AND key < :prefix || char(1114111) AND {_IS_VALID}"
_EXPIRE = f"DELETE FROM lifetimes WHERE NOT ({_IS_VALID})"
_EVICT = """
    DELETE FROM lifetimes WHERE key IN (
        SELECT key FROM (SELECT key, sum(size) OVER (ORDER BY expires_at DESC, key) AS total_size FROM lifetimes)
        WHERE total_size > :max_bytes)"""


class EmbeddedCache(Cache):
    """Bytes by key in an SQLite file, created on first use.

    If all values together exceed `max_bytes`, the values that expire first are evicted. A single value larger than
    `max_bytes` is not stored. `clock` returns seconds since 1970, the same in all processes that share the file.
    """

    def __init__(
        self,
        path: Path,
        max_bytes: int = MAX_BYTES,
        clock: Callable[[], float] = time.time,
        busy_timeout_s: float = BUSY_TIMEOUT_S,
    ) -> None:
        self._file = SqliteFile(path, Store.CACHE, busy_timeout_s, _SETUP)
        self._max_bytes = max_bytes
        self._clock = clock
        self._put_since_purge = 0
        self._purged_at = -PURGE_EVERY_S
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="cache")

    async def get(self, key: str, *, extend_s: float | None = None) -> bytes | None:
        def get(connection: sqlite3.Connection) -> bytes | None:
            now = self._clock()
            value = self._get(connection, key, now)
            if value is not None and extend_s is not None:
                connection.execute(_EXTEND, {"key": key, "now": now, "expires_at": now + extend_s})
            return value

        return await self._run(get)

    async def get_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        def get_many(connection: sqlite3.Connection) -> dict[str, bytes]:
            now = self._clock()
            # One statement for each key: SQLite caches the statement, and a call within the process is cheap.
            values = ((key, self._get(connection, key, now)) for key in keys)
            return {key: value for key, value in values if value is not None}

        return await self._run(get_many)

    async def put(self, key: str, value: bytes, ttl_s: float) -> None:
        await self.put_many({key: Entry(value, ttl_s)})

    async def put_many(self, values: Mapping[str, Entry]) -> None:
        def put_many(connection: sqlite3.Connection) -> None:
            for key, (value, ttl_s) in values.items():
                self._put(connection, key, value, ttl_s)

        if values:
            await self._run(put_many, in_transaction=True)

    async def add(self, key: str, value: bytes, ttl_s: float) -> bool:
        def add(connection: sqlite3.Connection) -> bool:
            exists = connection.execute(_EXISTS, {"key": key, "now": self._clock()}).fetchone()
            if exists is None:
                self._put(connection, key, value, ttl_s)
            return exists is None

        return await self._run(add, in_transaction=True)

    async def delete(self, key: str) -> None:
        await self._run(lambda connection: connection.execute(_DELETE, {"key": key}))

    async def keys(self, prefix: str) -> list[str]:
        def keys(connection: sqlite3.Connection) -> list[str]:
            rows = connection.execute(_KEYS, {"prefix": prefix, "now": self._clock()})
            return [key for (key,) in rows if key.startswith(prefix)]

        return await self._run(keys)

    async def scrub(self) -> None:
        """Delete expired values, and truncate the write-ahead log."""
        await self._run(lambda connection: self._purge(connection, self._clock()))
        await asyncio.get_running_loop().run_in_executor(self._thread, self._file.scrub)

    async def close(self) -> None:
        await asyncio.to_thread(self._thread.shutdown)
        self._file.close()

    async def _run(self, operation: Callable[[sqlite3.Connection], T], *, in_transaction: bool = False) -> T:
        open_connection = self._file.transaction if in_transaction else self._file.connection

        def attempt() -> T:
            with open_connection(create=True) as connection:
                return operation(connection)

        def retry_if_damaged() -> T:
            try:
                return attempt()
            except StoreDamaged as error:
                if self._file.rename_damaged():
                    log.warning("the cache file is damaged; an empty one replaces it: %s", error.reason)
                return attempt()

        return await asyncio.get_running_loop().run_in_executor(self._thread, retry_if_damaged)

    def _get(self, connection: sqlite3.Connection, key: str, now: float) -> bytes | None:
        row = connection.execute(_GET, {"key": key, "now": now}).fetchone()
        if row is None:
            return None
        checksum, value = row
        if isinstance(value, bytes) and zlib.crc32(value) == checksum:
            return value
        log.warning("the cache holds a damaged value, which is deleted: %s", key)
        connection.execute(_DELETE, {"key": key})
        return None

    def _put(self, connection: sqlite3.Connection, key: str, value: bytes, ttl_s: float) -> None:
        if len(value) > self._max_bytes:
            connection.execute(_DELETE, {"key": key})
            return
        now = self._clock()
        lifetime = {"key": key, "now": now, "expires_at": now + ttl_s, "size": len(value)}
        connection.execute(_PUT_LIFETIME, lifetime)
        connection.execute(_PUT_CONTENT, {"key": key, "checksum": zlib.crc32(value), "value": value})
        self._put_since_purge += len(value)
        since_purge_s = now - self._purged_at  # negative if the clock was set back
        if not 0 <= since_purge_s < PURGE_EVERY_S or self._put_since_purge > self._max_bytes * PURGE_SHARE:
            self._purge(connection, now)

    def _purge(self, connection: sqlite3.Connection, now: float) -> None:
        connection.execute(_EXPIRE, {"now": now})
        connection.execute(_EVICT, {"max_bytes": self._max_bytes})
        self._purged_at, self._put_since_purge = now, 0
