"""The pulse of a project: how many distinct people came to it lately, at several half-lives, live.

Each actor counts once for a project, at its first engagement, by the weight that stands in `engagement`. A sum that
halves every so often needs only its value and its time, so the event's own write keeps it: counters an hour old cost a
tenth of a ranking's quality. The sums are linear in what they are made of, so the order of arrival does not matter,
late events find their place, and what is taken back is subtracted. `rebuild_decayed_counters` counts them again from the truth.

Four sums halve by the wall's clock; they are what For You and popular read. Four halve by the platform's
(`db.interactions.activity_time`), and make trends.
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
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import ColumnElement
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from db.database.batches import batch, table_of
from db.database.column_types import UNKNOWN_TIME, BigIntId, IntegerList, UtcDateTime, in_list
from db.database.engine import Database
from db.interactions.activity_time import active_hours, active_hours_of, hour_of_week
from db.models import ActivityRate, DecayedCounters, Engagement, Project, now

Floats = NDArray[np.float64]

HALF_LIVES_S = (3_600.0, 21_600.0, 259_200.0, 1_209_600.0)
"""1 hour, 6 hours, 3 days, 14 days: the columns of `decayed_counts`, in this order."""

WALL_COLUMNS = ("actors_1h", "actors_6h", "actors_3d", "actors_14d")

ACTIVE_HALF_LIVES_H = (1.0, 6.0, 36.0, 168.0)
"""Busy hours in which the sums that make trends halve."""

ACTIVE_COLUMNS = ("active_1h", "active_6h", "active_36h", "active_7d")

SLICES = 16
"""Parts in which the pulses are counted again: events wait for one part of the work, not for all of it."""

MAX_HALVINGS = 100.0
"""Past this many halvings a sum counts no longer (8e-31); PostgreSQL refuses a float that underflows."""

_NEGLIGIBLE = 1e-9
"""What is left after as much was taken back as was given."""


class FirstEngagement(NamedTuple):
    """A person who came to a project for the first time; a negative weight takes one back.

    Attributes
    ----------
    at
        When; nothing counts at `db.database.column_types.UNKNOWN_TIME`.
    weight
        How much the person counts, 0 to 1.
    """

    project_id: int
    at: datetime
    weight: float


class epoch(FunctionElement[float]):
    """Unix seconds of a stored time."""

    name = "epoch"
    type = Float(53)
    inherit_cache = True


@compiles(epoch, "postgresql")
def _epoch_postgresql(element: epoch, compiler: SQLCompiler, **kw: Any) -> str:
    return f"CAST(EXTRACT(EPOCH FROM {compiler.process(element.clauses, **kw)}) AS DOUBLE PRECISION)"


@compiles(epoch)
def _epoch_sqlite(element: epoch, compiler: SQLCompiler, **kw: Any) -> str:
    return f"((julianday({compiler.process(element.clauses, **kw)}) - 2440587.5) * 86400.0)"


def decay(value: ArrayLike, last_at_s: ArrayLike, at_s: ArrayLike, half_life_s: ArrayLike) -> Floats:
    """Halve sums for the time that has passed; arrays of any shapes that go together.

    Parameters
    ----------
    value
        Sums as they were at `last_at_s`.
    last_at_s, at_s
        Unix seconds. A sum is never larger than `value`: before its time nothing has decayed yet.
    half_life_s
        Seconds in which a sum halves.
    """
    passed = np.maximum(np.asarray(at_s, dtype=np.float64) - np.asarray(last_at_s, dtype=np.float64), 0.0)
    halved: Floats = np.asarray(value, dtype=np.float64) * np.exp2(
        -np.minimum(passed / np.asarray(half_life_s, dtype=np.float64), MAX_HALVINGS)
    )
    return halved


def decay_factor(passed: ColumnElement[float], half_life: float) -> ColumnElement[float]:
    """Give the share of a sum that is left after some time, in SQL; both in the same unit."""
    halvings = passed / literal(half_life, Float(53))
    return func.power(literal(2.0, Float(53)), -case((halvings > MAX_HALVINGS, MAX_HALVINGS), else_=halvings))


def _given() -> Any:
    """Select the sums of a batch of arrivals, a row for each project, as of its latest arrival."""
    arrival = batch({"project_id": BigIntId, "at_s": _REAL, "weight": _REAL}).cte("arrival").prefix_with("MATERIALIZED")
    timed = (
        select(arrival, active_hours(arrival.c.at_s).label("at_h"))
        .join(ActivityRate, ActivityRate.hour == hour_of_week(arrival.c.at_s))
        .cte("timed")
        .prefix_with("MATERIALIZED")
    )
    latest = (
        select(
            timed.c.project_id, func.max(timed.c.at_s).label("as_of_s"), func.max(timed.c.at_h).label("as_of_active_h")
        )
        .group_by(timed.c.project_id)
        .cte("latest")
    )
    passed_s, passed_h = latest.c.as_of_s - timed.c.at_s, latest.c.as_of_active_h - timed.c.at_h
    return (
        select(
            latest.c.project_id, *_sums(timed.c.weight, passed_s, passed_h), latest.c.as_of_s, latest.c.as_of_active_h
        )
        .join(timed, timed.c.project_id == latest.c.project_id)
        .group_by(latest.c.project_id, latest.c.as_of_s, latest.c.as_of_active_h)
        # SQLite would read ON CONFLICT as the ON of a join if nothing stood between.
        .order_by(latest.c.project_id)
    )


def _sums(weight: Any, passed_s: Any, passed_h: Any) -> list[Any]:
    """Sum weights that halve by either clock, in the order of the columns."""
    wall = [func.sum(weight * decay_factor(passed_s, half_life_s)) for half_life_s in HALF_LIVES_S]
    return wall + [func.sum(weight * decay_factor(passed_h, half_life_h)) for half_life_h in ACTIVE_HALF_LIVES_H]


def _added() -> Any:
    statement = insert(table_of(DecayedCounters)).from_select(_NAMES, _given(), include_defaults=False)
    given, sums = statement.excluded, {}
    for names, half_lives, time in (
        (WALL_COLUMNS, HALF_LIVES_S, "as_of_s"),
        (ACTIVE_COLUMNS, ACTIVE_HALF_LIVES_H, "as_of_active_h"),
    ):
        there = getattr(DecayedCounters, time)
        latest = case((given[time] > there, given[time]), else_=there)
        for name, half_life in zip(names, half_lives, strict=True):
            together = getattr(DecayedCounters, name) * decay_factor(latest - there, half_life)
            together += given[name] * decay_factor(latest - given[time], half_life)
            sums[name] = case((together > _NEGLIGIBLE, together), else_=0.0)
        sums[time] = latest
    return statement.on_conflict_do_update(index_elements=["project_id"], set_=sums)


_REAL = Float(53)
_NAMES = ["project_id", *WALL_COLUMNS, *ACTIVE_COLUMNS, "as_of_s", "as_of_active_h"]
_ADD = _added()
_PULSES = select(
    DecayedCounters.project_id, *(getattr(DecayedCounters, name) for name in WALL_COLUMNS), DecayedCounters.as_of_s
)
_PULSES_OF = _PULSES.where(in_list(DecayedCounters.project_id, bindparam("ids", type_=IntegerList())))
_FIRSTS_OF_ACTORS = select(Engagement.project_id, Engagement.first_at, Engagement.weight).where(
    in_list(Engagement.actor_id, bindparam("actors", type_=IntegerList()))
)
_SLICE = (bindparam("low", type_=BigIntId), bindparam("high", type_=BigIntId))
_AT_S = bindparam("at_s", type_=Float(53))
_UNKNOWN = bindparam("unknown", UNKNOWN_TIME, type_=UtcDateTime())
_ENDS = select(func.min(Project.id), func.max(Project.id))
_LOCK = select(Project.id).where(Project.id.between(*_SLICE)).order_by(Project.id).with_for_update(key_share=True)
_LOCK_ALL = select(func.count()).select_from(_LOCK.subquery("locked"))
_CLEAR = delete(DecayedCounters).where(DecayedCounters.project_id.between(*_SLICE))


def _counted() -> Any:
    """Count a slice's pulses from the truth, as of one moment for all."""
    # Materialized, or SQLite would read each time anew wherever it stands in the sums: sixteen times a row.
    read = (
        select(Engagement.project_id, Engagement.weight, epoch(Engagement.first_at).label("at_s"))
        .where(Engagement.first_at > _UNKNOWN, Engagement.project_id.between(*_SLICE))
        .cte("read")
        .prefix_with("MATERIALIZED")
    )
    now_h = active_hours_of(_AT_S)
    met = (
        select(
            read.c.project_id,
            read.c.weight,
            (_AT_S - read.c.at_s).label("passed_s"),
            (now_h - active_hours(read.c.at_s)).label("passed_h"),
            now_h.label("now_h"),
        )
        .join(ActivityRate, ActivityRate.hour == hour_of_week(read.c.at_s))
        .cte("met")
        .prefix_with("MATERIALIZED")
    )
    passed_s = case((met.c.passed_s > 0, met.c.passed_s), else_=0.0)
    passed_h = case((met.c.passed_h > 0, met.c.passed_h), else_=0.0)
    rows = select(
        met.c.project_id, *_sums(met.c.weight, passed_s, passed_h), func.max(_AT_S), func.max(met.c.now_h)
    ).group_by(met.c.project_id)
    return insert(DecayedCounters).from_select(_NAMES, rows, include_defaults=False)


_COUNT = _counted()


async def decayed_counts(database: Database, ids: Sequence[int], at: datetime) -> Floats:
    """Read how many people came to projects lately, in one statement.

    Returns
    -------
    (n, 4) weighted people, a row for each id in its order and a column for each of `HALF_LIVES_S`, decayed to `at`;
    zeros for a project that nobody came to.
    """
    rows = await database.fetch(_PULSES_OF, {"ids": list(ids)})
    return align_counts(rows, ids, at)


def align_counts(rows: Iterable[Any], ids: Sequence[int], at: datetime) -> Floats:
    """Decay rows of (project id, four sums, their time) to `at`, in the order of `ids`."""
    table = np.zeros((len(ids), 1 + len(WALL_COLUMNS)))
    places = {id_: place for place, id_ in enumerate(ids)}
    for project_id, *sums_and_time in rows:
        table[places[project_id]] = sums_and_time
    return decay(table[:, :-1], table[:, -1:], at.timestamp(), np.array(HALF_LIVES_S))


async def add_first_engagements(connection: AsyncConnection, platform_activity: Iterable[FirstEngagement]) -> None:
    """Add people to the pulses of projects that `db.interactions.project_counters.lock_projects` has locked, in one statement."""
    known = [
        (one.project_id, one.at.timestamp(), one.weight)
        for one in platform_activity
        if one.at > UNKNOWN_TIME and one.weight
    ]
    if known:
        await connection.execute(_ADD, {"rows": known})


async def subtract_actors(connection: AsyncConnection, actor_ids: Sequence[int]) -> None:
    """Take everything that these actors added out of the pulses; before their engagement is deleted."""
    rows = await connection.execute(_FIRSTS_OF_ACTORS, {"actors": list(actor_ids)})
    await add_first_engagements(
        connection, [FirstEngagement(row.project_id, row.first_at, -row.weight) for row in rows]
    )


async def rebuild_decayed_counters(database: Database, at: datetime | None = None) -> None:
    """Count every pulse again from `engagement`; see `recount_slices`."""
    async for _ in recount_slices(database, at or now()):
        pass


async def recount_slices(database: Database, at: datetime) -> AsyncIterator[tuple[AsyncConnection, dict[str, int]]]:
    """Count the pulses again, slice by slice; lend each slice's transaction and its ends, to go on with its projects.

    Always the same number of statements. The projects of a slice are locked as every writer of events locks them, so
    nothing is lost, and only events of a slice wait, and only for its part of the time.
    """
    (ends,) = await database.fetch(_ENDS)
    if ends[0] is None:
        return
    edges = np.linspace(ends[0], ends[1] + 1, SLICES + 1).astype(int).tolist()
    for low, high in pairwise(edges):
        slice_ = {"low": low, "high": high - 1}
        async with database.write() as connection:
            if not database.is_sqlite:
                await connection.execute(_LOCK_ALL, slice_)
            await connection.execute(_CLEAR, slice_)
            await connection.execute(_COUNT, {**slice_, "at_s": at.timestamp()})
            yield connection, slice_
