"""Candidate sources: queried concurrently, each with a deadline, and merged.

On the data set deskdrop, all sources together have a recall of .96 of the final 30 ranks, nearest vectors alone .11.
"""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeVar

import numpy as np

from db.catalog.candidate_queries import (
    co_engaged_candidates,
    liked_by_neighbors,
    projects_with_terms,
    shared_candidates,
)
from db.catalog.project_cards import ProjectFilter
from db.errors import Store, StoreUnavailable
from db.stores import Stores
from db.time_units import DAY_S, MICROSECONDS, time_of
from db.trained_models.collaborative_data import project_neighbors
from db.vectors.base import Hits
from scoring import tunables
from scoring.deadlines import Deadlines, within
from scoring.mathematics.batched_release import batch_start_s
from scoring.mathematics.behavior_evidence import history_weights
from scoring.mathematics.signals import Floats, Integers
from scoring.pipelines.column_sources import ColumnSources
from scoring.pipelines.feed_filters import TermGroups, vector_filter
from scoring.profiles.viewer_columns import ViewerColumns
from scoring.profiles.viewer_profile import Profile

_T = TypeVar("_T")


class CandidateSource(StrEnum):
    """Sources of candidates."""

    NEAR = "near"  # nearest vectors to the profile's vector
    COLLABORATIVE = "collaborative"  # liked by actors with similar interests or history
    TAGS = "tags"  # projects with terms of the viewer's interests
    TRENDING = "trending"  # highest velocity, updated hourly
    NEWEST = "newest"
    POPULAR = "popular"  # most all-time likes
    RECENT = "lately"  # most actors in the latest first interactions on the platform
    ITEM_NEIGHBORS = "item_neighbors"  # item neighbors of the history
    SESSION_NEIGHBORS = "session_neighbors"  # engaged with by actors who also engaged with the viewer's latest projects
    OWNERS = "owners"  # newest projects of the owners in the history


@dataclass(frozen=True, slots=True)
class Candidates:
    """Merged result of the sources."""

    ids: Integers  # distinct project ids in the order of the sources
    by_source: Mapping[CandidateSource, Sequence[int]]  # best first; empty for a source that failed
    neighbor_likes: dict[int, int]  # likes by user neighbors, by project id; none below `tunables.ANONYMITY_FLOOR`
    degraded: tuple[Store, ...]  # stores of the sources that failed


async def gather_candidates(
    stores: Stores, profile: Profile, where: ProjectFilter, terms: TermGroups, at: datetime, deadlines: Deadlines
) -> Candidates:
    """Query all sources concurrently: at most five statements, with columns two, and one call to the vector store."""
    degraded: list[Store] = []

    async def query(store: Store, source: Awaitable[_T], default: _T, seconds: float = deadlines.source_s) -> _T:
        try:
            return await within(seconds, store, source)
        except StoreUnavailable as error:
            degraded.append(error.store)
            return default

    if profile.columns is not None:
        local_sources = _column_sources(profile.columns, profile, where, terms, at)
        nearest_hits, neighbor_likes, neighbors = await asyncio.gather(
            query(Store.VECTORS, _nearest_vectors(stores, profile, where, terms), Hits(), deadlines.vectors_s),
            query(Store.DATABASE, likes_by_neighbors(stores, profile, at), {}),
            query(Store.DATABASE, _item_neighbors(stores, profile, at), []),
        )
        return _merged(
            nearest_hits, neighbor_likes, {CandidateSource.ITEM_NEIGHBORS: neighbors, **local_sources}, degraded
        )
    shared_sources = shared_candidates(
        stores.database,
        trending=tunables.CANDIDATES_TRENDING,
        newest=tunables.CANDIDATES_NEWEST,
        popular=tunables.CANDIDATES_POPULAR,
        recently_active=tunables.CANDIDATES_RECENT,
        recent_engagement_limit=tunables.RECENT_SOURCE_ENGAGEMENTS,
        at=at,
        where=where,
    )
    nearest_hits, neighbor_likes, tagged, shared, neighbors, co_engaged = await asyncio.gather(
        query(Store.VECTORS, _nearest_vectors(stores, profile, where, terms), Hits(), deadlines.vectors_s),
        query(Store.DATABASE, likes_by_neighbors(stores, profile, at), {}),
        query(Store.DATABASE, _tagged(stores, profile, where), []),
        query(Store.DATABASE, shared_sources, {}),
        query(Store.DATABASE, _item_neighbors(stores, profile, at), []),
        query(Store.DATABASE, _co_engaged(stores, profile, where, at), {}),
    )
    others = {CandidateSource.TAGS: tagged, CandidateSource.ITEM_NEIGHBORS: neighbors, **co_engaged, **shared}
    return _merged(nearest_hits, neighbor_likes, others, degraded)


def _merged(
    nearest: Hits, neighbor_likes: dict[int, int], others: Mapping[str, Sequence[int]], degraded: Sequence[Store]
) -> Candidates:
    found = {
        CandidateSource.NEAR: nearest.ids.tolist(),
        CandidateSource.COLLABORATIVE: list(neighbor_likes)[: tunables.CANDIDATES_COLLABORATIVE],
        **others,
    }
    by_source = {source: found.get(source, []) for source in CandidateSource}
    return Candidates(merge_candidates(by_source), by_source, neighbor_likes, tuple(degraded))


def _column_sources(
    columns: ViewerColumns, profile: Profile, where: ProjectFilter, terms: TermGroups, at: datetime
) -> dict[str, list[int]]:
    """Return the candidates of the sources that the columns hold."""
    sources, history = ColumnSources(columns, where, terms, at), profile.engaged
    found: dict[str, list[int]] = {
        CandidateSource.TRENDING: sources.trending(tunables.CANDIDATES_TRENDING),
        CandidateSource.NEWEST: sources.newest(tunables.CANDIDATES_NEWEST),
        CandidateSource.POPULAR: sources.popular(tunables.CANDIDATES_POPULAR),
        CandidateSource.RECENT: sources.recently_active(tunables.CANDIDATES_RECENT, tunables.RECENT_SOURCE_ENGAGEMENTS),
    }
    if profile.interests:
        interests = profile.interest_terms.tolist()
        found[CandidateSource.TAGS] = sources.with_terms(interests, tunables.CANDIDATES_INTERESTS)
    if history:
        neighbor_limit = tunables.CANDIDATES_SESSION_NEIGHBORS
        found[CandidateSource.SESSION_NEIGHBORS] = sources.of_session_neighbors(history, neighbor_limit)
        found[CandidateSource.OWNERS] = sources.of_owners(history, tunables.CANDIDATES_OWNERS)
    return found


def merge_candidates(by_source: Mapping[CandidateSource, Sequence[int] | Integers]) -> Integers:
    """Return the distinct ids in the order of the sources."""
    ids = dict.fromkeys(int(id_) for source_ids in by_source.values() for id_ in source_ids)
    return np.fromiter(ids, dtype=np.int64, count=len(ids))


async def likes_by_neighbors(stores: Stores, profile: Profile, at: datetime) -> dict[int, int]:
    """Count the likes of the viewer's user neighbors by project, in whole fives, as of the last batch.

    The neighbors share interests with the viewer, or projects of the history if the viewer has too few interests.
    """
    actor_id = profile.viewer.actor_id
    if actor_id is None or profile.is_empty or not profile.preferences.social_signals:
        return {}
    has_interests = len(profile.interests) >= tunables.MIN_SHARED_INTERESTS
    return await liked_by_neighbors(
        stores.database,
        actor_id,
        None if has_interests else [engagement.project_id for engagement in profile.engagements],
        terms=profile.interest_terms.tolist(),
        neighbors=tunables.LIKE_NEIGHBOR_COUNT,
        min_shared=tunables.MIN_SHARED_INTERESTS,
        min_actors=tunables.ANONYMITY_FLOOR,
        batch=time_of(int(batch_start_s(at.timestamp()) * MICROSECONDS)),
    )


async def _nearest_vectors(stores: Stores, profile: Profile, where: ProjectFilter, terms: TermGroups) -> Hits:
    if profile.vector is None:
        return Hits()
    stores.coverage.require()
    filter_ = vector_filter(where, terms, exclude_owner=profile.viewer.user_id)
    return await stores.vectors.near(profile.vector, tunables.CANDIDATES_NEAR, filter_)


async def _tagged(stores: Stores, profile: Profile, where: ProjectFilter) -> list[int]:
    if not profile.interests:
        return []
    return await projects_with_terms(
        stores.database, profile.interest_terms.tolist(), tunables.CANDIDATES_INTERESTS, where
    )


async def _item_neighbors(stores: Stores, profile: Profile, at: datetime) -> list[int]:
    history = profile.engaged
    if not history:
        return []
    seeds = history[: tunables.NEIGHBOR_SEEDS]
    if profile.columns is not None:
        # The evidence needs the lists of the whole history.
        whole = await profile.columns.neighbor_lists(history)
        lists = {id_: whole[id_] for id_ in seeds if id_ in whole}
    else:
        lists = await project_neighbors(stores.database, seeds)
    if not lists:
        return []
    ages_s = {engagement.project_id: (at - engagement.last_at).total_seconds() for engagement in profile.engagements}
    project_weights = history_weights(np.array([ages_s[project] / DAY_S for project in lists]))
    similarity = np.concatenate(
        [weight * neighbors.similarity for weight, neighbors in zip(project_weights, lists.values(), strict=True)]
    )
    ids = np.concatenate([neighbors.ids for neighbors in lists.values()])
    nearest = nearest_to_history(ids, similarity, np.array(history, dtype=np.int64), tunables.CANDIDATES_ITEM_NEIGHBORS)
    return [int(id_) for id_ in nearest]


def nearest_to_history(ids: Integers, similarity: Floats, history: Integers, limit: int) -> Integers:
    """Return the `limit` projects with the greatest sum of similarities to a history, outside of it; ties by id.

    `ids` and `similarity` are (m,) neighbors of the history's projects, in any order, and their weighted similarities.
    """
    projects, index = np.unique(ids, return_inverse=True)
    summed = np.bincount(index, similarity, minlength=projects.size)
    summed[np.isin(projects, history)] = 0.0
    order = np.lexsort((projects, -summed))[:limit]
    return projects[order[summed[order] > 0]]


async def _co_engaged(stores: Stores, profile: Profile, where: ProjectFilter, at: datetime) -> dict[str, list[int]]:
    """Return projects of session neighbors and of the owners in the history, in one statement."""
    history = profile.engaged
    if profile.viewer.actor_id is None or not history:
        return {}
    return await co_engaged_candidates(
        stores.database,
        profile.viewer.actor_id,
        history,
        latest_engaged=history[: tunables.SESSION_PROJECTS],
        since=at - timedelta(days=tunables.SESSION_NEIGHBOR_DAYS),
        interactions_since=at - timedelta(days=tunables.RECENT_INTERACTION_DAYS),
        max_actors=tunables.SESSION_NEIGHBOR_COUNT,
        min_actors=tunables.ANONYMITY_FLOOR,
        session_neighbors=tunables.CANDIDATES_SESSION_NEIGHBORS,
        owners=tunables.CANDIDATES_OWNERS,
        where=where,
    )
