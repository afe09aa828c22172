"""Where candidates come from: several sources, asked together, each with a deadline, united.

The nearest vectors alone would lose most of what is relevant: recall .11 of the final 30 on deskdrop, the union .97.
"""

import asyncio
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

import numpy as np

from db.catalog.candidate_queries import co_engaged_candidates, liked_by_neighbors, shared_candidates, tag_matches
from db.catalog.project_cards import ProjectFilter
from db.errors import Store, StoreUnavailable
from db.stores import Stores
from db.time_units import DAY_S
from db.trained_models.collaborative_data import project_neighbors
from db.vectors.base import Hits, VectorFilter
from scoring import weights
from scoring.deadlines import Deadlines
from scoring.mathematics.behavior_evidence import history_weights
from scoring.mathematics.signals import Integers
from scoring.profiles.viewer_profile import Profile
from scoring.replay.log_candidate_sources import CandidateSource, merge_candidates, nearest_to_history

TermGroups = tuple[frozenset[int], ...]
"""For each kind of term a filter names, the ids of which a project must carry at least one."""

_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class Candidates:
    """What the sources brought.

    Attributes
    ----------
    ids
        (n,) distinct project ids in the order in which the sources named them.
    by_source
        What each source brought, best first, before they were united. A source that did not answer brought nothing.
    people
        Neighbors who like a project, by its id; only those at or above `weights.ANONYMITY_FLOOR`.
    degraded
        The stores behind sources that did not answer.
    """

    ids: Integers
    by_source: Mapping[CandidateSource, Sequence[int]]
    people: dict[int, int]
    degraded: tuple[Store, ...]


@dataclass
class _Sources:
    """Asks sources, each with a deadline, and collects the stores that did not answer."""

    deadline_s: float
    away: list[Store] = field(default_factory=list)

    async def ask(
        self, store: Store, source: Awaitable[_Answer], otherwise: _Answer, deadline_s: float | None = None
    ) -> _Answer:
        """Wait for a source until its deadline; without an answer note its store and go on without it."""
        try:
            async with asyncio.timeout(self.deadline_s if deadline_s is None else deadline_s):
                return await source
        except TimeoutError:
            self.away.append(store)
        except StoreUnavailable as error:
            self.away.append(error.store)
        return otherwise


async def gather_candidates(
    stores: Stores, profile: Profile, where: ProjectFilter, terms: TermGroups, at: datetime, deadlines: Deadlines
) -> Candidates:
    """Ask all sources together and unite what they bring: at most five statements and one call to the vector store.

    Parameters
    ----------
    where, terms
        What the feed is narrowed to, and the ids of the terms it names.
    at
        The moment that "lately" ends at.
    deadlines
        What each source has.
    """
    sources = _Sources(deadlines.source_s)
    near, people, tagged, shared, neighbors, engaged = await asyncio.gather(
        sources.ask(Store.VECTORS, _nearest(stores, profile, where, terms), Hits(), deadlines.vectors_s),
        sources.ask(Store.DATABASE, likes_by_neighbors(stores, profile), {}),
        sources.ask(Store.DATABASE, _tagged(stores, profile, where), []),
        sources.ask(Store.DATABASE, _shared(stores, where, at), {}),
        sources.ask(Store.DATABASE, _neighbours(stores, profile, at), []),
        sources.ask(Store.DATABASE, _behind_touches(stores, profile, where, at), {}),
    )
    found: dict[str, Sequence[int]] = {
        CandidateSource.NEAR: near.ids.tolist(),
        CandidateSource.COLLABORATIVE: list(people)[: weights.CANDIDATES_COLLABORATIVE],
        CandidateSource.TAGS: tagged,
        CandidateSource.ITEM_NEIGHBORS: neighbors,
        **engaged,
        **shared,
    }
    by_source = {source: found.get(source, []) for source in CandidateSource}
    return Candidates(ids=merge_candidates(by_source), by_source=by_source, people=people, degraded=tuple(sources.away))


async def likes_by_neighbors(stores: Stores, profile: Profile) -> dict[int, int]:
    """Count by project the likes of the people most like the viewer: by tags, or by deeds if there are too few tags."""
    actor_id = profile.viewer.actor_id
    if actor_id is None or profile.is_empty or not profile.preferences.social_signals:
        return {}
    by_tags = len(profile.tags) >= weights.MIN_SHARED_TAGS
    return await liked_by_neighbors(
        stores.database,
        actor_id,
        None if by_tags else [engagement.project_id for engagement in profile.engagements],
        terms=profile.tag_terms.tolist(),
        neighbors=weights.ITEM_NEIGHBORS,
        shared=weights.MIN_SHARED_TAGS,
        floor=weights.ANONYMITY_FLOOR,
    )


def vector_filter(
    where: ProjectFilter, terms: TermGroups, *, exclude_owner: int | None = None, exclude_ids: Iterable[int] = ()
) -> VectorFilter:
    """Return what a feed is narrowed to as a filter of the vector index."""
    return VectorFilter(
        exclude_owner=exclude_owner,
        exclude_ids=frozenset((*where.excluded_ids, *exclude_ids)),
        types=frozenset(where.types),
        any_terms=terms,
        created_after=where.created_after,
        created_before=where.created_before,
        owner=where.owner_id,
    )


async def _nearest(stores: Stores, profile: Profile, where: ProjectFilter, terms: TermGroups) -> Hits:
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
        lately=weights.CANDIDATES_RECENT,
        platform_activity=weights.RECENT_SOURCE_ENGAGEMENTS,
        at=at,
        where=where,
    )


async def _neighbours(stores: Stores, profile: Profile, at: datetime) -> list[int]:
    """Find the nightly neighbors of what the viewer touched last."""
    engaged = profile.engaged
    ages_s = {engagement.project_id: (at - engagement.last_at).total_seconds() for engagement in profile.engagements}
    if not engaged:
        return []
    lists = await project_neighbors(stores.database, engaged[: weights.NEIGHBOR_SEEDS])
    if not lists:
        return []
    worth = history_weights(np.array([ages_s[project] / DAY_S for project in lists]))
    similarity = np.concatenate([w * one.similarity for w, one in zip(worth, lists.values(), strict=True)])
    ids = np.concatenate([one.ids for one in lists.values()])
    chosen = nearest_to_history(ids, similarity, np.array(engaged, dtype=np.int64), weights.CANDIDATES_ITEM_NEIGHBORS)
    return [int(id_) for id_ in chosen]


async def _behind_touches(stores: Stores, profile: Profile, where: ProjectFilter, at: datetime) -> dict[str, list[int]]:
    """Find what those who touched the viewer's last projects came to, and what their owners made."""
    engaged = profile.engaged
    if profile.viewer.actor_id is None or not engaged:
        return {}
    return await co_engaged_candidates(
        stores.database,
        profile.viewer.actor_id,
        engaged,
        last=engaged[: weights.SESSION_PROJECTS],
        since=at - timedelta(days=weights.SESSION_DAYS),
        interactions_since=at - timedelta(days=weights.RECENT_INTERACTION_DAYS),
        most=weights.SESSION_NEIGHBOR_COUNT,
        floor=weights.ANONYMITY_FLOOR,
        company=weights.CANDIDATES_SESSION_NEIGHBORS,
        owners=weights.CANDIDATES_OWNERS,
        where=where,
    )
