"""What is looked up for a page's reasons, for all its projects together, and only if its signals ask for it."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import numpy as np

from db.actors.profiles import EngagedProject
from db.actors.users import UserCard, users_by_id
from db.catalog.keyword_search import texts_by_id
from db.catalog.project_cards import ProjectCard, ProjectFeatures, cards_by_id, read_features
from db.errors import StoreUnavailable
from db.interactions.velocity_queries import FirstEngagementCounts, count_first_engagements
from db.stores import Stores
from db.vectors.base import VectorStore
from db.vectors.text_analysis import matched_words
from scoring import weights
from scoring.collaborative.evidence_loader import load_evidence
from scoring.deadlines import SERVING, Deadlines
from scoring.explanation.reasons import Basis
from scoring.features import feature_table
from scoring.mathematics.behavior_evidence import BehaviorEvidence, FirstInteractions
from scoring.mathematics.signals import Integers
from scoring.mathematics.velocity import Window
from scoring.pipelines import trending
from scoring.profiles.viewer_profile import Profile
from scoring.ranking import ScoredProject
from scoring.weights import Signal

TEXT_SIGNALS = (Signal.VECTOR_SIMILARITY, Signal.PERSONAL_BOOST)
NEIGHBOR_SIGNALS = (Signal.ITEM_NEIGHBORS, Signal.ITEM_NEIGHBORS_MEAN, Signal.RP3BETA, Signal.EASE)
TASTE_SIGNALS = (
    Signal.USER_FACTORS_MEAN,
    Signal.USER_FACTORS_SUM,
    Signal.USER_FACTORS_RECENT,
    Signal.TASTE_CLUSTER_MEAN,
    Signal.TASTE_CLUSTER_SUM,
    Signal.TASTE_CLUSTER_RECENT,
)
CO_VIEWER_SIGNALS = (Signal.SESSION_NEIGHBORS,)
USER_NEIGHBOR_SIGNALS = (Signal.USER_NEIGHBORS,)
OWNER_SIGNALS = (Signal.SAME_OWNER,)
_OF_BEHAVIOUR = (*NEIGHBOR_SIGNALS, *TASTE_SIGNALS, *CO_VIEWER_SIGNALS, *USER_NEIGHBOR_SIGNALS, *OWNER_SIGNALS)

WINDOW_OF_SIGNAL: Mapping[Signal, Window] = {
    **{signal: window for window, signal in trending.PEOPLE_OF.items()},
    Signal.ACTORS_15M: Window.HOUR,
    Signal.ACTORS_1H: Window.HOUR,
    Signal.ACTORS_6H: Window.DAY,
    Signal.ACTORS_1D: Window.DAY,
    Signal.ACTORS_3D: Window.WEEK,
    Signal.ACTORS_14D: Window.WEEK,
    Signal.RECENT_ACTORS: Window.WEEK,
    Signal.ACTOR_RATE: Window.WEEK,
}
"""The window in which a signal's people are best counted for a reader: the longer the half-life, the longer it is."""


class SimilarProject(NamedTuple):
    """What makes a project similar to one that the viewer touched; a cosine, of vectors or of who touches both."""

    seed: ProjectCard
    engagement: EngagedProject
    similarity: float
    basis: Basis


class VisitorCount(NamedTuple):
    """How many people came within a window."""

    window: Window
    count_first_engagements: FirstEngagementCounts


@dataclass(frozen=True, slots=True)
class PageEvidence:
    """What is known of a page's projects, each mapping by project id.

    Attributes
    ----------
    alike
        The most similar of the viewer's projects, by text and by people.
    words
        The words that a search found.
    moving
        How many people came.
    crowds
        For each group of signals, how many people of like taste, of the same company, or most like the viewer came.
    owners
        The owner, and how many other projects of the same owner the viewer touched.
    """

    profile: Profile
    at: datetime
    features: Mapping[int, ProjectFeatures]
    alike: Mapping[int, tuple[SimilarProject, ...]]
    words: Mapping[int, tuple[str, ...]]
    moving: Mapping[int, VisitorCount]
    crowds: Mapping[tuple[Signal, ...], Mapping[int, int]]
    owners: Mapping[int, tuple[UserCard, int]]


async def load_page_evidence(
    stores: Stores, profile: Profile, explained: Sequence[ScoredProject], at: datetime, deadlines: Deadlines = SERVING
) -> PageEvidence:
    """Look up the evidence for a page: one statement and what its signals ask for, however many projects there are.

    Similarity by text costs a call to the vector store, every similarity a statement for titles; words one; people who
    come one for each window; behavior what `load_evidence` costs, and one for owners.
    """
    database = stores.database
    known = {
        one.id: one for one in await read_features(database, [e.project_id for e in explained], profile.viewer.actor_id)
    }
    behind = await _behaviour(stores, profile, explained, known, at)
    by_text = await _near(stores, profile, projects_with_contribution(explained, TEXT_SIGNALS), deadlines)
    by_people = {} if behind is None else _kin(*behind, projects_with_contribution(explained, NEIGHBOR_SIGNALS))
    return PageEvidence(
        profile=profile,
        at=at,
        features=known,
        alike=await _titled(stores, profile, {Basis.TEXT: by_text, Basis.PEOPLE: by_people}),
        words=await _matched_words(stores, explained),
        moving=await _moving(stores, explained, at),
        crowds={} if behind is None else _crowds(*behind),
        owners={} if behind is None else await _owners(stores, known, *behind),
    )


def total_contribution(explained: ScoredProject, signals: Iterable[Signal]) -> int:
    """Give what some signals together added to the score, in millionths."""
    return sum(explained.contribution(signal) for signal in signals)


def projects_with_contribution(explained: Sequence[ScoredProject], signals: Iterable[Signal]) -> list[int]:
    """Give the projects to whose score some signals added something."""
    wanted = tuple(signals)
    return [one.project_id for one in explained if total_contribution(one, wanted) > 0]


# --- words and numbers of people ------------------------------------------------------------------------------------


async def _matched_words(stores: Stores, explained: Sequence[ScoredProject]) -> dict[int, tuple[str, ...]]:
    """Find the words that each project shares with the search that ranked it."""
    searched = {one.project_id: one.query for one in explained if one.query is not None}
    if not searched:
        return {}
    texts = await texts_by_id(stores.database, list(searched))
    return {id_: tuple(matched_words(query, texts.get(id_, ""))) for id_, query in searched.items()}


async def _moving(stores: Stores, explained: Sequence[ScoredProject], at: datetime) -> dict[int, VisitorCount]:
    """Count people in the window of the signal that added most, one statement for each window on the page."""
    wanted: dict[Window, list[int]] = {}
    for one in explained:
        strongest = max(WINDOW_OF_SIGNAL, key=one.contribution)
        if one.contribution(strongest) > 0:
            wanted.setdefault(WINDOW_OF_SIGNAL[strongest], []).append(one.project_id)
    found: dict[int, VisitorCount] = {}
    for window, ids in wanted.items():
        counted = await count_first_engagements(stores.database, ids, trending.LENGTH[window], at)
        found |= {id_: VisitorCount(window, came) for id_, came in counted.items()}
    return found


# --- what is similar ------------------------------------------------------------------------------------------------

_Nearest = dict[int, tuple[int, float]]
"""By project id: the nearest of the viewer's projects, and how near."""


async def _titled(
    stores: Stores, profile: Profile, nearest: Mapping[Basis, _Nearest]
) -> dict[int, tuple[SimilarProject, ...]]:
    """Read the projects that others are similar to; one that is not to be seen any more is no evidence."""
    seeds = {seed for found in nearest.values() for seed, _ in found.values()}
    if not seeds:
        return {}
    cards = await cards_by_id(stores.database, sorted(seeds), profile.viewer.user_id)
    engagements = {engagement.project_id: engagement for engagement in profile.engagements}
    alike: dict[int, tuple[SimilarProject, ...]] = {}
    for basis, found in nearest.items():
        for id_, (seed, similarity) in found.items():
            if seed in cards:
                likeness = SimilarProject(cards[seed], engagements[seed], similarity, basis)
                alike[id_] = (*alike.get(id_, ()), likeness)
    return alike


async def _near(stores: Stores, profile: Profile, ids: Sequence[int], deadlines: Deadlines) -> _Nearest:
    """Find for each project the most similar one that the viewer touched lately, if it is similar enough."""
    seeds = [
        engagement.project_id
        for engagement in profile.engagements[: weights.PROFILE_VECTOR_PROJECTS]
        if engagement.kinds
    ]
    if not seeds or not ids:
        return {}
    try:
        async with asyncio.timeout(deadlines.vectors_s):
            return await _nearest(stores.vectors, ids, seeds)
    except (StoreUnavailable, TimeoutError):
        return {}  # evidence is an extra: the contributions stand without it


async def _nearest(vectors: VectorStore, ids: Sequence[int], seeds: Sequence[int]) -> _Nearest:
    known, rows = await vectors.project_vectors(np.array(sorted({*ids, *seeds}), dtype=np.int64))
    row_of = {int(id_): row for row, id_ in enumerate(known)}
    seeds = [seed for seed in seeds if seed in row_of]
    if not seeds:
        return {}
    likeness = rows @ rows[[row_of[seed] for seed in seeds]].T
    found: _Nearest = {}
    for id_ in ids:
        others = [n for n, seed in enumerate(seeds) if seed != id_]
        if id_ not in row_of or not others:
            continue
        best = max(others, key=lambda n: float(likeness[row_of[id_], n]))
        similarity = float(likeness[row_of[id_], best])
        if similarity >= weights.MIN_REASON_SIMILARITY:
            found[id_] = (seeds[best], similarity)
    return found


# --- behavior ------------------------------------------------------------------------------------------------------


async def _behaviour(
    stores: Stores,
    profile: Profile,
    explained: Sequence[ScoredProject],
    known: Mapping[int, ProjectFeatures],
    at: datetime,
) -> tuple[Integers, BehaviorEvidence] | None:
    """Read what the behavior signals read, for those projects that they speak for."""
    ids = [id_ for id_ in projects_with_contribution(explained, _OF_BEHAVIOUR) if id_ in known]
    if not ids:
        return None
    table = feature_table([known[id_] for id_ in ids], at)
    asked = {signal for one in explained for signal in one.signals}
    return table.ids, await load_evidence(stores, profile, table, at, asked)


def _kin(ids: Integers, evidence: BehaviorEvidence, wanted: Sequence[int]) -> _Nearest:
    """Find for each project the one of the viewer's that shares most people with it, by whatever list has it."""
    found: _Nearest = {}
    for links in evidence.links.values():
        for row, engagement, similarity in zip(*(part.tolist() for part in links), strict=True):
            id_, seed = int(ids[row]), int(evidence.engagements.projects[engagement])
            if seed != id_ and similarity > found.get(id_, (0, 0.0))[1]:
                found[id_] = (seed, similarity)
    return {id_: found[id_] for id_ in wanted if id_ in found}


def _crowds(ids: Integers, evidence: BehaviorEvidence) -> dict[tuple[Signal, ...], dict[int, int]]:
    interactions = {
        TASTE_SIGNALS: evidence.interactions,
        CO_VIEWER_SIGNALS: evidence.session_neighbors,
        USER_NEIGHBOR_SIGNALS: evidence.user_neighbors,
    }
    return {signals: _people(ids, of) for signals, of in interactions.items()}


def _people(ids: Integers, interactions: FirstInteractions) -> dict[int, int]:
    """Count the people who are alike at all, by project."""
    alike = Counter(ids[interactions.rows[interactions.similarity > 0]].tolist())
    return {id_: count for id_, count in alike.items() if count >= weights.ANONYMITY_FLOOR}


async def _owners(
    stores: Stores, known: Mapping[int, ProjectFeatures], ids: Integers, evidence: BehaviorEvidence
) -> dict[int, tuple[UserCard, int]]:
    own = set(evidence.engagements.projects.tolist())  # a touch of the project itself is none of another one
    others = zip(ids.tolist(), evidence.owner_touches.tolist(), strict=True)
    engaged = {id_: left for id_, count in others if (left := int(count) - (id_ in own)) > 0}
    owners = {id_: owner for id_ in engaged if (owner := known[id_].owner_id) is not None}
    if not owners:
        return {}
    cards = await users_by_id(stores.database, sorted(set(owners.values())))
    return {id_: (cards[owner], engaged[id_]) for id_, owner in owners.items() if owner in cards}
