"""The trending feed, on real stores."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from db.actors.users import find_viewer
from db.catalog.project_cards import ProjectFilter
from db.models import FeedKind, InteractionType, TermKind
from db.records import InterestRecord
from scoring import tunables
from scoring.deadlines import PATIENT
from scoring.explanation.reasons import TrendingNow, summary
from scoring.feeds import Feeds
from scoring.mathematics.signals import MILLIONTHS, Signal
from scoring.mathematics.velocity import Window
from scoring.ranking import Page, Rule, Strategy
from tests.conftest import CountStatements
from tests.scoring.test_feeds import Forgetful
from tests.world import ANYTHING, MOMENT, World, keys_of, world_fixture

PEOPLE = [f"reader-{n}" for n in range(30)]


async def readers(world: World) -> None:
    """Add readers, a cook and forty projects."""
    await world.add_users(*PEOPLE)
    await world.add_users("cook", tags=(InterestRecord(name="cooking", kind=TermKind.CATEGORY),))
    await world.add_projects(40)


world = world_fixture(readers)


async def crowd(world: World, key: str, people: int, hours_ago: float, type_: InteractionType = InteractionType.VIEW):
    at = MOMENT - timedelta(hours=hours_ago, seconds=60)
    await world.act_all([(user, type_, key, at) for user in PEOPLE[:people]])


async def trending(world: World, user: str | None = None, window: Window = Window.DAY, **rest: object) -> Page:
    viewer = await find_viewer(world.stores.database) if user is None else await world.viewer(user)
    given = {"first": 100, "after": None, "where": ANYTHING, **rest}
    return await world.feeds.trending(viewer, window, **given)  # type: ignore[arg-type]


async def test_what_people_come_to_now_is_first_and_adds_up(world: World) -> None:
    await crowd(world, "p0020", 12, hours_ago=1)
    await crowd(world, "p0010", 25, hours_ago=80)
    await crowd(world, "p0030", 6, hours_ago=3)
    page = await trending(world)
    assert keys_of(page)[:3] == ["p0020", "p0030", "p0010"]
    assert (page.kind, page.strategy, page.model) == (FeedKind.TRENDING, Strategy.VELOCITY, "trending-day")
    scores = [entry.scored.score for entry in page.entries[:3]]
    assert scores == sorted(scores, reverse=True)
    for entry in page.entries[:3]:
        assert entry.scored.contribution(Signal.TRENDING_DAY) > 0
        assert entry.scored.contribution(Signal.GRAVITY) < 0
        assert entry.scored.score == sum(entry.scored.contributions)


async def test_the_whole_catalogue_follows_and_a_walk_meets_each_once(world: World) -> None:
    await crowd(world, "p0020", 12, hours_ago=1)
    seen: list[str] = []
    after = None
    while True:
        page = await trending(world, first=7, after=after)
        seen += keys_of(page)
        if not page.has_next:
            break
        after = page.entries[-1].cursor
    assert len(seen) == len(set(seen)) == 40
    assert seen[0] == "p0020"
    assert seen[1:] == sorted(seen[1:]), "the rest follows, newest first"
    assert page.entries[-1].scored.adjustments[0].rule is Rule.UNRANKED


async def test_four_friends_are_no_trend(world: World) -> None:
    await crowd(world, "p0020", 4, hours_ago=0)
    page = await trending(world)
    assert all(entry.scored.signals == () for entry in page.entries)
    await crowd(world, "p0020", 5, hours_ago=0)
    assert keys_of(await trending(Fresh(world)))[0] == "p0020"  # type: ignore[arg-type]


class Fresh:
    """A world whose feeds remember nothing."""

    def __init__(self, world: World) -> None:
        self.stores = world.stores
        self.viewer = world.viewer
        self.feeds = Feeds(replace(world.stores, cache=Forgetful()), clock=lambda: MOMENT, deadlines=PATIENT)  # type: ignore[arg-type]


async def test_windows_reach_differently_far(world: World) -> None:
    await crowd(world, "p0020", 5, hours_ago=0)
    await crowd(world, "p0021", 29, hours_ago=30)
    assert keys_of(await trending(world, window=Window.HOUR))[0] == "p0020"
    assert keys_of(await trending(world, window=Window.WEEK))[0] == "p0021"


async def test_a_person_counts_once_whatever_they_do(world: World) -> None:
    await crowd(world, "p0020", 5, hours_ago=1)
    for minutes in range(40):
        await world.act("reader-0", InteractionType.VIEW, "p0021", at=MOMENT - timedelta(minutes=minutes))
    await crowd(world, "p0020", 5, hours_ago=0.5, type_=InteractionType.LIKE)
    page = await trending(world)
    assert keys_of(page)[0] == "p0020"
    come = page.entries[0].scored.contribution(Signal.TRENDING_DAY) / MILLIONTHS
    left = [5 * 2 ** (-61 / 60 / half_life_h) for half_life_h in (1, 6, 36)]
    assert come == pytest.approx(sum(np.array([0.5, 0.25, 0.25]) * np.log1p(np.array(left) / 0.5)), rel=0.01)
    assert left[0] < page.entries[0].scored.values[0] < left[2]
    assert page.entries[1].scored.signals == ()


async def test_interests_move_a_project_a_little_as_a_contribution(world: World) -> None:
    await world.add_projects(12, created_at=MOMENT - timedelta(days=1))
    for number in range(12):
        await crowd(world, f"p{number:04}", 25 - number, hours_ago=1)
    everybody, cook = keys_of(await trending(world)), await trending(world, "cook")
    places = {key: place for place, key in enumerate(everybody)}
    moved = [abs(places[key] - place) for place, key in enumerate(keys_of(cook))]
    assert 0 < max(moved) <= tunables.MAX_BOOST_PLACES
    about_cooking = {"p0003", "p0009"}
    for entry in cook.entries[:12]:
        boost = entry.scored.contribution(Signal.EXPLICIT_PREFERENCES)
        assert (boost > 0) == (cook.projects[entry.project_id].content.key in about_cooking)
        assert entry.scored.score == sum(entry.scored.contributions)
    assert keys_of(await trending(world, "reader-0"))[:12] == everybody[:12]
    frozen = Feeds(world.stores, clock=lambda: MOMENT + timedelta(seconds=3), max_boost_places=0, deadlines=PATIENT)
    frozen_page = await frozen.trending(
        await world.viewer("cook"), Window.DAY, 12, None, ProjectFilter(types=("article",))
    )
    assert keys_of(frozen_page) == everybody[:12]


async def test_a_filter_narrows_it(world: World) -> None:
    await crowd(world, "p0003", 9, hours_ago=1)
    await crowd(world, "p0004", 20, hours_ago=1)
    page = await trending(world, where=ProjectFilter(categories=("cooking",)))
    assert keys_of(page)[0] == "p0003"
    assert "p0004" not in keys_of(page)


async def test_it_says_how_many_people_and_how_many_are_usual(world: World) -> None:
    await crowd(world, "p0020", 12, hours_ago=1)
    for day, user in enumerate(PEOPLE[12:26]):
        await world.act(user, InteractionType.VIEW, "p0020", at=MOMENT - timedelta(days=1.2 + day / 2.5))
    nobody = await find_viewer(world.stores.database)
    page = await trending(world)
    explained = [page.entries[0].scored]
    found = (await world.feeds.reasons(nobody, explained))[page.entries[0].project_id]
    reason = found[0]
    assert isinstance(reason, TrendingNow)
    assert (reason.visitor_count, reason.window, reason.usual_visitor_count) == (12, Window.DAY, 2.0)
    assert reason.text == "12 visitors today, far more than usual"
    assert summary(explained[0], found).startswith("12 visitors today")


async def test_a_page_costs_the_same_statements_however_long(world: World, statements: CountStatements) -> None:
    for number in range(12):
        await crowd(world, f"p{number:04}", 6, hours_ago=1)
    viewer = await world.viewer("cook")
    for first in (2, 10):
        fresh = Fresh(world)
        with statements(world.stores.database) as issued:
            await fresh.feeds.trending(viewer, Window.DAY, first, None, ANYTHING)
        assert len(issued) == 4, issued  # tags, movers, page, contents


async def test_what_the_database_orders_is_what_the_ranking_orders(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = np.random.default_rng(3)
    for number in range(25):
        await crowd(world, f"p{number:04}", int(chance.integers(4, 30)), hours_ago=float(chance.uniform(0, 60)))
    whole = keys_of(await trending(Fresh(world)))[:8]  # type: ignore[arg-type]
    monkeypatch.setattr(tunables, "SNAPSHOT_RANKS", 8)
    assert keys_of(await trending(Fresh(world)))[:8] == whole  # type: ignore[arg-type]
