"""Fitting of the activity clock, and of the trend constants of each window.

The clock is the number of first interactions in each hour of an average week. Trend constants are fitted by a grid
search over many past moments: the quality of constants at a moment is the NDCG@10 of the ranking, with the actors in
the hours after the moment as grades. The result is the mean of the best points, because the best point is partly luck.
"""

from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import numpy as np

from db.interactions.activity_time import FIRST_MONDAY_S, UNIFORM_CLOCK, WEEK_H, ActivityClock
from db.interactions.network_cap import BURST, BURST_HALF_LIFE_S, group_weight
from db.time_units import ACTIVE_HALF_LIVES_H, DAY_S, HOUR_S, WEEK_S
from db.trend_constants import TrendConstants
from scoring.mathematics.behavior_evidence import EventLog
from scoring.mathematics.ranking_metrics import graded_ndcg
from scoring.mathematics.signals import Floats, Integers
from scoring.mathematics.velocity import DEFAULT_TREND_CONSTANTS, Window
from scoring.replay.dataset import Dataset

FITTED_SHARE = 0.6
"""Share of a log's time span to fit on. The rest is for the comparison."""
WARM_UP_S = 8 * DAY_S
"""Time at the beginning of a log in which no moments are chosen, because the decayed counters are still too low."""
STEP_S = 17 * HOUR_S
"""Time between two moments: 17 h, so that moments fall on all hours of the day."""
MIN_FUTURE_ACTORS = 7
"""Minimum number of actors after a moment. With fewer actors, NDCG@10 cannot tell a good order from a bad order."""
MIN_MOMENTS = 30
"""Minimum number of moments to fit on, and to compare on."""
HORIZON_S: dict[Window, float] = {Window.HOUR: HOUR_S, Window.DAY: DAY_S, Window.WEEK: WEEK_S}
"""Time after a moment in which actors are counted, by window."""

MIN_INTERACTIONS, MIN_WEEKS = 1_000, 4
"""Minimum number of first interactions, and of weeks, to fit a clock."""
CONSTANT_SPEED_SHARE = 0.1
"""Share of the clock's speed that is the same in every hour, so that the clock never stops."""
SMOOTHING = (0.125, 0.25, 0.5, 1.0, 0.5, 0.25, 0.125)
"""Weights of the three hours before an hour of the week, of this hour, and of the three hours after it. On the deskdrop
data, all widths from .3 to 2 hours are equally good."""

HALF_LIVES_USED: dict[Window, tuple[int, int, int]] = {
    Window.HOUR: (0, 1, 2),
    Window.DAY: (0, 1, 2),
    Window.WEEK: (1, 2, 3),
}
"""Indexes in `ACTIVE_HALF_LIVES_H` of the three half-lives of each window."""
QUARTERS = [shares for shares in product(range(5), repeat=3) if sum(shares) == 4]
BACKGROUNDS, OFFSETS_H = (0.2, 0.5, 1.0), (0.5, 1.5)
GRAVITIES = (0.2, 0.35, 0.5, 0.7, 1.0)
BEST_POINTS = 30
"""Number of best points of the grid to average, of 450. On later moments, the best point alone is .01 worse."""
CANDIDATES = 250
"""Number of projects with the most actors that are ranked at a moment while fitting, beside all projects with future
actors."""


class TrendMoment(NamedTuple):
    """The n projects (dense indexes) that exist at a moment, with the actors before and after the moment."""

    at_s: float
    projects: Integers
    actors: Floats  # (n, 4) distinct actors, decayed by the activity clock at each half-life in `ACTIVE_HALF_LIVES_H`
    age_h: Floats  # (n,) active hours since creation
    future_actors: Floats  # (n,) distinct actors with a first interaction within the horizon


def fit_clock(times_s: Floats) -> ActivityClock:
    """Fit the clock to the ascending times of first interactions; `UNIFORM_CLOCK` if there are too few."""
    if times_s.size < MIN_INTERACTIONS or times_s[-1] - times_s[0] < MIN_WEEKS * WEEK_S:
        return UNIFORM_CLOCK
    hours = ((times_s - FIRST_MONDAY_S) // HOUR_S).astype(np.int64) % WEEK_H
    counts = np.bincount(hours, minlength=WEEK_H).astype(np.float64)
    half_width = len(SMOOTHING) // 2
    smooth = sum(weight * np.roll(counts, shift - half_width) for shift, weight in enumerate(SMOOTHING))
    rates = CONSTANT_SPEED_SHARE + (1.0 - CONSTANT_SPEED_SHARE) * smooth / np.mean(smooth)
    return ActivityClock(tuple((rates / rates.mean()).tolist()))


def trend_moments(
    log: EventLog,
    created_s: Floats,
    clock: ActivityClock,
    times_s: Floats,
    horizon_s: float,
    weights: Floats | None = None,
) -> list[TrendMoment]:
    """Return the moments at these times that have at least `MIN_FUTURE_ACTORS` actors within the horizon.

    Decay and ages are in hours of the clock. `weights` are the (m,) weights of the log's events; None weighs all 1.
    """
    weights = np.ones(log.at_s.size) if weights is None else weights
    log_h, created_h = clock.hours(log.at_s), clock.hours(np.where(np.isnan(created_s), 0.0, created_s))
    moments = []
    for at_s in times_s.tolist():
        n_past = log.count_before(at_s)
        projects = np.flatnonzero(created_s < at_s)
        future_actors = log.count_by_project(at_s + horizon_s, at_s)[projects].astype(np.float64)
        if future_actors.sum() >= MIN_FUTURE_ACTORS:
            at_h = float(clock.hours(at_s))
            actors = _decayed_actors(log, log_h, n_past, at_h, weights)[projects]
            moments.append(TrendMoment(at_s, projects, actors, at_h - created_h[projects], future_actors))
    return moments


def burst_weights(log: EventLog) -> Floats:
    """Return the (m,) weights of the events under the cap of bursts (`db.interactions.network_cap`)."""
    weights = np.ones(log.at_s.size)
    last_s, recent, established = (np.zeros(log.n_projects) for _ in range(3))
    for index, (project, at_s) in enumerate(zip(log.projects.tolist(), log.at_s.tolist(), strict=True)):
        passed_s = at_s - last_s[project]
        recent[project] = recent[project] * 2.0 ** (-passed_s / BURST_HALF_LIFE_S) + 1.0
        established[project] *= 2.0 ** (-passed_s / (6.0 * HOUR_S))
        weights[index] = group_weight(BURST, recent[project], established[project])
        established[project] += weights[index]
        last_s[project] = at_s
    return weights


def moments_between(
    dataset: Dataset, clock: ActivityClock, start_s: float, end_s: float, window: Window = Window.DAY
) -> list[TrendMoment]:
    """Return the moments between two times, `STEP_S` apart, whose horizon ends before `end_s`."""
    horizon_s = HORIZON_S[window]
    times_s = np.arange(start_s, end_s - horizon_s, STEP_S)
    return trend_moments(dataset.log, dataset.created_s, clock, times_s, horizon_s)


def _decayed_actors(log: EventLog, log_h: Floats, n_past: int, at_h: float, weights: Floats) -> Floats:
    """Return the (n_projects, 4) actors of the first `n_past` events, decayed at each half-life."""
    columns = []
    for half_life_h in ACTIVE_HALF_LIVES_H:
        start = int(np.searchsorted(log_h[:n_past], at_h - 30 * half_life_h))  # older events have decayed to below 1e-9
        decayed = weights[start:n_past] * np.exp2((log_h[start:n_past] - at_h) / half_life_h)
        columns.append(np.bincount(log.projects[start:n_past], decayed, minlength=log.n_projects))
    return np.column_stack(columns)


def fit_trend_constants(moments: Sequence[TrendMoment], window: Window = Window.DAY) -> TrendConstants:
    """Fit a window's constants; with fewer than `MIN_MOMENTS` moments, return the default constants."""
    if len(moments) < MIN_MOMENTS:
        return DEFAULT_TREND_CONSTANTS[window]
    by_quality = sorted(_grid(moments, HALF_LIVES_USED[window]), key=lambda result: -result[0])
    best = np.array([point for _, point in by_quality[:BEST_POINTS]])
    shares = np.zeros(len(ACTIVE_HALF_LIVES_H))
    shares[list(HALF_LIVES_USED[window])] = best[:, :3].mean(axis=0)
    background, offset_h = np.exp(np.log(best[:, 3:5]).mean(axis=0)).tolist()
    return TrendConstants(tuple(shares.tolist()), float(best[:, 5].mean()), offset_h, background)


def _grid(moments: Sequence[TrendMoment], half_lives: Sequence[int]) -> list[tuple[float, tuple[float, ...]]]:
    """Return the mean NDCG@10 of each point of the grid: three shares, background, offset, gravity."""
    actors, age_h, future_actors = _stack(moments)
    results = []
    for background in BACKGROUNDS:
        logs = np.log1p(actors[:, :, list(half_lives)] / background)
        for offset_h, quarters in product(OFFSETS_H, QUARTERS):
            log_age = np.log1p(np.clip(age_h, 0.0, DEFAULT_TREND_CONSTANTS[Window.DAY].oldest_h) / offset_h)
            shares = np.array(quarters) / sum(quarters)
            log_actors = logs @ shares
            for gravity in GRAVITIES:
                quality = float(graded_ndcg(log_actors - gravity * log_age, future_actors).mean())
                results.append((quality, (*shares.tolist(), background, offset_h, gravity)))
    return results


def _stack(moments: Sequence[TrendMoment]) -> tuple[Floats, Floats, Floats]:
    """Return (m, k, 4) actors, (m, k) ages and (m, k) future actors; padding rows have an infinite age."""
    kept = [np.union1d(np.argsort(-m.actors[:, 2])[:CANDIDATES], np.flatnonzero(m.future_actors)) for m in moments]
    shape = len(kept), max(rows.size for rows in kept)
    actors, age_h, future_actors = np.zeros((*shape, 4)), np.full(shape, np.inf), np.zeros(shape)
    for index, (moment, rows) in enumerate(zip(moments, kept, strict=True)):
        actors[index, : rows.size] = moment.actors[rows]
        age_h[index, : rows.size] = moment.age_h[rows]
        future_actors[index, : rows.size] = moment.future_actors[rows]
    return actors, age_h, future_actors
