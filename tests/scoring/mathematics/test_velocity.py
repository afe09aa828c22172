"""The mathematics of trends: worked out by hand, and its laws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.trend_constants import TrendConstants
from scoring.mathematics.velocity import (
    ANONYMOUS_TRUST,
    DEFAULT_TREND_CONSTANTS,
    NEW_TRUST,
    Window,
    baseline_velocity,
    bounded_boost,
    effective_actors,
    score_parts,
    trust,
    velocity_score,
)

PLAIN = TrendConstants(shares=(0.0, 1.0, 0.0, 0.0), gravity=1.0, offset_h=2.0, background=1.0)


def six_hours(*people: float) -> np.ndarray:
    return np.array([[0.0, one, 0.0, 0.0] for one in people])


def test_the_score_is_the_log_of_people_minus_the_log_of_age() -> None:
    score = velocity_score(six_hours(0.0, 1.0, 3.0), np.array([0.0, 2.0, 6.0]), PLAIN)
    assert score == pytest.approx([0.0, 0.0, 0.0])  # twice the people at twice the age: no faster
    assert velocity_score(six_hours(7.0), np.array([0.0]), PLAIN) == pytest.approx([np.log(8.0)])


def test_the_parts_add_up_and_nobody_at_no_age_adds_nothing() -> None:
    people, ages = six_hours(0.0, 4.0, -1e-17), np.array([0.0, 5.0, -3.0])
    both = score_parts(people, ages, DEFAULT_TREND_CONSTANTS[Window.DAY])
    assert both[0].tolist() == both[2].tolist() == [0.0, 0.0]
    assert both[1, 0] > 0 > both[1, 1]


def test_thirty_after_twenty_beat_one_after_none() -> None:
    counts = (np.array([30, 1]), np.array([20, 0]))
    nobody = np.zeros(2, dtype=np.int64)
    age_days = np.array([1.0, 1.0])
    planned = baseline_velocity(*counts, nobody, nobody, age_days)
    assert planned == pytest.approx([0.7 * 0.5 / 1.1, 0.7 / 1.1])  # the plan's fault, as written
    decayed_counts = np.array([[2.0, 9.0, 40.0, 48.0], [0.1, 0.3, 0.9, 1.0]])
    assert np.argmax(velocity_score(decayed_counts, 24 * age_days)) == 0


def test_the_plans_velocity_is_never_negative() -> None:
    assert baseline_velocity(*(np.array([n]) for n in (1, 9, 1, 9)), np.array([3.0])).tolist() == [0.0]


# --- the personal boost --------------------------------------------------------------------------------------------

lists = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 100)), min_size=1, max_size=40)


@given(listed=lists, most=st.integers(0, 8), seed=st.integers(0, 10**6))
def test_a_boost_moves_nobody_further_than_the_bound(listed: list[tuple[int, int]], most: int, seed: int) -> None:
    score = np.array(sorted((score for score, _ in listed), reverse=True), dtype=np.int64)
    boost = np.array([one for _, one in listed], dtype=np.int64)
    cut = bounded_boost(score, boost, most)
    assert ((cut >= 0) & (cut <= boost)).all()
    # Equal scores go by key: the base order is any order that the keys allow.
    keys = np.arange(score.size)
    order = np.lexsort((keys, -(score + cut)))
    moved = np.abs(np.argsort(order) - keys)
    assert moved.max() <= most, (score, boost, cut, seed)


def test_a_boost_lifts_where_there_is_room() -> None:
    score = np.array([100, 90, 80, 70, 60])
    assert bounded_boost(score, np.array([0, 0, 0, 0, 1_000]), 2).tolist() == [0, 0, 0, 0, 19]
    assert bounded_boost(score, np.array([5, 0, 1_000, 0, 0]), 5).tolist() == [5, 0, 1_000, 0, 0]
    assert bounded_boost(score, np.array([5, 5, 5, 5, 5]), 0).tolist() == [0, 0, 0, 0, 0]


# --- trust ---------------------------------------------------------------------------------------------------------


def test_a_user_is_trusted_more_with_the_days_and_a_session_never_much() -> None:
    assert trust(True, 0.0, 1) == NEW_TRUST
    assert trust(True, 100.0, 1) == 1.0
    assert trust(False, 100.0, 1) == ANONYMOUS_TRUST
    assert trust(False, 0.0, 1) == ANONYMOUS_TRUST * NEW_TRUST


def test_whoever_is_everywhere_at_once_counts_little_anywhere() -> None:
    assert trust(True, 100.0, 60) == 1.0
    assert trust(True, 100.0, 600) == pytest.approx(0.1)


@given(st.booleans(), st.floats(-10, 1e4), st.integers(0, 10**6))
def test_trust_is_above_nothing_and_at_most_one(signed_in: bool, age_days: float, recent: int) -> None:
    assert 0 < trust(signed_in, age_days, recent) <= 1


def test_people_are_as_many_as_would_count_the_same_at_every_half_life() -> None:
    shares = TrendConstants((0.5, 0.0, 0.5, 0.0), 1.0, background=1.0)
    people = np.array([[1.0, 99.0, 7.0, 99.0], [3.0, 3.0, 3.0, 3.0], [0.0, 0.0, 0.0, 0.0]])
    assert effective_actors(people, shares) == pytest.approx([np.sqrt(2 * 8) - 1, 3.0, 0.0])
