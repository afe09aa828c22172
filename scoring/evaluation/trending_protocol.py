"""The trending protocol: rankings of the existing projects at many moments, graded by the actors of the next day.

Moments are 17 h apart in the last 40 % of the log's time. Moments with fewer than 7 actors in the next day are left
out. Clock and constants are fitted on the first 60 %. docs/ranking.md has the figures for other choices.
"""

from typing import NamedTuple

import numpy as np

from db.interactions.activity_time import UNIFORM_CLOCK, ActivityClock
from db.time_units import DAY_S, HOUR_S, WEEK_S
from db.trend_constants import TrendConstants
from scoring.errors import InsufficientData
from scoring.evaluation.protocols import Options, Windows
from scoring.evaluation.results import Breakdown, EvaluationResults, mean_and_error
from scoring.mathematics import velocity
from scoring.mathematics.log_evidence import LogEvidence
from scoring.mathematics.signals import Floats, Integers
from scoring.mathematics.velocity import DEFAULT_TREND_CONSTANTS, Window
from scoring.models.active_model import SHIPPED_TRENDS
from scoring.replay.dataset import Dataset
from scoring.replay.measurements import RankingMetrics
from scoring.replay.replayed_requests import Progress
from scoring.training.trend_fitting import (
    FITTED_SHARE,
    MIN_MOMENTS,
    STEP_S,
    TrendMoment,
    burst_weights,
    fit_clock,
    fit_trend_constants,
    moments_between,
    times_between,
    trend_moments,
)
from scoring.training.trend_training import try_trends

FITTED = "velocity, fitted on the time before"
DEPLOYED = "velocity, as training would deploy it"
"""Constants that won on the later part of the time to fit on; the shipped constants if none did."""
SHIPPED = "velocity, with the shipped constants"
LAST_SHARE = 0.8
"""Share of the log's time from which `Options.last_window` tests without other windows."""
SEED_SHIFT = 0.618034
"""Share of `STEP_S` by which each seed moves the moments, so that seeds see other hours of other days."""
CAPPED = "velocity, with the shipped constants and the cap of bursts"


def evaluate_trending(dataset: Dataset, options: Options, progress: Progress) -> EvaluationResults:
    """Rank by the events before each moment. A project's grade is its number of actors in the next 24 h.

    Raises `InsufficientData` if there are no times, or no moment with enough actors after it.
    """
    log, created_s, times = dataset.log, dataset.created_s, dataset.known_times("trending")
    windows, test_from_s, test_until_s = _windows(times, options)
    since_s, cut_s = max(windows.fit_from_s, float(times[0])), windows.fit_until_s
    test_from_s += (SEED_SHIFT * options.seed % 1.0) * STEP_S
    clock = fit_clock(times_between(dataset, since_s, cut_s))
    fitting = moments_between(dataset, clock, since_s, cut_s)
    tested = moments_between(dataset, clock, test_from_s, test_until_s)
    if not tested:
        raise InsufficientData(
            f"{dataset.name} has no moment to test on with 7 actors in the next day; "
            f"it spans {(times[-1] - times[0]) / DAY_S:.1f} days, and trending needs at least 5; give other windows"
        )
    constants = fit_trend_constants(fitting, Window.DAY, progress)
    times_s = np.array([moment.at_s for moment in tested])
    by_wall_clock = trend_moments(log, created_s, UNIFORM_CLOCK, times_s, DAY_S)
    served = _deployed(dataset, since_s, cut_s, options.seed, progress)
    by_served_clock = trend_moments(log, created_s, served.clock, times_s, DAY_S)
    capped = trend_moments(log, created_s, UNIFORM_CLOCK, times_s, DAY_S, burst_weights(log))
    history = LogEvidence(log, created_s, dataset.owners)
    measured: dict[str, RankingMetrics] = {}
    moments = zip(tested, by_served_clock, by_wall_clock, capped, strict=True)
    for index, (moment, served_moment, wall_moment, capped_moment) in enumerate(moments):
        rankings = {
            FITTED: velocity.velocity_score(moment.actors, moment.age_h, constants),
            DEPLOYED: velocity.velocity_score(served_moment.actors, served_moment.age_h, served.constants),
            CAPPED: velocity.velocity_score(capped_moment.actors, capped_moment.age_h),
            **_baselines(dataset, history, wall_moment),
        }
        for name, scores in rankings.items():
            measured.setdefault(name, RankingMetrics()).add_graded(
                scores, moment.future_actors, moment.projects, moment.future_actors
            )
        progress("moments", (index + 1) / len(tested))
    too_few = "" if len(fitting) >= MIN_MOMENTS else ", too few: the shipped constants"
    facts = {
        "moments fitted on": f"{len(fitting)}{too_few}",
        "moments": len(tested),
        "constants": {name: str(np.round(value, 3)) for name, value in constants._asdict().items()},
        "clock": _summarize_clock(clock),
        "deployed": served.because,
    }
    # Errors are clustered by week, because successive moments share most of their next day.
    weeks = ((times_s - test_from_s) // WEEK_S).astype(np.int64)
    breakdowns = {"NDCG@10 by part of the tested time": _by_time(measured, weeks)}
    return EvaluationResults(
        "trending", dataset.name, measured, FITTED, weeks, log.n_projects, facts, breakdowns=breakdowns
    )


class _Deployed(NamedTuple):
    """Clock and constants that training deploys, and the reason."""

    clock: ActivityClock
    constants: TrendConstants
    because: str


def _deployed(dataset: Dataset, since_s: float, until_s: float, seed: int, progress: Progress) -> _Deployed:
    shipped, constants = SHIPPED_TRENDS.clock, SHIPPED_TRENDS.constants[Window.DAY]
    try:
        trial = try_trends(dataset, since_s, until_s, SHIPPED_TRENDS, seed, progress)
    except InsufficientData as error:
        return _Deployed(shipped, constants, f"the shipped constants: {error}")
    won = f"on the last part of the fitted time, {trial.because}"
    if not trial.accepted:
        return _Deployed(shipped, constants, f"the shipped constants: {won}")
    return _Deployed(trial.clock, trial.constants, f"fitted constants: {won}")


def _windows(times: Floats, options: Options) -> tuple[Windows, float, float]:
    """Return the windows, and the start and end of the time to test on."""
    start_s, end_s = float(times[0]), float(times[-1])
    if options.windows is not None:
        windows = options.windows
        test_until_s = end_s if options.last_window else min(windows.test_until_s, end_s)
    else:
        cut_s, last_s = (start_s + share * (end_s - start_s) for share in (FITTED_SHARE, LAST_SHARE))
        windows, test_until_s = Windows(start_s, cut_s, last_s), end_s
    return windows, windows.test_until_s if options.last_window else windows.fit_until_s, test_until_s


def _by_time(measured: dict[str, RankingMetrics], weeks: Integers) -> Breakdown:
    """Divide the tested weeks into up to five parts of equal length."""
    parts = np.array_split(np.unique(weeks), 5)
    groups = {f"weeks {part[0] + 1} to {part[-1] + 1}": np.isin(weeks, part) for part in parts if part.size}
    return {
        label: {
            name: mean_and_error(measured[name].values[rows, 0], weeks[rows]) for name in (FITTED, DEPLOYED, SHIPPED)
        }
        for label, rows in groups.items()
    }


def _baselines(dataset: Dataset, history: LogEvidence, wall_moment: TrendMoment) -> dict[str, Floats]:
    log, at_s, projects = dataset.log, wall_moment.at_s, wall_moment.projects
    actors = history.actors(projects, at_s)
    age_h = np.maximum(at_s - dataset.created_s[projects], 0.0) / HOUR_S
    all_actors = log.count_by_project(at_s)[projects].astype(np.float64)
    likes, likes_before, views, views_before = (
        log_.count_by_project(at_s - days * DAY_S, at_s - (days + 1) * DAY_S)[projects]
        for log_ in (dataset.likes, log)
        for days in (0, 1)
    )
    return {
        SHIPPED: velocity.velocity_score(wall_moment.actors, wall_moment.age_h, DEFAULT_TREND_CONSTANTS[Window.DAY]),
        "actors 6 h − 0.6 log age": np.log(actors[:, 1] + 1e-9) - 0.6 * np.log(age_h + 2.0),
        "actors 6 h": actors[:, 1],
        "actors of 24 h": views.astype(np.float64),
        "Hacker News gravity": all_actors / (age_h + 2.0) ** 1.8,
        "Reddit hot": np.log10(np.maximum(all_actors, 1.0)) - age_h * HOUR_S / 45_000.0,
        "all-time actors": all_actors,
        "baseline velocity": velocity.baseline_velocity(likes, likes_before, views, views_before, age_h / 24.0),
    }


def _summarize_clock(clock: ActivityClock) -> str:
    if clock == UNIFORM_CLOCK:
        return "wall clock: too few events to fit another"
    rates = np.array(clock.rates).reshape(7, 24)
    busiest, quietest = (int(find(rates)) for find in (np.argmax, np.argmin))
    return f"{rates.max():.2f} in hour {busiest} of the week (UTC), {rates.min():.2f} in hour {quietest}"
