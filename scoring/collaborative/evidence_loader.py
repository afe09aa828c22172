"""The evidence of `scoring.mathematics.behavior_evidence` from SQL: a fixed number of statements for each part, whatever it is of."""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from db.errors import StoreUnavailable
from db.interactions.decayed_counters import HALF_LIVES_S, decayed_counts
from db.stores import Stores
from db.trained_models import collaborative_data as stored
from scoring import weights
from scoring.collaborative.recent_interactions import RecentInteractionReader
from scoring.features import FeatureTable
from scoring.mathematics.behavior_evidence import (
    NO_ACTIVITY,
    NO_INTERACTIONS,
    NO_LINKS,
    BehaviorEvidence,
    FirstInteractions,
    History,
    NeighborKind,
    NeighborLinks,
    Part,
    PlatformActivity,
    same_owner,
)
from scoring.mathematics.behavior_signals import required_parts
from scoring.mathematics.signals import Floats, Integers
from scoring.profiles.viewer_profile import Profile
from scoring.weights import Signal

_LISTS = {Part.COSINE: NeighborKind.COSINE, Part.RP3BETA: NeighborKind.RP3BETA, Part.EASE: NeighborKind.EASE}
_OF_TASTE = Part.TASTES | Part.CIRCLES | Part.USER_NEIGHBORS | Part.ITEM_FACTORS | Part.OWNER_FACTORS
"""What cannot be read before the viewer's own taste is."""


async def load_evidence(
    stores: Stores,
    profile: Profile,
    table: FeatureTable,
    at: datetime,
    signals: Iterable[Signal],
    recent: RecentInteractionReader | None = None,
) -> BehaviorEvidence:
    """Gather what some behavior signals read of a viewer and of candidates, as it is now.

    Parameters
    ----------
    recent
        What has been read of others' deeds already; None to read all of them.

    Returns
    -------
    BehaviorEvidence
        With the floor of `weights.ANONYMITY_FLOOR` people; what none of the signals reads is empty.
    """
    recent = recent or RecentInteractionReader(stores.database, profile.viewer.actor_id or 0, at)
    asked = _Asked(stores, profile, table, at, required_parts(signals), recent)
    taste = (
        await stored.user_neighborhood(stores.database, asked.actor_id)
        if asked.parts & _OF_TASTE
        else stored.NO_FACTORS
    )
    (
        actors,
        links,
        platform_activity,
        (user_neighbors, user_neighbor_similarity),
        (others, by_project, by_owner, owned),
    ) = await asyncio.gather(
        _people(asked),
        _links(asked),
        _arrivals(asked),
        _fellows(asked, taste),
        asyncio.gather(
            _others(asked, taste), _project_taste(asked, taste), _owner_taste(asked, taste), _owner_touches(asked)
        ),
    )
    return BehaviorEvidence(
        at_s=at.timestamp(),
        created_s=at.timestamp() - table.age_days * 86_400.0,
        actors=actors,
        engagements=asked.engagements,
        links=links,
        user_neighbors=user_neighbors,
        user_neighbor_similarity=user_neighbor_similarity,
        interactions=others.interactions,
        clusters=others.clusters,
        session_neighbors=others.session_neighbors,
        platform_activity=platform_activity,
        item_similarity=by_project,
        owner_similarity=by_owner,
        owner_touches=owned,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    """What evidence is asked for."""

    stores: Stores
    profile: Profile
    table: FeatureTable
    at: datetime
    parts: Part
    recent: RecentInteractionReader

    @property
    def actor_id(self) -> int:
        """The viewer's; 0 for somebody who has done nothing yet."""
        return self.profile.viewer.actor_id or 0

    @property
    def ids(self) -> list[int]:
        """The candidates' ids."""
        ids: list[int] = self.table.ids.tolist()
        return ids

    @property
    def engagements(self) -> History:
        """What the viewer touched, the latest first."""
        touch_s = {engagement.project_id: engagement.last_at.timestamp() for engagement in self.profile.engagements}
        engaged = self.profile.engaged
        return History(np.array(engaged, dtype=np.int64), np.array([touch_s[id_] for id_ in engaged]))


async def _people(asked: _Asked) -> Floats:
    if Part.PEOPLE not in asked.parts:
        return np.zeros((asked.table.ids.size, len(HALF_LIVES_S)))
    return await decayed_counts(asked.stores.database, asked.ids, asked.at)


async def _links(asked: _Asked) -> dict[NeighborKind, NeighborLinks]:
    """Read the neighbor lists of touched projects, and keep what leads to a candidate."""
    kinds = [kind for part, kind in _LISTS.items() if part in asked.parts]
    engaged = asked.profile.engaged
    if not kinds or not engaged:
        return {}
    lists = await stored.project_neighbors(asked.stores.database, engaged, kinds)
    place = {id_: index for index, id_ in enumerate(engaged)}
    of_kind = {kind: [(place[project], one) for project, name, one in lists if name == kind] for kind in kinds}
    return {kind: _joined(asked.table.ids, found) for kind, found in of_kind.items() if found}


async def _arrivals(asked: _Asked) -> PlatformActivity:
    """Read how busy the platform was; for a minute the cache remembers it for everybody."""
    if Part.ARRIVALS not in asked.parts:
        return NO_ACTIVITY
    stores = asked.stores
    try:
        known = await stores.cache.get(_BUSY)
    except StoreUnavailable:
        known = None
    if known is None:
        since = asked.at - timedelta(days=weights.RECENT_INTERACTION_DAYS)
        known = stored.pack_first_engagement_counts(await stored.first_engagement_counts(stores.database, since))
        with suppress(StoreUnavailable):
            await stores.cache.put(_BUSY, known, weights.ACTIVITY_FRESH_S)
    at_s, actors = np.frombuffer(known, dtype="<f8").reshape(2, -1)
    return PlatformActivity(at_s, actors)


_BUSY = "arrivals"


async def _fellows(asked: _Asked, taste: stored.ViewerFactors) -> tuple[FirstInteractions, float]:
    """Read what those most like the viewer ever did, and the sum of their likeness."""
    nearest = taste.people
    if Part.USER_NEIGHBORS not in asked.parts or not nearest.ids.size:
        return NO_INTERACTIONS, 0.0
    found = await stored.first_engagements_of(asked.stores.database, asked.ids, nearest.ids.tolist())
    order = np.argsort(nearest.ids)
    similarity = _of_ids(found.actors, nearest.ids[order], nearest.similarity[order].astype(np.float64))
    return _rowed(asked.table.ids, found, similarity), float(nearest.similarity.sum())


@dataclass(frozen=True, slots=True, eq=False)
class _Others:
    """What others did lately, seen in three ways (see `BehaviorEvidence`)."""

    interactions: FirstInteractions = NO_INTERACTIONS
    clusters: FirstInteractions = NO_INTERACTIONS
    session_neighbors: FirstInteractions = NO_INTERACTIONS


async def _others(asked: _Asked, taste: stored.ViewerFactors) -> _Others:
    """Read who came to the candidates lately, how alike they are, and what they share with the viewer's last hours."""
    if Part.INTERACTIONS not in asked.parts:
        return _Others()
    found = await asked.recent.of(asked.table.ids)
    similarity, of_circle = await _likeness_of(asked, found.actors, taste.vector)
    interactions = _rowed(asked.table.ids, found, similarity)
    return _Others(interactions, interactions._replace(similarity=of_circle), await _company(asked, interactions))


async def _likeness_of(asked: _Asked, actors: Integers, mine: stored.Vector) -> tuple[Floats, Floats]:
    """Give for each of (m,) actors the viewer's likeness to their taste, and to their circle's; 0 where unknown."""
    empty_lists = np.zeros(actors.size)
    if not asked.parts & (Part.TASTES | Part.CIRCLES) or not mine.size:
        return empty_lists, empty_lists
    factors = await stored.user_factors(asked.stores.database, np.unique(actors).tolist())
    alike = _of_ids(actors, factors.actors, _likenesses(factors.vectors, mine))
    if Part.CIRCLES not in asked.parts:
        return alike, empty_lists
    clusters = await stored.taste_clusters(
        asked.stores.database, np.unique(factors.clusters[factors.clusters > 0]).tolist()
    )
    to_circle = _of_ids(factors.clusters, *_sorted(clusters, mine))
    return alike, _of_ids(actors, factors.actors, to_circle)


async def _company(asked: _Asked, interactions: FirstInteractions) -> FirstInteractions:
    if Part.SESSION_NEIGHBORS not in asked.parts:
        return NO_INTERACTIONS
    last, since = asked.profile.engaged[: weights.SESSION_PROJECTS], asked.at - timedelta(days=weights.SESSION_DAYS)
    shared = await stored.session_neighbors_of(
        asked.stores.database, last, asked.actor_id, since, weights.MAX_RECENT_INTERACTIONS
    )
    actors = np.array(sorted(shared), dtype=np.int64)
    met = _of_ids(interactions.actors, actors, np.array([shared[actor] for actor in actors.tolist()], dtype=np.float64))
    kept = met > 0
    return FirstInteractions(interactions.rows[kept], interactions.actors[kept], met[kept], interactions.at_s[kept])


async def _project_taste(asked: _Asked, taste: stored.ViewerFactors) -> Floats:
    if Part.ITEM_FACTORS not in asked.parts:
        return np.zeros(asked.table.ids.size)
    found = await stored.item_factors(asked.stores.database, asked.ids)
    return _of_ids(asked.table.ids, *_sorted(found, taste.vector))


async def _owner_taste(asked: _Asked, taste: stored.ViewerFactors) -> Floats:
    if Part.OWNER_FACTORS not in asked.parts:
        return np.zeros(asked.table.ids.size)
    owners = np.unique(asked.table.owners[asked.table.owners >= 0]).tolist()
    found = await stored.owner_factors(asked.stores.database, owners)
    return _of_ids(asked.table.owners, *_sorted(found, taste.vector))


async def _owner_touches(asked: _Asked) -> Floats:
    """Count the earlier projects of each candidate's owner that the viewer touched."""
    if Part.OWNERS not in asked.parts:
        return np.zeros(asked.table.ids.size)
    engaged = asked.profile.engaged
    own = await stored.owners_of(asked.stores.database, engaged)
    return same_owner(asked.table.owners, np.array([own.get(id_, -1) for id_ in engaged], dtype=np.int64))


# --- ids to rows ----------------------------------------------------------------------------------------------------


def _rowed(ids: Integers, interactions: stored.FirstInteractions, similarity: Floats) -> FirstInteractions:
    """Tell deeds by the rows of candidates, all of which are among `ids`."""
    order = np.argsort(ids)
    return FirstInteractions(
        order[np.searchsorted(ids[order], interactions.projects)], interactions.actors, similarity, interactions.at_s
    )


def _joined(ids: Integers, lists: Sequence[tuple[int, stored.NeighborList]]) -> NeighborLinks:
    """Put the lists of touches one behind the other, as far as they name candidates."""
    found = np.concatenate([one.ids for _, one in lists])
    source = np.repeat([index for index, _ in lists], [one.ids.size for _, one in lists])
    similarity = np.concatenate([one.similarity for _, one in lists]).astype(np.float64)
    if not ids.size:
        return NO_LINKS
    order = np.argsort(ids)
    row = order[np.minimum(np.searchsorted(ids[order], found), ids.size - 1)]
    kept = ids[row] == found
    return NeighborLinks(row[kept], source[kept].astype(np.int64), similarity[kept])


def _of_ids(wanted: Integers, known: Integers, values: Floats) -> Floats:
    """Look up a value for each id; 0 for one that is not among `known`, which is in rising order."""
    if not known.size:
        return np.zeros(wanted.size)
    place = np.minimum(np.searchsorted(known, wanted), known.size - 1)
    return np.where(known[place] == wanted, values[place], 0.0)


def _sorted(vectors: dict[int, bytes], mine: stored.Vector) -> tuple[Integers, Floats]:
    """Give ids in rising order, and the likeness of each packed taste to the viewer's."""
    ids = sorted(vectors)
    return np.array(ids, dtype=np.int64), _likenesses([vectors[id_] for id_ in ids], mine)


def _likenesses(vectors: Sequence[bytes], mine: stored.Vector) -> Floats:
    """Likeness of packed tastes to the viewer's; 0 for one of another night's length."""
    length = 2 * mine.size
    known = [index for index, vector in enumerate(vectors) if len(vector) == length > 0]
    similarity = np.zeros(len(vectors))
    if known:
        rows = stored.unpack_factors(b"".join(vectors[index] for index in known)).reshape(len(known), -1)
        similarity[known] = rows @ mine
    return similarity
