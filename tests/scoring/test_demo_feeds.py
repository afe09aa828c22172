"""What the demo viewers see, by the model that ships: the promise of the first minute."""

from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest

from db.demo.projects import FADING, TAKING_OFF
from db.models import InteractionType, now
from scoring.deadlines import PATIENT
from scoring.explanation.reasons import TrendingNow
from scoring.feeds import Feeds
from scoring.mathematics.velocity import Window
from scoring.models.active_model import fixed_model
from scoring.models.model_presets import DEFAULT
from scoring.ranking import Page, Strategy
from tests.world import ANYTHING, World, demo_world, keys_of


@pytest.fixture(scope="module")
async def demo(demo_data: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with demo_world(demo_data, tmp_path_factory.mktemp("demo")) as world:
        default_trend_constants = Feeds(world.stores, fixed_model(DEFAULT), deadlines=PATIENT)
        yield replace(world, feeds=default_trend_constants)


async def first_page(demo: World, user: str) -> Page:
    return await demo.for_you(user, 30)


@pytest.mark.parametrize(("one", "other"), list(combinations(["heavy", "narrow", "owner", "quiz"], 2)))
async def test_viewers_of_different_taste_share_at_most_a_third_of_a_page(demo: World, one: str, other: str):
    shared = set(keys_of(await first_page(demo, one))) & set(keys_of(await first_page(demo, other)))
    assert len(shared) <= 10, sorted(shared)


@pytest.mark.parametrize(
    ("user", "strategy"),
    [
        ("newcomer", Strategy.POPULAR),
        ("quiz", Strategy.ONBOARDING),
        ("narrow", Strategy.PERSONALIZED),
        ("heavy", Strategy.PERSONALIZED),
        ("owner", Strategy.PERSONALIZED),
        ("administrator", Strategy.PERSONALIZED),
    ],
)
async def test_each_demo_viewer_is_served_as_what_is_known_of_them(demo: World, user: str, strategy: Strategy):
    page = await first_page(demo, user)
    assert (page.strategy, len(page.entries), page.has_next) == (strategy, 30, True)


async def test_an_owner_does_not_meet_their_own_projects(demo: World):
    viewer = await demo.viewer("owner")
    page = await demo.for_you("owner", 100)
    assert viewer.user_id not in {
        project.content.owner and project.content.owner.id for project in page.projects.values()
    }


async def test_a_page_of_the_demo_shows_many_categories_and_owners(demo: World):
    page = await first_page(demo, "heavy")
    owners = [project.content.owner.id for project in page.projects.values() if project.content.owner is not None]
    assert max(owners.count(owner) for owner in owners) <= 3


async def test_what_takes_off_is_among_the_first_three_of_trending(demo: World):
    page = await demo.feeds.trending(await demo.viewer("newcomer"), Window.DAY, 30, None, ANYTHING)
    assert TAKING_OFF in keys_of(page)[:3]
    assert FADING not in keys_of(page)[:10]
    explained = next(e.scored for e in page.entries if page.projects[e.project_id].content.key == TAKING_OFF)
    reasons = (await demo.feeds.reasons(await demo.viewer("newcomer"), [explained]))[explained.project_id]
    (trend,) = [reason for reason in reasons if isinstance(reason, TrendingNow)]
    assert trend.visitor_count >= 85
    assert trend.usual_visitor_count < 5


@pytest.mark.parametrize("user", ["heavy", "narrow"])
async def test_what_somebody_has_seen_and_liked_does_not_lead_their_page(demo: World, user: str):
    before = await first_page(demo, user)
    liked = keys_of(before)[0]
    await demo.act(user, InteractionType.LIKE, liked, at=now())
    assert liked not in keys_of(await first_page(demo, user))[:10]
