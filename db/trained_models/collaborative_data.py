"""Data of the collaborative signals: latent factors, taste clusters, neighbor lists, and recent first engagements.

A neighbor list is one row of two blobs: 2.4 KB for 200 neighbors.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Select, bindparam, cast, delete, func, insert, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from db.catalog.visibility import by_user
from db.database.column_types import ACTOR_ID, ID_RANGE, IDS, SINCE, UNKNOWN_TIME, BigIntId, in_list
from db.database.engine import Database
from db.interactions.decayed_counters import epoch
from db.models import (
    ENGAGEMENT_BIT,
    Actor,
    Engagement,
    Interaction,
    ItemFactors,
    ItemNeighbors,
    Project,
    TasteCluster,
    UserFactors,
)
from db.time_units import FIRST_ENGAGEMENT_BUCKET_S

Ids = NDArray[np.int64]
Vector = NDArray[np.float32]

ACTORS_PER_READ = 5_000
"""Number of actors per statement of `read_engagement` and `read_visits`, to limit memory."""
ROWS_PER_WRITE = 2_000


class NeighborList(NamedTuple):
    """Neighbors of a project, the most similar first."""

    ids: Ids
    similarity: Vector


class FirstInteractions(NamedTuple):
    """First engagements: (m,) project ids, actor ids, and times in Unix seconds."""

    projects: Ids
    actors: Ids
    at_s: NDArray[np.float64]


NO_INTERACTIONS = FirstInteractions(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))


class ActorFactors(NamedTuple):
    """Factors of actors: (m,) ascending actor ids, packed factors, and taste cluster ids (0: no cluster)."""

    actors: Ids
    vectors: list[bytes]
    clusters: Ids


NO_FACTORS = np.empty(0, np.float32)

_FACTORS = select(UserFactors.vector).where(UserFactors.actor_id == ACTOR_ID)
_PROJECTS = select(ItemFactors.project_id, ItemFactors.vector).where(in_list(ItemFactors.project_id, IDS))
_CLUSTERS = select(TasteCluster.id, TasteCluster.vector).where(in_list(TasteCluster.id, IDS))
_LAST_CLUSTER = select(func.max(TasteCluster.id))
_LISTS = select(ItemNeighbors.project_id, ItemNeighbors.neighbors, ItemNeighbors.similarity).where(
    in_list(ItemNeighbors.project_id, IDS)
)
_FACTORS_OF_ACTORS = (
    select(UserFactors.actor_id, UserFactors.vector, func.coalesce(UserFactors.cluster, 0))
    .where(in_list(UserFactors.actor_id, IDS))
    .order_by(UserFactors.actor_id)
)
_FIRST = (Engagement.project_id, Engagement.actor_id, epoch(Engagement.first_at))
_RECENT = (
    select(*_FIRST)
    .where(in_list(Engagement.project_id, IDS), Engagement.last_at >= SINCE, Engagement.first_at >= SINCE)
    .where(Engagement.kinds > 0, by_user(Engagement.actor_id))
    .order_by(Engagement.first_at.desc(), Engagement.project_id, Engagement.actor_id)
    .limit(bindparam("limit"))
)
_OWNERS_OF = select(Project.id, Project.owner_id).where(in_list(Project.id, IDS), Project.owner_id.is_not(None))
_SLICE = select(Engagement.actor_id, Engagement.project_id, Engagement.first_at, Engagement.weight).where(
    Engagement.actor_id.between(*ID_RANGE), Engagement.kinds > 0, by_user(Engagement.actor_id)
)
_VISITS = (
    select(Interaction.actor_id, Interaction.project_id, Interaction.at, literal(1.0))
    .where(Interaction.actor_id.between(*ID_RANGE), Interaction.type.in_([type_.value for type_ in ENGAGEMENT_BIT]))
    .where(Interaction.at > UNKNOWN_TIME, by_user(Interaction.actor_id))
)
_BUCKET = cast(func.floor(epoch(Engagement.first_at) / FIRST_ENGAGEMENT_BUCKET_S), BigIntId).label("bucket")
_COUNTS = (
    select(_BUCKET, func.count().label("count"))
    .where(Engagement.first_at >= SINCE, Engagement.kinds > 0)
    .group_by(_BUCKET)
    .order_by(_BUCKET)
)
_ENGAGEMENTS = select(func.count()).select_from(Engagement).where(Engagement.kinds > 0, by_user(Engagement.actor_id))
_LAST_ACTOR = select(func.max(Actor.id))


async def factors_of(database: Database, actor_id: int) -> Vector:
    """Read the latent factors of an actor. The result is empty if no nightly training has included the actor yet."""
    rows = await database.fetch(_FACTORS, {"actor": actor_id})
    return unpack_factors(rows[0].vector) if rows else NO_FACTORS


async def item_factors(database: Database, ids: Sequence[int]) -> dict[int, bytes]:
    """Read the packed factors of projects, by id. Projects with too few actors are left out."""
    return {row.project_id: row.vector for row in await database.fetch(_PROJECTS, {"ids": ids})}


async def project_neighbors(database: Database, ids: Sequence[int]) -> dict[int, NeighborList]:
    """Read the neighbor lists of projects, by project id. Projects without neighbors are left out."""
    rows = await database.fetch(_LISTS, {"ids": ids})
    return {
        id_: NeighborList(np.frombuffer(neighbors, dtype="<i8"), np.frombuffer(similarity, dtype="<f4"))
        for id_, neighbors, similarity in rows
    }


async def recent_interactions(database: Database, ids: Sequence[int], since: datetime, limit: int) -> FirstInteractions:
    """Read up to `limit` first engagements of users with these projects since a time, latest first."""
    rows = await database.fetch(_RECENT, {"ids": ids, "since": since, "limit": limit})
    projects, actors, at_s = zip(*rows, strict=True) if rows else ((), (), ())
    return FirstInteractions(
        np.array(projects, dtype=np.int64), np.array(actors, dtype=np.int64), np.array(at_s, dtype=np.float64)
    )


async def user_factors(database: Database, actor_ids: Sequence[int]) -> ActorFactors:
    """Read the factors of actors. Actors without factors are left out."""
    rows = await database.fetch(_FACTORS_OF_ACTORS, {"ids": actor_ids})
    ids, vectors, cluster_ids = zip(*rows, strict=True) if rows else ((), (), ())
    return ActorFactors(np.array(ids, dtype=np.int64), list(vectors), np.array(cluster_ids, dtype=np.int64))


async def taste_clusters(database: Database, ids: Sequence[int]) -> dict[int, bytes]:
    """Read the packed mean factors of taste clusters, by cluster id."""
    return {row.id: row.vector for row in await database.fetch(_CLUSTERS, {"ids": ids})}


async def first_engagement_counts(database: Database, since: datetime) -> list[tuple[float, int]]:
    """Count first engagements with any project in intervals of five minutes: (middle in Unix seconds, count)."""
    rows = await database.fetch(_COUNTS, {"since": since})
    return [((row.bucket + 0.5) * FIRST_ENGAGEMENT_BUCKET_S, row.count) for row in rows]


def pack_first_engagement_counts(counts: Sequence[tuple[float, int]]) -> bytes:
    """Pack counts for the cache: all times, then all counts, as little-endian float64."""
    return np.array(counts, dtype="<f8").reshape(-1, 2).T.tobytes()


async def owners_of(database: Database, ids: Sequence[int]) -> dict[int, int]:
    """Read the owner ids of projects. Projects without an owner are left out."""
    return {row.id: row.owner_id for row in await database.fetch(_OWNERS_OF, {"ids": ids})}


# --- nightly training ----------------------------------------------------------------------------------------------


class EngagementRows(NamedTuple):
    """Engagements or interactions: (m,) actor ids, project ids, Unix seconds, and weights in the decayed counters."""

    actors: Ids
    projects: Ids
    at_s: NDArray[np.float64]
    weights: NDArray[np.float64]


async def read_engagement(database: Database) -> EngagementRows:
    """Read the first engagements of users."""
    return await _read_by_actor(database, _SLICE)


async def read_visits(database: Database) -> EngagementRows:
    """Read all interactions of users that count as engagement and whose time is known."""
    return await _read_by_actor(database, _VISITS)


async def _read_by_actor(database: Database, statement: Select[int, int, datetime, float]) -> EngagementRows:
    last_actor_id = (await database.fetch(_LAST_ACTOR))[0][0] or 0
    parts = [EngagementRows(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0), np.empty(0))]
    for first_id in range(1, last_actor_id + 1, ACTORS_PER_READ):
        rows = await database.fetch(statement, {"first_id": first_id, "last_id": first_id + ACTORS_PER_READ - 1})
        parts.append(
            EngagementRows(
                np.array([row[0] for row in rows], dtype=np.int64),
                np.array([row[1] for row in rows], dtype=np.int64),
                np.array([row[2].timestamp() for row in rows], dtype=np.float64),
                np.array([row[3] for row in rows], dtype=np.float64),
            )
        )
    return EngagementRows(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


async def count_engagements(database: Database) -> int:
    """Count the pairs of a user and a project that the user engaged with."""
    return int((await database.fetch(_ENGAGEMENTS))[0][0])


async def next_cluster_id(connection: AsyncConnection) -> int:
    """Return the lowest unused cluster id, so that two training runs have different ids."""
    return int((await connection.execute(_LAST_CLUSTER)).scalar() or 0) + 1


async def replace_all(
    connection: AsyncConnection,
    model: type[UserFactors | TasteCluster | ItemFactors | ItemNeighbors],
    rows: Iterable[Any],
) -> None:
    """Replace all rows of a table in the caller's transaction. Readers see the old rows until it ends."""
    await connection.execute(delete(model))
    remaining = iter(rows)
    while chunk := list(islice(remaining, ROWS_PER_WRITE)):
        await connection.execute(insert(model), chunk)


def pack_factors(vector: NDArray[Any]) -> bytes:
    """Pack factors as little-endian float16: 80 bytes for 40 factors."""
    return vector.astype("<f2").tobytes()


def unpack_factors(packed: bytes) -> Vector:
    """Unpack the result of `pack_factors`."""
    return np.frombuffer(packed, dtype="<f2").astype(np.float32)
