"""Candidate sources: they are asked together, each with a deadline, and their results are merged.

The nearest vectors alone have a recall of .11 of the final 30 on deskdrop, all sources together .97.
"""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeVar

import numpy as np

from db.catalog.candidate_queries import co_engaged_candidates, liked_by_neighbors, shared_candidates, tag_matches
from db.catalog.project_cards import ProjectFilter
from db.errors import Store, StoreUnavailable
from db.stores import Stores
from db.time_units import DAY_S
from db.trained_models.collaborative_data import project_neighbors
from db.vectors.base import Hits
from scoring import weights
from scoring.deadlines import Deadlines, within
from scoring.mathematics.behavior_evidence import history_weights
from scoring.mathematics.signals import Floats, Integers
from scoring.pipelines.feed_filters import TermGroups, vector_filter
from scoring.profiles.viewer_profile import Profile

_T = TypeVar("_T")


class CandidateSource(StrEnum):
    """Sources of candidates."""

    NEAR = "near"  # nearest vectors to the profile's
    COLLABORATIVE = "collaborative"  # liked by actors with the same interests or the same history
    TAGS = "tags"  # carries terms of the viewer's interests
    TRENDING = "trending"  # highest velocity, updated hourly
    NEWEST = "newest"
    POPULAR = "popular"  # most all-time likes
    RECENT = "lately"  # most actors among the latest first interactions on the platform
    ITEM_NEIGHBORS = "item_neighbors"  # item neighbors of the history
    SESSION_NEIGHBORS = "session_neighbors"  # engaged with by actors who share the viewer's latest projects
    OWNERS = "owners"  # newest projects of the owners in the history


@dataclass(frozen=True, slots=True)
class Candidates:
    """Merged result of the sources."""

    ids: Integers  # distinct project ids in the order of the sources
    by_source: Mapping[CandidateSource, Sequence[int]]  # best first; empty for a source that did not answer
    neighbor_likes: dict[int, int]  # likes by user neighbors of each project id, from `weights.ANONYMITY_FLOOR` on
    degraded: tuple[Store, ...]  # stores of the sources that did not answer


async def gather_candidates(
    stores: Stores, profile: Profile, where: ProjectFilter, terms: TermGroups, at: datetime, deadlines: Deadlines
) -> Candidates:
    """Ask all sources at the same time: at most five statements and one call to the vector store."""
    degraded: list[Store] = []

    async def ask(store: Store, source: Awaitable[_T], otherwise: _T, seconds: float = deadlines.source_s) -> _T:
        try:
            return await within(seconds, store, source)
        except StoreUnavailable as away:
            degraded.append(away.store)
            return otherwise

    near, neighbor_likes, tagged, shared, neighbors, co_engaged = await asyncio.gather(
        ask(Store.VECTORS, _near(stores, profile, where, terms), Hits(), deadlines.vectors_s),
        ask(Store.DATABASE, likes_by_neighbors(stores, profile), {}),
        ask(Store.DATABASE, _tagged(stores, profile, where), []),
        ask(Store.DATABASE, _shared(stores, where, at), {}),
        ask(Store.DATABASE, _item_neighbors(stores, profile, at), []),
        ask(Store.DATABASE, _co_engaged(stores, profile, where, at), {}),
    )
    found: dict[str, Sequence[int]] = {
        CandidateSource.NEAR: near.ids.tolist(),
        CandidateSource.COLLABORATIVE: list(neighbor_likes)[: weights.CANDIDATES_COLLABORATIVE],
        CandidateSource.TAGS: tagged,
        CandidateSource.ITEM_NEIGHBORS: neighbors,
        **co_engaged,
        **shared,
    }
    by_source = {source: found.get(source, []) for source in CandidateSource}
    return Candidates(merge_candidates(by_source), by_source, neighbor_likes, tuple(degraded))


def merge_candidates(by_source: Mapping[CandidateSource, Sequence[int] | Integers]) -> Integers:
    """Return the distinct ids in the order of the sources."""
    ids = dict.fromkeys(int(id_) for found in by_source.values() for id_ in found)
    return np.fromiter(ids, dtype=np.int64, count=len(ids))


async def likes_by_neighbors(stores: Stores, profile: Profile) -> dict[int, int]:
    """Count the likes of the viewer's user neighbors by project: neighbors by tags, or by history with too few tags."""
    actor_id = profile.viewer.actor_id
    if actor_id is None or profile.is_empty or not profile.preferences.social_signals:
        return {}
    by_tags = len(profile.tags) >= weights.MIN_SHARED_TAGS
    return await liked_by_neighbors(
        stores.database,
        actor_id,
        None if by_tags else [engagement.project_id for engagement in profile.engagements],
        terms=profile.tag_terms.tolist(),
        neighbors=weights.LIKE_NEIGHBOR_COUNT,
        min_shared=weights.MIN_SHARED_TAGS,
        min_actors=weights.ANONYMITY_FLOOR,
    )


async def _near(stores: Stores, profile: Profile, where: ProjectFilter, terms: TermGroups) -> Hits:
    if profile.vector is None:
        return Hits()
    narrowed = vector_filter(where, terms, exclude_owner=profile.viewer.user_id)
    return await stores.vectors.near(profile.vector, weights.CANDIDATES_NEAR, narrowed)


async def _tagged(stores: Stores, profile: Profile, where: ProjectFilter) -> list[int]:
    if not profile.tags:
        return []
    return await tag_matches(stores.database, profile.tag_terms.tolist(), weights.CANDIDATES_TAGS, where)


async def _shared(stores: Stores, where: ProjectFilter, at: datetime) -> dict[str, list[int]]:
    return await shared_candidates(
        stores.database,
        trending=weights.CANDIDATES_TRENDING,
        newest=weights.CANDIDATES_NEWEST,
        popular=weights.CANDIDATES_POPULAR,
        recently_active=weights.CANDIDATES_RECENT,
        platform_activity=weights.RECENT_SOURCE_ENGAGEMENTS,
        at=at,
        where=where,
    )


async def _item_neighbors(stores: Stores, profile: Profile, at: datetime) -> list[int]:
    history = profile.engaged
    lists = await project_neighbors(stores.database, history[: weights.NEIGHBOR_SEEDS]) if history else {}
    if not lists:
        return []
    ages_s = {engagement.project_id: (at - engagement.last_at).total_seconds() for engagement in profile.engagements}
    worth = history_weights(np.array([ages_s[project] / DAY_S for project in lists]))
    similarity = np.concatenate([w * one.similarity for w, one in zip(worth, lists.values(), strict=True)])
    ids = np.concatenate([one.ids for one in lists.values()])
    chosen = nearest_to_history(ids, similarity, np.array(history, dtype=np.int64), weights.CANDIDATES_ITEM_NEIGHBORS)
    return [int(id_) for id_ in chosen]


def nearest_to_history(ids: Integers, similarity: Floats, history: Integers, limit: int) -> Integers:
    """Return the `limit` projects of greatest summed similarity to a history, without those in it; ties go by id.

    `ids` and `similarity` are (m,) neighbors of the history's projects, in any order, and their weighted similarities.
    """
    found, place = np.unique(ids, return_inverse=True)
    summed = np.bincount(place, similarity, minlength=found.size)
    summed[np.isin(found, history)] = 0.0
    order = np.lexsort((found, -summed))[:limit]
    return found[order[summed[order] > 0]]


async def _co_engaged(stores: Stores, profile: Profile, where: ProjectFilter, at: datetime) -> dict[str, list[int]]:
    """Find projects of session neighbors and of the owners in the history, in one statement."""
    history = profile.engaged
    if profile.viewer.actor_id is None or not history:
        return {}
    return await co_engaged_candidates(
        stores.database,
        profile.viewer.actor_id,
        history,
        latest_engaged=history[: weights.SESSION_PROJECTS],
        since=at - timedelta(days=weights.SESSION_DAYS),
        interactions_since=at - timedelta(days=weights.RECENT_INTERACTION_DAYS),
        max_actors=weights.SESSION_NEIGHBOR_COUNT,
        min_actors=weights.ANONYMITY_FLOOR,
        session_neighbors=weights.CANDIDATES_SESSION_NEIGHBORS,
        owners=weights.CANDIDATES_OWNERS,
        where=where,
    )
