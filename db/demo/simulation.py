"""Simulation of sixty days of views, likes and dismissals.

A person visits on some days, at personal hours, and views a handful of projects in a row. Projects are drawn with
odds of taste x appeal x freshness, reduced for projects seen before. Likes, bookmarks, comments and clicks are drawn
from the views. Two projects have a scripted history: one takes off, one fades.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from db.demo.content import DEMO_VIEWERS
from db.demo.people import Person
from db.demo.projects import FADING, TAKING_OFF, affinities
from db.models import InteractionType
from db.records import InteractionRecord, ProjectRecord
from db.time_units import DAY_S, HOUR_S

DAYS = 60

BURST = timedelta(hours=6)
BURST_PEOPLE = 90
FADING_PEOPLE = 190
_QUIET_PEOPLE = 14
_FADING_PEAK_DAYS = 14.0
_FADING_SPREAD_DAYS = 1.7
_FADING_SILENT_DAYS = 5.5
_VISIT_HOURS = np.array([1, 3, 6, 7, 6, 5, 8, 9, 6, 5, 5, 6, 8, 10, 11, 9, 5, 2, 1, 0.5, 0.3, 0.3, 0.3, 0.5])
"""Relative frequency of visits by hour since the person's day began: breakfast, lunch and the evening."""

_WEEKEND = 0.75
_VIEWS_A_VISIT = 7.0
_PAUSE_S = 75.0
_DISMISSALS_A_VIEW = 0.018

_Floats = NDArray[np.float64]
_Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Views:
    """Views as parallel arrays: person, project, and seconds relative to the end (negative)."""

    person: _Integers
    project: _Integers
    at_s: _Floats


def make_interactions(
    people: Sequence[Person], projects: Sequence[ProjectRecord], now: datetime, rng: np.random.Generator
) -> tuple[InteractionRecord, ...]:
    """Simulate all interactions, in time order; none before its project was created, none after `now`."""
    fit = affinities(people, projects)
    appeal = np.minimum(rng.lognormal(0.0, 1.3, len(projects)), 10.0)
    created_s = np.array([_ago_s(project, now) for project in projects])
    odds = _odds(people, projects, fit, appeal)
    views = _ordinary_views(rng, people, odds, created_s, now)
    rows = _rows(views, InteractionType.VIEW) | _reactions(rng, views, fit, appeal)
    rows |= _dismissals(rng, views, np.where(odds > 0, (1 - fit) ** 2, 0.0), created_s)
    keys = [project.key for project in projects]
    taking_off, fading = keys.index(TAKING_OFF), keys.index(FADING)
    rows |= _scripted(rng, _taking_off(rng, people, projects[taking_off], taking_off), like=0.45)
    rows |= _scripted(rng, _fading(rng, people, projects[fading], fading), like=0.4)
    events = sorted((now + timedelta(seconds=at_s), u, p, type_) for u, p, type_, at_s in rows)
    return tuple(
        InteractionRecord(user=people[u].record.key, project=keys[p], type=type_, at=at) for at, u, p, type_ in events
    )


_Row = tuple[int, int, InteractionType, int]
"""Person, project, interaction type, and whole seconds relative to the end (negative)."""


def _ago_s(project: ProjectRecord, now: datetime) -> float:
    assert project.created_at is not None  # noqa: S101 (the demo's projects all have one)
    return (project.created_at - now).total_seconds()


def _odds(people: Sequence[Person], projects: Sequence[ProjectRecord], fit: _Floats, appeal: _Floats) -> _Floats:
    """Return the odds of each person viewing each project, before freshness; zero where it is impossible."""
    odds: _Floats = (0.03 + fit**2) * appeal
    for column, project in enumerate(projects):
        if project.private or project.key in (TAKING_OFF, FADING):
            odds[:, column] = 0
    for row, person in enumerate(people):
        odds[row, [project.owner == person.record.key for project in projects]] = 0
        if person.record.key == "narrow":
            odds[row, [project.categories[:1] != ("music",) for project in projects]] = 0
    archived = np.array([project.archived for project in projects])
    odds[:, archived] *= 0.5
    return odds


def _ordinary_views(
    rng: np.random.Generator, people: Sequence[Person], odds: _Floats, created_s: _Floats, now: datetime
) -> _Views:
    interest_left = np.ones_like(odds)
    parts: list[_Views] = []
    for day in range(DAYS):
        start_s = (day - DAYS) * DAY_S
        today = odds * interest_left * _freshness(created_s, start_s)
        counts = _views_today(rng, people, day, now + timedelta(seconds=start_s + DAY_S / 2))
        part = _one_day(rng, people, counts, today, created_s, start_s, now)
        interest_left[part.person, part.project] *= 0.12  # people return to a project, but not often
        parts.append(part)
    columns = zip(*((part.person, part.project, part.at_s) for part in parts), strict=True)
    return _Views(*(np.concatenate(column) for column in columns))


def _freshness(created_s: _Floats, start_s: float) -> _Floats:
    """Return the advantage of new projects, which wears off in days; zero for a project that does not exist yet."""
    age_days = np.maximum(start_s + DAY_S - created_s, 0) / DAY_S
    part_of_day = np.minimum(age_days, 1.0)
    freshness: _Floats = part_of_day * (0.3 + 1.8 * np.exp(-age_days / 5) + 0.8 * np.exp(-age_days / 30))
    return freshness


def _views_today(rng: np.random.Generator, people: Sequence[Person], day: int, date: datetime) -> _Integers:
    rate = np.array([person.views for person in people]) / DAYS
    growth = 0.85 + 0.3 * day / DAYS  # the community grows by a third in the two months
    rate = rate * growth * (_WEEKEND if date.weekday() >= 5 else 1.08)
    # People with few views make short visits rather than none for weeks on end.
    comes = np.clip(rate / _VIEWS_A_VISIT, 0.12, 0.95)
    return np.where(rng.random(len(people)) < comes, rng.poisson(rate / comes), 0)


def _one_day(
    rng: np.random.Generator,
    people: Sequence[Person],
    counts: _Integers,
    odds: _Floats,
    created_s: _Floats,
    start_s: float,
    now: datetime,
) -> _Views:
    persons, chosen, times = [], [], []
    cumulative = np.cumsum(odds, axis=1)
    hour = (now + timedelta(seconds=start_s)).hour
    for row in np.flatnonzero(counts):
        total = cumulative[row, -1]
        if total <= 0:
            continue
        draws = np.searchsorted(cumulative[row], rng.random(counts[row]) * total, side="right")
        unique = rng.permutation(np.unique(draws))
        persons.append(np.full(len(unique), row))
        chosen.append(unique)
        times.append(start_s + _visit(rng, people[int(row)].day_starts - hour, len(unique)))
    project, at_s = np.concatenate(chosen), np.concatenate(times)
    # A project created today is viewed at some time between its creation and the end of the day.
    late = created_s[project] + rng.uniform(0.05, 0.9, len(project)) * (start_s + DAY_S - created_s[project])
    return _Views(np.concatenate(persons), project, np.where(at_s <= created_s[project], late, at_s))


def _visit(rng: np.random.Generator, day_starts_in: int, count: int) -> _Floats:
    """Return the seconds since the window's start of one visit's views."""
    hour = day_starts_in + int(rng.choice(24, p=_VISIT_HOURS / _VISIT_HOURS.sum()))
    first_s = (hour % 24 + rng.random()) * HOUR_S
    at_s: _Floats = first_s + np.cumsum(rng.exponential(_PAUSE_S, count))
    return at_s - max(0.0, float(at_s[-1]) - DAY_S + 120)


def _rows(
    views: _Views, type_: InteractionType, where: NDArray[np.bool_] | None = None, later_s: float = 0
) -> set[_Row]:
    where = np.ones(len(views.person), dtype=bool) if where is None else where
    at_s = np.minimum(np.floor(views.at_s[where]) + later_s, -1).astype(int)
    return {
        (int(u), int(p), type_, int(at))
        for u, p, at in zip(views.person[where], views.project[where], at_s, strict=True)
    }


def _reactions(rng: np.random.Generator, views: _Views, fit: _Floats, appeal: _Floats) -> set[_Row]:
    """Draw the reactions to views; at most one like and one save for each pair."""
    suits = fit[views.person, views.project]
    quality = np.clip(0.75 + 0.25 * np.log(appeal[views.project]), 0.4, 1.25)
    first = np.zeros(len(suits), dtype=bool)
    first[np.unique(np.stack([views.person, views.project]), axis=1, return_index=True)[1]] = True
    chance = rng.random((4, len(suits)))
    likes = first & (chance[0] < np.clip(0.05 + 0.58 * suits * quality, 0, 0.7))
    rows = _rows(views, InteractionType.LIKE, likes, 40)
    rows |= _rows(views, InteractionType.SAVE, first & (chance[1] < 0.01 + 0.06 * suits), 25)
    rows |= _rows(views, InteractionType.CLICK, chance[2] < 0.08 + 0.12 * suits, 15)
    rows |= _rows(views, InteractionType.COMMENT, likes & (chance[3] < 0.08), 90)
    return rows


def _dismissals(rng: np.random.Generator, views: _Views, dislike: _Floats, created_s: _Floats) -> set[_Row]:
    """Let people dismiss, during their visits, projects that suit them badly and that they never viewed."""
    dislike = dislike.copy()
    dislike[views.person, views.project] = 0
    rows: set[_Row] = set()
    for i in rng.choice(len(views.person), int(_DISMISSALS_A_VIEW * len(views.person)), replace=False):
        person, at_s = int(views.person[i]), float(views.at_s[i]) + 20
        odds = dislike[person] * (created_s < at_s - 600)
        if odds.sum() > 0:
            project = int(rng.choice(len(odds), p=odds / odds.sum()))
            dislike[person, project] = 0
            rows.add((person, project, InteractionType.DISMISS, min(int(at_s), -1)))
    return rows


def _sample(rng: np.random.Generator, people: Sequence[Person], project: ProjectRecord, count: int) -> _Integers:
    """Choose people, frequent visitors more often, and no demo viewer, so that the project is new to those."""
    excluded = {viewer.key for viewer in DEMO_VIEWERS} | {project.owner}
    odds = np.array([0.0 if person.record.key in excluded else person.views**0.5 for person in people])
    return rng.choice(len(people), count, replace=False, p=odds / odds.sum())


def _taking_off(rng: np.random.Generator, people: Sequence[Person], project: ProjectRecord, column: int) -> _Views:
    """Make a few views over weeks, then a burst in the last six hours, denser towards the end."""
    viewers = _sample(rng, people, project, _QUIET_PEOPLE + BURST_PEOPLE)
    quiet_s = -rng.uniform(1.0, 32.0, _QUIET_PEOPLE) * DAY_S
    burst_s = -(1 - rng.beta(2.5, 1.0, BURST_PEOPLE)) * BURST.total_seconds() * 0.98 - 100
    return _Views(viewers, np.full(len(viewers), column), np.concatenate([quiet_s, burst_s]))


def _fading(rng: np.random.Generator, people: Sequence[Person], project: ProjectRecord, column: int) -> _Views:
    """Make a peak two weeks ago, and no view in the last days."""
    viewers = _sample(rng, people, project, FADING_PEOPLE)
    days_ago = rng.normal(_FADING_PEAK_DAYS, _FADING_SPREAD_DAYS, FADING_PEOPLE)
    return _Views(viewers, np.full(len(viewers), column), -np.clip(days_ago, _FADING_SILENT_DAYS, 30.0) * DAY_S)


def _scripted(rng: np.random.Generator, views: _Views, like: float) -> set[_Row]:
    chance = rng.random((3, len(views.person)))
    rows = _rows(views, InteractionType.VIEW)
    rows |= _rows(views, InteractionType.LIKE, chance[0] < like, 40)
    rows |= _rows(views, InteractionType.CLICK, chance[1] < 0.35, 15)
    rows |= _rows(views, InteractionType.SAVE, chance[2] < 0.1, 25)
    return rows
