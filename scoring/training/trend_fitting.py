"""Fitting of the activity clock, and of the trend constants of each window.

The clock is the average week's first interactions by hour. Constants are chosen by NDCG@10 of the people of the next
hours, over many past moments; not the best point of the grid, which is partly luck, but the mean of the best few.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from db.interactions.activity_time import FIRST_MONDAY_S, UNIFORM_CLOCK, WEEK_H, ActivityClock
from db.time_units import ACTIVE_HALF_LIVES_H, HOUR_S, WEEK_S
from scoring.mathematics.behavior_evidence import EventLog
from scoring.mathematics.ranking_metrics import graded_ndcg
from scoring.mathematics.signals import Floats, Integers
from scoring.mathematics.velocity import DEFAULT_TREND_CONSTANTS, TrendConstants, Window
from scoring.replay.dataset import Dataset

FITTED_SHARE = 0.6
"""Share of a log's time to fit on; the rest is for the comparison."""
WARM_UP_S = 8 * 24 * HOUR_S
"""The first days of a log, which are left out because its counters have not filled up."""
STEP_S = 17 * HOUR_S
"""Moments are 17 h apart, so that they fall on all hours of the day."""
MIN_FUTURE_ACTORS = 7
"""A moment that fewer people follow cannot tell a good order of ten from a bad one."""
MIN_MOMENTS = 30
"""Moments needed to fit on, and to compare on."""
HORIZON_S: dict[Window, float] = {Window.HOUR: HOUR_S, Window.DAY: 24 * HOUR_S, Window.WEEK: WEEK_S}
"""The time after a moment whose people a window is fitted to."""

MIN_ARRIVALS, MIN_WEEKS = 1_000, 4
"""First interactions, and weeks, needed to fit a clock."""
EVEN_SHARE = 0.1
"""The share of time that passes evenly, so that the clock still runs at the quietest hour."""
SMOOTHING = (0.125, 0.25, 0.5, 1.0, 0.5, 0.25, 0.125)
"""Weights of the hours around an hour of the week. On deskdrop any width from .3 to 2 hours is as good."""

HALF_LIVES_USED: dict[Window, tuple[int, int, int]] = {
    Window.HOUR: (0, 1, 2),
    Window.DAY: (0, 1, 2),
    Window.WEEK: (1, 2, 3),
}
"""Indexes of the three half-lives of `ACTIVE_HALF_LIVES_H` that a window uses."""
QUARTERS = [shares for shares in product(range(5), repeat=3) if sum(shares) == 4]
BACKGROUNDS, OFFSETS_H = (0.2, 0.5, 1.0), (0.5, 1.5)
GRAVITIES = (0.2, 0.35, 0.5, 0.7, 1.0)
BEST_POINTS = 30
"""Best of the 450 points of the grid to average: the best one alone is .01 worse on later moments."""
CANDIDATES = 250
"""Projects with most people ranked at a moment while fitting, beside all that people engaged with next."""


@dataclass(frozen=True, slots=True, eq=False)
class TrendMoment:
    """The n projects (dense indexes) that exist at a moment, with the people before and after it."""

    at_s: float
    projects: Integers
    people: Floats  # (n, 4) distinct people, decayed by the activity clock, a column for each of `ACTIVE_HALF_LIVES_H`
    age_h: Floats  # (n,) active hours since creation
    future_actors: Floats  # (n,) distinct people with a first interaction within the horizon


def fit_clock(arrivals_s: Floats) -> ActivityClock:
    """Fit the clock to the ascending times of first interactions; `UNIFORM_CLOCK` if they are too few."""
    if arrivals_s.size < MIN_ARRIVALS or arrivals_s[-1] - arrivals_s[0] < MIN_WEEKS * WEEK_S:
        return UNIFORM_CLOCK
    hours = ((arrivals_s - FIRST_MONDAY_S) // HOUR_S).astype(np.int64) % WEEK_H
    counted = np.bincount(hours, minlength=WEEK_H).astype(np.float64)
    reach = len(SMOOTHING) // 2
    smooth = sum(part * np.roll(counted, shift - reach) for shift, part in enumerate(SMOOTHING))
    rates = EVEN_SHARE + (1.0 - EVEN_SHARE) * smooth / np.mean(smooth)
    return ActivityClock(tuple((rates / rates.mean()).tolist()))


def trend_moments(
    log: EventLog, created_s: Floats, clock: ActivityClock, times_s: Floats, horizon_s: float
) -> list[TrendMoment]:
    """Return the moments that at least `MIN_FUTURE_ACTORS` people follow, by a clock."""
    log_h, created_h = clock.hours(log.at_s), clock.hours(np.where(np.isnan(created_s), 0.0, created_s))
    found = []
    for at_s in times_s.tolist():
        known, end = log.count_before(at_s), log.count_before(at_s + horizon_s)
        projects = np.flatnonzero(created_s < at_s)
        future_actors = np.bincount(log.projects[known:end], minlength=log.n_projects)[projects].astype(np.float64)
        if future_actors.sum() >= MIN_FUTURE_ACTORS:
            at_h = float(clock.hours(at_s))
            people = _people(log, log_h, known, at_h)[projects]
            found.append(TrendMoment(at_s, projects, people, at_h - created_h[projects], future_actors))
    return found


def moments_between(
    dataset: Dataset, clock: ActivityClock, since_s: float, until_s: float, window: Window = Window.DAY
) -> list[TrendMoment]:
    """Return the moments of a span, `STEP_S` apart, whose horizon ends within it."""
    horizon_s = HORIZON_S[window]
    times_s = np.arange(since_s, until_s - horizon_s, STEP_S)
    return trend_moments(dataset.log, dataset.created_s, clock, times_s, horizon_s)


def _people(log: EventLog, log_h: Floats, known: int, at_h: float) -> Floats:
    columns = []
    for half_life_h in ACTIVE_HALF_LIVES_H:
        since = int(np.searchsorted(log_h[:known], at_h - 30 * half_life_h))  # a billionth is left of what is older
        left = np.exp2((log_h[since:known] - at_h) / half_life_h)
        columns.append(np.bincount(log.projects[since:known], left, minlength=log.n_projects))
    return np.column_stack(columns)


def fit_trend_constants(moments: Sequence[TrendMoment], window: Window = Window.DAY) -> TrendConstants:
    """Fit a window's constants; the defaults if there are too few moments."""
    if len(moments) < MIN_MOMENTS:
        return DEFAULT_TREND_CONSTANTS[window]
    tried = sorted(_grid(moments, HALF_LIVES_USED[window]), key=lambda one: -one[0])[:BEST_POINTS]
    best = np.array([point for _, point in tried])
    shares = np.zeros(len(ACTIVE_HALF_LIVES_H))
    shares[list(HALF_LIVES_USED[window])] = best[:, :3].mean(axis=0)
    background, offset_h = np.exp(np.log(best[:, 3:5]).mean(axis=0)).tolist()
    return replace(
        DEFAULT_TREND_CONSTANTS[window],
        shares=tuple(shares.tolist()),
        background=background,
        offset_h=offset_h,
        gravity=float(best[:, 5].mean()),
    )


def _grid(moments: Sequence[TrendMoment], reach: Sequence[int]) -> list[tuple[float, tuple[float, ...]]]:
    """Return the mean NDCG@10 at each point: three shares, background, offset, gravity."""
    people, age_h, future_actors = _stacked(moments)
    found = []
    for background in BACKGROUNDS:
        logs = np.log1p(people[:, :, list(reach)] / background)
        for offset_h, quarters in product(OFFSETS_H, QUARTERS):
            aged = np.log1p(np.clip(age_h, 0.0, DEFAULT_TREND_CONSTANTS[Window.DAY].oldest_h) / offset_h)
            shares = np.array(quarters) / sum(quarters)
            attention = logs @ shares
            for gravity in GRAVITIES:
                quality = float(graded_ndcg(attention - gravity * aged, future_actors).mean())
                found.append((quality, (*shares.tolist(), background, offset_h, gravity)))
    return found


def _stacked(moments: Sequence[TrendMoment]) -> tuple[Floats, Floats, Floats]:
    """Stack moments to (m, k, 4) people, (m, k) ages and (m, k) next people; padding is infinitely old."""
    rows = [
        np.union1d(np.argsort(-one.people[:, 2])[:CANDIDATES], np.flatnonzero(one.future_actors)) for one in moments
    ]
    k = max(row.size for row in rows)
    people, age_h, future_actors = (
        np.zeros((len(rows), k, 4)),
        np.full((len(rows), k), np.inf),
        np.zeros((len(rows), k)),
    )
    for place, (one, row) in enumerate(zip(moments, rows, strict=True)):
        people[place, : row.size] = one.people[row]
        age_h[place, : row.size] = one.age_h[row]
        future_actors[place, : row.size] = one.future_actors[row]
    return people, age_h, future_actors
