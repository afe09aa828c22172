"""Behavior evidence from the database. The number of statements per part does not depend on the candidates."""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

import numpy as np

from db.database.engine import Database
from db.errors import StoreUnavailable
from db.interactions.decayed_counters import HALF_LIVES_S, decayed_counts
from db.stores import Stores
from db.time_units import DAY_S, MICROSECONDS, time_of
from db.trained_models import collaborative_data as stored
from scoring import tunables
from scoring.collaborative.column_evidence import column_evidence
from scoring.features import FeatureTable
from scoring.mathematics.batched_release import BY_CLUSTER, first_needed_s
from scoring.mathematics.behavior_evidence import (
    NO_ACTIVITY,
    NO_INTERACTIONS,
    NO_LINKS,
    BehaviorEvidence,
    EvidencePart,
    FirstInteractions,
    History,
    NeighborKind,
    NeighborLinks,
    PlatformActivity,
    RecentInteractions,
    count_same_owner,
    neighbor_links,
    with_shared,
)
from scoring.mathematics.behavior_signals import required_parts
from scoring.mathematics.signals import Floats, Integers, Signal, look_up
from scoring.profiles.viewer_profile import Profile

_NEEDS_FACTORS = EvidencePart.USER_FACTORS | EvidencePart.CLUSTERS | EvidencePart.ITEM_FACTORS
_T = TypeVar("_T")
_ACTIVITY_KEY = "platform_activity"


async def load_evidence(
    stores: Stores,
    profile: Profile,
    table: FeatureTable,
    at: datetime,
    signals: Iterable[Signal],
) -> BehaviorEvidence:
    """Load the parts of the evidence that these signals read, or all parts from columns, in one statement."""
    if profile.columns is not None and profile.columns.hold(table.ids):
        return await column_evidence(profile.columns, profile, table, at)
    database, parts, ids = stores.database, required_parts(signals), table.ids.tolist()
    actor_id = profile.viewer.actor_id or 0
    viewer_factors = await stored.factors_of(database, actor_id) if parts & _NEEDS_FACTORS else stored.NO_FACTORS
    request = _Request(database, profile, table, at, parts, viewer_factors)
    zeros = np.zeros(table.n)
    (
        (actors, links, activity),
        ((interactions, similar_actors, clusters, neighbors), item_similarity, same_owner),
    ) = await asyncio.gather(
        asyncio.gather(
            decayed_counts(database, ids, at)
            if EvidencePart.ACTORS in parts
            else _constant(np.zeros((table.n, len(HALF_LIVES_S)))),
            _neighbor_links(request) if EvidencePart.ITEM_NEIGHBORS in parts else _constant(NO_LINKS),
            _platform_activity(stores, at) if EvidencePart.ACTIVITY in parts else _constant(NO_ACTIVITY),
        ),
        asyncio.gather(
            _recent_interactions(request) if EvidencePart.INTERACTIONS in parts else _constant((NO_INTERACTIONS,) * 4),
            _item_similarity(request) if EvidencePart.ITEM_FACTORS in parts else _constant(zeros),
            _same_owner_count(request) if EvidencePart.OWNERS in parts else _constant(zeros),
        ),
    )
    last_s = [engagement.last_at.timestamp() for engagement in profile.engagements if engagement.kinds]
    return BehaviorEvidence(
        at_s=at.timestamp(),
        created_s=at.timestamp() - table.age_days * DAY_S,
        actors=actors,
        engagements=History(np.array(profile.engaged, dtype=np.int64), np.array(last_s)),
        links={NeighborKind.COSINE: links},
        interactions=interactions,
        similar_actors=similar_actors,
        clusters=clusters,
        session_neighbors=neighbors,
        platform_activity=activity,
        item_similarity=item_similarity,
        same_owner_count=same_owner,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Request:
    """Inputs of the evidence: viewer, candidates, time, required parts, and the viewer's latent factors."""

    database: Database
    profile: Profile
    table: FeatureTable
    at: datetime
    parts: EvidencePart
    factors: stored.Vector


async def _constant(value: _T) -> _T:
    return value


async def _neighbor_links(request: _Request) -> NeighborLinks:
    """Load the neighbor lists of the viewer's history and keep the neighbors that are candidates."""
    history = request.profile.engaged
    lists = await stored.project_neighbors(request.database, history) if history else {}
    return neighbor_links(request.table.ids, history, lists)


async def _platform_activity(stores: Stores, at: datetime) -> PlatformActivity:
    """Load the platform's activity, which the cache shares between viewers for `tunables.ACTIVITY_FRESH_S`."""
    try:
        packed = await stores.cache.get(_ACTIVITY_KEY)
    except StoreUnavailable:
        packed = None
    if packed is None:
        since = at - timedelta(days=tunables.RECENT_INTERACTION_DAYS)
        packed = stored.pack_first_engagement_counts(await stored.first_engagement_counts(stores.database, since))
        with suppress(StoreUnavailable):
            await stores.cache.put(_ACTIVITY_KEY, packed, tunables.ACTIVITY_FRESH_S)
    at_s, counts = np.frombuffer(packed, dtype="<f8").reshape(2, -1)
    return PlatformActivity(at_s, counts)


async def _recent_interactions(request: _Request) -> tuple[FirstInteractions, ...]:
    """Load the live interactions of users, and the released ones with each of three similarities."""
    at_s, viewer = request.at.timestamp(), request.profile.viewer.actor_id or 0
    recent = await _interactions(request, request.table.ids)
    released = recent.released(viewer, at_s)
    of_clusters = recent.released(viewer, at_s, BY_CLUSTER)
    neighbors = NO_INTERACTIONS
    if EvidencePart.SESSION_NEIGHBORS in request.parts:
        latest = np.array(request.profile.engaged[: tunables.SESSION_PROJECTS], dtype=np.int64)
        shared = (await _interactions(request, latest)).session_neighbors(viewer, at_s)
        neighbors = with_shared(released, *shared)
    by_actor, by_cluster = await _similarities_to(request, released.actors, of_clusters.actors)
    similar = released._replace(similarity=by_actor), of_clusters._replace(similarity=by_cluster)
    return recent.live(viewer, at_s), *similar, neighbors


async def _interactions(request: _Request, ids: Integers) -> RecentInteractions:
    """Load the interactions of users with these projects from which released ones are known."""
    since = time_of(int(first_needed_s(request.at.timestamp()) * MICROSECONDS))
    recent = await stored.recent_interactions(request.database, ids.tolist(), since, tunables.MAX_RECENT_INTERACTIONS)
    order = np.argsort(ids)
    rows = order[np.searchsorted(ids[order], recent.projects)]
    return RecentInteractions(rows, recent.actors, recent.at_s)


async def _similarities_to(request: _Request, actors: Integers, members: Integers) -> tuple[Floats, Floats]:
    """Return the viewer's similarity to the factors of actors, and to the taste clusters of members; 0 if unknown."""
    if not request.parts & (EvidencePart.USER_FACTORS | EvidencePart.CLUSTERS) or not request.factors.size:
        return np.zeros(actors.size), np.zeros(members.size)
    others = await stored.user_factors(request.database, np.union1d(actors, members).tolist())
    by_actor = look_up(actors, others.actors, _similarities(others.vectors, request.factors))
    if EvidencePart.CLUSTERS not in request.parts:
        return by_actor, np.zeros(members.size)
    clusters = await stored.taste_clusters(request.database, np.unique(others.clusters[others.clusters > 0]).tolist())
    to_cluster = look_up(others.clusters, *_sorted_similarities(clusters, request.factors))
    return by_actor, look_up(members, others.actors, to_cluster)


async def _item_similarity(request: _Request) -> Floats:
    vectors = await stored.item_factors(request.database, request.table.ids.tolist())
    return look_up(request.table.ids, *_sorted_similarities(vectors, request.factors))


async def _same_owner_count(request: _Request) -> Floats:
    history = request.profile.engaged
    owners = await stored.owners_of(request.database, history)
    return count_same_owner(request.table.owners, np.array([owners.get(id_, -1) for id_ in history], dtype=np.int64))


def _sorted_similarities(vectors: dict[int, bytes], viewer_factors: stored.Vector) -> tuple[Integers, Floats]:
    """Return the ids in ascending order and the similarity of each packed vector to the viewer's factors."""
    ids = sorted(vectors)
    return np.array(ids, dtype=np.int64), _similarities([vectors[id_] for id_ in ids], viewer_factors)


def _similarities(vectors: Sequence[bytes], viewer_factors: stored.Vector) -> Floats:
    """Return dot products with packed vectors; 0 for a vector of another length, which an earlier training stored."""
    length = 2 * viewer_factors.size
    comparable = [index for index, vector in enumerate(vectors) if len(vector) == length > 0]
    similarity = np.zeros(len(vectors))
    if comparable:
        rows = stored.unpack_factors(b"".join(vectors[index] for index in comparable)).reshape(len(comparable), -1)
        similarity[comparable] = rows @ viewer_factors
    return similarity
