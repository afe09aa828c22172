"""SQLite's write-ahead log: activation by concurrent processes, and removal of deleted pages."""

import sqlite3
import time

RETRY_S = 0.01


def use_write_ahead_log(connection: sqlite3.Connection, wait_s: float) -> None:
    """Activate the write-ahead log, waiting for other processes; SQLite's busy timeout does not cover this statement.

    Raises `sqlite3.OperationalError` if another process still held the file after `wait_s` seconds, or it cannot be
    written.
    """
    until = time.monotonic() + wait_s
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if not _is_busy(error) or time.monotonic() > until:
                raise
            time.sleep(RETRY_S)
        else:
            return


def enable_secure_delete(connection: sqlite3.Connection) -> None:
    """Let SQLite overwrite deleted content with zeros. Debian's build does so by default, others do not."""
    connection.execute("PRAGMA secure_delete = ON")


def truncate_log(connection: sqlite3.Connection) -> None:
    """Write the log into the database file and truncate it: it holds pages from before a deletion.

    Raises `sqlite3.OperationalError` if a reader still needs it after the connection's busy timeout.
    """
    busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if busy:
        raise sqlite3.OperationalError("the write-ahead log is still being read")


def _is_busy(error: sqlite3.OperationalError) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
