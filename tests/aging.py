"""Time that passes for stored rankings without waiting for it."""

import sqlite3
from contextlib import closing
from pathlib import Path


def age_cache(file: Path, seconds: float) -> None:
    """Let every entry of an embedded cache expire this many seconds sooner, as if so much time had passed."""
    with closing(sqlite3.connect(file, timeout=10.0)) as connection, connection:
        connection.execute("UPDATE lifetimes SET expires_at = expires_at - ?", (seconds,))
