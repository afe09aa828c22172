"""A connection to an SQLite file that several processes share, and the write-ahead log of such files."""

import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from db.errors import Store, StoreDamaged, StoreUnavailable
from db.private_files import make_private_file

LOCK_RETRY_S = 0.01

_DAMAGE_CODES = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT})
_DAMAGE_MESSAGES = ("no such ", "Could not decode ")
"""Beginnings of the messages of other errors that only damage causes: the schema or a text is not as written."""


class DamagedContent(Exception):
    """A file holds a value that was not written to it."""


class SqliteFile:
    """One connection to a file, used by one thread at a time. It is opened on first use, or when the file is replaced.

    Errors are raised as `StoreUnavailable` for `store`, or `StoreDamaged` if the file is damaged. Each new connection
    executes the statements of `setup` and waits at most `busy_timeout_s` for a lock.
    """

    def __init__(self, path: Path, store: Store, busy_timeout_s: float, setup: Sequence[str]) -> None:
        self.path = path
        self.lock = threading.RLock()
        self._store = store
        self._busy_timeout_s = busy_timeout_s
        self._setup = setup
        self._connection: sqlite3.Connection | None = None
        self._inode = 0

    @contextmanager
    def connection(self, *, create: bool = False) -> Iterator[sqlite3.Connection]:
        """Yield the connection outside a transaction. `create` creates a missing file and its folder."""
        with self.lock, self._as_store_unavailable():
            yield self._current_connection(create)

    @contextmanager
    def transaction(self, begin: str = "BEGIN IMMEDIATE", *, create: bool = False) -> Iterator[sqlite3.Connection]:
        """Yield the connection inside a transaction, which is rolled back on any exception."""
        with self.connection(create=create) as connection:
            connection.execute(begin)
            try:
                yield connection
            except BaseException:  # also KeyboardInterrupt, so that the connection does not stay in a transaction
                connection.rollback()
                raise
            connection.commit()

    def scrub(self) -> None:
        """Write the write-ahead log into the file and truncate it, and delete a file that was set aside as damaged.

        Call it outside any transaction.
        """
        with self.connection() as connection:
            truncate_log(connection)
            self._damaged_path.unlink(missing_ok=True)

    def rename_damaged(self) -> bool:
        """Rename the file to ``.damaged``. Return False if another process or thread has already replaced it."""
        with self.lock, self._as_store_unavailable():
            self.close()
            if self._current_inode() != self._inode or not self.path.exists():
                return False
            for suffix in ("-wal", "-shm"):
                Path(f"{self.path}{suffix}").unlink(missing_ok=True)
            os.replace(self.path, self._damaged_path)
            return True

    @property
    def _damaged_path(self) -> Path:
        return Path(f"{self.path}.damaged")

    def close(self) -> None:
        """Close the connection. The next use opens it again."""
        with self.lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    @contextmanager
    def _as_store_unavailable(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError, DamagedContent, UnicodeDecodeError) as error:
            self.close()  # the state of the connection is unknown, so the next use opens a new one
            kind = StoreDamaged if _is_damage(error) else StoreUnavailable
            raise kind(self._store, f"{self.path}: {error}") from error

    def _current_connection(self, create: bool) -> sqlite3.Connection:
        if self._connection is not None and self._current_inode() != self._inode:
            self.close()  # the file was removed or replaced
        if self._connection is None:
            if create:
                self.path.parent.mkdir(parents=True, exist_ok=True)
            if create or self.path.exists():
                make_private_file(self.path)
            self._inode = self._current_inode()
            self._connection = self._open("rwc" if create else "rw")
        return self._connection

    def _current_inode(self) -> int:
        try:
            return os.stat(self.path).st_ino
        except FileNotFoundError:
            return 0

    def _open(self, mode: str) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode={mode}",
            uri=True,
            timeout=self._busy_timeout_s,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            use_write_ahead_log(connection, self._busy_timeout_s)
            # Overwrite deleted content with zeros. This is the default only in some builds, such as Debian's.
            connection.execute("PRAGMA secure_delete = ON")
            for statement in self._setup:
                connection.execute(statement)
        except sqlite3.Error:
            connection.close()
            raise
        return connection


def _is_damage(error: Exception) -> bool:
    if isinstance(error, DamagedContent | UnicodeDecodeError):  # the latter for an error message of a damaged schema
        return True
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    is_damage = code in _DAMAGE_CODES or str(error).startswith(_DAMAGE_MESSAGES)
    return isinstance(error, sqlite3.Error) and is_damage


@contextmanager
def reading_content() -> Iterator[None]:
    """Report values that cannot be read as `DamagedContent`."""
    try:
        yield
    except (ValueError, TypeError, OverflowError) as error:
        raise DamagedContent(f"a value cannot be read: {error}") from error


def use_write_ahead_log(connection: sqlite3.Connection, wait_s: float) -> None:
    """Activate the write-ahead log, and retry while the file is locked: SQLite's busy timeout does not cover this.

    Raises `sqlite3.OperationalError` if the file is still locked after `wait_s` seconds or cannot be written.
    """
    deadline = time.monotonic() + wait_s
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            is_busy = error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
            if not is_busy or time.monotonic() > deadline:
                raise
            time.sleep(LOCK_RETRY_S)
        else:
            return


def open_existing(path: str, timeout_s: float) -> sqlite3.Connection:
    """Open a file that exists. Each statement is a transaction of its own."""
    return sqlite3.connect(f"{Path(path).absolute().as_uri()}?mode=rw", timeout_s, isolation_level=None, uri=True)


def truncate_log(connection: sqlite3.Connection) -> None:
    """Write the log into the database file and truncate it, because it contains deleted data.

    Raises `sqlite3.OperationalError` if another connection still reads the log after the busy timeout.
    """
    busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if busy:
        raise sqlite3.OperationalError("the write-ahead log is still being read")
