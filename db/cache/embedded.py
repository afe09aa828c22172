"""The embedded cache: one SQLite file that several processes share and that outlives a restart.

What is in it may be lost. A file that is damaged is set aside and made anew; the caller does not notice.
"""

import asyncio
import logging
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from db.errors import Store, StoreUnavailable
from db.private_files import make_private_file
from db.write_ahead_log import enable_secure_delete, truncate_log, use_write_ahead_log

T = TypeVar("T")
log = logging.getLogger(__name__)

MAX_BYTES = 256 * 2**20
"""Of values, keys not counted: 8,000 stored rankings of 32 KB."""

PURGE_EVERY_S = 60.0
PURGE_SHARE = 1 / 16
"""A process also purges when it has put so large a share of `max_bytes`: the bound is exceeded by that much at most."""

BUSY_TIMEOUT_S = 2.0

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS entries (key TEXT PRIMARY KEY, expires_at REAL NOT NULL, size INTEGER NOT NULL)",
    "CREATE INDEX IF NOT EXISTS entries_expires_at ON entries (expires_at)",
    # Apart from the entries: to extend a life must not rewrite the value (32 KB).
    "CREATE TABLE IF NOT EXISTS bodies (key TEXT PRIMARY KEY, value BLOB NOT NULL)",
    "CREATE TRIGGER IF NOT EXISTS body_goes AFTER DELETE ON entries BEGIN DELETE FROM bodies WHERE key = OLD.key; END",
)
_GET = """
    SELECT value FROM entries JOIN bodies USING (key) WHERE key = :key AND expires_at > :now"""
_IS_THERE = "SELECT 1 FROM entries WHERE key = :key AND expires_at > :now"
_GET_AND_EXTEND = """
    UPDATE entries SET expires_at = :until WHERE key = :key AND expires_at > :now
    RETURNING (SELECT value FROM bodies WHERE bodies.key = entries.key)"""
_PUT_ENTRY = """
    INSERT INTO entries (key, expires_at, size) VALUES (:key, :until, :size)
    ON CONFLICT (key) DO UPDATE SET expires_at = excluded.expires_at, size = excluded.size"""
_PUT_BODY = """
    INSERT INTO bodies (key, value) VALUES (:key, :value) ON CONFLICT (key) DO UPDATE SET value = excluded.value"""
_DELETE = "DELETE FROM entries WHERE key = :key"
_KEYS = "SELECT key FROM entries WHERE key >= :prefix AND key < :prefix || char(1114111) AND expires_at > :now"
_EXPIRE = "DELETE FROM entries WHERE expires_at <= :now"
_EVICT = """
    DELETE FROM entries WHERE key IN (
        SELECT key FROM (SELECT key, sum(size) OVER (ORDER BY expires_at DESC, key) AS kept FROM entries)
        WHERE kept > :max_bytes)"""


class EmbeddedCache:
    """Bytes by key in an SQLite file.

    Parameters
    ----------
    path
        The file; it and its folder are made when first needed.
    max_bytes
        Values in all. What expires first goes first; a value that is larger than all of it is not kept.
    clock
        Seconds since 1970, the same in all processes that share the file.
    busy_timeout_s
        How long to wait for another process's writer.
    """

    def __init__(
        self,
        path: Path,
        max_bytes: int = MAX_BYTES,
        clock: Callable[[], float] = time.time,
        busy_timeout_s: float = BUSY_TIMEOUT_S,
    ) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._clock = clock
        self._busy_timeout_s = busy_timeout_s
        self._connection: sqlite3.Connection | None = None
        self._inode = 0
        self._put_since_purge = 0
        self._purge_at = 0.0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="cache")

    async def get(self, key: str, *, extend_s: float | None = None) -> bytes | None:
        """Give a value, or None if it is not there or has expired; keep it for `extend_s` seconds from now on."""
        return await self._run(lambda connection: self._get(connection, key, extend_s))

    async def get_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        """Give the values that are there, by key."""
        return await self._run(lambda connection: self._get_many(connection, keys))

    async def put(self, key: str, value: bytes, ttl_s: float) -> None:
        """Keep a value for `ttl_s` seconds, in place of an earlier one."""
        await self._run(lambda connection: self._put_many(connection, {key: value}, ttl_s))

    async def put_many(self, values: Mapping[str, bytes], ttl_s: float) -> None:
        """Keep several values for `ttl_s` seconds, all of them or none."""
        if values:
            await self._run(lambda connection: self._put_many(connection, values, ttl_s))

    async def add(self, key: str, value: bytes, ttl_s: float) -> bool:
        """Keep a value if there is none, and tell whether it was kept."""
        return await self._run(lambda connection: self._add(connection, key, value, ttl_s))

    async def delete(self, key: str) -> None:
        """Forget a value."""
        await self._run(lambda connection: connection.execute(_DELETE, {"key": key}))

    async def keys(self, prefix: str) -> list[str]:
        """List the keys that begin with this text."""

        def listed(connection: sqlite3.Connection) -> list[str]:
            rows = connection.execute(_KEYS, {"prefix": prefix, "now": self._clock()})
            return [key for (key,) in rows if key.startswith(prefix)]

        return await self._run(listed)

    async def scrub(self) -> None:
        """Delete what has expired, and empty the file's write-ahead log."""

        def scrubbed(connection: sqlite3.Connection) -> None:
            self._purge(connection, self._clock())
            truncate_log(connection)

        await self._run(scrubbed)

    async def close(self) -> None:
        """End the thread and close the file."""
        await asyncio.to_thread(self._thread.shutdown)
        self._disconnect()

    async def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._attempt, work)

    def _attempt(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do it; with a damaged file, once more with a new one."""
        try:
            try:
                return work(self._opened())
            except sqlite3.DatabaseError as error:
                if not _is_damage(error):
                    raise
                self._set_aside(error)
                return work(self._opened())
        except (sqlite3.Error, OSError) as error:
            self._disconnect()
            raise StoreUnavailable(Store.CACHE, f"{self._path}: {error}") from error

    def _get(self, connection: sqlite3.Connection, key: str, extend_s: float | None) -> bytes | None:
        now = self._clock()
        if extend_s is None:
            row = connection.execute(_GET, {"key": key, "now": now}).fetchone()
        else:
            until = {"key": key, "now": now, "until": now + extend_s}
            row = next(iter(connection.execute(_GET_AND_EXTEND, until).fetchall()), None)
        return None if row is None else row[0]

    def _get_many(self, connection: sqlite3.Connection, keys: Sequence[str]) -> dict[str, bytes]:
        now = self._clock()
        # A statement a key: SQLite runs in this process, and a list of keys would be another statement at each length.
        rows = ((key, connection.execute(_GET, {"key": key, "now": now}).fetchone()) for key in keys)
        return {key: row[0] for key, row in rows if row is not None}

    def _put_many(self, connection: sqlite3.Connection, values: Mapping[str, bytes], ttl_s: float) -> None:
        with _writing(connection):
            for key, value in values.items():
                self._write(connection, key, value, ttl_s)

    def _add(self, connection: sqlite3.Connection, key: str, value: bytes, ttl_s: float) -> bool:
        with _writing(connection):
            is_there = connection.execute(_IS_THERE, {"key": key, "now": self._clock()}).fetchone()
            if is_there is None:
                self._write(connection, key, value, ttl_s)
        return is_there is None

    def _write(self, connection: sqlite3.Connection, key: str, value: bytes, ttl_s: float) -> None:
        if len(value) > self._max_bytes:
            connection.execute(_DELETE, {"key": key})
            return
        now = self._clock()
        connection.execute(_PUT_ENTRY, {"key": key, "until": now + ttl_s, "size": len(value)})
        connection.execute(_PUT_BODY, {"key": key, "value": value})
        self._put_since_purge += len(value)
        if now >= self._purge_at or self._put_since_purge > self._max_bytes * PURGE_SHARE:
            self._purge(connection, now)

    def _purge(self, connection: sqlite3.Connection, now: float) -> None:
        connection.execute(_EXPIRE, {"now": now})
        connection.execute(_EVICT, {"max_bytes": self._max_bytes})
        self._purge_at, self._put_since_purge = now + PURGE_EVERY_S, 0

    def _opened(self) -> sqlite3.Connection:
        """Give the connection to the file that is there now: another process may have set the last one aside."""
        if self._connection is not None and not self._is_same_file():
            self._disconnect()
        if self._connection is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            make_private_file(self._path)
            self._connection = self._connect()
            self._inode = os.stat(self._path).st_ino
        return self._connection

    def _is_same_file(self) -> bool:
        try:
            return os.stat(self._path).st_ino == self._inode
        except FileNotFoundError:
            return False

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=self._busy_timeout_s, isolation_level=None, check_same_thread=False
        )
        try:
            use_write_ahead_log(connection, self._busy_timeout_s)
            enable_secure_delete(connection)
            connection.execute("PRAGMA synchronous = NORMAL")  # a power cut loses the newest, and damages nothing
            connection.execute("PRAGMA journal_size_limit = 16777216")
            for statement in _SCHEMA:
                connection.execute(statement)
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _set_aside(self, error: sqlite3.DatabaseError) -> None:
        """Move the damaged file away, unless another process has already put a new one in its place."""
        log.warning("the cache file %s is damaged (%s); it is set aside as .damaged and made anew", self._path, error)
        is_ours = self._connection is None or self._is_same_file()
        self._disconnect()
        if is_ours:
            for suffix in ("-wal", "-shm"):
                Path(f"{self._path}{suffix}").unlink(missing_ok=True)
            if self._path.exists():
                os.replace(self._path, f"{self._path}.damaged")

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


@contextmanager
def _writing(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:  # also a KeyboardInterrupt: the connection outlives it, and must not stay in a transaction
        connection.rollback()
        raise
    connection.commit()


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
