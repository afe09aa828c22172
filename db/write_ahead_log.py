"""SQLite's write-ahead log: activation, and removal of deleted data from it."""

import sqlite3
import time

RETRY_S = 0.01


def use_write_ahead_log(connection: sqlite3.Connection, wait_s: float) -> None:
    """Activate the write-ahead log, and retry while the file is locked: SQLite's busy timeout does not cover this.

    Raises `sqlite3.OperationalError` if the file is still locked after `wait_s` seconds or cannot be written.
    """
    deadline = time.monotonic() + wait_s
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if not _is_busy(error) or time.monotonic() > deadline:
                raise
            time.sleep(RETRY_S)
        else:
            return


def enable_secure_delete(connection: sqlite3.Connection) -> None:
    """Make SQLite overwrite deleted content with zeros. This is the default only in some builds, such as Debian's."""
    connection.execute("PRAGMA secure_delete = ON")


def truncate_log(connection: sqlite3.Connection) -> None:
    """Write the log into the database file and truncate it, because it contains deleted data.

    Raises `sqlite3.OperationalError` if another connection still reads the log after the busy timeout.
    """
    busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if busy:
        raise sqlite3.OperationalError("the write-ahead log is still being read")


def _is_busy(error: sqlite3.OperationalError) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
