"""Decayed counters: exponentially decaying sums of a project's distinct actors, at several half-lives.

An actor is counted once per project, at the first engagement, with `Engagement.weight`. The transaction of the
interaction updates the sums, because counters that are an hour old reduce the quality of a ranking by a tenth. An
update needs only the stored sum and its time. Sums are linear, so updates can be in any order, late events are added at
their own time, and removed engagement is subtracted. The hourly job recounts the sums from `engagement`.

Four sums decay in wall-clock time (For You, popular), four in active hours (trending; `db.interactions.activity_time`).
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sqlalchemy import Float, bindparam, case, delete, func, literal, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import ColumnElement

from db.database.batches import batch, table_of
from db.database.column_types import (
    ID_RANGE,
    IDS,
    UNKNOWN_TIME,
    BigIntId,
    IntegerList,
    UtcDateTime,
    engine_function,
    greatest,
    in_list,
    least,
)
from db.database.engine import Database
from db.interactions.activity_time import active_hours, active_hours_of, hour_of_week
from db.models import ActivityRate, DecayedCounters, Engagement, Project
from db.time_units import ACTIVE_HALF_LIVES_H, ACTOR_HALF_LIVES_H, HOUR_S

Floats = NDArray[np.float64]

HALF_LIVES_S = tuple(half_life_h * HOUR_S for half_life_h in ACTOR_HALF_LIVES_H)
WALL_COLUMNS = ("actors_1h", "actors_6h", "actors_3d", "actors_14d")
ACTIVE_COLUMNS = ("active_1h", "active_6h", "active_36h", "active_7d")

SLICES = 16
"""Number of transactions of a recount. A write to a project waits for at most one of these transactions."""

MAX_HALVINGS = 100.0
"""Maximum number of halvings (factor 8e-31), because PostgreSQL raises an error if a float underflows."""

_NEGLIGIBLE = 1e-9
"""Maximum rounding error of a sum from which everything was subtracted. Smaller sums are set to 0."""


_REAL = Float(53)


class FirstEngagement(NamedTuple):
    """The first engagement of an actor with a project. A negative weight subtracts it.

    Engagements at `UNKNOWN_TIME` are not counted.
    """

    project_id: int
    at: datetime
    weight: float


epoch = engine_function(
    "epoch",
    Float(53),
    sqlite="((julianday({0}) - 2440587.5) * 86400.0)",
    postgresql="CAST(EXTRACT(EPOCH FROM {0}) AS DOUBLE PRECISION)",
)
"""Unix seconds of a stored time."""


def decay(value: ArrayLike, last_at_s: ArrayLike, at_s: ArrayLike, half_life_s: ArrayLike) -> Floats:
    """Decay sums from `last_at_s` to `at_s` (Unix seconds); the arrays are broadcast.

    If `at_s` is before `last_at_s`, the result is `value`.
    """
    elapsed_s = np.maximum(np.asarray(at_s, dtype=np.float64) - np.asarray(last_at_s, dtype=np.float64), 0.0)
    halvings = np.minimum(elapsed_s / np.asarray(half_life_s, dtype=np.float64), MAX_HALVINGS)
    decayed: Floats = np.asarray(value, dtype=np.float64) * np.exp2(-halvings)
    return decayed


def decay_factor(elapsed: ColumnElement[float], half_life: float) -> ColumnElement[float]:
    """Return the factor of a decay, in SQL: 1 if `elapsed` is negative. Both arguments have the same unit."""
    halvings = least(greatest(elapsed / literal(half_life, _REAL), 0.0), MAX_HALVINGS)
    return func.power(literal(2.0, _REAL), -halvings)


_AT_S = bindparam("at_s", type_=_REAL)
_NAMES = ["project_id", *WALL_COLUMNS, *ACTIVE_COLUMNS, "as_of_s", "as_of_active_h"]


def _decayed_sums(weight: Any, passed_s: Any, passed_h: Any) -> list[Any]:
    """Return decayed sums of `weight`, in the order of the columns."""
    wall = [func.sum(weight * decay_factor(passed_s, half_life)) for half_life in HALF_LIVES_S]
    return wall + [func.sum(weight * decay_factor(passed_h, half_life)) for half_life in ACTIVE_HALF_LIVES_H]


def _batch_sums() -> Any:
    """Return a query of the sums per project of a batch of first engagements, decayed to the project's latest one."""
    first = batch({"project_id": BigIntId, "at_s": _REAL, "weight": _REAL}).cte("first").prefix_with("MATERIALIZED")
    aged = (
        select(first, active_hours(first.c.at_s).label("at_h"))
        .join(ActivityRate, ActivityRate.hour == hour_of_week(first.c.at_s))
        .cte("aged")
        .prefix_with("MATERIALIZED")
    )
    latest_s, latest_h = func.max(aged.c.at_s).label("as_of_s"), func.max(aged.c.at_h).label("as_of_active_h")
    latest = select(aged.c.project_id, latest_s, latest_h).group_by(aged.c.project_id).cte("latest")
    times = latest.c.as_of_s, latest.c.as_of_active_h
    sums = _decayed_sums(aged.c.weight, latest.c.as_of_s - aged.c.at_s, latest.c.as_of_active_h - aged.c.at_h)
    return (
        select(latest.c.project_id, *sums, *times)
        .join(aged, aged.c.project_id == latest.c.project_id)
        .group_by(latest.c.project_id, *times)
        # Without a clause in between, SQLite would read ON CONFLICT as the ON of a join.
        .order_by(latest.c.project_id)
    )


def _add_batch() -> Any:
    statement = insert(table_of(DecayedCounters)).from_select(_NAMES, _batch_sums(), include_defaults=False)
    new = statement.excluded
    changed: dict[str, Any] = {}
    for names, half_lives, time in (
        (WALL_COLUMNS, HALF_LIVES_S, "as_of_s"),
        (ACTIVE_COLUMNS, ACTIVE_HALF_LIVES_H, "as_of_active_h"),
    ):
        stored = getattr(DecayedCounters, time)
        latest = greatest(new[time], stored)
        for name, half_life in zip(names, half_lives, strict=True):
            total = getattr(DecayedCounters, name) * decay_factor(latest - stored, half_life)
            total += new[name] * decay_factor(latest - new[time], half_life)
            changed[name] = case((total > _NEGLIGIBLE, total), else_=0.0)
        changed[time] = latest
    return statement.on_conflict_do_update(index_elements=["project_id"], set_=changed)


def _count_slice() -> Any:
    """Return an insert of the sums of a slice of projects at the time ``at_s``, counted from `engagement`."""
    # Materialized: otherwise SQLite evaluates each time at its sixteen occurrences in the sums.
    first = (
        select(Engagement.project_id, Engagement.weight, epoch(Engagement.first_at).label("at_s"))
        .where(Engagement.first_at > bindparam("unknown", UNKNOWN_TIME, type_=UtcDateTime()))
        .where(Engagement.project_id.between(*ID_RANGE), Engagement.kinds > 0)
        .cte("first")
        .prefix_with("MATERIALIZED")
    )
    now_h = active_hours_of(_AT_S)
    passed_s, passed_h = (_AT_S - first.c.at_s), (now_h - active_hours(first.c.at_s))
    aged = (
        select(first.c.project_id, first.c.weight, now_h.label("now_h"))
        .add_columns(passed_s.label("passed_s"), passed_h.label("passed_h"))
        .join(ActivityRate, ActivityRate.hour == hour_of_week(first.c.at_s))
        .cte("aged")
        .prefix_with("MATERIALIZED")
    )
    sums = _decayed_sums(aged.c.weight, aged.c.passed_s, aged.c.passed_h)
    rows = select(aged.c.project_id, *sums, func.max(_AT_S), func.max(aged.c.now_h)).group_by(aged.c.project_id)
    return insert(DecayedCounters).from_select(_NAMES, rows, include_defaults=False)


_ADD = _add_batch()
_SUMS_OF_PROJECTS = select(
    DecayedCounters.project_id, *(getattr(DecayedCounters, name) for name in WALL_COLUMNS), DecayedCounters.as_of_s
).where(in_list(DecayedCounters.project_id, IDS))
_FIRST_ENGAGEMENTS_OF_ACTORS = select(Engagement.project_id, Engagement.first_at, Engagement.weight).where(
    in_list(Engagement.actor_id, bindparam("actors", type_=IntegerList())), Engagement.kinds > 0
)
_ID_BOUNDS = select(func.min(Project.id), func.max(Project.id))
_LOCK = select(Project.id).where(Project.id.between(*ID_RANGE)).order_by(Project.id).with_for_update(key_share=True)
_LOCK_SLICE = select(func.count()).select_from(_LOCK.subquery("locked"))
_CLEAR_SLICE = delete(DecayedCounters).where(DecayedCounters.project_id.between(*ID_RANGE))
_COUNT_SLICE = _count_slice()


async def decayed_counts(database: Database, ids: Sequence[int], at: datetime) -> Floats:
    """Read the decayed counters of projects in one statement.

    Returns (n, 4) weighted numbers of actors, decayed to `at`: a row for each id, a column for each of `HALF_LIVES_S`.
    """
    return align_counts(await database.fetch(_SUMS_OF_PROJECTS, {"ids": list(ids)}), ids, at)


def align_counts(rows: Iterable[Any], ids: Sequence[int], at: datetime) -> Floats:
    """Decay rows of (project id, four sums, time of the sums) to `at`, in the order of `ids`; zeros without a row."""
    table = np.zeros((len(ids), 1 + len(WALL_COLUMNS)))
    index_by_id = {id_: index for index, id_ in enumerate(ids)}
    for project_id, *sums_and_time in rows:
        table[index_by_id[project_id]] = sums_and_time
    return decay(table[:, :-1], table[:, -1:], at.timestamp(), np.array(HALF_LIVES_S))


async def add_first_engagements(connection: AsyncConnection, engagements: Iterable[FirstEngagement]) -> None:
    """Add first engagements to the counters of locked projects (`lock_projects`), in one statement."""
    rows = [
        (first.project_id, first.at.timestamp(), first.weight)
        for first in engagements
        if first.at > UNKNOWN_TIME and first.weight
    ]
    if rows:
        await connection.execute(_ADD, {"rows": rows})


async def subtract_actors(connection: AsyncConnection, actor_ids: Sequence[int]) -> None:
    """Subtract all first engagements of actors. Call this before deleting the actors' engagement."""
    rows = await connection.execute(_FIRST_ENGAGEMENTS_OF_ACTORS, {"actors": list(actor_ids)})
    await add_first_engagements(connection, [FirstEngagement(row[0], row[1], -row.weight) for row in rows])


async def recount_slices(database: Database, at: datetime) -> AsyncIterator[tuple[AsyncConnection, dict[str, int]]]:
    """Recount the sums by slices of project ids; yield the open transaction and the id bounds of each slice.

    The number of statements is constant. Each transaction locks the projects of its slice, as writers of interactions
    do, so that no event is lost.
    """
    (id_bounds,) = await database.fetch(_ID_BOUNDS)
    if id_bounds[0] is None:
        return
    edges = np.linspace(id_bounds[0], id_bounds[1] + 1, SLICES + 1).astype(int).tolist()
    for start, end in pairwise(edges):
        slice_ = {"first_id": start, "last_id": end - 1}
        async with database.write() as connection:
            if not database.is_sqlite:
                await connection.execute(_LOCK_SLICE, slice_)
            await connection.execute(_CLEAR_SLICE, slice_)
            await connection.execute(_COUNT_SLICE, {**slice_, "at_s": at.timestamp()})
            yield connection, slice_
