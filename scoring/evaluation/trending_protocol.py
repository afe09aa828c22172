"""The trending protocol: rank what exists at many moments, and see whom the next day brings to what.

Moments are 17 h apart in the last 40 % of the log's time; quiet ones, after which fewer than 7 people come, are left
out. Clock and constants are fitted on the 60 % before. How the figures move with the reading: docs/ranking.md.
"""

from dataclasses import asdict

import numpy as np

from db.interactions.activity_time import UNIFORM_CLOCK, ActivityClock
from scoring.errors import InsufficientData
from scoring.evaluation.results import EvaluationResults, RankingMetrics
from scoring.mathematics import velocity
from scoring.mathematics.behavior_evidence import DAY_S, HOUR_S, EventLog, LogEvidence
from scoring.mathematics.signals import Floats, Integers
from scoring.mathematics.velocity import DEFAULT_TREND_CONSTANTS, Window
from scoring.replay.dataset import Dataset
from scoring.replay.replayed_requests import Progress
from scoring.training.trend_fitting import EVERY_S, TrendMoment, fit_clock, fit_trend_constants, trend_moments

OURS = "ours, fitted on the time before"
SHIPPED = "ours, as shipped"
FITTED_SHARE = 0.6
"""The first share of the time is fitted on, the rest is tested on."""


def evaluate_trending(dataset: Dataset, progress: Progress) -> EvaluationResults:
    """Rank by events before each moment; the truth is the distinct people of the next 24 h (graded NDCG@10).

    Raises
    ------
    InsufficientData
        If there are no times, or no moment after which enough people come.
    """
    if not dataset.has_times:
        raise InsufficientData(f"{dataset.name} has no times; the protocol trending needs them, `random` does not")
    log = dataset.log
    times = log.at_s[log.at_s > 0]
    cut = times[0] + FITTED_SHARE * (times[-1] - times[0])
    clock = fit_clock(times[times < cut])
    constants = fit_trend_constants(
        trend_moments(log, dataset.created_s, clock, grid(times[0] + 8 * DAY_S, cut), DAY_S)
    )
    tested = trend_moments(log, dataset.created_s, clock, grid(cut, times[-1]), DAY_S)
    if not tested:
        raise InsufficientData(
            f"{dataset.name} spans {(times[-1] - times[0]) / DAY_S:.1f} days; trending needs at least 5"
        )
    flat = trend_moments(log, dataset.created_s, UNIFORM_CLOCK, grid(cut, times[-1]), DAY_S)
    history = LogEvidence(log, dataset.created_s, dataset.owners)
    measured: dict[str, RankingMetrics] = {}
    for index, (busy, wall) in enumerate(zip(tested, flat, strict=True)):
        ways = {OURS: velocity.velocity_score(busy.people, busy.age_h, constants), **_others(dataset, history, wall)}
        for name, scores in ways.items():
            measured.setdefault(name, RankingMetrics()).add_graded(
                scores, busy.next_people, busy.projects, busy.next_people
            )
        progress("moments", (index + 1) / len(tested))
    facts = {"moments": len(tested), "constants": asdict(constants), "clock": _told(clock)}
    # Neighboring moments look at much the same day, so errors are clustered by week.
    weeks = np.array([int((one.at_s - cut) // (7 * DAY_S)) for one in tested])
    return EvaluationResults("trending", dataset.name, measured, OURS, weeks, dataset.projects.size, facts)


def grid(since_s: float, until_s: float) -> Floats:
    """Give the moments of a span whose next 24 h lie in it."""
    return np.arange(since_s, until_s - DAY_S, EVERY_S)


def _others(dataset: Dataset, history: LogEvidence, wall: TrendMoment) -> dict[str, Floats]:
    log, at_s, projects = dataset.log, wall.at_s, wall.projects
    people = history.actors(projects, at_s)
    age_h = np.maximum(at_s - dataset.created_s[projects], 0.0) / HOUR_S
    day = _between(log, at_s - DAY_S, at_s)[projects]
    everyone = _between(log, -np.inf, at_s)[projects]
    likes = [_between(dataset.likes, at_s - (n + 1) * DAY_S, at_s - n * DAY_S)[projects] for n in (0, 1)]
    before = _between(log, at_s - 2 * DAY_S, at_s - DAY_S)[projects]
    return {
        SHIPPED: velocity.velocity_score(wall.people, wall.age_h, DEFAULT_TREND_CONSTANTS[Window.DAY]),
        "people 6 h − 0.6 log age": np.log(people[:, 1] + 1e-9) - 0.6 * np.log(age_h + 2.0),
        "people 6 h": people[:, 1],
        "people of 24 h": day,
        "Hacker News gravity": everyone / (age_h + 2.0) ** 1.8,
        "Reddit hot": np.log10(np.maximum(everyone, 1.0)) - age_h * HOUR_S / 45_000.0,
        "all-time people": everyone,
        "the plan's velocity": velocity.baseline_velocity(
            _whole(likes[0]), _whole(likes[1]), _whole(day), _whole(before), age_h / 24.0
        ),
    }


def _between(log: EventLog, since_s: float, until_s: float) -> Floats:
    part = slice(log.before(since_s), log.before(until_s))
    return np.bincount(log.projects[part], minlength=log.n_projects).astype(np.float64)


def _whole(counts: Floats) -> Integers:
    return counts.astype(np.int64)


def _told(clock: ActivityClock) -> str:
    if clock == UNIFORM_CLOCK:
        return "the wall's: too few events to fit one"
    rates = np.array(clock.rates).reshape(7, 24)
    busiest, quietest = (int(find(rates)) for find in (np.argmax, np.argmin))
    return f"{rates.max():.2f} in hour {busiest} of the week (UTC), {rates.min():.2f} in hour {quietest}"
