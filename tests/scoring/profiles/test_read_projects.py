"""Projects that the viewer has read: hidden for some days, then demoted."""

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.actors.actor_preferences import change_preferences
from db.actors.users import ensure_actor
from db.catalog.project_cards import ProjectFilter
from db.columns.column_store import ColumnStore
from db.models import InteractionType
from scoring import tunables
from scoring.deadlines import PATIENT
from scoring.explanation.why_not_outcome import Outcome
from scoring.feeds import Feeds
from scoring.mathematics.additive_model import order_by_score
from scoring.pipelines.feed_filters import Filter
from scoring.profiles.read_projects import read_penalty, record_demotions
from scoring.ranking import Rule
from tests.world import ANYTHING, BEGIN, MOMENT, World, keys_of, world_fixture

PROJECTS = {f"p{number:04}" for number in range(50)}
RECENT = {"p0001", "p0002", "p0003"}
OLD = {"p0000", "p0004"}


async def _fill(world: World) -> None:
    """Add a reader who viewed, liked and saved projects, of which two were read more than seven days ago."""
    await world.add_users("reader", "maker")
    await world.add_projects(50)
    for key, type_, days in (
        ("p0001", InteractionType.VIEW, 0.0),
        ("p0002", InteractionType.LIKE, 3.0),
        ("p0003", InteractionType.SAVE, 6.9),
        ("p0004", InteractionType.VIEW, 7.1),
        ("p0000", InteractionType.LIKE, 100.0),
    ):
        await world.act("reader", type_, key, at=BEGIN - timedelta(days=days))
    await world.settle()


filled = world_fixture(_fill)


@pytest.fixture(name="world", params=["database", "columns"])
async def world_of_both_kinds(filled: World, request: pytest.FixtureRequest) -> World:
    if request.param == "columns":
        columns = ColumnStore(filled.stores.database, timedelta(days=14), 1_000, lambda: MOMENT)
        await columns.load()
        filled.stores = replace(filled.stores, columns=columns)
    filled.feeds = feeds_of(filled)
    return filled


def feeds_of(world: World, **settings: float) -> Feeds:
    return Feeds(world.stores, clock=lambda: MOMENT, deadlines=PATIENT, exploration=0.0, **settings)  # type: ignore[arg-type]


async def set_preference(world: World, **changes: bool) -> None:
    async with world.stores.database.write() as connection:
        await change_preferences(connection, await ensure_actor(connection, await world.viewer("reader")), changes)


async def test_read_projects_are_hidden_for_seven_days_and_demoted_afterwards(world: World) -> None:
    page = await world.for_you("reader", 100)
    assert set(keys_of(page)) == PROJECTS - RECENT
    assert not OLD & set(keys_of(page)[:25]), "behind a page of unread projects, but for the spread"
    for entry in page.entries:
        is_old = page.projects[entry.project_id].content.key in OLD
        assert entry.scored.score == sum(entry.scored.contributions)
        assert is_old == any(step.rule is Rule.READ and step.penalty > 0 for step in entry.scored.adjustments)
        if is_old:
            demotion = entry.scored.adjustments[0]
            assert demotion.from_rank <= demotion.to_rank
            steps = [(step.from_rank, step.to_rank) for step in entry.scored.adjustments]
            assert all(before[1] == after[0] for before, after in pairwise(steps))
            assert steps[-1][1] == entry.rank


async def test_what_is_read_leaves_the_next_first_page_and_no_page_that_is_being_scrolled(world: World) -> None:
    first = await world.for_you("reader", 10)
    rest = keys_of(await world.for_you("reader", 100, first.entries[-1].cursor))
    key, later = keys_of(first)[0], rest[3]
    await world.act("reader", InteractionType.CLICK, key, later)
    assert keys_of(await world.for_you("reader", 100, first.entries[-1].cursor)) == rest
    again = keys_of(await world.for_you("reader", 10))
    assert len(again) == 10
    assert not {key, later} & set(again)


async def test_the_projects_after_the_ranked_ones_are_unread_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tunables, "SNAPSHOT_RANKS", 5)
    seen: list[str] = []
    after = None
    for _ in range(20):
        page = await world.for_you("reader", 7, after)
        seen += keys_of(page)
        if not page.has_next:
            break
        after = page.entries[-1].cursor
        await world.act("reader", InteractionType.VIEW, seen[-1], at=MOMENT + timedelta(seconds=1))
    assert len(seen) == len(set(seen))
    assert set(seen) == PROJECTS - RECENT


@pytest.mark.parametrize("where", [ANYTHING, ProjectFilter(categories=("painting",))], ids=["all", "filtered"])
async def test_if_everything_was_read_the_read_projects_are_shown(world: World, where: ProjectFilter) -> None:
    last = "p0048"
    await world.act("reader", InteractionType.VIEW, *sorted(PROJECTS - {last}))
    assert keys_of(await world.feeds.for_you(await world.viewer("reader"), 100, None, where)) == [last]
    await world.act("reader", InteractionType.VIEW, last)
    page = await world.feeds.for_you(await world.viewer("reader"), 100, None, where)
    wanted = PROJECTS if where is ANYTHING else {key for key in PROJECTS if int(key[1:]) % 6 == 0}
    assert set(keys_of(page)) == wanted
    assert not any(step.rule is Rule.READ for entry in page.entries for step in entry.scored.adjustments)


@pytest.mark.parametrize("off", ["platform", "viewer"])
async def test_read_projects_rank_like_others_if_the_platform_or_the_viewer_says_so(world: World, off: str) -> None:
    if off == "viewer":
        await set_preference(world, show_read=True)
    else:
        world.feeds = feeds_of(world, read_hidden_days=0)
    page = await world.for_you("reader", 100)
    assert set(keys_of(page)) == PROJECTS
    assert not any(step.rule is Rule.READ for entry in page.entries for step in entry.scored.adjustments)


async def test_the_platform_sets_the_number_of_days(world: World) -> None:
    world.feeds = feeds_of(world, read_hidden_days=5)
    assert set(keys_of(await world.for_you("reader", 100))) == PROJECTS - RECENT | {"p0003"}


async def test_views_that_must_not_influence_the_ranking_hide_nothing(world: World) -> None:
    await set_preference(world, learn_from_views=False)
    assert set(keys_of(await world.for_you("reader", 100))) == PROJECTS - {"p0002", "p0003"}


async def test_the_ranking_that_viewers_without_personalization_share_hides_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tunables, "SNAPSHOT_RANKS", 10)  # others follow, which are read for each page
    await set_preference(world, personalized=False)
    assert set(keys_of(await world.for_you("reader", 100))) == PROJECTS


async def test_why_not_says_when_a_project_was_read_and_until_when_it_is_hidden(world: World) -> None:
    viewer = await world.viewer("reader")
    ids = await world.ids(["p0003", "p0004"])
    hidden, demoted = [await world.feeds.why_not(viewer, id_, ANYTHING) for id_ in ids]
    assert (hidden.outcome, hidden.filter) == (Outcome.FILTERED, Filter.READ)
    assert hidden.read_at == BEGIN - timedelta(days=6.9)
    assert hidden.hidden_until == BEGIN + timedelta(days=0.1)
    assert (demoted.outcome, demoted.read_at) == (Outcome.RANKED, None)
    await set_preference(world, show_read=True)
    shown = await world.feeds.why_not(await world.viewer("reader"), ids[0], ANYTHING)
    assert shown.outcome is Outcome.RANKED


async def test_a_project_that_was_shown_only_for_lack_of_others_is_ranked(world: World) -> None:
    await world.act("reader", InteractionType.VIEW, *sorted(PROJECTS))
    (id_,) = await world.ids(["p0003"])
    assert (await world.feeds.why_not(await world.viewer("reader"), id_, ANYTHING)).outcome is Outcome.RANKED


@given(st.lists(st.tuples(st.integers(-5, 900_000), st.booleans()), max_size=90))
def test_read_projects_follow_a_page_of_unread_ones_by_score(projects: list[tuple[int, bool]]) -> None:
    score = np.array([score for score, _ in projects], dtype=np.int64)
    is_read = np.array([is_read for _, is_read in projects], dtype=np.bool_)
    keys = np.array([f"{index:03}" for index in range(score.size)], dtype=np.str_)
    penalty = read_penalty(score, is_read)
    order = order_by_score(score - penalty * is_read, keys)
    unread = int((~is_read).sum())
    assert not is_read[order[: min(unread, tunables.FIRST_PAGE_SIZE)]].any()
    rank_by_score = np.argsort(order_by_score(score[order], keys[order])) + 1
    recorded = record_demotions({}, list(range(order.size)), rank_by_score, is_read[order], penalty)
    by_score = [recorded[rank][0].from_rank if rank in recorded else rank + 1 for rank in range(order.size)]
    assert sorted(by_score) == list(range(1, order.size + 1))
    assert (np.diff(score[order[np.argsort(by_score)]]) <= 0).all()
    for rank, (adjustment,) in recorded.items():
        assert adjustment.to_rank == rank + 1
        assert adjustment.penalty == (penalty if is_read[order[rank]] else 0)
