"""The trending protocol: rank what exists at many moments, and see whom the next day brings to what.

Moments are 17 h apart in the last 40 % of the log's time; quiet ones, after which fewer than 7 people come, are left
out. Clock and constants are fitted on the 60 % before. How the figures move with the reading: docs/ranking.md.
"""

from dataclasses import asdict

import numpy as np

from db.activity.busy import FLAT, Clock
from scoring import velocity
from scoring.crowd.history import DAY_S, HOUR_S, EventLog, LogHistory
from scoring.errors import NotEvaluable
from scoring.evaluation.dataset import Dataset
from scoring.evaluation.lists import Progress
from scoring.evaluation.results import Measured, Results
from scoring.signals import Floats, Integers
from scoring.training.trends import EVERY_S, Moment, fit, fit_clock, moments
from scoring.velocity import CONSTANTS, Window

OURS = "ours, fitted on the time before"
SHIPPED = "ours, as shipped"
FITTED_SHARE = 0.6
"""The first share of the time is fitted on, the rest is tested on."""


def evaluate_trending(dataset: Dataset, progress: Progress) -> Results:
    """Rank by events before each moment; the truth is the distinct people of the next 24 h (graded NDCG@10).

    Raises
    ------
    NotEvaluable
        If there are no times, or no moment after which enough people come.
    """
    if not dataset.has_times:
        raise NotEvaluable(f"{dataset.name} has no times; the protocol trending needs them, `random` does not")
    log = dataset.log
    times = log.at_s[log.at_s > 0]
    cut = times[0] + FITTED_SHARE * (times[-1] - times[0])
    clock = fit_clock(times[times < cut])
    constants = fit(moments(log, dataset.created_s, clock, grid(times[0] + 8 * DAY_S, cut), DAY_S))
    tested = moments(log, dataset.created_s, clock, grid(cut, times[-1]), DAY_S)
    if not tested:
        raise NotEvaluable(f"{dataset.name} spans {(times[-1] - times[0]) / DAY_S:.1f} days; trending needs at least 5")
    flat = moments(log, dataset.created_s, FLAT, grid(cut, times[-1]), DAY_S)
    history = LogHistory(log, dataset.created_s, dataset.owners)
    measured: dict[str, Measured] = {}
    for index, (busy, wall) in enumerate(zip(tested, flat, strict=True)):
        ways = {OURS: velocity.ours(busy.people, busy.age_h, constants), **_others(dataset, history, wall)}
        for name, scores in ways.items():
            measured.setdefault(name, Measured()).add_graded(scores, busy.came, busy.projects, busy.came)
        progress("moments", (index + 1) / len(tested))
    facts = {"moments": len(tested), "constants": asdict(constants), "clock": _told(clock)}
    # Neighbouring moments look at much the same day, so errors are clustered by week.
    weeks = np.array([int((one.at_s - cut) // (7 * DAY_S)) for one in tested])
    return Results("trending", dataset.name, measured, OURS, weeks, dataset.projects.size, facts)


def grid(since_s: float, until_s: float) -> Floats:
    """Give the moments of a span whose next 24 h lie in it."""
    return np.arange(since_s, until_s - DAY_S, EVERY_S)


def _others(dataset: Dataset, history: LogHistory, wall: Moment) -> dict[str, Floats]:
    log, at_s, projects = dataset.log, wall.at_s, wall.projects
    people = history.people(projects, at_s)
    age_h = np.maximum(at_s - dataset.created_s[projects], 0.0) / HOUR_S
    day = _between(log, at_s - DAY_S, at_s)[projects]
    everyone = _between(log, -np.inf, at_s)[projects]
    likes = [_between(dataset.likes, at_s - (n + 1) * DAY_S, at_s - n * DAY_S)[projects] for n in (0, 1)]
    before = _between(log, at_s - 2 * DAY_S, at_s - DAY_S)[projects]
    return {
        SHIPPED: velocity.ours(wall.people, wall.age_h, CONSTANTS[Window.DAY]),
        "people 6 h − 0.6 log age": np.log(people[:, 1] + 1e-9) - 0.6 * np.log(age_h + 2.0),
        "people 6 h": people[:, 1],
        "people of 24 h": day,
        "Hacker News gravity": everyone / (age_h + 2.0) ** 1.8,
        "Reddit hot": np.log10(np.maximum(everyone, 1.0)) - age_h * HOUR_S / 45_000.0,
        "all-time people": everyone,
        "the plan's velocity": velocity.plans(
            _whole(likes[0]), _whole(likes[1]), _whole(day), _whole(before), age_h / 24.0
        ),
    }


def _between(log: EventLog, since_s: float, until_s: float) -> Floats:
    part = slice(log.before(since_s), log.before(until_s))
    return np.bincount(log.projects[part], minlength=log.n_projects).astype(np.float64)


def _whole(counts: Floats) -> Integers:
    return counts.astype(np.int64)


def _told(clock: Clock) -> str:
    if clock == FLAT:
        return "the wall's: too few events to fit one"
    rates = np.array(clock.rates).reshape(7, 24)
    busiest, quietest = (int(find(rates)) for find in (np.argmax, np.argmin))
    return f"{rates.max():.2f} in hour {busiest} of the week (UTC), {rates.min():.2f} in hour {quietest}"
