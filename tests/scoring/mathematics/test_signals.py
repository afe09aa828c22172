"""The five signals of the plan, with numbers worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring import tunables
from scoring.mathematics.signals import (
    Incidence,
    behavioral_signals,
    collaborative,
    discrimination,
    explicit_preferences,
    freshness,
    popularity,
    union,
    vector_similarity,
)


def carried(*terms_of_each: tuple[int, ...]) -> Incidence:
    pairs = [(row, term) for row, terms in enumerate(terms_of_each) for term in terms]
    rows, terms = zip(*pairs, strict=True) if pairs else ((), ())
    return Incidence(len(terms_of_each), np.array(rows, dtype=np.int64), np.array(terms, dtype=np.int64))


def test_similarity_is_one_minus_the_distance_and_never_below_zero():
    cosines = np.array([1.0, 0.25, -0.5, np.nan], dtype=np.float32)
    assert vector_similarity(cosines).tolist() == [1.0, 0.25, 0.0, 0.0]


def test_matching_tags_add_up_to_at_most_one():
    projects = carried((1, 2), (3,), (), (1, 2, 3, 4))
    tags, worth = np.array([2, 1, 4, 3]), np.array([0.3, 0.15, 0.5, 0.24])
    assert explicit_preferences(projects, tags, worth) == pytest.approx([0.45, 0.24, 0.0, 1.0])


def test_a_viewer_without_tags_has_no_stated_preference():
    assert explicit_preferences(carried((1,), ()), np.empty(0, np.int64), np.empty(0)).tolist() == [0.0, 0.0]


def test_seen_and_liked_count_against_a_project_and_shared_tools_for_it():
    tools = carried((7, 8), (7,), (9,), (8,))
    seen_tools = np.array([7, 7, 7, 7, 8])  # tool 7 in four recent projects, 8 in one
    viewed, liked = np.array([False, True, True, False]), np.array([False, False, True, False])
    # 7: min(.05 x 4, .15) = .15; 8: .05. First: both. Second: .15 - .3. Third: -.3 - .2. Fourth: .05.
    assert behavioral_signals(viewed, liked, tools, seen_tools) == pytest.approx([0.20, -0.15, -0.5, 0.05])


def test_behaviour_stays_within_its_range():
    tools = carried(tuple(range(20)))
    seen = np.repeat(np.arange(20), 3)
    assert behavioral_signals(np.array([False]), np.array([False]), tools, seen).tolist() == [1.0]


@given(st.integers(0, 40))
def test_fewer_than_five_neighbours_count_as_none(people: int):
    (value,) = collaborative(np.array([people]))
    assert value == (0.0 if people < 5 else min(people / 10, 1.0))


def test_popularity_is_full_at_a_hundred_likes():
    assert popularity(np.array([0, 25, 100, 4_000])).tolist() == [0.0, 0.25, 1.0, 1.0]


def test_freshness_halves_in_thirty_days_and_a_project_of_the_future_is_new():
    assert freshness(np.array([0.0, 30.0, 60.0, -5.0])).tolist() == [1.0, 0.5, 0.25, 1.0]


def test_taking_candidates_reorders_their_terms_with_them():
    chosen = carried((1,), (2, 3), ()).take(np.array([2, 1]))
    assert (chosen.n, chosen.rows.tolist(), chosen.terms.tolist()) == (2, [1, 1], [2, 3])


def test_uniting_incidences_keeps_each_pair():
    both = union([carried((1,), ()), carried((5,), (6,))])
    assert sorted(zip(both.rows.tolist(), both.terms.tolist(), strict=True)) == [(0, 1), (0, 5), (1, 6)]


def test_similarity_weighs_as_much_as_it_tells_the_own_projects_from_others():
    others = np.array([0.1, 0.2, 0.3, 0.4, np.nan], dtype=np.float32)
    prior, weight = tunables.DISCRIMINATION_PRIOR, tunables.DISCRIMINATION_PRIOR_PROJECTS
    assert discrimination(np.empty(0), others) == prior
    # One own project is above all others, one above half of them: D is 1 and 0.
    assert discrimination(np.array([0.9, 0.25]), others) == pytest.approx((1.0 + weight * prior) / (2 + weight))
    assert discrimination(np.full(30, 0.25), others) == pytest.approx(weight * prior / (30 + weight))
    assert discrimination(np.full(30, 0.0), others) == 0.0
    assert discrimination(np.full(6, 0.25), np.full(4, 0.25, np.float32)) == pytest.approx(
        weight * prior / (6 + weight)
    )
    assert discrimination(np.array([0.9, 0.8]), np.full(2, np.nan, np.float32)) == prior
