"""The trending protocol: rank what exists at many moments, and see whom the next day brings to what."""

import numpy as np

from scoring import velocity
from scoring.errors import NotEvaluable
from scoring.evaluation.dataset import Dataset
from scoring.evaluation.lists import Progress
from scoring.evaluation.results import Measured, Results
from scoring.history import DAY_S, HOUR_S, EventLog, LogHistory
from scoring.signals import Floats, Integers

OURS = "ours: the trending feed's own score"
EVERY_S = 17 * HOUR_S
"""Moments stand 17 h apart, so that they come at all hours."""
TESTED_SHARE = 0.4
"""The last share of the events is tested on; constants may be fitted on what is before."""


def evaluate_trending(dataset: Dataset, progress: Progress) -> Results:
    """Rank by events before each moment; the truth is the distinct people of the next 24 h (graded NDCG@10)."""
    if not dataset.has_times:
        raise NotEvaluable(f"{dataset.name} has no times; the protocol trending needs them, `random` does not")
    log = dataset.log
    times = log.at_s[log.at_s > 0]
    start = times[int((1.0 - TESTED_SHARE) * times.size)]
    moments = np.arange(start, times[-1] - DAY_S, EVERY_S)
    if not moments.size:
        raise NotEvaluable(f"{dataset.name} spans {(times[-1] - times[0]) / DAY_S:.1f} days; trending needs at least 3")
    history = LogHistory(log, dataset.created_s, dataset.owners)
    measured: dict[str, Measured] = {}
    for index, at_s in enumerate(moments.tolist()):
        projects = np.flatnonzero(dataset.created_s < at_s)
        came = _between(log, at_s, at_s + DAY_S)[projects]
        for name, scores in _scores(dataset, history, projects, at_s).items():
            measured.setdefault(name, Measured()).add_graded(scores, came, projects, came)
        progress("moments", (index + 1) / moments.size)
    facts = {"moments": int(moments.size)}
    return Results("trending", dataset.name, measured, OURS, np.arange(moments.size), dataset.projects.size, facts)


def _scores(dataset: Dataset, history: LogHistory, projects: Integers, at_s: float) -> dict[str, Floats]:
    log = dataset.log
    people = history.people(projects, at_s)
    age_h = np.maximum(at_s - dataset.created_s[projects], 0.0) / HOUR_S
    day = _between(log, at_s - DAY_S, at_s)[projects]
    everyone = _between(log, -np.inf, at_s)[projects]
    likes = [_between(dataset.likes, at_s - (n + 1) * DAY_S, at_s - n * DAY_S)[projects] for n in (0, 1)]
    before = _between(log, at_s - 2 * DAY_S, at_s - DAY_S)[projects]
    return {
        OURS: velocity.ours(people, age_h),
        "people 6 h − 0.6 log age": np.log(people[:, 1] + 1e-9) - 0.6 * np.log(age_h + 2.0),
        "people 6 h": people[:, 1],
        "people of 24 h": day,
        "Hacker News gravity": (everyone - 1.0) / (age_h + 2.0) ** 1.8,
        "all-time people": everyone,
        "the plan's velocity": velocity.plans(*_whole(likes[0], likes[1], day, before), age_h / 24.0),
    }


def _between(log: EventLog, since_s: float, until_s: float) -> Floats:
    part = slice(log.before(since_s), log.before(until_s))
    return np.bincount(log.projects[part], minlength=log.n_projects).astype(np.float64)


def _whole(
    first: Floats, second: Floats, third: Floats, fourth: Floats
) -> tuple[Integers, Integers, Integers, Integers]:
    return first.astype(np.int64), second.astype(np.int64), third.astype(np.int64), fourth.astype(np.int64)
