"""Simulation of 60 days of views, likes and dismissals.

On some days, at personal hours, a user visits and views several projects in a row. Projects are drawn with odds of
taste x appeal x freshness, reduced for projects viewed before. Likes, bookmarks, comments and clicks are drawn from the
views. Two projects have a scripted history: one takes off, one fades.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from db.demo.content import DEMO_VIEWERS
from db.demo.projects import FADING, TAKING_OFF, affinities
from db.demo.users import SimulatedUser
from db.models import InteractionType
from db.records import InteractionRecord, ProjectRecord
from db.time_units import DAY_S, HOUR_S

DAYS = 60

BURST = timedelta(hours=6)
BURST_USERS = 90
FADING_USERS = 190
_QUIET_USERS = 14
_FADING_PEAK_DAYS = 14.0
_FADING_SPREAD_DAYS = 1.7
_FADING_SILENT_DAYS = 5.5
_VISIT_HOURS = np.array([1, 3, 6, 7, 6, 5, 8, 9, 6, 5, 5, 6, 8, 10, 11, 9, 5, 2, 1, 0.5, 0.3, 0.3, 0.3, 0.5])
"""Relative frequency of visits by hour since the user's day began, with peaks in the morning, at noon and at night."""

_WEEKEND = 0.75
_VIEWS_PER_VISIT = 7.0
_PAUSE_S = 75.0
_DISMISSALS_PER_VIEW = 0.018

_Floats = NDArray[np.float64]
_Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Views:
    """Views as parallel arrays: row of the user, column of the project, and seconds relative to the end (negative)."""

    user: _Integers
    project: _Integers
    at_s: _Floats


def make_interactions(
    users: Sequence[SimulatedUser], projects: Sequence[ProjectRecord], now: datetime, rng: np.random.Generator
) -> tuple[InteractionRecord, ...]:
    """Simulate all interactions, sorted by time: after the creation of the project, and not after `now`."""
    fit = affinities(users, projects)
    appeal = np.minimum(rng.lognormal(0.0, 1.3, len(projects)), 10.0)
    created_s = np.array([_creation_offset_s(project, now) for project in projects])
    odds = _view_odds(users, projects, fit, appeal)
    views = _simulate_views(rng, users, odds, created_s, now)
    rows = _to_events(views, InteractionType.VIEW) | _draw_reactions(rng, views, fit, appeal)
    rows |= _draw_dismissals(rng, views, np.where(odds > 0, (1 - fit) ** 2, 0.0), created_s)
    keys = [project.key for project in projects]
    taking_off, fading = keys.index(TAKING_OFF), keys.index(FADING)
    rows |= _scripted_events(
        rng, _taking_off_views(rng, users, projects[taking_off], taking_off), like_probability=0.45
    )
    rows |= _scripted_events(rng, _fading_views(rng, users, projects[fading], fading), like_probability=0.4)
    events = sorted((now + timedelta(seconds=at_s), u, p, type_) for u, p, type_, at_s in rows)
    return tuple(
        InteractionRecord(user=users[u].record.key, project=keys[p], type=type_, at=at) for at, u, p, type_ in events
    )


_Event = tuple[int, int, InteractionType, int]
"""User, project, interaction type, and whole seconds relative to the end (negative)."""


def _creation_offset_s(project: ProjectRecord, now: datetime) -> float:
    assert project.created_at is not None  # noqa: S101 (all projects of the demo have one)
    return (project.created_at - now).total_seconds()


def _view_odds(
    users: Sequence[SimulatedUser], projects: Sequence[ProjectRecord], fit: _Floats, appeal: _Floats
) -> _Floats:
    """Return the odds, without freshness, that each user (row) views each project (column); 0 if impossible."""
    odds: _Floats = (0.03 + fit**2) * appeal
    for column, project in enumerate(projects):
        if project.private or project.key in (TAKING_OFF, FADING):
            odds[:, column] = 0
    for row, user in enumerate(users):
        odds[row, [project.owner == user.record.key for project in projects]] = 0
        if user.record.key == "narrow":
            odds[row, [project.categories[:1] != ("music",) for project in projects]] = 0
    archived = np.array([project.archived for project in projects])
    odds[:, archived] *= 0.5
    return odds


def _simulate_views(
    rng: np.random.Generator, users: Sequence[SimulatedUser], odds: _Floats, created_s: _Floats, now: datetime
) -> _Views:
    interest_left = np.ones_like(odds)
    days: list[_Views] = []
    for day in range(DAYS):
        start_s = (day - DAYS) * DAY_S
        today = odds * interest_left * _freshness(created_s, start_s)
        counts = _views_today(rng, users, day, now + timedelta(seconds=start_s + DAY_S / 2))
        day_views = _simulate_day(rng, users, counts, today, created_s, start_s, now)
        interest_left[day_views.user, day_views.project] *= 0.12  # users seldom return to a project
        days.append(day_views)
    columns = zip(*((day_views.user, day_views.project, day_views.at_s) for day_views in days), strict=True)
    return _Views(*(np.concatenate(column) for column in columns))


def _freshness(created_s: _Floats, start_s: float) -> _Floats:
    """Return the factor of each project on one day: high for new projects, 0 for projects not created yet."""
    age_days = np.maximum(start_s + DAY_S - created_s, 0) / DAY_S
    part_of_day = np.minimum(age_days, 1.0)
    freshness: _Floats = part_of_day * (0.3 + 1.8 * np.exp(-age_days / 5) + 0.8 * np.exp(-age_days / 30))
    return freshness


def _views_today(rng: np.random.Generator, users: Sequence[SimulatedUser], day: int, date: datetime) -> _Integers:
    rate = np.array([user.views for user in users]) / DAYS
    growth = 0.85 + 0.3 * day / DAYS  # activity grows by a third in 60 days
    rate = rate * growth * (_WEEKEND if date.weekday() >= 5 else 1.08)
    # Users with few views make short visits instead of no visit for weeks.
    visit_probability = np.clip(rate / _VIEWS_PER_VISIT, 0.12, 0.95)
    return np.where(rng.random(len(users)) < visit_probability, rng.poisson(rate / visit_probability), 0)


def _simulate_day(
    rng: np.random.Generator,
    users: Sequence[SimulatedUser],
    counts: _Integers,
    odds: _Floats,
    created_s: _Floats,
    start_s: float,
    now: datetime,
) -> _Views:
    users_of_views, viewed, times = [], [], []
    cumulative = np.cumsum(odds, axis=1)
    hour = (now + timedelta(seconds=start_s)).hour
    for row in np.flatnonzero(counts):
        total = cumulative[row, -1]
        if total <= 0:
            continue
        columns = np.searchsorted(cumulative[row], rng.random(counts[row]) * total, side="right")
        unique = rng.permutation(np.unique(columns))
        users_of_views.append(np.full(len(unique), row))
        viewed.append(unique)
        times.append(start_s + _visit_times(rng, users[int(row)].day_starts - hour, len(unique)))
    project, at_s = np.concatenate(viewed), np.concatenate(times)
    # Move views before the creation of a project to a time between its creation and the end of the day.
    late = created_s[project] + rng.uniform(0.05, 0.9, len(project)) * (start_s + DAY_S - created_s[project])
    return _Views(np.concatenate(users_of_views), project, np.where(at_s <= created_s[project], late, at_s))


def _visit_times(rng: np.random.Generator, day_start_offset_h: int, count: int) -> _Floats:
    """Return the times of the views of one visit, in seconds since the start of the simulated day."""
    hour = day_start_offset_h + int(rng.choice(24, p=_VISIT_HOURS / _VISIT_HOURS.sum()))
    first_s = (hour % 24 + rng.random()) * HOUR_S
    at_s: _Floats = first_s + np.cumsum(rng.exponential(_PAUSE_S, count))
    return at_s - max(0.0, float(at_s[-1]) - DAY_S + 120)


def _to_events(
    views: _Views, type_: InteractionType, mask: NDArray[np.bool_] | None = None, delay_s: float = 0
) -> set[_Event]:
    mask = np.ones(len(views.user), dtype=bool) if mask is None else mask
    at_s = np.minimum(np.floor(views.at_s[mask]) + delay_s, -1).astype(int)
    return {
        (int(u), int(p), type_, int(at)) for u, p, at in zip(views.user[mask], views.project[mask], at_s, strict=True)
    }


def _draw_reactions(rng: np.random.Generator, views: _Views, fit: _Floats, appeal: _Floats) -> set[_Event]:
    """Draw the reactions to views: at most one like and one save for each user and project."""
    fits = fit[views.user, views.project]
    quality = np.clip(0.75 + 0.25 * np.log(appeal[views.project]), 0.4, 1.25)
    is_first = np.zeros(len(fits), dtype=bool)
    is_first[np.unique(np.stack([views.user, views.project]), axis=1, return_index=True)[1]] = True
    draws = rng.random((4, len(fits)))
    likes = is_first & (draws[0] < np.clip(0.05 + 0.58 * fits * quality, 0, 0.7))
    rows = _to_events(views, InteractionType.LIKE, likes, 40)
    rows |= _to_events(views, InteractionType.SAVE, is_first & (draws[1] < 0.01 + 0.06 * fits), 25)
    rows |= _to_events(views, InteractionType.CLICK, draws[2] < 0.08 + 0.12 * fits, 15)
    rows |= _to_events(views, InteractionType.COMMENT, likes & (draws[3] < 0.08), 90)
    return rows


def _draw_dismissals(rng: np.random.Generator, views: _Views, dislike: _Floats, created_s: _Floats) -> set[_Event]:
    """Draw dismissals during visits: of projects that fit the user badly and that the user never viewed."""
    dislike = dislike.copy()
    dislike[views.user, views.project] = 0
    rows: set[_Event] = set()
    for i in rng.choice(len(views.user), int(_DISMISSALS_PER_VIEW * len(views.user)), replace=False):
        user, at_s = int(views.user[i]), float(views.at_s[i]) + 20
        odds = dislike[user] * (created_s < at_s - 600)
        if odds.sum() > 0:
            project = int(rng.choice(len(odds), p=odds / odds.sum()))
            dislike[user, project] = 0
            rows.add((user, project, InteractionType.DISMISS, min(int(at_s), -1)))
    return rows


def _draw_users(
    rng: np.random.Generator, users: Sequence[SimulatedUser], project: ProjectRecord, count: int
) -> _Integers:
    """Draw users, frequent visitors more often. Demo viewers are excluded, so that the project is new to them."""
    excluded = {viewer.key for viewer in DEMO_VIEWERS} | {project.owner}
    odds = np.array([0.0 if user.record.key in excluded else user.views**0.5 for user in users])
    return rng.choice(len(users), count, replace=False, p=odds / odds.sum())


def _taking_off_views(
    rng: np.random.Generator, users: Sequence[SimulatedUser], project: ProjectRecord, column: int
) -> _Views:
    """Return a few views over weeks, then a burst in the last six hours, denser towards the end."""
    viewers = _draw_users(rng, users, project, _QUIET_USERS + BURST_USERS)
    quiet_s = -rng.uniform(1.0, 32.0, _QUIET_USERS) * DAY_S
    burst_s = -(1 - rng.beta(2.5, 1.0, BURST_USERS)) * BURST.total_seconds() * 0.98 - 100
    return _Views(viewers, np.full(len(viewers), column), np.concatenate([quiet_s, burst_s]))


def _fading_views(
    rng: np.random.Generator, users: Sequence[SimulatedUser], project: ProjectRecord, column: int
) -> _Views:
    """Return views with a peak two weeks ago, and none in the last days."""
    viewers = _draw_users(rng, users, project, FADING_USERS)
    days_ago = rng.normal(_FADING_PEAK_DAYS, _FADING_SPREAD_DAYS, FADING_USERS)
    return _Views(viewers, np.full(len(viewers), column), -np.clip(days_ago, _FADING_SILENT_DAYS, 30.0) * DAY_S)


def _scripted_events(rng: np.random.Generator, views: _Views, like_probability: float) -> set[_Event]:
    draws = rng.random((3, len(views.user)))
    rows = _to_events(views, InteractionType.VIEW)
    rows |= _to_events(views, InteractionType.LIKE, draws[0] < like_probability, 40)
    rows |= _to_events(views, InteractionType.CLICK, draws[1] < 0.35, 15)
    rows |= _to_events(views, InteractionType.SAVE, draws[2] < 0.1, 25)
    return rows
