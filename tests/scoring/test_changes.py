"""What viewers are told of, and how often."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from db.engine import Database
from db.hints import Hints
from db.models import FeedKind, InteractionType, now
from db.versions import UNKNOWN, Version, Who
from scoring.blend import PLAN, Model
from scoring.changes import TOLD, Change, ChangeReason, Changes, Mailbox, Pace
from scoring.feeds import Feeds
from tests.waiting import PATIENCE_S, until
from tests.world import MOMENT, World, embedded_world

FAST = Pace(look_s=0.01, poll_s=0.05, heard_s=0.05, shared_s=0.02, quiet_s=0.0, spread_s=0.0)
ADA = Who("ada", None)


def change(feed: FeedKind = FeedKind.FOR_YOU, version: int = 1) -> Change:
    return Change(feed, ChangeReason.VIEWER, version, now())


async def taken(box: Mailbox) -> list[Change]:
    async with asyncio.timeout(PATIENCE_S):
        return await box.take()


# Mailboxes.


async def test_of_changes_of_one_feed_the_last_is_told() -> None:
    box = Mailbox(ADA, frozenset(TOLD), UNKNOWN, quiet_s=0)
    box.put(change(version=1))
    box.put(change(version=2))
    box.put(change(FeedKind.NEWEST))
    assert [(one.feed, one.version) for one in await taken(box)] == [(FeedKind.FOR_YOU, 2), (FeedKind.NEWEST, 1)]


async def test_what_somebody_does_not_want_to_be_told_of_is_not_kept() -> None:
    box = Mailbox(ADA, frozenset([FeedKind.FOR_YOU]), UNKNOWN, quiet_s=0)
    box.put(change(FeedKind.NEWEST))
    box.put(change())
    assert [one.feed for one in await taken(box)] == [FeedKind.FOR_YOU]


async def test_between_two_changes_there_is_quiet_and_what_comes_meanwhile_is_told_together() -> None:
    box = Mailbox(ADA, frozenset(TOLD), UNKNOWN, quiet_s=0.3)
    box.put(change(version=1))
    await taken(box)
    waiting = asyncio.create_task(box.take())
    for version in (2, 3, 4):
        box.put(change(version=version))
        await asyncio.sleep(0.01)
    assert not waiting.done()
    assert [one.version for one in await waiting] == [4]


async def test_a_later_change_of_a_feed_does_not_put_off_an_earlier_one() -> None:
    box = Mailbox(ADA, frozenset(TOLD), UNKNOWN, quiet_s=0)
    box.put(change(version=1))
    box.put(change(version=2), after_s=3_600)
    assert [one.version for one in await taken(box)] == [2]


async def test_a_mailbox_that_closes_lets_its_reader_go() -> None:
    box = Mailbox(ADA, frozenset(TOLD), UNKNOWN, quiet_s=0)
    waiting = asyncio.create_task(box.take())
    await asyncio.sleep(0)
    box.close()
    assert await waiting == []


# Watching.


class Lever:
    """A model that a test puts in service."""

    def __init__(self) -> None:
        self.model = PLAN

    async def __call__(self) -> Model:
        return self.model


@pytest.fixture
async def world(sqlite_database: Database, tmp_path: Path) -> AsyncIterator[World]:
    async with embedded_world(sqlite_database, tmp_path) as world:
        await world.add_users("ada", "bob", *(f"p{number}" for number in range(8)))
        await world.add_projects(20)
        yield world


@asynccontextmanager
async def watching(world: World, model: Lever | None = None, pace: Pace = FAST) -> AsyncIterator[Changes]:
    feeds = Feeds(world.stores, model or Lever(), clock=lambda: MOMENT)
    changes, stop = Changes(world.stores.database, feeds, Hints(), pace), asyncio.Event()
    running = asyncio.create_task(changes.run(stop))
    try:
        yield changes
    finally:
        stop.set()
        async with asyncio.timeout(PATIENCE_S):
            await running


async def looked(changes: Changes) -> None:
    """Wait until everything that is shared has been looked at once."""
    await until(lambda: len(changes._tops) == len(TOLD) - 1)


async def test_an_act_that_nobody_hinted_at_is_found_by_looking(world: World) -> None:
    async with watching(world) as changes:
        stood = await changes.version_of(ADA)
        with changes.mailbox(ADA, frozenset([FeedKind.FOR_YOU]), stood) as box:
            await world.act("ada", InteractionType.LIKE, "p0003")
            (told,) = await taken(box)
    assert (told.feed, told.reason, told.version) == (FeedKind.FOR_YOU, ChangeReason.VIEWER, stood.version + 1)


async def test_a_hint_makes_it_look_at_once(world: World) -> None:
    async with watching(world, pace=replace(FAST, poll_s=3_600)) as changes:
        with changes.mailbox(ADA, frozenset([FeedKind.FOR_YOU]), await changes.version_of(ADA)) as box:
            await asyncio.sleep(0.1)  # the look that a new mailbox makes is over
            await world.act("ada", InteractionType.LIKE, "p0003")
            changes._hints.tell()
            assert await taken(box)


async def test_an_impression_changes_nothing(world: World) -> None:
    async with watching(world) as changes:
        with changes.mailbox(ADA, frozenset([FeedKind.FOR_YOU]), await changes.version_of(ADA)) as box:
            await world.act("ada", InteractionType.IMPRESSION, "p0003")
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.4):
                    await box.take()


async def test_a_project_that_comes_is_told_to_all_who_look_at_the_newest(world: World) -> None:
    async with watching(world) as changes:
        with (
            changes.mailbox(ADA, frozenset(TOLD), Version(0, 0)) as ada,
            changes.mailbox(Who(None, "s1"), frozenset([FeedKind.NEWEST]), UNKNOWN) as session,
        ):
            await looked(changes)
            await taken(ada)  # ada's own version, of which she knew nothing
            await world.add_projects(1, start=500, created_at=MOMENT)
            for box in (ada, session):
                (told,) = await taken(box)
                assert (told.feed, told.reason) == (FeedKind.NEWEST, ChangeReason.CATALOGUE)


async def test_another_model_in_service_is_told(world: World) -> None:
    lever = Lever()
    async with watching(world, lever) as changes:
        with changes.mailbox(ADA, frozenset(TOLD), await changes.version_of(ADA)) as box:
            await looked(changes)
            lever.model = replace(PLAN, name="another")
            (told,) = await taken(box)
    assert (told.feed, told.reason) == (FeedKind.FOR_YOU, ChangeReason.MODEL)


async def test_what_people_bring_to_the_top_is_told(world: World) -> None:
    async with watching(world) as changes:
        with changes.mailbox(ADA, frozenset([FeedKind.TRENDING]), await changes.version_of(ADA)) as box:
            await until(lambda: FeedKind.TRENDING in changes._tops)
            for number in range(8):
                await world.act(f"p{number}", InteractionType.LIKE, "p0019")
            (told,) = await taken(box)
    assert (told.feed, told.reason) == (FeedKind.TRENDING, ChangeReason.PEOPLE)


async def test_whoever_comes_after_the_end_is_let_go_at_once(world: World) -> None:
    async with watching(world) as changes:
        pass
    with changes.mailbox(ADA, frozenset(TOLD), UNKNOWN) as box:
        assert await taken(box) == []
    assert changes.waiting == 0
