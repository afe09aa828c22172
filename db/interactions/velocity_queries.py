"""What is taking off, read in SQL: the projects with the most people for their age, and how many came when.

The whole order is made by the database from the pulses, in one statement; the ranking scores the best again, exactly.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
from sqlalchemy import Float, bindparam, case, func, literal, select, true, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import ColumnElement

from db.catalog.project_cards import FEATURES_FOR_ALL, TERMS, ProjectFeatures, ProjectFilter, conditions
from db.catalog.visibility import PUBLIC
from db.database.column_types import BigIntId, IntegerList, UtcDateTime, in_list
from db.database.engine import Database
from db.interactions.activity_time import active_hours, active_hours_of, hour_of_week
from db.interactions.decayed_counters import (
    ACTIVE_COLUMNS,
    ACTIVE_HALF_LIVES_H,
    HALF_LIVES_S,
    WALL_COLUMNS,
    Floats,
    decay_factor,
    epoch,
    recount_slices,
)
from db.models import ActivityRate, DecayedCounters, Engagement, Interaction, InteractionType, Project

USUAL_WINDOWS = 7
"""Windows before the present one that say what is usual."""


class VelocityFormula(NamedTuple):
    """The constants of a velocity, see `scoring.mathematics.velocity.TrendConstants`."""

    shares: tuple[float, ...]
    gravity: float
    offset_h: float
    background: float
    oldest_h: float


@dataclass(frozen=True, slots=True)
class TrendingProject:
    """A project that people come to.

    Attributes
    ----------
    age_h
        Busy hours since it was made.
    terms
        As in `db.catalog.project_cards.ProjectFeatures`.
    """

    id: int
    key: str
    terms: str | None
    age_h: float


class FirstEngagementCounts(NamedTuple):
    """How many people came to a project for the first time within a window, and on average within one before it."""

    people: int
    usual: float


_REAL = Float(53)
_AT_S = bindparam("at_s", type_=_REAL)
_IDS = bindparam("ids", type_=IntegerList())


def _left(sums: ColumnElement[float], passed: ColumnElement[float], half_life: float) -> ColumnElement[float]:
    """Give a sum as it is after some time; before its own time nothing has halved yet."""
    return sums * decay_factor(case((passed > 0, passed), else_=0.0), half_life)


def _each(names: Sequence[str], half_lives: Sequence[float], passed: ColumnElement[float]) -> Any:
    return tuple(
        _left(getattr(DecayedCounters, name), passed, one) for name, one in zip(names, half_lives, strict=True)
    )


_present = select(active_hours_of(_AT_S).label("at_h")).subquery("present")
"""One row: the moment that is asked for, by the platform's clock."""
_AT_H = _present.c.at_h
_NOW = _each(WALL_COLUMNS, HALF_LIVES_S, _AT_S - DecayedCounters.as_of_s)
_BUSY_NOW = _each(ACTIVE_COLUMNS, ACTIVE_HALF_LIVES_H, _AT_H - DecayedCounters.as_of_active_h)
_BORN_S = epoch(Project.created_at)
_BORN_H = active_hours(_BORN_S)
_AGE_H = case((_AT_H > _BORN_H, _AT_H - _BORN_H), else_=0.0)
_OLDEST_H = bindparam("oldest_h", type_=_REAL)
_PULLING_H = case((_AGE_H < _OLDEST_H, _AGE_H), else_=_OLDEST_H)
_GRAVITY, _OFFSET_H = bindparam("gravity", type_=_REAL), bindparam("offset_h", type_=_REAL)
_BACKGROUND = bindparam("background", type_=_REAL)
_COME = sum(
    (
        bindparam(f"share_{name}", type_=_REAL) * func.ln(1.0 + people / _BACKGROUND)
        for name, people in zip(ACTIVE_COLUMNS, _BUSY_NOW, strict=True)
    ),
    start=literal(0.0, _REAL),
)
_SCORE = _COME - _GRAVITY * func.ln(1.0 + _PULLING_H / _OFFSET_H)
_VELOCITY = _BACKGROUND * (func.exp(_COME) - 1.0) * func.power(1.0 + _PULLING_H / _OFFSET_H, -_GRAVITY)

_MOVERS = (
    select(
        Project.id,
        Project.key,
        TERMS.label("terms"),
        _AGE_H.label("age_h"),
        *(people.label(name) for name, people in zip(ACTIVE_COLUMNS, _BUSY_NOW, strict=True)),
    )
    .join(DecayedCounters, DecayedCounters.project_id == Project.id)
    .join(_present, true())
    .join(ActivityRate, ActivityRate.hour == hour_of_week(_BORN_S))
)


async def trending_projects(
    database: Database,
    formula: VelocityFormula,
    at: datetime,
    *,
    floor: float,
    floor_half_life: int,
    limit: int,
    where: ProjectFilter,
) -> tuple[list[TrendingProject], Floats]:
    """Find the public projects with the highest velocity, best first, in one statement.

    Parameters
    ----------
    floor, floor_half_life
        Fewer people than this, at that one of `HALF_LIVES_S` (its index), move nothing.

    Returns
    -------
    The projects, and the (n, 4) people who came to them, a column for each of `db.interactions.decayed_counters.ACTIVE_HALF_LIVES_H`.
    """
    statement = (
        _MOVERS.where(PUBLIC, _NOW[floor_half_life] >= bindparam("floor", type_=_REAL), *conditions(where))
        .order_by(_SCORE.desc(), Project.key)
        .limit(limit)
    )
    rows = await database.fetch(statement, _given(formula, at) | {"floor": floor})
    found = [TrendingProject(*row[: -len(ACTIVE_COLUMNS)]) for row in rows]
    people = np.array([row[-len(ACTIVE_COLUMNS) :] for row in rows], dtype=np.float64)
    return found, people.reshape(-1, len(ACTIVE_COLUMNS))


_VELOCITIES = (
    select(Project.id, _VELOCITY.label("velocity"))
    .join(DecayedCounters, DecayedCounters.project_id == Project.id)
    .join(_present, true())
    .join(ActivityRate, ActivityRate.hour == hour_of_week(_BORN_S))
    .where(in_list(Project.id, _IDS))
)


async def velocities(
    database: Database, ids: Sequence[int], formula: VelocityFormula, at: datetime
) -> dict[int, float]:
    """Give the velocities of projects at a moment, in one statement; one that nobody came to is left out."""
    rows = await database.fetch(_VELOCITIES, _given(formula, at) | {"ids": list(ids)})
    return {row.id: row.velocity for row in rows}


async def recently_popular(
    database: Database, likes_memory: float, at: datetime, limit: int, where: ProjectFilter
) -> tuple[list[ProjectFeatures], Floats]:
    """Find the public projects that most people came to lately or liked ever, best first, in one statement.

    Parameters
    ----------
    likes_memory
        What the logarithm of all-time likes is worth beside that of the people, who halve every 14 days.

    Returns
    -------
    The projects, and the (n,) people.
    """
    people = func.coalesce(_NOW[-1], 0.0)
    score = func.ln(1.0 + people) + bindparam("memory", type_=_REAL) * func.ln(1.0 + Project.like_count)
    statement = (
        FEATURES_FOR_ALL.add_columns(people.label("people"))
        .outerjoin(DecayedCounters, DecayedCounters.project_id == Project.id)
        .where(PUBLIC, *conditions(where))
        .order_by(score.desc(), Project.created_at.desc(), Project.id.desc())
        .limit(limit)
    )
    rows = await database.fetch(statement, {"at_s": at.timestamp(), "memory": likes_memory})
    return [ProjectFeatures(*row[:-1]) for row in rows], np.array([row.people for row in rows], dtype=np.float64)


def _given(formula: VelocityFormula, at: datetime) -> dict[str, Any]:
    shares = {f"share_{name}": share for name, share in zip(ACTIVE_COLUMNS, formula.shares, strict=True)}
    rest = formula._asdict()
    rest.pop("shares")
    return {**shares, **rest, "at_s": at.timestamp()}


# --- how many came when --------------------------------------------------------------------------------------------

_SINCE, _BEFORE = bindparam("since", type_=UtcDateTime()), bindparam("before", type_=UtcDateTime())
_COMINGS = (
    select(
        Engagement.project_id,
        func.sum(case((Engagement.first_at > _SINCE, 1), else_=0)).label("people"),
        func.sum(case((Engagement.first_at > _SINCE, 0), else_=1)).label("earlier"),
    )
    # The index knows the last engagement; whoever came first in the window also came last in it.
    .where(in_list(Engagement.project_id, _IDS), Engagement.last_at > _BEFORE, Engagement.first_at > _BEFORE)
    .group_by(Engagement.project_id)
)


async def count_first_engagements(
    database: Database, ids: Sequence[int], window: timedelta, at: datetime
) -> dict[int, FirstEngagementCounts]:
    """Count the people who came to projects within the window before `at`, and what was usual, in one statement."""
    before = at - (1 + USUAL_WINDOWS) * window
    rows = await database.fetch(_COMINGS, {"ids": list(ids), "since": at - window, "before": before})
    return {row.project_id: FirstEngagementCounts(row.people, row.earlier / USUAL_WINDOWS) for row in rows}


_DAY_S = 86_400.0
_DAY = func.floor((epoch(Engagement.first_at) - bindparam("start_s", type_=_REAL)) / _DAY_S)
_ACTIVITY = (
    select(Engagement.project_id, _DAY.label("day"), func.count().label("people"))
    .where(in_list(Engagement.project_id, _IDS), Engagement.last_at >= _SINCE, Engagement.first_at >= _SINCE)
    .group_by(Engagement.project_id, _DAY)
)


async def activity_by_day(database: Database, ids: Sequence[int], days: int, at: datetime) -> dict[int, list[int]]:
    """Count the people who came to projects for the first time, by day (UTC), in one statement.

    Returns
    -------
    For each project `days` numbers, today's last.
    """
    today = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    since = today - timedelta(days=days - 1)
    counted = {id_: [0] * days for id_ in ids}
    given = {"ids": list(ids), "since": since, "start_s": since.timestamp()}
    for row in await database.fetch(_ACTIVITY, given):
        counted[row.project_id][min(max(int(row.day), 0), days - 1)] += row.people
    return counted


# --- the hourly mend -----------------------------------------------------------------------------------------------

_TIME = bindparam("time", type_=UtcDateTime())
_KEEP_TIME = {"last_velocity_update": _TIME, "updated_at": Project.updated_at}  # a count is no change of the project
_OURS_OF = (
    select(_VELOCITY)
    .select_from(DecayedCounters)
    .join(_present, true())
    .join(ActivityRate, ActivityRate.hour == hour_of_week(_BORN_S))
    .where(DecayedCounters.project_id == Project.id)
    .correlate(Project)
    .scalar_subquery()
)
_SLICE = Project.id.between(bindparam("low", type_=BigIntId), bindparam("high", type_=BigIntId))
_WRITE_OURS = update(Project).where(_SLICE).values(engagement_velocity=func.coalesce(_OURS_OF, 0.0), **_KEEP_TIME)

_DAY_AGO, _TWO_DAYS_AGO = bindparam("day_ago", type_=UtcDateTime()), bindparam("two_days_ago", type_=UtcDateTime())


def _counted(type_: InteractionType, when: ColumnElement[bool]) -> ColumnElement[float]:
    return func.sum(case(((Interaction.type == type_.value) & when, 1.0), else_=0.0))


def _growth(type_: InteractionType) -> ColumnElement[float]:
    lately, before = _counted(type_, Interaction.at > _DAY_AGO), _counted(type_, Interaction.at <= _DAY_AGO)
    return (lately - before) / case((before > 1.0, before), else_=1.0)


_growths = (
    select(
        Interaction.project_id,
        (0.7 * _growth(InteractionType.LIKE) + 0.3 * _growth(InteractionType.VIEW)).label("growth"),
    )
    .where(
        Interaction.at > _TWO_DAYS_AGO,
        Interaction.at <= _TIME,
        Interaction.project_id.between(bindparam("low", type_=BigIntId), bindparam("high", type_=BigIntId)),
    )
    .group_by(Interaction.project_id)
    .subquery("growths")
)
_AGE_S = _AT_S - epoch(Project.created_at)
_AGE_DAYS = case((_AGE_S > 0, _AGE_S), else_=0.0) / 86_400.0
_WRITE_ZERO = update(Project).where(_SLICE).values(engagement_velocity=0.0, **_KEEP_TIME)
_WRITE_PLANS = (
    update(Project)
    .where(Project.id == _growths.c.project_id)
    .values(
        engagement_velocity=case((_growths.c.growth > 0, _growths.c.growth), else_=0.0) / (1.0 + 0.1 * _AGE_DAYS),
        **_KEEP_TIME,
    )
)


async def refresh_velocities(
    database: Database,
    formula: VelocityFormula | None,
    at: datetime,
    before_each: Callable[[AsyncConnection], Awaitable[None]] | None = None,
) -> None:
    """Count the pulses again from the truth, and write every project's velocity: the hourly mend of drift.

    Always the same number of statements; nothing is read into this process.

    Parameters
    ----------
    formula
        Ours: people divided by a power of age, as the ranking counts both. None writes the plan's.
    before_each
        Called in each transaction before it ends; what it raises rolls the transaction back and ends the mend.
    """
    async for connection, slice_ in recount_slices(database, at):
        given = {**slice_, "time": at}
        if formula is not None:
            await connection.execute(_WRITE_OURS, _given(formula, at) | given)
        else:
            await connection.execute(_WRITE_ZERO, given)
            times = {"day_ago": at - timedelta(days=1), "two_days_ago": at - timedelta(days=2)}
            await connection.execute(_WRITE_PLANS, {**given, **times, "at_s": at.timestamp()})
        if before_each is not None:
            await before_each(connection)
