"""The trending protocol: rankings of the existing projects at many moments, graded by the actors of the next day.

Moments are 17 h apart in the last 40 % of the log's time. Moments with fewer than 7 actors in the next day are left
out. Clock and constants are fitted on the first 60 %. docs/ranking.md has the figures for other choices.
"""

import numpy as np

from db.interactions.activity_time import UNIFORM_CLOCK, ActivityClock
from db.time_units import DAY_S, HOUR_S, WEEK_S
from scoring.errors import InsufficientData
from scoring.evaluation.results import EvaluationResults
from scoring.mathematics import velocity
from scoring.mathematics.behavior_evidence import LogEvidence
from scoring.mathematics.signals import Floats
from scoring.mathematics.velocity import DEFAULT_TREND_CONSTANTS, Window
from scoring.replay.dataset import Dataset
from scoring.replay.measurements import RankingMetrics
from scoring.replay.replayed_requests import Progress
from scoring.training.trend_fitting import (
    FITTED_SHARE,
    WARM_UP_S,
    TrendMoment,
    burst_weights,
    fit_clock,
    fit_trend_constants,
    moments_between,
    trend_moments,
)

FITTED = "velocity, fitted on the time before"
SHIPPED = "velocity, with the shipped constants"
CAPPED = "the same, with the cap of bursts"


def evaluate_trending(dataset: Dataset, progress: Progress) -> EvaluationResults:
    """Rank by the events before each moment. A project's grade is its number of actors in the next 24 h.

    Raises `InsufficientData` if there are no times, or no moment with enough actors after it.
    """
    log, created_s, times = dataset.log, dataset.created_s, dataset.known_times("trending")
    cut = times[0] + FITTED_SHARE * (times[-1] - times[0])
    clock = fit_clock(times[times < cut])
    constants = fit_trend_constants(moments_between(dataset, clock, times[0] + WARM_UP_S, cut))
    tested = moments_between(dataset, clock, cut, times[-1])
    if not tested:
        raise InsufficientData(
            f"{dataset.name} spans {(times[-1] - times[0]) / DAY_S:.1f} days; trending needs at least 5"
        )
    times_s = np.array([moment.at_s for moment in tested])
    by_wall_clock = trend_moments(log, created_s, UNIFORM_CLOCK, times_s, DAY_S)
    capped = trend_moments(log, created_s, UNIFORM_CLOCK, times_s, DAY_S, burst_weights(log))
    history = LogEvidence(log, created_s, dataset.owners)
    measured: dict[str, RankingMetrics] = {}
    for index, (moment, wall_moment, capped_moment) in enumerate(zip(tested, by_wall_clock, capped, strict=True)):
        rankings = {
            FITTED: velocity.velocity_score(moment.actors, moment.age_h, constants),
            CAPPED: velocity.velocity_score(capped_moment.actors, capped_moment.age_h),
            **_baselines(dataset, history, wall_moment),
        }
        for name, scores in rankings.items():
            measured.setdefault(name, RankingMetrics()).add_graded(
                scores, moment.future_actors, moment.projects, moment.future_actors
            )
        progress("moments", (index + 1) / len(tested))
    facts = {"moments": len(tested), "constants": constants._asdict(), "clock": _summarize_clock(clock)}
    # Errors are clustered by week, because successive moments share most of their next day.
    weeks = ((times_s - cut) // WEEK_S).astype(np.int64)
    return EvaluationResults("trending", dataset.name, measured, FITTED, weeks, log.n_projects, facts)


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
