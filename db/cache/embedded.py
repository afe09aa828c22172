"""The embedded cache: one SQLite file that several processes share and that survives a restart.

A damaged file is renamed and replaced by an empty one; the call that finds the damage is repeated on the new file.
"""

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from db.cache.base import Cache, Entry
from db.errors import Store, StoreUnavailable
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
    "CREATE TABLE IF NOT EXISTS entries (key TEXT PRIMARY KEY, expires_at REAL NOT NULL, size INTEGER NOT NULL)",
    "CREATE INDEX IF NOT EXISTS entries_expires_at ON entries (expires_at)",
    # Separate from the values, so that extending a TTL does not rewrite the value (32 KB).
    "CREATE TABLE IF NOT EXISTS bodies (key TEXT PRIMARY KEY, value BLOB NOT NULL)",
    "CREATE TRIGGER IF NOT EXISTS body_goes AFTER DELETE ON entries BEGIN DELETE FROM bodies WHERE key = OLD.key; END",
)
_GET = "SELECT value FROM entries JOIN bodies USING (key) WHERE key = :key AND expires_at > :now"
_EXISTS = "SELECT 1 FROM entries WHERE key = :key AND expires_at > :now"
_GET_AND_EXTEND = """
    UPDATE entries SET expires_at = :expires_at WHERE key = :key AND expires_at > :now
    RETURNING (SELECT value FROM bodies WHERE bodies.key = entries.key)"""
_PUT_ENTRY = """
    INSERT INTO entries (key, expires_at, size) VALUES (:key, :expires_at, :size)
    ON CONFLICT (key) DO UPDATE SET expires_at = excluded.expires_at, size = excluded.size"""
_PUT_BODY = """
    INSERT INTO bodies (key, value) VALUES (:key, :value) ON CONFLICT (key) DO UPDATE SET value = excluded.value"""
_DELETE = "DELETE FROM entries WHERE key = :key"
_KEYS = "SELECT key FROM entries WHERE key >= :prefix AND key < :prefix || char(1114111) AND expires_at > :now"
_EXPIRE = "DELETE FROM entries WHERE expires_at <= :now"
_EVICT = """
    DELETE FROM entries WHERE key IN (
        SELECT key FROM (SELECT key, sum(size) OVER (ORDER BY expires_at DESC, key) AS total_size FROM entries)
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
        self._purge_at = 0.0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="cache")

    async def get(self, key: str, *, extend_s: float | None = None) -> bytes | None:
        def get(connection: sqlite3.Connection) -> bytes | None:
            now = self._clock()
            if extend_s is None:
                row = connection.execute(_GET, {"key": key, "now": now}).fetchone()
            else:
                extended = connection.execute(_GET_AND_EXTEND, {"key": key, "now": now, "expires_at": now + extend_s})
                row = next(iter(extended.fetchall()), None)
            return None if row is None else row[0]

        return await self._run(get)

    async def get_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        def get_many(connection: sqlite3.Connection) -> dict[str, bytes]:
            now = self._clock()
            # One statement for each key: SQLite caches the statement, and a call within the process is cheap.
            rows = ((key, connection.execute(_GET, {"key": key, "now": now}).fetchone()) for key in keys)
            return {key: row[0] for key, row in rows if row is not None}

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
        await asyncio.get_running_loop().run_in_executor(self._thread, self._file.truncate_log)

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
            except StoreUnavailable as error:
                if not _is_file_damage(error.__cause__):
                    raise
                log.warning("the cache file is damaged; an empty one replaces it: %s", error.reason)
                self._file.rename_damaged()
                return attempt()

        return await asyncio.get_running_loop().run_in_executor(self._thread, retry_if_damaged)

    def _put(self, connection: sqlite3.Connection, key: str, value: bytes, ttl_s: float) -> None:
        if len(value) > self._max_bytes:
            connection.execute(_DELETE, {"key": key})
            return
        now = self._clock()
        connection.execute(_PUT_ENTRY, {"key": key, "expires_at": now + ttl_s, "size": len(value)})
        connection.execute(_PUT_BODY, {"key": key, "value": value})
        self._put_since_purge += len(value)
        if now >= self._purge_at or self._put_since_purge > self._max_bytes * PURGE_SHARE:
            self._purge(connection, now)

    def _purge(self, connection: sqlite3.Connection, now: float) -> None:
        connection.execute(_EXPIRE, {"now": now})
        connection.execute(_EVICT, {"max_bytes": self._max_bytes})
        self._purge_at, self._put_since_purge = now + PURGE_EVERY_S, 0


def _is_file_damage(error: BaseException | None) -> bool:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
