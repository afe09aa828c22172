"""Fits recover a planted clock and planted constants."""

import numpy as np
import pytest

from db.interactions.activity_time import (
    FIRST_MONDAY_S,
    UNIFORM_CLOCK,
    WEEK_H,
    ActivityClock,
    count_by_hour_of_week,
)
from db.time_units import HOUR_S, WEEK_S
from scoring.mathematics.behavior_evidence import EventLog
from scoring.mathematics.velocity import DEFAULT_TREND_CONSTANTS, Window
from scoring.training.trend_fitting import MIN_MOMENTS, TrendMoment, fit_clock, fit_trend_constants, trend_moments


def test_the_clock_runs_as_fast_as_first_interactions_happen() -> None:
    chance = np.random.default_rng(1)
    week = np.array([9, 10, 11, 14, 15]) * HOUR_S
    days = np.arange(5) * 24 * HOUR_S
    starts_s = FIRST_MONDAY_S + np.add.outer(np.add.outer(np.arange(8) * WEEK_S, days), week).ravel()
    arrivals_s = np.sort(np.repeat(starts_s, 10) + chance.uniform(0, HOUR_S, 10 * starts_s.size))
    clock = fit_clock(arrivals_s)
    rates = np.array(clock.rates).reshape(7, 24)
    assert rates.mean() == pytest.approx(1.0)
    assert rates[2, 10] > 3
    assert rates[2, 2] == rates[6].max() == pytest.approx(0.05)
    friday_evening, monday_morning = (
        FIRST_MONDAY_S + 4 * 24 * HOUR_S + 20 * HOUR_S,
        FIRST_MONDAY_S + WEEK_S + 6 * HOUR_S,
    )
    assert clock.hours(monday_morning) - clock.hours(friday_evening) < 10


def test_too_few_first_interactions_give_the_uniform_clock() -> None:
    assert fit_clock(np.arange(999) * HOUR_S) == UNIFORM_CLOCK
    assert fit_clock(np.arange(5_000.0)) == UNIFORM_CLOCK
    assert fit_clock(np.empty(0)) == UNIFORM_CLOCK


def test_a_moment_holds_the_people_before_and_after_it() -> None:
    at_s, slow = FIRST_MONDAY_S + 10 * WEEK_S, ActivityClock((0.5,) * 84 + (1.5,) * 84)
    times = at_s + HOUR_S * np.array([-2, -1, *range(7)])
    log = EventLog.from_events(np.arange(9), np.array([0, 1, *[1] * 7]), times, 9, 3)
    created_s = np.array([at_s - 3 * HOUR_S, at_s - 2 * HOUR_S, np.nan])
    (found,) = trend_moments(log, created_s, slow, np.array([at_s]), 24 * HOUR_S)
    # The hours before a week's beginning ran at 1.5; two first interactions in the week before adapt this a little.
    rate = slow.adapted(count_by_hour_of_week(times[:2])).rates[-1]
    assert rate == pytest.approx(1.5, abs=0.2)
    assert found.projects.tolist() == [0, 1]
    assert found.age_h == pytest.approx([3 * rate, 2 * rate], abs=0.1)
    assert found.actors[:, 1] == pytest.approx([2 ** (-2 * rate / 6), 2 ** (-rate / 6)], abs=0.01)
    assert found.future_actors.tolist() == [0, 7]
    assert trend_moments(log, created_s, slow, np.array([at_s]), 2 * HOUR_S) == []


def test_a_fit_recovers_the_planted_constants() -> None:
    chance, listed = np.random.default_rng(5), []
    for _ in range(MIN_MOMENTS):
        people, age_h = chance.gamma(0.5, 8.0, (60, 4)), chance.uniform(0.0, 160.0, 60)
        future_actors = np.round(100 * people[:, 2] / (age_h + 1))
        listed.append(TrendMoment(0.0, np.arange(60), people, age_h, future_actors))
    found = fit_trend_constants(listed)
    assert found.shares[2] > 0.75
    assert sum(found.shares) == pytest.approx(1.0)
    assert found.gravity > 0.6
    much = fit_trend_constants(listed * 3)
    assert much.shares[2] > found.shares[2] > DEFAULT_TREND_CONSTANTS[Window.DAY].shares[2], "few moments prove little"
    assert fit_trend_constants(listed[:-1], Window.WEEK) == DEFAULT_TREND_CONSTANTS[Window.WEEK]


def test_a_week_has_168_active_hours() -> None:
    clock = ActivityClock(tuple(np.linspace(0.0, 2.0, WEEK_H).tolist()))
    at_s = np.array([0.0, 1e9, 1.7e9])
    assert clock.hours(at_s + WEEK_S) - clock.hours(at_s) == pytest.approx(np.full(3, WEEK_H))
    assert UNIFORM_CLOCK.hours(at_s) == pytest.approx((at_s - FIRST_MONDAY_S) / HOUR_S)
