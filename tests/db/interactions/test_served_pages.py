"""The log of what was served."""

from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from db.database.engine import Database
from db.interactions.served_pages import RETENTION, ServedPageLog
from db.models import FeedKind, ServedPage, now


def note(log: ServedPageLog, snapshot_id: str, age: timedelta = timedelta()) -> None:
    log.add(
        snapshot_id=snapshot_id,
        actor_id=None,
        feed_kind=FeedKind.POPULAR.value,
        strategy="popular",
        model="popular",
        at=now() - age,
        first_rank=1,
        projects=[3, 1, 2],
        signals=["likes"],
        contributions=b"\x01" * 24,
    )


async def snapshots(database: Database) -> list[str]:
    return [row.snapshot_id for row in await database.fetch(select(ServedPage.snapshot_id).order_by(ServedPage.id))]


async def test_noted_pages_are_written_together_and_once(database: Database):
    log = ServedPageLog(database)
    note(log, "a")
    note(log, "b")
    assert await log.flush() == 2
    assert await log.flush() == 0
    assert await snapshots(database) == ["a", "b"]


async def test_pages_that_could_not_be_written_wait_for_the_next_time(database: Database):
    log = ServedPageLog(database)
    note(log, "a")
    log.add(snapshot_id="b", actor_id=None, feed_kind="no such feed")
    with pytest.raises(SQLAlchemyError):
        await log.flush()
    assert await snapshots(database) == []
    assert [page["snapshot_id"] for page in log._waiting] == ["a", "b"]


async def test_a_log_that_cannot_keep_up_loses_the_oldest_and_counts_them(sqlite_database: Database):
    log = ServedPageLog(sqlite_database)
    for number in range(2_005):
        note(log, str(number))
    assert (log.lost, await log.flush()) == (5, 2_000)
    assert (await snapshots(sqlite_database))[0] == "5"


async def test_old_pages_are_forgotten(database: Database):
    log = ServedPageLog(database)
    note(log, "old", RETENTION + timedelta(minutes=1))
    note(log, "new", RETENTION - timedelta(minutes=1))
    await log.flush()
    await log.expire()
    assert await snapshots(database) == ["new"]


async def test_a_page_is_new_once_among_the_last_pages(sqlite_database: Database):
    log = ServedPageLog(sqlite_database, max_recent=2)
    assert [log.is_new(page) for page in ("a", "b", "a", "c", "a")] == [True, True, False, True, True]
