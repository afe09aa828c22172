"""The pulse of a project: how many distinct people came to it lately, at several half-lives, live.

Each actor counts once for a project, at its first engagement, by the weight that stands in `engagement`. A sum that
halves every so often needs only its value and its time, so the event's own write keeps it: counters an hour old cost a
tenth of a ranking's quality. The sums are linear in what they are made of, so the order of arrival does not matter,
late events find their place, and what is taken back is subtracted. `rebuild_pulses` counts them again from the truth.
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

from db.batches import insert_batch
from db.columns import UNKNOWN_TIME, Identity, IntegerList, UtcDateTime, among
from db.engine import Database
from db.models import Engagement, Project, ProjectPulse, now

Floats = NDArray[np.float64]

HALF_LIVES_S = (3_600.0, 21_600.0, 259_200.0, 1_209_600.0)
"""1 hour, 6 hours, 3 days, 14 days: the columns of `pulses`, in this order."""

COLUMNS = ("people_1h", "people_6h", "people_3d", "people_14d")

SLICES = 16
"""Parts in which the pulses are counted again: events wait for one part of the work, not for all of it."""

MOST_HALVINGS = 100.0
"""Past this many halvings a sum counts no longer (8e-31); PostgreSQL refuses a float that underflows."""

_NEGLIGIBLE = 1e-9
"""What is left after as much was taken back as was given."""


class Arrival(NamedTuple):
    """A person who came to a project for the first time; a negative weight takes one back.

    Attributes
    ----------
    at
        When; nothing counts at `db.columns.UNKNOWN_TIME`.
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


def decayed(value: ArrayLike, last_at_s: ArrayLike, at_s: ArrayLike, half_life_s: ArrayLike) -> Floats:
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
        -np.minimum(passed / np.asarray(half_life_s, dtype=np.float64), MOST_HALVINGS)
    )
    return halved


def remaining(passed_s: ColumnElement[float], half_life_s: float) -> ColumnElement[float]:
    """Give the share of a sum that is left after so many seconds, in SQL."""
    halvings = passed_s / literal(half_life_s, Float(53))
    return func.power(literal(2.0, Float(53)), -case((halvings > MOST_HALVINGS, MOST_HALVINGS), else_=halvings))


def _added() -> Any:
    statement = insert_batch(ProjectPulse, "project_id", *COLUMNS, "last_s")
    given = statement.excluded
    latest = case((given.last_s > ProjectPulse.last_s, given.last_s), else_=ProjectPulse.last_s)
    sums: dict[str, Any] = {}
    for name, half_life_s in zip(COLUMNS, HALF_LIVES_S, strict=True):
        there = getattr(ProjectPulse, name) * remaining(latest - ProjectPulse.last_s, half_life_s)
        together = there + given[name] * remaining(latest - given.last_s, half_life_s)
        sums[name] = case((together > _NEGLIGIBLE, together), else_=0.0)
    return statement.on_conflict_do_update(index_elements=["project_id"], set_={**sums, "last_s": latest})


_ADD = _added()
_PULSES = select(ProjectPulse.project_id, *(getattr(ProjectPulse, name) for name in COLUMNS), ProjectPulse.last_s)
_PULSES_OF = _PULSES.where(among(ProjectPulse.project_id, bindparam("ids", type_=IntegerList())))
_FIRSTS_OF_ACTORS = select(Engagement.project_id, Engagement.first_at, Engagement.weight).where(
    among(Engagement.actor_id, bindparam("actors", type_=IntegerList()))
)
_SLICE = (bindparam("low", type_=Identity), bindparam("high", type_=Identity))
_AT_S = bindparam("at_s", type_=Float(53))
_UNKNOWN = bindparam("unknown", UNKNOWN_TIME, type_=UtcDateTime())
_ENDS = select(func.min(Project.id), func.max(Project.id))
_LOCK = select(Project.id).where(Project.id.between(*_SLICE)).order_by(Project.id).with_for_update(key_share=True)
_LOCK_ALL = select(func.count()).select_from(_LOCK.subquery("locked"))
_CLEAR = delete(ProjectPulse).where(ProjectPulse.project_id.between(*_SLICE))


def _counted() -> Any:
    """Count a slice's pulses from the truth, as of one moment for all."""
    epoch_s = epoch(Engagement.first_at)
    met = (
        select(Engagement.project_id, Engagement.weight, (_AT_S - epoch_s).label("passed_s"))
        .where(Engagement.first_at > _UNKNOWN, Engagement.project_id.between(*_SLICE))
        # Else SQLite would read each time anew wherever it stands in the sums: eight times a row.
        .cte("met")
        .prefix_with("MATERIALIZED")
    )
    passed_s = case((met.c.passed_s > 0, met.c.passed_s), else_=0.0)
    sums = (func.sum(met.c.weight * remaining(passed_s, half_life_s)) for half_life_s in HALF_LIVES_S)
    rows = select(met.c.project_id, *sums, _AT_S).group_by(met.c.project_id)
    return insert(ProjectPulse).from_select(["project_id", *COLUMNS, "last_s"], rows, include_defaults=False)


_COUNT = _counted()


async def pulses(database: Database, ids: Sequence[int], at: datetime) -> Floats:
    """Read how many people came to projects lately, in one statement.

    Returns
    -------
    (n, 4) weighted people, a row for each id in its order and a column for each of `HALF_LIVES_S`, decayed to `at`;
    zeros for a project that nobody came to.
    """
    rows = await database.fetch(_PULSES_OF, {"ids": list(ids)})
    return arranged(rows, ids, at)


def arranged(rows: Iterable[Any], ids: Sequence[int], at: datetime) -> Floats:
    """Decay rows of (project id, four sums, their time) to `at`, in the order of `ids`."""
    table = np.zeros((len(ids), 1 + len(COLUMNS)))
    places = {id_: place for place, id_ in enumerate(ids)}
    for project_id, *sums_and_time in rows:
        table[places[project_id]] = sums_and_time
    return decayed(table[:, :-1], table[:, -1:], at.timestamp(), np.array(HALF_LIVES_S))


async def add_arrivals(connection: AsyncConnection, arrivals: Iterable[Arrival]) -> None:
    """Add people to the pulses of projects that `db.counters.lock_projects` has locked, in one statement."""
    known = [arrival for arrival in arrivals if arrival.at > UNKNOWN_TIME and arrival.weight]
    if known:
        await connection.execute(_ADD, {"rows": _summed(known)})


def _summed(arrivals: Sequence[Arrival]) -> list[list[float]]:
    """Sum arrivals by project, each sum as of the project's latest arrival; one row a project, by id."""
    ids, rows = np.unique(np.array([arrival.project_id for arrival in arrivals]), return_inverse=True)
    at_s = np.array([arrival.at.timestamp() for arrival in arrivals])
    weights = np.array([arrival.weight for arrival in arrivals])
    last_s = np.full(ids.size, -np.inf)
    np.maximum.at(last_s, rows, at_s)
    columns = [
        np.bincount(rows, decayed(weights, at_s, last_s[rows], half_life_s), ids.size) for half_life_s in HALF_LIVES_S
    ]
    table = zip(ids.tolist(), *(column.tolist() for column in columns), last_s.tolist(), strict=True)
    return [list(row) for row in table]


async def forget_actors(connection: AsyncConnection, actor_ids: Sequence[int]) -> None:
    """Take everything that these actors added out of the pulses; before their engagement is deleted."""
    rows = await connection.execute(_FIRSTS_OF_ACTORS, {"actors": list(actor_ids)})
    await add_arrivals(connection, [Arrival(row.project_id, row.first_at, -row.weight) for row in rows])


async def rebuild_pulses(database: Database, at: datetime | None = None) -> None:
    """Count every pulse again from `engagement`; see `counted_slices`."""
    async for _ in counted_slices(database, at or now()):
        pass


async def counted_slices(database: Database, at: datetime) -> AsyncIterator[tuple[AsyncConnection, dict[str, int]]]:
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
