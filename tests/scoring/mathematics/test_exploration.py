"""Exploration: a lot that is the same all day, keeps every limit, and tells of each place that it gave away."""

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from db.interactions.served_pages import ServedPageLog
from db.models import InteractionType, ServedPage
from scoring import tunables
from scoring.deadlines import PATIENT
from scoring.explanation.reasons import Exploration
from scoring.feeds import Feeds
from scoring.mathematics.exploration import NO_DRAW, diversify_and_explore, draw, exploration_seed
from scoring.ranking import Page, Rule
from tests.scoring.mathematics.test_diversity import attributes, rankings
from tests.world import ANYTHING, BEGIN, MOMENT, World, world_fixture

IDS = np.arange(1, 1_001)
ALL = np.ones(1_000, dtype=bool)


# --- the lot --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.02, 0.05, 0.1, 0.3])
def test_the_share_of_places_is_the_one_that_is_set(share: float):
    given_away = [
        len(draw(ALL, IDS, exploration_seed(viewer, date(2026, 5, 4)), share).reserved) for viewer in range(50)
    ]
    assert np.mean(given_away) / tunables.DIVERSITY_DEPTH == pytest.approx(share, rel=0.06)
    assert draw(ALL, IDS, 1, 0.0) == NO_DRAW


@given(st.integers(0, 2**64 - 1))
def test_the_first_places_are_never_given_away_and_a_lot_never_moves_a_project_down(seed: int):
    drawn = draw(ALL, IDS, seed, 0.05)
    assert min(drawn.reserved) >= tunables.MIN_EXPLORATION_RANK
    assert all(index > place for place, index in drawn.reserved.items())
    assert len(set(drawn.reserved.values())) == len(drawn.reserved)


def test_the_lot_is_the_same_all_day_and_another_tomorrow_or_for_somebody_else():
    today = draw(ALL, IDS, exploration_seed(7, date(2026, 5, 4)), 0.05)
    assert draw(ALL, IDS, exploration_seed(7, date(2026, 5, 4)), 0.05) == today
    assert draw(ALL, IDS, exploration_seed(7, date(2026, 5, 5)), 0.05) != today
    assert draw(ALL, IDS, exploration_seed(8, date(2026, 5, 4)), 0.05) != today


def test_the_lot_stays_where_it_fell_when_another_project_leaves():
    seed = exploration_seed(7, date(2026, 5, 4))
    before = draw(ALL, IDS, seed, 0.05)
    without = ALL.copy()
    without[next(index for index in range(400, 1_000) if index not in before.reserved.values())] = False
    after = draw(without, IDS, seed, 0.05)
    assert after.reserved == before.reserved
    assert all(after.propensities[index] > before.propensities[index] for index in after.reserved.values())


def test_a_propensity_is_how_often_the_lot_falls_so():
    eligible = np.zeros(60, dtype=bool)
    eligible[[25, 30, 45, 50, 55]] = True
    times: dict[int, int] = {}
    for seed in range(4_000):
        drawn = draw(eligible, IDS[:60], seed, 1 / 60)
        for index in drawn.reserved.values():
            if min(drawn.reserved) < 25:
                assert drawn.propensities[index] == 1 / 5
                times[index] = times.get(index, 0) + 1
    shares = np.array(list(times.values())) / sum(times.values())
    assert shares == pytest.approx(0.2, abs=0.04), times


# --- the order ------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(rankings(), st.floats(0, 0.2), st.integers(0, 2**32), st.floats(0, 0.3))
def test_exploring_is_a_permutation_and_tells_of_every_move(ranking, strength: float, seed: int, share: float):
    score, known = ranking
    drawn = draw(np.ones(score.size, dtype=bool), np.arange(score.size), seed, share)
    order, moves = diversify_and_explore(score, known, drawn, strength)
    assert sorted(order) == list(range(score.size))
    assert {index for rank, index in enumerate(order) if rank != index} <= set(moves)
    for index, move in moves.items():
        assert (move.from_rank, order[move.to_rank - 1]) == (index + 1, index)
        assert not move.explored or index in drawn.propensities


@settings(max_examples=60, deadline=None)
@given(rankings(), st.integers(0, 2**32))
def test_no_chance_breaks_the_limits_of_a_page_while_others_are_left(ranking, seed: int):
    score, known = ranking
    drawn = draw(np.ones(score.size, dtype=bool), np.arange(score.size), seed, 0.2)
    order, _ = diversify_and_explore(score, known, drawn)
    categories = [set(known.categories.terms[known.categories.rows == index].tolist()) for index in range(score.size)]
    for rank, index in enumerate(order):
        page = order[max(0, rank - tunables.DIVERSITY_WINDOW + 1) : rank]

        def fills(candidate: int, page: list[int] = page) -> bool:
            owner = known.owners[candidate]
            by_owner = owner >= 0 and sum(known.owners[page] == owner) >= tunables.MAX_SAME_OWNER
            return by_owner or any(
                sum(category in categories[other] for other in page) >= tunables.MAX_SAME_CATEGORY
                for category in categories[candidate]
            )

        assert not fills(index) or all(fills(left) for left in order[rank:])


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("least", [40, 285, 600])
def test_projects_from_far_below_get_their_place_and_all_that_made_room_say_for_whom(least: int, seed: int):
    n = 700
    score = np.arange(n, 0, -1, dtype=np.int64) * 10_000
    alone = attributes([-1] * n, [[]] * n, [[]] * n)
    eligible = np.arange(n) >= least
    drawn = draw(eligible, np.arange(n), seed, 0.05)
    order, moves = diversify_and_explore(score, alone, drawn)
    assert len(drawn.reserved) == 15
    for place, index in drawn.reserved.items():
        assert order[place] == index
        assert (moves[index].explored, moves[index].to_rank) == (True, place + 1)
    first = drawn.reserved[min(drawn.reserved)]
    made_room = [index for rank, index in enumerate(order) if rank != index and index not in drawn.propensities]
    assert min(made_room) == min(drawn.reserved)
    assert all(moves[index].penalty == 0 and not moves[index].explored for index in made_room)
    assert moves[min(made_room)].blocker == first
    assert {moves[index].blocker for index in made_room} <= set(drawn.propensities)


# --- a feed ---------------------------------------------------------------------------------------------------------


async def users_of_some_projects(world: World) -> None:
    """Add projects that a few users know and others that nobody does."""
    await world.add_users("ada", "maker", *(f"u{n}" for n in range(6)))
    await world.add_projects(90)
    await world.add_projects(1, start=900, owner="ada")
    await world.act("ada", InteractionType.LIKE, "p0000", "p0006", "p0080")
    for n in range(6):
        await world.act(f"u{n}", InteractionType.LIKE, *(f"p{k:04}" for k in range(10, 60)))
    await world.settle()


world = world_fixture(users_of_some_projects)


def explored(page: Page) -> list[int]:
    return [entry.rank for entry in page.entries if entry.scored.propensity is not None]


async def test_a_feed_gives_some_places_to_what_little_is_known_of_and_says_so(world: World):
    page = await world.for_you("ada", 90)
    assert 3 <= len(explored(page)) <= 5
    assert min(explored(page)) > tunables.MIN_EXPLORATION_RANK
    found = await world.feeds.reasons(await world.viewer("ada"), [entry.scored for entry in page.entries])
    for entry in page.entries:
        card, told = page.projects[entry.project_id], found[entry.project_id]
        is_explored = entry.rank in explored(page)
        assert any(isinstance(one, Exploration) for one in told) == is_explored
        if is_explored:
            (moved,) = entry.scored.adjustments
            assert (moved.rule, moved.blocker_id, moved.to_rank) == (Rule.EXPLORATION, None, entry.rank)
            assert moved.from_rank > moved.to_rank
            assert isinstance(told[0], Exploration)
            assert 0 < told[0].propensity <= 1
            assert card.like_count < 5 or MOMENT - card.content.created_at <= timedelta(days=7)
            assert card.content.key not in ("p0000", "p0006", "p0080", "p0900"), "touched, or one's own"


async def test_what_was_drawn_is_logged_with_its_propensity(world: World):
    served = ServedPageLog(world.stores.database)
    feeds = Feeds(world.stores, served=served, clock=lambda: MOMENT, deadlines=PATIENT)
    page = await feeds.for_you(await world.viewer("ada"), 60, None, ANYTHING)
    await served.flush()
    (logged,) = await world.stores.database.fetch(select(ServedPage.explored, ServedPage.projects))
    assert logged.explored == [
        [entry.project_id, entry.scored.propensity] for entry in page.entries if entry.scored.propensity is not None
    ]
    assert len(logged.explored) >= 2
    assert {id_ for id_, _ in logged.explored} <= set(logged.projects)


async def test_a_share_of_nothing_explores_nothing(world: World):
    feeds = Feeds(world.stores, clock=lambda: BEGIN, deadlines=PATIENT, exploration=0.0)
    page = await feeds.for_you(await world.viewer("ada"), 90, None, ANYTHING)
    assert explored(page) == []
    assert not [m for entry in page.entries for m in entry.scored.adjustments if m.rule is Rule.EXPLORATION]
