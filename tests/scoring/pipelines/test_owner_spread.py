"""One owner's many projects fill no feed, and every move is recorded."""

from datetime import timedelta

import pytest

from db.actors.users import find_viewer
from db.catalog.catalog_entries import remove_projects
from db.catalog.project_cards import ProjectFilter
from db.models import InteractionType
from scoring import tunables
from scoring.mathematics.signals import Signal
from scoring.mathematics.velocity import Window
from scoring.ranking import Page, Rule
from tests.conftest import CountStatements
from tests.world import ANYTHING, BEGIN, World, keys_of, world_fixture

PEOPLE = [f"fan-{number}" for number in range(9)]
FLOOD = [f"p{number:04}" for number in range(40)]
OTHERS = [f"p{number:04}" for number in range(40, 64)]
FEEDS = ("trending", "popular", "newest")


async def flooded(world: World) -> None:
    """Add 40 new projects of one owner, 24 older ones of other owners, and visitors of all."""
    await world.add_users("flooder", *PEOPLE)
    newest = BEGIN - timedelta(hours=1)
    for number in range(64):
        owner = "flooder" if number < 40 else None
        categories = (f"category-{number}",)
        at = newest - timedelta(minutes=number)
        await world.add_projects(1, start=number, owner=owner, categories=categories, created_at=at)
    visits = [
        (user, InteractionType.VIEW, key, BEGIN - timedelta(minutes=30))
        for key in (*FLOOD, *OTHERS)
        for user in (PEOPLE if key in FLOOD else PEOPLE[:5])
    ]
    await world.act_all(visits)


world = world_fixture(flooded)


async def serve(world: World, feed: str, first: int, after: str | None = None, where: ProjectFilter = ANYTHING) -> Page:
    nobody = await find_viewer(world.stores.database)
    if feed == "trending":
        return await world.feeds.trending(nobody, Window.DAY, first, after, where)
    return await getattr(world.feeds, feed)(nobody, first, after, where)  # type: ignore[no-any-return]


@pytest.mark.parametrize("feed", FEEDS)
async def test_one_owner_has_three_of_a_page(world: World, feed: str) -> None:
    page = await serve(world, feed, 100)
    served = keys_of(page)
    assert len(served) == 64
    assert len(set(served[:27]) & set(FLOOD)) == tunables.MAX_SAME_OWNER
    assert [key for key in served if key in OTHERS] == OTHERS
    by_score = sorted(page.entries, key=lambda entry: -entry.scored.score)
    assert [key for key in keys_of(page) if key in FLOOD][:3] == [
        page.projects[entry.project_id].content.key for entry in by_score[:3]
    ]
    for entry in page.entries:
        assert all(step.rule is Rule.DIVERSITY and step.penalty == 0 for step in entry.scored.adjustments)
        assert [step.to_rank for step in entry.scored.adjustments] in ([], [entry.rank])
        for step in entry.scored.adjustments:
            if step.to_rank > step.from_rank:
                assert step.blocker_id is not None
                assert page.projects[step.blocker_id].content.key in FLOOD


@pytest.mark.parametrize("feed", FEEDS)
async def test_a_feed_of_one_owner_keeps_its_order(world: World, feed: str) -> None:
    owner_id = (await world.viewer("flooder")).user_id
    page = await serve(world, feed, 100, where=ProjectFilter(owner_id=owner_id))
    assert set(keys_of(page)) == set(FLOOD)
    assert not any(entry.scored.adjustments for entry in page.entries)


async def test_newest_scores_by_time_to_the_microsecond_and_goes_on_by_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tunables, "SNAPSHOT_RANKS", 50)
    entries, after = [], None
    while True:
        page = await serve(world, "newest", 9, after)
        assert page.ranked_count is None
        entries += [(entry, page.projects[entry.project_id].content) for entry in page.entries]
        if not page.has_next:
            break
        after = page.entries[-1].cursor
        # What comes and goes meanwhile changes no page.
        await world.add_projects(1, start=100 + len(entries), created_at=BEGIN - timedelta(hours=1, seconds=90))
    assert sorted(content.key for _, content in entries) == [*FLOOD, *OTHERS]
    assert [content.key for _, content in entries[50:]] == OTHERS[10:]
    assert [entry.rank for entry, _ in entries] == list(range(1, 65))
    for entry, content in entries:
        assert entry.scored.signals == (Signal.CREATED_AT,)
        assert entry.scored.score == round(content.created_at.timestamp() * 1_000_000)
        assert entry.scored.values == (pytest.approx(content.created_at.timestamp(), abs=1e-6),)


async def test_a_deleted_project_leaves_newest_at_once(world: World) -> None:
    first = await serve(world, "newest", 5)
    async with world.stores.database.write() as connection:
        await remove_projects(connection, [keys_of(first)[2], "p0050"])
    rest = await serve(world, "newest", 100, first.entries[-1].cursor)
    assert "p0050" not in keys_of(rest)
    assert len(keys_of(await serve(world, "newest", 100))) == 62
    assert sorted({*keys_of(first), *keys_of(rest)} | {"p0050"}) == [*FLOOD, *OTHERS]


@pytest.mark.parametrize(("feed", "cold"), [("trending", 2), ("popular", 2), ("newest", 2)])
async def test_a_ranking_is_one_statement_and_a_page_another(
    world: World, statements: CountStatements, feed: str, cold: int
) -> None:
    nobody = await find_viewer(world.stores.database)
    serving = world.feeds.trending if feed == "trending" else getattr(world.feeds, feed)
    arguments = (Window.DAY,) if feed == "trending" else ()
    await serving(nobody, *arguments, 30, None, ProjectFilter(types=("article",)))  # reads the contents
    for expected in (cold, 1):
        with statements(world.stores.database) as counted:
            await serving(nobody, *arguments, 30, None, ANYTHING)
        assert len(counted) == expected
