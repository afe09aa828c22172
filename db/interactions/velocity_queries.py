"""Queries of trending: projects by velocity, and first engagements over time.

One statement orders all projects by velocity, from the decayed counters. The ranking then scores the best projects.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
from sqlalchemy import Float, Select, bindparam, case, false, func, literal, null, select, true, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import ColumnElement

from db.catalog.project_cards import FEATURE_COLUMNS, TERMS, ProjectFeatures, ProjectFilter, conditions
from db.catalog.visibility import PUBLIC, by_user
from db.database.column_types import ID_RANGE, IDS, SINCE, UtcDateTime, greatest, in_list, least
from db.database.engine import Database
from db.interactions.activity_time import WEEK_H, active_hours, active_hours_of, hour_of_week
from db.interactions.decayed_counters import (
    ACTIVE_COLUMNS,
    HALF_LIVES_S,
    WALL_COLUMNS,
    Floats,
    decay_factor,
    epoch,
    recount_slices,
)
from db.models import ActivityRate, DecayedCounters, Engagement, Interaction, InteractionType, Project
from db.time_units import ACTIVE_HALF_LIVES_H, DAY_S, MIN_COUNTED_ACTORS
from db.trend_constants import TrendConstants

USUAL_WINDOWS = 7
"""Number of earlier windows whose mean is `FirstEngagementCounts.usual`."""


@dataclass(frozen=True, slots=True)
class TrendingProject:
    """A project with recent first engagements.

    `age_h` is the age in active hours. `terms` has the format of `ProjectFeatures.terms`.
    """

    id: int
    key: str
    owner_id: int | None
    terms: str | None
    age_h: float


class FirstEngagementCounts(NamedTuple):
    """First engagements with a project in a window (`actors`), and the mean of earlier windows (`usual`)."""

    actors: int
    usual: float


_REAL = Float(53)
_AT_S = bindparam("at_s", type_=_REAL)


def _decayed(names: Sequence[str], half_lives: Sequence[float], passed: ColumnElement[float]) -> Any:
    return tuple(
        getattr(DecayedCounters, name) * decay_factor(passed, half_life)
        for name, half_life in zip(names, half_lives, strict=True)
    )


_present = select(active_hours_of(_AT_S).label("at_h")).subquery("present")
"""One row: the time ``at_s`` in active hours."""
_AT_H = _present.c.at_h
_WALL_COUNTS = _decayed(WALL_COLUMNS, HALF_LIVES_S, _AT_S - DecayedCounters.as_of_s)
_ACTIVE_COUNTS = _decayed(ACTIVE_COLUMNS, ACTIVE_HALF_LIVES_H, _AT_H - DecayedCounters.as_of_active_h)
_CREATED_S = epoch(Project.created_at)
_CREATED_H = active_hours(_CREATED_S)
_AGE_H = greatest(_AT_H - _CREATED_H, 0.0)
_OLDEST_H = bindparam("oldest_h", type_=_REAL)
_CAPPED_AGE_H = least(_AGE_H, _OLDEST_H)
_GRAVITY, _OFFSET_H = bindparam("gravity", type_=_REAL), bindparam("offset_h", type_=_REAL)
_BACKGROUND = bindparam("background", type_=_REAL)
_POPULARITY = sum(
    (
        bindparam(f"share_{name}", type_=_REAL) * func.ln(1.0 + count / _BACKGROUND)
        for name, count in zip(ACTIVE_COLUMNS, _ACTIVE_COUNTS, strict=True)
    ),
    start=literal(0.0, _REAL),
)
_SCORE = _POPULARITY - _GRAVITY * func.ln(1.0 + _CAPPED_AGE_H / _OFFSET_H)
_HAS_ENOUGH_ACTORS = _WALL_COUNTS[-1] >= MIN_COUNTED_ACTORS
_VELOCITY = case(
    (
        _HAS_ENOUGH_ACTORS,
        _BACKGROUND * (func.exp(_POPULARITY) - 1.0) * func.power(1.0 + _CAPPED_AGE_H / _OFFSET_H, -_GRAVITY),
    ),
    else_=0.0,
)


def _with_velocity(*columns: Any) -> Select[Any]:
    return (
        select(*columns)
        .join(DecayedCounters, DecayedCounters.project_id == Project.id)
        .join(_present, true())
        .join(ActivityRate, ActivityRate.hour == hour_of_week(_CREATED_S))
    )


_TRENDING = _with_velocity(
    Project.id,
    Project.key,
    Project.owner_id,
    TERMS.label("terms"),
    _AGE_H.label("age_h"),
    *(count.label(name) for name, count in zip(ACTIVE_COLUMNS, _ACTIVE_COUNTS, strict=True)),
)
_VELOCITIES = _with_velocity(Project.id, _VELOCITY.label("velocity")).where(in_list(Project.id, IDS))


async def trending_projects(
    database: Database,
    constants: TrendConstants,
    at: datetime,
    *,
    floor: float,
    floor_half_life: int,
    limit: int,
    where: ProjectFilter,
) -> tuple[list[TrendingProject], Floats]:
    """Find the public projects with the highest velocity, best first, in one statement.

    Projects are left out if their decayed count at the half-life `HALF_LIVES_S[floor_half_life]` is less than `floor`,
    or at the longest half-life less than `MIN_COUNTED_ACTORS`.

    Returns the projects, and their (n, 4) decayed counts: a column for each of `ACTIVE_HALF_LIVES_H`.
    """
    has_min_count = (_WALL_COUNTS[floor_half_life] >= bindparam("floor", type_=_REAL)) & _HAS_ENOUGH_ACTORS
    statement = (
        _TRENDING.where(PUBLIC, has_min_count, *conditions(where)).order_by(_SCORE.desc(), Project.key).limit(limit)
    )
    rows = await database.fetch(statement, _parameters(constants, at) | {"floor": floor})
    projects = [TrendingProject(*row[: -len(ACTIVE_COLUMNS)]) for row in rows]
    counts = np.array([row[-len(ACTIVE_COLUMNS) :] for row in rows], dtype=np.float64)
    return projects, counts.reshape(-1, len(ACTIVE_COLUMNS))


async def velocities(
    database: Database, ids: Sequence[int], constants: TrendConstants, at: datetime
) -> dict[int, float]:
    """Read the velocities of projects at a time, in one statement. Projects without engagement are left out."""
    rows = await database.fetch(_VELOCITIES, _parameters(constants, at) | {"ids": list(ids)})
    return {row.id: row.velocity for row in rows}


async def recently_popular(
    database: Database, likes_weight: float, min_likes: int, at: datetime, limit: int, where: ProjectFilter
) -> tuple[list[ProjectFeatures], Floats]:
    """Find the public projects with the highest popularity, best first, in one statement.

    Popularity is ln(1 + actors) + `likes_weight` · ln(1 + likes), where the number of actors decays with a half-life of
    14 days and likes are of all time. Fewer actors than `MIN_COUNTED_ACTORS` and fewer likes than `min_likes` are 0.

    Returns the projects, and their (n,) decayed numbers of actors.
    """
    actors = case((_HAS_ENOUGH_ACTORS, _WALL_COUNTS[-1]), else_=0.0)
    likes = case((Project.like_count >= bindparam("min_likes"), Project.like_count), else_=0)
    score = func.ln(1.0 + actors) + bindparam("likes_weight", type_=_REAL) * func.ln(1.0 + likes)
    most_popular = (
        select(Project.id, actors.label("actors"), score.label("score"))
        .outerjoin(DecayedCounters, DecayedCounters.project_id == Project.id)
        .where(PUBLIC, *conditions(where))
        .order_by(score.desc(), Project.created_at.desc(), Project.id.desc())
        .limit(limit)
        .subquery("most_popular")
    )
    # The terms are read outside of the subquery, so that SQLite reads them of `limit` projects only.
    statement = (
        select(*FEATURE_COLUMNS, TERMS, null(), null(), false(), false(), most_popular.c.actors)
        .join(most_popular, most_popular.c.id == Project.id)
        .order_by(most_popular.c.score.desc(), Project.created_at.desc(), Project.id.desc())
    )
    rows = await database.fetch(
        statement, {"at_s": at.timestamp(), "likes_weight": likes_weight, "min_likes": min_likes}
    )
    return [ProjectFeatures(*row[:-1]) for row in rows], np.array([row.actors for row in rows], dtype=np.float64)


def _parameters(constants: TrendConstants, at: datetime) -> dict[str, Any]:
    parameters = constants._asdict() | {"at_s": at.timestamp()}
    shares = zip(ACTIVE_COLUMNS, parameters.pop("shares"), strict=True)
    return parameters | {f"share_{name}": share for name, share in shares}


# --- first engagements over time -----------------------------------------------------------------------------------

_BEFORE = bindparam("before", type_=UtcDateTime())
_IN_WINDOWS = (
    select(
        Engagement.project_id,
        func.sum(case((Engagement.first_at > SINCE, 1), else_=0)).label("actors"),
        func.sum(case((Engagement.first_at > SINCE, 0), else_=1)).label("earlier"),
    )
    # The condition on the last engagement, which is never before the first, uses the index.
    .where(in_list(Engagement.project_id, IDS), Engagement.last_at > _BEFORE, Engagement.first_at > _BEFORE)
    .where(Engagement.kinds > 0, by_user(Engagement.actor_id))
    .group_by(Engagement.project_id)
)


async def count_first_engagements(
    database: Database, ids: Sequence[int], window: timedelta, at: datetime
) -> dict[int, FirstEngagementCounts]:
    """Count first engagements of users by project in the window that ends at `at` and in `USUAL_WINDOWS` before it."""
    before = at - (1 + USUAL_WINDOWS) * window
    rows = await database.fetch(_IN_WINDOWS, {"ids": list(ids), "since": at - window, "before": before})
    return {row.project_id: FirstEngagementCounts(row.actors, row.earlier / USUAL_WINDOWS) for row in rows}


_DAY = func.floor((epoch(Engagement.first_at) - bindparam("start_s", type_=_REAL)) / DAY_S)
_BY_DAY = (
    select(Engagement.project_id, _DAY.label("day"), func.count().label("actors"))
    .where(in_list(Engagement.project_id, IDS), Engagement.last_at >= SINCE, Engagement.first_at >= SINCE)
    .where(Engagement.kinds > 0)
    .group_by(Engagement.project_id, _DAY)
)


async def activity_by_day(
    database: Database, project_ids: Sequence[int], days: int, at: datetime
) -> dict[int, list[int]]:
    """Count first engagements by project and UTC day, in one statement; today is the last of the `days` numbers."""
    today = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    since = today - timedelta(days=days - 1)
    counts = {id_: [0] * days for id_ in project_ids}
    parameters = {"ids": list(project_ids), "since": since, "start_s": since.timestamp()}
    for row in await database.fetch(_BY_DAY, parameters):
        counts[row.project_id][min(max(int(row.day), 0), days - 1)] += row.actors
    return counts


_HOUR_OF_WEEK = hour_of_week(epoch(Engagement.first_at))
_BY_HOUR_OF_WEEK = (
    select(_HOUR_OF_WEEK.label("hour"), func.count().label("actors"))
    .where(Engagement.last_at >= SINCE, Engagement.first_at >= SINCE)
    .where(Engagement.kinds > 0, by_user(Engagement.actor_id))
    .group_by(_HOUR_OF_WEEK)
)


async def last_week_by_hour(database: Database, at: datetime) -> Floats:
    """Count the first engagements of users in the week before `at` by the hour of the week; returns (168,) counts."""
    counts = np.zeros(WEEK_H)
    for row in await database.fetch(_BY_HOUR_OF_WEEK, {"since": at - timedelta(weeks=1)}):
        counts[int(row.hour)] = row.actors
    return counts


# --- the hourly recount --------------------------------------------------------------------------------------------

_TIME = bindparam("time", type_=UtcDateTime())
# The velocity does not change the time of the last update.
_UPDATED = {"last_velocity_update": _TIME, "updated_at": Project.updated_at}
_VELOCITY_OF_PROJECT = (
    select(_VELOCITY)
    .select_from(DecayedCounters)
    .join(_present, true())
    .join(ActivityRate, ActivityRate.hour == hour_of_week(_CREATED_S))
    .where(DecayedCounters.project_id == Project.id)
    .correlate(Project)
    .scalar_subquery()
)
_SLICE = update(Project).where(Project.id.between(*ID_RANGE))
_WRITE_VELOCITIES = _SLICE.values(engagement_velocity=func.coalesce(_VELOCITY_OF_PROJECT, 0.0), **_UPDATED)
_WRITE_ZEROS = _SLICE.values(engagement_velocity=0.0, **_UPDATED)

_DAY_AGO, _TWO_DAYS_AGO = bindparam("day_ago", type_=UtcDateTime()), bindparam("two_days_ago", type_=UtcDateTime())


def _count(type_: InteractionType, when: ColumnElement[bool]) -> ColumnElement[float]:
    return func.sum(case(((Interaction.type == type_.value) & when, 1.0), else_=0.0))


def _growth(type_: InteractionType) -> ColumnElement[float]:
    last_day, before = _count(type_, Interaction.at > _DAY_AGO), _count(type_, Interaction.at <= _DAY_AGO)
    return (last_day - before) / greatest(before, 1.0)


_growths = (
    select(
        Interaction.project_id,
        (0.7 * _growth(InteractionType.LIKE) + 0.3 * _growth(InteractionType.VIEW)).label("growth"),
    )
    .where(Interaction.at > _TWO_DAYS_AGO, Interaction.at <= _TIME, Interaction.project_id.between(*ID_RANGE))
    .group_by(Interaction.project_id)
    .subquery("growths")
)
_AGE_S = _AT_S - epoch(Project.created_at)
_AGE_DAYS = greatest(_AGE_S, 0.0) / DAY_S
_BASELINE = greatest(_growths.c.growth, 0.0) / (1.0 + 0.1 * _AGE_DAYS)
_WRITE_BASELINE = (
    update(Project).where(Project.id == _growths.c.project_id).values(engagement_velocity=_BASELINE, **_UPDATED)
)


async def refresh_velocities(
    database: Database,
    constants: TrendConstants | None,
    at: datetime,
    before_commit: Callable[[AsyncConnection], Awaitable[None]] | None = None,
) -> None:
    """Recount the decayed counters and write the velocity of every project, in a constant number of statements.

    Without constants, write the velocity of the specification: (0.7 · growth of likes + 0.3 · growth of views over a
    day) / (1 + 0.1 · age in days). `before_commit` is called at the end of each transaction; an exception rolls it back
    and ends the recount.
    """
    async for connection, slice_ in recount_slices(database, at):
        parameters = {**slice_, "time": at}
        if constants is not None:
            await connection.execute(_WRITE_VELOCITIES, _parameters(constants, at) | parameters)
        else:
            await connection.execute(_WRITE_ZEROS, parameters)
            times = {"day_ago": at - timedelta(days=1), "two_days_ago": at - timedelta(days=2)}
            await connection.execute(_WRITE_BASELINE, {**parameters, **times, "at_s": at.timestamp()})
        if before_commit is not None:
            await before_commit(connection)
