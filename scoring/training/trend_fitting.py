"""Fits what makes a trend here: the platform's clock, and the constants of each window.

The clock is the usual week's arrivals by the hour. Constants are chosen by NDCG@10 of the people who came next, over
many past moments; not the best point of the grid, which owes its place to luck, but the mean of the best few.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from db.interactions.activity_time import FIRST_MONDAY_S, HOUR_S, UNIFORM_CLOCK, WEEK_H, WEEK_S, ActivityClock
from scoring.mathematics.behavior_evidence import EventLog
from scoring.mathematics.ranking_metrics import graded_ndcg
from scoring.mathematics.signals import Floats, Integers
from scoring.mathematics.velocity import ACTIVE_HALF_LIVES_H, DEFAULT_TREND_CONSTANTS, TrendConstants, Window
from scoring.replay.dataset import Dataset

FITTED_SHARE = 0.6
"""Share of a log's time that constants are fitted on; the rest is for judging."""
WARMING_S = 8 * 24 * HOUR_S
"""The first days of a log are left out: its counters have not filled up."""
EVERY_S = 17 * HOUR_S
"""Moments are 17 h apart, so that they fall on all hours of the day."""
QUIET = 7
"""A moment after which fewer people come than this says nothing of an order of ten."""
MIN_MOMENTS = 30
"""Fewer moments to fit on, or to judge on, say nothing."""
HORIZON_S: dict[Window, float] = {Window.HOUR: HOUR_S, Window.DAY: 24 * HOUR_S, Window.WEEK: WEEK_S}
"""A window is fitted to the people of as long a time after."""

FEWEST_ARRIVALS, FEWEST_WEEKS = 1_000, 4
"""A clock is fitted to no fewer arrivals, over no fewer weeks."""
FLOOR = 0.1
"""The share of time that passes evenly: at the quietest hour the clock still goes."""
SMOOTHING = (0.125, 0.25, 0.5, 1.0, 0.5, 0.25, 0.125)
"""How much the hours around speak for an hour of the week. On deskdrop any of .3 to 2 hours does as well."""

REACH: dict[Window, tuple[int, int, int]] = {Window.HOUR: (0, 1, 2), Window.DAY: (0, 1, 2), Window.WEEK: (1, 2, 3)}
"""The three half-lives of `ACTIVE_HALF_LIVES_H` that a window may use."""
QUARTERS = [shares for shares in product(range(5), repeat=3) if sum(shares) == 4]
BACKGROUNDS, OFFSETS_H = (0.2, 0.5, 1.0), (0.5, 1.5)
GRAVITIES = (0.2, 0.35, 0.5, 0.7, 1.0)
KEPT = 30
"""Of the 450 points of the grid, the best whose mean is taken: the best one alone is .01 worse on later moments."""
CANDIDATES = 250
"""Projects ranked at a moment while fitting: those with most people, and all that people came to."""


@dataclass(frozen=True, slots=True, eq=False)
class TrendMoment:
    """What is known at a moment of the n projects that exist, and who came next.

    Attributes
    ----------
    at_s
        Unix seconds.
    projects
        (n,) dense indexes.
    people
        (n, 4) distinct people, decayed by the platform's clock, a column for each of `ACTIVE_HALF_LIVES_H`.
    age_h
        (n,) busy hours since creation.
    next_people
        (n,) distinct people who come for the first time within the horizon.
    """

    at_s: float
    projects: Integers
    people: Floats
    age_h: Floats
    next_people: Floats


def fit_clock(arrivals_s: Floats) -> ActivityClock:
    """Fit the clock to the times of arrivals, in order; `UNIFORM_CLOCK` if they are too few."""
    if arrivals_s.size < FEWEST_ARRIVALS or arrivals_s[-1] - arrivals_s[0] < FEWEST_WEEKS * WEEK_S:
        return UNIFORM_CLOCK
    hours = ((arrivals_s - FIRST_MONDAY_S) // HOUR_S).astype(np.int64) % WEEK_H
    counted = np.bincount(hours, minlength=WEEK_H).astype(np.float64)
    reach = len(SMOOTHING) // 2
    smooth = sum(part * np.roll(counted, shift - reach) for shift, part in enumerate(SMOOTHING))
    rates = FLOOR + (1.0 - FLOOR) * smooth / np.mean(smooth)
    return ActivityClock(tuple((rates / rates.mean()).tolist()))


def trend_moments(
    log: EventLog, created_s: Floats, clock: ActivityClock, times_s: Floats, horizon_s: float
) -> list[TrendMoment]:
    """Give the moments after which people come, as the clock shows them; quiet ones are left out."""
    log_h, created_h = clock.hours(log.at_s), clock.hours(np.where(np.isnan(created_s), 0.0, created_s))
    found = []
    for at_s in times_s.tolist():
        known, end = log.before(at_s), log.before(at_s + horizon_s)
        projects = np.flatnonzero(created_s < at_s)
        next_people = np.bincount(log.projects[known:end], minlength=log.n_projects)[projects].astype(np.float64)
        if next_people.sum() >= QUIET:
            at_h = float(clock.hours(at_s))
            people = _people(log, log_h, known, at_h)[projects]
            found.append(TrendMoment(at_s, projects, people, at_h - created_h[projects], next_people))
    return found


def moments_between(
    dataset: Dataset, clock: ActivityClock, since_s: float, until_s: float, window: Window = Window.DAY
) -> list[TrendMoment]:
    """Return the moments of a span, `EVERY_S` apart, whose horizon ends within it."""
    horizon_s = HORIZON_S[window]
    times_s = np.arange(since_s, until_s - horizon_s, EVERY_S)
    return trend_moments(dataset.log, dataset.created_s, clock, times_s, horizon_s)


def _people(log: EventLog, log_h: Floats, known: int, at_h: float) -> Floats:
    columns = []
    for half_life_h in ACTIVE_HALF_LIVES_H:
        since = int(np.searchsorted(log_h[:known], at_h - 30 * half_life_h))  # a billionth is left of what is older
        left = np.exp2((log_h[since:known] - at_h) / half_life_h)
        columns.append(np.bincount(log.projects[since:known], left, minlength=log.n_projects))
    return np.column_stack(columns)


def fit_trend_constants(listed: Sequence[TrendMoment], window: Window = Window.DAY) -> TrendConstants:
    """Fit a window's constants; those that ship if there are too few moments."""
    if len(listed) < MIN_MOMENTS:
        return DEFAULT_TREND_CONSTANTS[window]
    tried = sorted(_grid(listed, REACH[window]), key=lambda one: -one[0])[:KEPT]
    best = np.array([point for _, point in tried])
    shares = np.zeros(len(ACTIVE_HALF_LIVES_H))
    shares[list(REACH[window])] = best[:, :3].mean(axis=0)
    background, offset_h = np.exp(np.log(best[:, 3:5]).mean(axis=0)).tolist()
    return replace(
        DEFAULT_TREND_CONSTANTS[window],
        shares=tuple(shares.tolist()),
        background=background,
        offset_h=offset_h,
        gravity=float(best[:, 5].mean()),
    )


def _grid(listed: Sequence[TrendMoment], reach: Sequence[int]) -> list[tuple[float, tuple[float, ...]]]:
    """Give the mean NDCG@10 at each point: three shares, background, offset, gravity."""
    people, age_h, next_people = _stacked(listed)
    found = []
    for background in BACKGROUNDS:
        logs = np.log1p(people[:, :, list(reach)] / background)
        for offset_h, quarters in product(OFFSETS_H, QUARTERS):
            aged = np.log1p(np.clip(age_h, 0.0, DEFAULT_TREND_CONSTANTS[Window.DAY].oldest_h) / offset_h)
            shares = np.array(quarters) / sum(quarters)
            come = logs @ shares
            for gravity in GRAVITIES:
                worth = float(graded_ndcg(come - gravity * aged, next_people).mean())
                found.append((worth, (*shares.tolist(), background, offset_h, gravity)))
    return found


def _stacked(listed: Sequence[TrendMoment]) -> tuple[Floats, Floats, Floats]:
    """Give (m, k, 4) people, (m, k) ages and (m, k) people who came; what fills a row up is infinitely old."""
    rows = [np.union1d(np.argsort(-one.people[:, 2])[:CANDIDATES], np.flatnonzero(one.next_people)) for one in listed]
    k = max(row.size for row in rows)
    people, age_h, next_people = np.zeros((len(rows), k, 4)), np.full((len(rows), k), np.inf), np.zeros((len(rows), k))
    for place, (one, row) in enumerate(zip(listed, rows, strict=True)):
        people[place, : row.size] = one.people[row]
        age_h[place, : row.size] = one.age_h[row]
        next_people[place, : row.size] = one.next_people[row]
    return people, age_h, next_people
