"""Simulation of 60 days of views, likes and dismissals.

On some days, at personal hours, a user visits and views several projects in a row. Projects are drawn with odds of
taste x appeal x freshness, reduced for projects viewed before. Likes, saves, comments and clicks are drawn from the
views. Two projects have a scripted history: one becomes popular, one fades.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from db.demo.content import DEMO_VIEWERS, SimulatedUser
from db.demo.projects import FADING, TAKING_OFF, affinities
from db.models import InteractionType
from db.records import InteractionRecord, ProjectRecord
from db.time_units import DAY_S, HOUR_S

_DAYS = 60
_VISIT_HOURS = np.array([1, 3, 6, 7, 6, 5, 8, 9, 6, 5, 5, 6, 8, 10, 11, 9, 5, 2, 1, 0.5, 0.3, 0.3, 0.3, 0.5])
"""Relative frequency of visits by hour since the user's day began, with peaks in the morning, at noon and at night."""

_WEEKEND_ACTIVITY, _WEEKDAY_ACTIVITY = 0.75, 1.08
_VIEWS_PER_VISIT = 7.0
_PAUSE_S = 75.0
"""Mean time between two views of a visit."""
_DISMISSALS_PER_VIEW = 0.018

_BURST_S = 6 * HOUR_S
"""Duration of the burst of views of the project that becomes popular, up to the end."""
_BURST_USERS, _QUIET_USERS = 90, 14
_FADING_USERS = 190
_FADING_PEAK_DAYS, _FADING_SPREAD_DAYS, _FADING_SILENT_DAYS = 14.0, 1.7, 5.5
"""Mean and standard deviation of the age of views of the project that fades, and the time since its last view."""

_Floats = NDArray[np.float64]
_Integers = NDArray[np.int64]
_Event = tuple[int, int, InteractionType, int]
"""User, project, interaction type, and whole seconds relative to the end (negative)."""


@dataclass(frozen=True, slots=True)
class _Views:
    """Views as parallel arrays: row of the user, column of the project, and seconds relative to the end (negative)."""

    user: _Integers
    project: _Integers
    at_s: _Floats

    def events(self, type_: InteractionType, mask: NDArray[np.bool_] | None = None, delay_s: float = 0) -> set[_Event]:
        """Return an event for each view that `mask` selects, `delay_s` after the view."""
        mask = np.ones(len(self.user), dtype=bool) if mask is None else mask
        at_s = np.minimum(np.floor(self.at_s[mask]) + delay_s, -1).astype(int)
        columns = self.user[mask].tolist(), self.project[mask].tolist(), at_s.tolist()
        return {(user, project, type_, at) for user, project, at in zip(*columns, strict=True)}


def make_interactions(
    users: Sequence[SimulatedUser], projects: Sequence[ProjectRecord], now: datetime, rng: np.random.Generator
) -> tuple[InteractionRecord, ...]:
    """Simulate all interactions, sorted by time: after the creation of the project, and not after `now`."""
    simulation = _Simulation(users, projects, now, rng)
    odds = simulation.view_odds()
    views = simulation.views(odds)
    rows = views.events(InteractionType.VIEW) | simulation.reactions(views)
    rows |= simulation.dismissals(views, odds) | simulation.scripted_events()
    events = sorted((now + timedelta(seconds=at_s), user, project, type_) for user, project, type_, at_s in rows)
    return tuple(
        InteractionRecord(user=users[user].record.key, project=projects[project].key, type=type_, at=at)
        for at, user, project, type_ in events
    )


class _Simulation:
    """The simulated users (rows of matrices) and projects (columns), and the random stream."""

    def __init__(
        self, users: Sequence[SimulatedUser], projects: Sequence[ProjectRecord], now: datetime, rng: np.random.Generator
    ) -> None:
        self._users = users
        self._projects = projects
        self._now = now
        self._rng = rng
        self._fit = affinities(users, projects)
        self._appeal = np.minimum(rng.lognormal(0.0, 1.3, len(projects)), 10.0)
        self._created_s = np.array([((project.created_at or now) - now).total_seconds() for project in projects])

    def view_odds(self) -> _Floats:
        """Return the odds, without freshness, that each user views each project; 0 if impossible."""
        odds: _Floats = (0.03 + self._fit**2) * self._appeal
        odds[:, [project.private or project.key in (TAKING_OFF, FADING) for project in self._projects]] = 0
        odds[:, [project.archived for project in self._projects]] *= 0.5
        for row, user in enumerate(self._users):
            odds[row, [project.owner == user.record.key for project in self._projects]] = 0
            if user.record.key == "narrow":
                odds[row, [project.categories[:1] != ("music",) for project in self._projects]] = 0
        return odds

    def views(self, odds: _Floats) -> _Views:
        """Draw the views of all days."""
        interest_left = np.ones_like(odds)
        days: list[_Views] = []
        for day in range(_DAYS):
            start_s = (day - _DAYS) * DAY_S
            views = self._views_of_day(self._view_counts(day), odds * interest_left * self._freshness(start_s), start_s)
            interest_left[views.user, views.project] *= 0.12  # users seldom return to a project
            days.append(views)
        columns = zip(*((views.user, views.project, views.at_s) for views in days), strict=True)
        return _Views(*(np.concatenate(column) for column in columns))

    def _freshness(self, start_s: float) -> _Floats:
        """Return the factor of each project on one day: high for new projects, 0 for projects not created yet."""
        age_days = np.maximum(start_s + DAY_S - self._created_s, 0) / DAY_S
        part_of_day = np.minimum(age_days, 1.0)
        freshness: _Floats = part_of_day * (0.3 + 1.8 * np.exp(-age_days / 5) + 0.8 * np.exp(-age_days / 30))
        return freshness

    def _view_counts(self, day: int) -> _Integers:
        date = self._now + timedelta(days=day - _DAYS + 0.5)
        growth = 0.85 + 0.3 * day / _DAYS  # activity grows by a third in 60 days
        rate = np.array([user.views for user in self._users]) / _DAYS * growth
        rate *= _WEEKEND_ACTIVITY if date.weekday() >= 5 else _WEEKDAY_ACTIVITY
        # Users with few views make short visits instead of no visit for weeks.
        visit_probability = np.clip(rate / _VIEWS_PER_VISIT, 0.12, 0.95)
        has_visit = self._rng.random(len(rate)) < visit_probability
        return np.where(has_visit, self._rng.poisson(rate / visit_probability), 0)

    def _views_of_day(self, counts: _Integers, odds: _Floats, start_s: float) -> _Views:
        users, projects, times = [], [], []
        cumulative = np.cumsum(odds, axis=1)
        hour = (self._now + timedelta(seconds=start_s)).hour
        for row in np.flatnonzero(counts):
            total = cumulative[row, -1]
            if total <= 0:
                continue
            columns = np.searchsorted(cumulative[row], self._rng.random(counts[row]) * total, side="right")
            viewed_projects = self._rng.permutation(np.unique(columns))
            users.append(np.full(len(viewed_projects), row))
            projects.append(viewed_projects)
            times.append(start_s + self._visit_times(self._users[int(row)].day_starts - hour, len(viewed_projects)))
        project, at_s = np.concatenate(projects), np.concatenate(times)
        # Move views before the creation of a project to a time between its creation and the end of the day.
        created_s = self._created_s[project]
        later_s = created_s + self._rng.uniform(0.05, 0.9, len(project)) * (start_s + DAY_S - created_s)
        return _Views(np.concatenate(users), project, np.where(at_s <= created_s, later_s, at_s))

    def _visit_times(self, day_start_offset_h: int, count: int) -> _Floats:
        """Return the times of the views of one visit, in seconds since the start of the simulated day."""
        hour = day_start_offset_h + int(self._rng.choice(24, p=_VISIT_HOURS / _VISIT_HOURS.sum()))
        first_s = (hour % 24 + self._rng.random()) * HOUR_S
        at_s: _Floats = first_s + np.cumsum(self._rng.exponential(_PAUSE_S, count))
        return at_s - max(0.0, float(at_s[-1]) - DAY_S + 120)

    def reactions(self, views: _Views) -> set[_Event]:
        """Draw the reactions to views: at most one like and one save for each user and project."""
        fit = self._fit[views.user, views.project]
        quality = np.clip(0.75 + 0.25 * np.log(self._appeal[views.project]), 0.4, 1.25)
        is_first = np.zeros(len(fit), dtype=bool)
        is_first[np.unique(np.stack([views.user, views.project]), axis=1, return_index=True)[1]] = True
        draws = self._rng.random((4, len(fit)))
        likes = is_first & (draws[0] < np.clip(0.05 + 0.58 * fit * quality, 0, 0.7))
        rows = views.events(InteractionType.LIKE, likes, 40)
        rows |= views.events(InteractionType.SAVE, is_first & (draws[1] < 0.01 + 0.06 * fit), 25)
        rows |= views.events(InteractionType.CLICK, draws[2] < 0.08 + 0.12 * fit, 15)
        rows |= views.events(InteractionType.COMMENT, likes & (draws[3] < 0.08), 90)
        return rows

    def dismissals(self, views: _Views, odds: _Floats) -> set[_Event]:
        """Draw dismissals during visits: of projects that fit the user badly and that the user never viewed."""
        dislike = np.where(odds > 0, (1 - self._fit) ** 2, 0.0)
        dislike[views.user, views.project] = 0
        rows: set[_Event] = set()
        for i in self._rng.choice(len(views.user), int(_DISMISSALS_PER_VIEW * len(views.user)), replace=False):
            user, at_s = int(views.user[i]), float(views.at_s[i]) + 20
            project_odds = dislike[user] * (self._created_s < at_s - 600)
            if project_odds.sum() > 0:
                project = int(self._rng.choice(len(project_odds), p=project_odds / project_odds.sum()))
                dislike[user, project] = 0
                rows.add((user, project, InteractionType.DISMISS, min(int(at_s), -1)))
        return rows

    def scripted_events(self) -> set[_Event]:
        """Draw the events of the two scripted projects.

        One has a few views over weeks, then a burst that is denser towards the end. The other has a peak of views two
        weeks ago, and no views in the last days.
        """
        users = self._draw_users(TAKING_OFF, _QUIET_USERS + _BURST_USERS)
        quiet_s = -self._rng.uniform(1.0, 32.0, _QUIET_USERS) * DAY_S
        burst_s = -(1 - self._rng.beta(2.5, 1.0, _BURST_USERS)) * _BURST_S * 0.98 - 100
        rows = self._scripted_reactions(TAKING_OFF, users, np.concatenate([quiet_s, burst_s]), like_probability=0.45)
        users = self._draw_users(FADING, _FADING_USERS)
        ages_days = self._rng.normal(_FADING_PEAK_DAYS, _FADING_SPREAD_DAYS, _FADING_USERS)
        at_s = -np.clip(ages_days, _FADING_SILENT_DAYS, 30.0) * DAY_S
        return rows | self._scripted_reactions(FADING, users, at_s, like_probability=0.4)

    def _column(self, key: str) -> int:
        return [project.key for project in self._projects].index(key)

    def _draw_users(self, key: str, count: int) -> _Integers:
        """Draw users, frequent visitors more often. Demo viewers are excluded, so that the project is new to them."""
        excluded = {viewer.key for viewer in DEMO_VIEWERS} | {self._projects[self._column(key)].owner}
        odds = np.array([0.0 if user.record.key in excluded else user.views**0.5 for user in self._users])
        return self._rng.choice(len(odds), count, replace=False, p=odds / odds.sum())

    def _scripted_reactions(self, key: str, users: _Integers, at_s: _Floats, like_probability: float) -> set[_Event]:
        views = _Views(users, np.full(len(users), self._column(key)), at_s)
        draws = self._rng.random((3, len(users)))
        rows = views.events(InteractionType.VIEW)
        rows |= views.events(InteractionType.LIKE, draws[0] < like_probability, 40)
        rows |= views.events(InteractionType.CLICK, draws[1] < 0.35, 15)
        rows |= views.events(InteractionType.SAVE, draws[2] < 0.1, 25)
        return rows
