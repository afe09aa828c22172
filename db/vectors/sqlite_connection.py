"""A connection to the embedded index's file: opened when first needed, opened anew when the file is another one."""

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from db.errors import Store, StoreUnavailable
from db.private_files import make_private_file
from db.write_ahead_log import enable_secure_delete, truncate_log, use_write_ahead_log


class Connection:
    """One connection to the file, opened when first needed, for one thread at a time. Its errors are the store's."""

    def __init__(self, path: Path, busy_timeout_s: float) -> None:
        self.lock = threading.RLock()
        self._path = path
        self._busy_timeout_s = busy_timeout_s
        self._connection: sqlite3.Connection | None = None
        self._inode = 0

    @contextmanager
    def transaction(self, begin: str, *, make: bool = False) -> Iterator[sqlite3.Connection]:
        """Lend the connection inside one transaction."""
        with self.lock, self._mapped_errors():
            connection = self._opened(make)
            connection.execute(begin)
            try:
                yield connection
            except BaseException:  # whatever it is, it rises; the connection must not stay in a transaction
                connection.rollback()
                raise
            connection.commit()

    def truncate_log(self) -> None:
        """Take everything out of the write-ahead log into the file, outside of any transaction."""
        with self.lock, self._mapped_errors():
            truncate_log(self._opened(make=False))

    def close(self) -> None:
        """Close what is open; the next transaction opens it again."""
        with self.lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    @contextmanager
    def _mapped_errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            self.close()  # whatever state it is in, the next call starts afresh
            raise StoreUnavailable(Store.VECTORS, f"{self._path}: {error}") from error

    def _opened(self, make: bool) -> sqlite3.Connection:
        if self._connection is not None and self._inode_now() != self._inode:
            self.close()  # the file went away, or another one stands in its place
        if self._connection is None:
            if make:
                self._path.parent.mkdir(parents=True, exist_ok=True)
            if make or self._path.exists():
                make_private_file(self._path)
            self._connection = self._open("rwc" if make else "rw")
            self._inode = self._inode_now()
        return self._connection

    def _inode_now(self) -> int:
        try:
            return os.stat(self._path).st_ino
        except FileNotFoundError:
            return 0

    def _open(self, mode: str) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"{self._path.absolute().as_uri()}?mode={mode}",
            uri=True,
            timeout=self._busy_timeout_s,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            use_write_ahead_log(connection, self._busy_timeout_s)
            enable_secure_delete(connection)
            # An acknowledged write must outlive a power cut: the outbox row that asked for it is deleted next.
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA cache_size = -8192")
        except sqlite3.Error:
            connection.close()
            raise
        return connection
