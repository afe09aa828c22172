"""The stores as the first `explore serve --demo` leaves them."""

import sqlite3
from contextlib import closing
from pathlib import Path

from gateway.background.scheduled_jobs import COLLABORATIVE, INTERESTS


def test_the_demo_data_is_learned_from_before_anybody_looks_at_it(demo_data: Path):
    with closing(sqlite3.connect(demo_data / "explore.sqlite")) as database:
        done = {name for (name,) in database.execute("SELECT name FROM jobs WHERE finished_at IS NOT NULL")}
        assert {COLLABORATIVE, INTERESTS} <= done
        assert database.execute("SELECT count(*) FROM outbox").fetchone() == (0,)
