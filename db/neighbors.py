"""What is built at night of actors and projects, and the live deeds that it is read with, in fixed statements.

Ids and likeness are kept as blobs: a list of 200 is one row of 2.4 KB instead of 200 rows.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import bindparam, cast, delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from db.activity.pulse import epoch
from db.columns import Identity, IntegerList, UtcDateTime, among
from db.engine import Database, Rows
from db.models import Actor, ActorTaste, Engagement, Project, ProjectNeighbours, ProjectTaste, TasteCircle

Ids = NDArray[np.int64]
Vector = NDArray[np.float32]

ACTORS_A_READ = 5_000
"""Actors whose engagement is read at a time when lists are built: memory stays flat while it streams."""
ROWS_A_WRITE = 2_000
ARRIVALS_BUCKET_S = 300.0
"""Arrivals are counted by five minutes: 4,032 numbers for two weeks."""


@dataclass(frozen=True, slots=True, eq=False)
class Likened:
    """Somebody's nearest, the most alike first."""

    ids: Ids
    likeness: Vector


@dataclass(frozen=True, slots=True, eq=False)
class Taste:
    """What was built of an actor at night; `vector` is empty for somebody who was not there yet."""

    vector: Vector
    people: Likened


class Deeds(NamedTuple):
    """First engagements: (m,) projects, actors, and Unix seconds."""

    projects: Ids
    actors: Ids
    at_s: NDArray[np.float64]


NO_DEEDS = Deeds(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))


class Tastes(NamedTuple):
    """What the night knows of actors: (m,) ids in rising order, their packed tastes, and their circles or 0."""

    actors: Ids
    vectors: list[bytes]
    circles: Ids


NO_TASTE = Taste(np.empty(0, np.float32), Likened(np.empty(0, np.int64), np.empty(0, np.float32)))

_IDS = bindparam("ids", type_=IntegerList())
_ACTOR = bindparam("actor", type_=Identity)
_SINCE = bindparam("since", type_=UtcDateTime())
_TASTE = select(ActorTaste.vector, ActorTaste.neighbours, ActorTaste.likeness).where(ActorTaste.actor_id == _ACTOR)
_OWNERS = (
    select(Actor.user_id, ActorTaste.vector)
    .join(ActorTaste, ActorTaste.actor_id == Actor.id)
    .where(among(Actor.user_id, _IDS))
)
_PROJECTS = select(ProjectTaste.project_id, ProjectTaste.vector).where(among(ProjectTaste.project_id, _IDS))
_CIRCLES = select(TasteCircle.id, TasteCircle.vector).where(among(TasteCircle.id, _IDS))
_LAST_CIRCLE = select(func.max(TasteCircle.id))
_LISTS = select(
    ProjectNeighbours.project_id, ProjectNeighbours.kind, ProjectNeighbours.neighbours, ProjectNeighbours.likeness
).where(among(ProjectNeighbours.project_id, _IDS))
_LISTS_OF_KINDS = _LISTS.where(ProjectNeighbours.kind.in_(bindparam("kinds", expanding=True)))
_TASTES = (
    select(ActorTaste.actor_id, ActorTaste.vector, func.coalesce(ActorTaste.circle, 0))
    .where(among(ActorTaste.actor_id, _IDS))
    .order_by(ActorTaste.actor_id)
)
_DEED = (Engagement.project_id, Engagement.actor_id, epoch(Engagement.first_at))
_RECENT = (
    select(*_DEED)
    .where(among(Engagement.project_id, _IDS), Engagement.last_at >= _SINCE, Engagement.first_at >= _SINCE)
    .where(Engagement.actor_id != _ACTOR, Engagement.kinds > 0)
    .order_by(Engagement.first_at.desc(), Engagement.project_id, Engagement.actor_id)
    .limit(bindparam("limit"))
)
_OF_PEOPLE = select(*_DEED).where(
    among(Engagement.project_id, _IDS),
    among(Engagement.actor_id, bindparam("actors", type_=IntegerList())),
    Engagement.kinds > 0,
)
_COMPANY = (
    select(Engagement.actor_id, func.count().label("shared"))
    .where(among(Engagement.project_id, _IDS), Engagement.last_at >= _SINCE, Engagement.first_at >= _SINCE)
    .where(Engagement.actor_id != _ACTOR, Engagement.kinds > 0)
    .group_by(Engagement.actor_id)
    .order_by(func.count().desc(), Engagement.actor_id)
    .limit(bindparam("limit"))
)
_OWNERS_OF = select(Project.id, Project.owner_id).where(among(Project.id, _IDS), Project.owner_id.is_not(None))
_SOME = (
    select(Engagement.actor_id, Engagement.project_id, Engagement.first_at)
    .where(Engagement.actor_id > bindparam("behind", type_=Identity))
    .where(Engagement.actor_id <= bindparam("until", type_=Identity), Engagement.kinds > 0)
)
_BUCKET = cast(func.floor(epoch(Engagement.first_at) / ARRIVALS_BUCKET_S), Identity).label("bucket")
_ARRIVALS = (
    select(_BUCKET, func.count().label("count"))
    .where(Engagement.first_at >= _SINCE, Engagement.kinds > 0)
    .group_by(_BUCKET)
    .order_by(_BUCKET)
)
_LAST_ACTOR = select(func.max(Actor.id))


async def taste_of(database: Database, actor_id: int) -> Taste:
    """Read what was built of an actor."""
    for row in await database.fetch(_TASTE, {"actor": actor_id}):
        return Taste(unpacked(row.vector), _likened(row))
    return NO_TASTE


async def owner_tastes(database: Database, users: Sequence[int]) -> dict[int, bytes]:
    """Read the packed tastes of users."""
    return {row.user_id: row.vector for row in await database.fetch(_OWNERS, {"ids": users})}


async def project_tastes(database: Database, ids: Sequence[int]) -> dict[int, bytes]:
    """Read the packed tastes of projects; one of too few people has none."""
    return {row.project_id: row.vector for row in await database.fetch(_PROJECTS, {"ids": ids})}


async def project_neighbours(
    database: Database, ids: Sequence[int], kinds: Sequence[str]
) -> list[tuple[int, str, Likened]]:
    """Read the lists of projects, those of some kinds: project, kind, list."""
    rows = await database.fetch(_LISTS_OF_KINDS, {"ids": ids, "kinds": list(kinds)})
    return [(row.project_id, row.kind, _likened(row)) for row in rows]


async def recent_deeds(database: Database, ids: Sequence[int], actor_id: int, since: datetime, limit: int) -> Deeds:
    """Read who else came to these projects since a moment, the latest first."""
    return _deeds(await database.fetch(_RECENT, {"ids": ids, "actor": actor_id, "since": since, "limit": limit}))


async def tastes_of(database: Database, actors: Sequence[int]) -> Tastes:
    """Read what the night knows of actors, for those it knows."""
    rows = await database.fetch(_TASTES, {"ids": actors})
    ids, vectors, circles = zip(*rows, strict=True) if rows else ((), (), ())
    return Tastes(np.array(ids, dtype=np.int64), list(vectors), np.array(circles, dtype=np.int64))


async def circles(database: Database, ids: Sequence[int]) -> dict[int, bytes]:
    """Read the packed mean tastes of circles."""
    return {row.id: row.vector for row in await database.fetch(_CIRCLES, {"ids": ids})}


async def deeds_of(database: Database, ids: Sequence[int], actors: Sequence[int]) -> Deeds:
    """Read what these actors ever did with these projects."""
    return _deeds(await database.fetch(_OF_PEOPLE, {"ids": ids, "actors": actors}))


async def company_of(
    database: Database, ids: Sequence[int], actor_id: int, since: datetime, limit: int
) -> dict[int, int]:
    """Count, for each other actor, how many of these projects he or she came to since a moment."""
    rows = await database.fetch(_COMPANY, {"ids": ids, "actor": actor_id, "since": since, "limit": limit})
    return {row.actor_id: row.shared for row in rows}


async def arrivals(database: Database, since: datetime) -> list[tuple[float, int]]:
    """Count the first touches of any project by five minutes: the middle of each (Unix seconds), and how many."""
    rows = await database.fetch(_ARRIVALS, {"since": since})
    return [((row.bucket + 0.5) * ARRIVALS_BUCKET_S, row.count) for row in rows]


def packed_arrivals(counted: Sequence[tuple[float, int]]) -> bytes:
    """Pack arrivals for the cache: all times, then all counts, as little-endian float64."""
    return np.array(counted, dtype="<f8").reshape(-1, 2).T.tobytes()


async def owners_of(database: Database, ids: Sequence[int]) -> dict[int, int]:
    """Read the owners of projects, for those that have one."""
    return {row.id: row.owner_id for row in await database.fetch(_OWNERS_OF, {"ids": ids})}


# --- the night ------------------------------------------------------------------------------------------------------


async def all_engagement(database: Database) -> AsyncIterator[tuple[Ids, Ids, NDArray[np.float64]]]:
    """Stream every engagement as (actors, projects, seconds of the first touch), some thousand actors at a time."""
    last = (await database.fetch(_LAST_ACTOR))[0][0] or 0
    for behind in range(0, last, ACTORS_A_READ):
        rows = await database.fetch(_SOME, {"behind": behind, "until": behind + ACTORS_A_READ})
        if rows:
            yield (
                np.array([row[0] for row in rows], dtype=np.int64),
                np.array([row[1] for row in rows], dtype=np.int64),
                np.array([row[2].timestamp() for row in rows]),
            )


async def next_circle(connection: AsyncConnection) -> int:
    """Give the first id that no circle has had, so that a reader never mixes two nights."""
    return int((await connection.execute(_LAST_CIRCLE)).scalar() or 0) + 1


async def replace_all(
    connection: AsyncConnection,
    model: type[ActorTaste | TasteCircle | ProjectTaste | ProjectNeighbours],
    rows: Iterable[Any],
) -> None:
    """Put new rows in the place of all old ones, in the caller's transaction: readers see the old until it ends."""
    await connection.execute(delete(model))
    some: list[Any] = []
    for row in rows:
        some.append(row)
        if len(some) == ROWS_A_WRITE:
            await connection.execute(insert(model), some)
            some = []
    if some:
        await connection.execute(insert(model), some)


def packed(vector: NDArray[Any]) -> bytes:
    """Pack factors: little-endian float16, 80 bytes for 40."""
    return vector.astype("<f2").tobytes()


def unpacked(blob: bytes) -> Vector:
    """Unpack what `packed` made."""
    return np.frombuffer(blob, dtype="<f2").astype(np.float32)


def _deeds(rows: Rows) -> Deeds:
    projects, actors, at_s = zip(*rows, strict=True) if rows else ((), (), ())
    return Deeds(np.array(projects, dtype=np.int64), np.array(actors, dtype=np.int64), np.array(at_s, dtype=np.float64))


def _likened(row: Any) -> Likened:
    return Likened(np.frombuffer(row.neighbours, dtype="<i8"), np.frombuffer(row.likeness, dtype="<f4"))
