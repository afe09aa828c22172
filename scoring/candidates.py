"""Where candidates come from: several sources, asked together, each with a deadline, united.

The nearest vectors alone would lose most of what is relevant: recall .11 of the final 30 on deskdrop, the union .97.
"""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from db.candidates import liked_by_neighbours, shared_candidates, tag_matches
from db.errors import Store, StoreUnavailable
from db.projects import ProjectFilter
from db.stores import Stores
from db.vectors.base import Hits, VectorFilter
from scoring import weights
from scoring.deadlines import Deadlines
from scoring.profile import Profile
from scoring.signals import Integers

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
        How many each source brought, before they were united.
    people
        Neighbours who like a project, by its id; only those at or above `weights.PEOPLE_FLOOR`.
    degraded
        The stores behind sources that did not answer.
    """

    ids: Integers
    by_source: dict[str, int]
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
    stores: Stores, profile: Profile, where: ProjectFilter, terms: TermGroups, deadlines: Deadlines
) -> Candidates:
    """Ask all sources together and unite what they bring: three statements and one call to the vector store.

    Parameters
    ----------
    where, terms
        What the feed is narrowed to, and the ids of the terms it names.
    deadlines
        What each source has.
    """
    sources = _Sources(deadlines.source_s)
    near, people, tagged, shared = await asyncio.gather(
        sources.ask(Store.VECTORS, _nearest(stores, profile, where, terms), Hits(), deadlines.vectors_s),
        sources.ask(Store.DATABASE, people_like(stores, profile), {}),
        sources.ask(Store.DATABASE, _tagged(stores, profile, where), []),
        sources.ask(Store.DATABASE, _shared(stores, where), {}),
    )
    by_source = {
        "near": near.ids.tolist(),
        "collaborative": list(people)[: weights.CANDIDATES_COLLABORATIVE],
        "tags": tagged,
        **shared,
    }
    united = dict.fromkeys(id_ for ids in by_source.values() for id_ in ids)
    return Candidates(
        ids=np.fromiter(united, dtype=np.int64, count=len(united)),
        by_source={name: len(ids) for name, ids in by_source.items()},
        people=people,
        degraded=tuple(sources.away),
    )


async def people_like(stores: Stores, profile: Profile) -> dict[int, int]:
    """Count by project the likes of the people most like the viewer: by tags, or by deeds if there are too few tags."""
    actor_id = profile.viewer.actor_id
    if actor_id is None or profile.is_empty:
        return {}
    by_tags = len(profile.tags) >= weights.SHARED_TAGS_LEAST
    return await liked_by_neighbours(
        stores.database,
        actor_id,
        None if by_tags else [touch.project_id for touch in profile.touches],
        neighbours=weights.NEIGHBOURS,
        shared=weights.SHARED_TAGS_LEAST,
        floor=weights.PEOPLE_FLOOR,
    )


async def _nearest(stores: Stores, profile: Profile, where: ProjectFilter, terms: TermGroups) -> Hits:
    if profile.vector is None:
        return Hits()
    narrowed = VectorFilter(
        exclude_owner=profile.viewer.user_id,
        types=frozenset(where.types),
        any_terms=terms,
        created_after=where.created_after,
    )
    return await stores.vectors.near(profile.vector, weights.CANDIDATES_NEAR, narrowed)


async def _tagged(stores: Stores, profile: Profile, where: ProjectFilter) -> list[int]:
    if not profile.tags:
        return []
    return await tag_matches(stores.database, profile.tag_terms.tolist(), weights.CANDIDATES_TAGS, where)


async def _shared(stores: Stores, where: ProjectFilter) -> dict[str, list[int]]:
    return await shared_candidates(
        stores.database,
        trending=weights.CANDIDATES_TRENDING,
        newest=weights.CANDIDATES_NEWEST,
        popular=weights.CANDIDATES_POPULAR,
        where=where,
    )
