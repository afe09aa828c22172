"""Turning the write-ahead log on while others have the file."""

import sqlite3
import threading
import time

import pytest

from db.sqlite_file import use_write_ahead_log


def test_it_waits_for_whoever_has_the_file(tmp_path):
    path = tmp_path / "a.sqlite"
    holder = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    holder.execute("BEGIN EXCLUSIVE")

    def let_go():
        time.sleep(0.1)
        holder.execute("ROLLBACK")

    thread = threading.Thread(target=let_go)
    thread.start()
    with sqlite3.connect(path, timeout=0) as connection:
        use_write_ahead_log(connection, 30)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    thread.join()


def test_it_gives_up_in_the_end(tmp_path):
    path = tmp_path / "a.sqlite"
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    with (
        sqlite3.connect(path, timeout=0) as connection,
        pytest.raises(sqlite3.OperationalError, match="locked"),
    ):
        use_write_ahead_log(connection, 0.05)
