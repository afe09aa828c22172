"""What viewers are told of, and how often."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from db.actors.users import UNKNOWN_VERSION, ActorVersion
from db.database.engine import Database
from db.feed_change_notifier import FeedChangeNotifier
from db.models import FeedKind, InteractionType, now
from scoring.deadlines import PATIENT
from scoring.feed_changes import (
    WATCHABLE_FEEDS,
    FeedChange,
    FeedChangeReason,
    FeedChangeWatcher,
    NotificationQueue,
    NotificationTiming,
)
from scoring.feeds import Feeds
from scoring.mathematics.additive_model import BASELINE, Model
from scoring.use_cases.unit_of_work import Caller
from tests.waiting import WAIT_AT_MOST_S, until
from tests.world import MOMENT, World, embedded_world

FAST = NotificationTiming(
    min_check_s=0.01, max_check_s=0.05, notified_s=0.05, shared_check_s=0.02, min_notice_s=0.0, spread_s=0.0
)
ADA = Caller("ada")


def change(feed: FeedKind = FeedKind.FOR_YOU, version: int = 1) -> FeedChange:
    return FeedChange(feed, FeedChangeReason.VIEWER, version, now())


async def taken(box: NotificationQueue) -> list[FeedChange]:
    async with asyncio.timeout(WAIT_AT_MOST_S):
        return await box.take()


async def taken_of(box: NotificationQueue, feed: FeedKind) -> FeedChange:
    """Take changes until one is of the feed; others may come first."""
    while True:
        for one in await taken(box):
            if one.feed is feed:
                return one


# Queues.


async def test_of_changes_of_one_feed_the_last_is_told() -> None:
    box = NotificationQueue(ADA, frozenset(WATCHABLE_FEEDS), UNKNOWN_VERSION, min_notice_s=0)
    box.put(change(version=1))
    box.put(change(version=2))
    box.put(change(FeedKind.NEWEST))
    assert [(one.feed, one.version) for one in await taken(box)] == [(FeedKind.FOR_YOU, 2), (FeedKind.NEWEST, 1)]


async def test_what_somebody_does_not_want_to_be_told_of_is_not_kept() -> None:
    box = NotificationQueue(ADA, frozenset([FeedKind.FOR_YOU]), UNKNOWN_VERSION, min_notice_s=0)
    box.put(change(FeedKind.NEWEST))
    box.put(change())
    assert [one.feed for one in await taken(box)] == [FeedKind.FOR_YOU]


async def test_between_two_changes_there_is_quiet_and_what_comes_meanwhile_is_told_together() -> None:
    box = NotificationQueue(ADA, frozenset(WATCHABLE_FEEDS), UNKNOWN_VERSION, min_notice_s=0.3)
    box.put(change(version=1))
    await taken(box)
    waiting = asyncio.create_task(box.take())
    for version in (2, 3, 4):
        box.put(change(version=version))
        await asyncio.sleep(0.01)
    assert not waiting.done()
    assert [one.version for one in await waiting] == [4]


async def test_a_later_change_of_a_feed_does_not_put_off_an_earlier_one() -> None:
    box = NotificationQueue(ADA, frozenset(WATCHABLE_FEEDS), UNKNOWN_VERSION, min_notice_s=0)
    box.put(change(version=1))
    box.put(change(version=2), after_s=3_600)
    assert [one.version for one in await taken(box)] == [2]


async def test_a_mailbox_that_closes_lets_its_reader_go() -> None:
    box = NotificationQueue(ADA, frozenset(WATCHABLE_FEEDS), UNKNOWN_VERSION, min_notice_s=0)
    waiting = asyncio.create_task(box.take())
    await asyncio.sleep(0)
    box.close()
    assert await waiting == []


# Watching.


class Lever:
    """A model that a test puts in service."""

    def __init__(self) -> None:
        self.model = BASELINE

    async def __call__(self) -> Model:
        return self.model


@pytest.fixture
async def world(sqlite_database: Database, tmp_path: Path) -> AsyncIterator[World]:
    async with embedded_world(sqlite_database, tmp_path) as world:
        await world.add_users("ada", "bob", *(f"p{number}" for number in range(8)))
        await world.add_projects(20)
        yield world


@asynccontextmanager
async def watching(
    world: World, model: Lever | None = None, pace: NotificationTiming = FAST
) -> AsyncIterator[FeedChangeWatcher]:
    feeds = Feeds(world.stores, model or Lever(), clock=lambda: MOMENT, deadlines=PATIENT)
    changes, stop = FeedChangeWatcher(world.stores.database, feeds, FeedChangeNotifier(), pace), asyncio.Event()
    running = asyncio.create_task(changes.run(stop))
    try:
        yield changes
    finally:
        stop.set()
        async with asyncio.timeout(WAIT_AT_MOST_S):
            await running


async def looked(changes: FeedChangeWatcher) -> None:
    """Wait until everything that is shared has been looked at once."""
    await until(lambda: len(changes._tops) == len(WATCHABLE_FEEDS) - 1)


async def test_an_act_that_nobody_hinted_at_is_found_by_looking(world: World) -> None:
    async with watching(world) as changes:
        stood = await changes.version_of(ADA)
        with changes.notification_queue(ADA, frozenset([FeedKind.FOR_YOU]), stood) as box:
            await world.act("ada", InteractionType.LIKE, "p0003")
            (told,) = await taken(box)
    assert (told.feed, told.reason, told.version) == (FeedKind.FOR_YOU, FeedChangeReason.VIEWER, stood.version + 1)


async def test_a_hint_makes_it_look_at_once(world: World) -> None:
    async with watching(world, pace=replace(FAST, max_check_s=3_600)) as changes:
        with changes.notification_queue(ADA, frozenset([FeedKind.FOR_YOU]), await changes.version_of(ADA)) as box:
            await asyncio.sleep(0.1)  # the look that a new mailbox makes is over
            await world.act("ada", InteractionType.LIKE, "p0003")
            changes._notifier.notify()
            assert await taken(box)


async def test_an_impression_changes_nothing(world: World) -> None:
    async with watching(world) as changes:
        with changes.notification_queue(ADA, frozenset([FeedKind.FOR_YOU]), await changes.version_of(ADA)) as box:
            await world.act("ada", InteractionType.IMPRESSION, "p0003")
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.4):
                    await box.take()


async def test_a_project_that_comes_is_told_to_all_who_look_at_the_newest(world: World) -> None:
    async with watching(world) as changes:
        with (
            changes.notification_queue(ADA, frozenset(WATCHABLE_FEEDS), ActorVersion(0, 0)) as ada,
            changes.notification_queue(
                Caller(session_key="s1"), frozenset([FeedKind.NEWEST]), UNKNOWN_VERSION
            ) as session,
        ):
            await looked(changes)
            await taken(ada)  # ada's own version, of which she knew nothing
            await world.add_projects(1, start=500, created_at=MOMENT)
            for box in (ada, session):
                told = await taken_of(box, FeedKind.NEWEST)
                assert told.reason == FeedChangeReason.CATALOG


async def test_another_model_in_service_is_told(world: World) -> None:
    lever = Lever()
    async with watching(world, lever) as changes:
        with changes.notification_queue(ADA, frozenset(WATCHABLE_FEEDS), await changes.version_of(ADA)) as box:
            await looked(changes)
            lever.model = replace(BASELINE, name="another")
            (told,) = await taken(box)
    assert (told.feed, told.reason) == (FeedKind.FOR_YOU, FeedChangeReason.MODEL)


async def test_what_people_bring_to_the_top_is_told(world: World) -> None:
    async with watching(world) as changes:
        with changes.notification_queue(ADA, frozenset([FeedKind.TRENDING]), await changes.version_of(ADA)) as box:
            await until(lambda: FeedKind.TRENDING in changes._tops)
            for number in range(8):
                await world.act(f"p{number}", InteractionType.LIKE, "p0019")
            (told,) = await taken(box)
    assert (told.feed, told.reason) == (FeedKind.TRENDING, FeedChangeReason.PEOPLE)


async def test_whoever_comes_after_the_end_is_let_go_at_once(world: World) -> None:
    async with watching(world) as changes:
        pass
    with changes.notification_queue(ADA, frozenset(WATCHABLE_FEEDS), UNKNOWN_VERSION) as box:
        assert await taken(box) == []
    assert changes.waiting == 0
