"""Fitting of the activity clock, and of the trend constants of each window.

The clock is the number of first interactions in each hour of an average week. Trend constants are fitted by a grid
search over many past moments: the quality of constants at a moment is the NDCG@10 of the ranking, with the actors in
the hours after the moment as grades. The result is the mean of the best points, because the best point is partly luck.
"""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import product
from typing import NamedTuple

import numpy as np

from db.interactions.activity_time import UNIFORM_CLOCK, ActivityClock, count_by_hour_of_week
from db.interactions.network_cap import BURST, BURST_HALF_LIFE_S, group_weight
from db.time_units import ACTIVE_HALF_LIVES_H, DAY_S, HOUR_S, WEEK_S
from db.trend_constants import TrendConstants
from scoring.mathematics.behavior_evidence import EventLog
from scoring.mathematics.ranking_metrics import graded_ndcg
from scoring.mathematics.signals import Floats, Integers
from scoring.mathematics.velocity import DEFAULT_TREND_CONSTANTS, Window
from scoring.replay.dataset import Dataset
from scoring.replay.replayed_requests import Progress

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

HALF_LIVES_USED: dict[Window, tuple[int, int, int]] = {
    Window.HOUR: (0, 1, 2),
    Window.DAY: (0, 1, 2),
    Window.WEEK: (1, 2, 3),
}
"""Indexes in `ACTIVE_HALF_LIVES_H` of the three half-lives of each window."""
QUARTERS = [shares for shares in product(range(5), repeat=3) if sum(shares) == 4]
BACKGROUNDS, OFFSETS_H = (0.2, 0.5, 1.0), (0.5, 1.5)
GRAVITIES = (0.2, 0.35, 0.5, 0.7, 1.0)
OLDEST_H = (48.0, 96.0, 168.0)
BEST_POINTS = 30
"""Number of best points of the grid to average, of 1,350. On later moments, the best point alone is .01 worse."""
PRIOR_MOMENTS = 10.0
"""Weight of the default constants, in moments, so that constants of few moments stay near the default."""
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
    return ActivityClock.from_counts(count_by_hour_of_week(times_s))


def trend_moments(
    log: EventLog,
    created_s: Floats,
    clock: ActivityClock,
    times_s: Floats,
    horizon_s: float,
    weights: Floats | None = None,
) -> list[TrendMoment]:
    """Return the moments at these times that have at least `MIN_FUTURE_ACTORS` actors within the horizon.

    Decay and ages are in hours of the clock, which is adapted to the week before each moment. `weights` are the (m,)
    weights of the log's events; None weighs all 1.
    """
    weights = np.ones(log.at_s.size) if weights is None else weights
    known_created_s = np.where(np.isnan(created_s), 0.0, created_s)
    moments = []
    for at_s in times_s.tolist():
        n_past = log.count_before(at_s)
        projects = np.flatnonzero(created_s < at_s)
        future_actors = log.count_by_project(at_s + horizon_s, at_s)[projects].astype(np.float64)
        if future_actors.sum() >= MIN_FUTURE_ACTORS:
            last_week_s = log.at_s[log.count_before(at_s - WEEK_S) : n_past]
            adapted = clock.adapted(count_by_hour_of_week(last_week_s))
            at_h, created_h = float(adapted.hours(at_s)), adapted.hours(known_created_s[projects])
            actors = _decayed_actors(log, adapted.hours(log.at_s[:n_past]), at_h, weights)[projects]
            moments.append(TrendMoment(at_s, projects, actors, at_h - created_h, future_actors))
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
    start_s = max(start_s, float(dataset.known_times("trending")[0]) + WARM_UP_S)
    horizon_s = HORIZON_S[window]
    times_s = np.arange(start_s, end_s - horizon_s, STEP_S)
    return trend_moments(dataset.log, dataset.created_s, clock, times_s, horizon_s)


def _decayed_actors(log: EventLog, past_h: Floats, at_h: float, weights: Floats) -> Floats:
    """Return the (n_projects, 4) actors of the first events, at (m,) active hours, decayed at each half-life."""
    columns = []
    for half_life_h in ACTIVE_HALF_LIVES_H:
        start = int(np.searchsorted(past_h, at_h - 30 * half_life_h))  # older events have decayed to below 1e-9
        decayed = weights[start : past_h.size] * np.exp2((past_h[start:] - at_h) / half_life_h)
        columns.append(np.bincount(log.projects[start : past_h.size], decayed, minlength=log.n_projects))
    return np.column_stack(columns)


def times_between(dataset: Dataset, since_s: float, until_s: float) -> Floats:
    """Return the times of the first interactions from `since_s` until strictly before `until_s`."""
    log = dataset.log
    return log.at_s[log.count_before(since_s) : log.count_before(until_s)]


def fit_trend_constants(
    moments: Sequence[TrendMoment], window: Window = Window.DAY, progress: Progress = lambda *_: None
) -> TrendConstants:
    """Fit a window's constants; with fewer than `MIN_MOMENTS` moments, return the default constants."""
    default = DEFAULT_TREND_CONSTANTS[window]
    if len(moments) < MIN_MOMENTS:
        return default
    report = partial(progress, f"fitting {window}")
    by_quality = sorted(_grid(moments, HALF_LIVES_USED[window], report), key=lambda result: -result[0])
    best = np.array([point for _, point in by_quality[:BEST_POINTS]])
    shares = np.zeros(len(ACTIVE_HALF_LIVES_H))
    shares[list(HALF_LIVES_USED[window])] = best[:, :3].mean(axis=0)
    scales = np.log(best[:, 4:]).mean(axis=0)
    weight = len(moments) / (len(moments) + PRIOR_MOMENTS)
    prior_scales = np.log([default.offset_h, default.background, default.oldest_h])
    return TrendConstants(
        tuple((weight * shares + (1.0 - weight) * np.array(default.shares)).tolist()),
        weight * float(best[:, 3].mean()) + (1.0 - weight) * default.gravity,
        *np.exp(weight * scales + (1.0 - weight) * prior_scales).tolist(),
    )


def _grid(
    moments: Sequence[TrendMoment], half_lives: Sequence[int], report: Callable[[float], None]
) -> list[tuple[float, tuple[float, ...]]]:
    """Return the mean NDCG@10 of each point of the grid: three shares, gravity, offset, background, oldest age."""
    actors, age_h, future_actors = _stack(moments)
    results: list[tuple[float, tuple[float, ...]]] = []
    n_points = len(BACKGROUNDS) * len(OFFSETS_H) * len(OLDEST_H) * len(QUARTERS) * len(GRAVITIES)
    for background in BACKGROUNDS:
        logs = np.log1p(actors[:, :, list(half_lives)] / background)
        for offset_h, oldest_h, quarters in product(OFFSETS_H, OLDEST_H, QUARTERS):
            log_age = np.log1p(np.clip(age_h, 0.0, oldest_h) / offset_h)
            shares = np.array(quarters) / sum(quarters)
            log_actors = logs @ shares
            for gravity in GRAVITIES:
                quality = float(graded_ndcg(log_actors - gravity * log_age, future_actors).mean())
                results.append((quality, (*shares.tolist(), gravity, offset_h, background, oldest_h)))
            report(len(results) / n_points)
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
