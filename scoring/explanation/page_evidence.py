"""Evidence for the reasons of a page: loaded for all its projects together, and only for signals that added score."""

import asyncio
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
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
NEIGHBOR_SIGNALS = (Signal.ITEM_NEIGHBORS, Signal.ITEM_NEIGHBORS_MEAN)
TASTE_SIGNALS = (
    Signal.USER_FACTORS_MEAN,
    Signal.USER_FACTORS_SUM,
    Signal.USER_FACTORS_RECENT,
    Signal.TASTE_CLUSTER_MEAN,
    Signal.TASTE_CLUSTER_SUM,
    Signal.TASTE_CLUSTER_RECENT,
)
CO_VIEWER_SIGNALS = (Signal.SESSION_NEIGHBORS,)
OWNER_SIGNALS = (Signal.SAME_OWNER,)
_COLLABORATIVE = (*NEIGHBOR_SIGNALS, *TASTE_SIGNALS, *CO_VIEWER_SIGNALS, *OWNER_SIGNALS)

WINDOW_OF_SIGNAL: Mapping[Signal, Window] = {
    **{signal: window for window, signal in trending.SIGNAL_OF.items()},
    Signal.ACTORS_15M: Window.HOUR,
    Signal.ACTORS_1H: Window.HOUR,
    Signal.ACTORS_6H: Window.DAY,
    Signal.ACTORS_1D: Window.DAY,
    Signal.ACTORS_3D: Window.WEEK,
    Signal.ACTORS_14D: Window.WEEK,
    Signal.RECENT_ACTORS: Window.WEEK,
    Signal.ACTOR_RATE: Window.WEEK,
}
"""The window whose visitors are shown as evidence for a signal: the longer its half-life, the longer the window."""


class SimilarProject(NamedTuple):
    """A project of the viewer's history that is similar to a ranked one; cosine of the vectors or of the visitors."""

    seed: ProjectCard
    engagement: EngagedProject
    similarity: float
    basis: Basis


EngagementCounts = dict[int, tuple[Window, FirstEngagementCounts]]
"""By project id: a window, and the first engagements within it."""


@dataclass(frozen=True, slots=True)
class PageEvidence:
    """Evidence for the reasons of a page; each mapping is by project id."""

    profile: Profile
    at: datetime
    features: Mapping[int, ProjectFeatures]
    # The most similar project of the viewer's history, by text and by visitors.
    similar: Mapping[int, tuple[SimilarProject, ...]]
    words: Mapping[int, tuple[str, ...]]  # the words that the project shares with the search
    engagement_counts: EngagementCounts  # first engagements within a window, which texts call visitors
    # For each group of collaborative signals, the number of similar people who engaged with the project.
    similar_people: Mapping[tuple[Signal, ...], Mapping[int, int]]
    # The owner, and the number of the owner's other projects that the viewer engaged with.
    owners: Mapping[int, tuple[UserCard, int]]


async def load_page_evidence(
    stores: Stores,
    profile: Profile,
    scored_projects: Sequence[ScoredProject],
    at: datetime,
    deadlines: Deadlines = SERVING,
) -> PageEvidence:
    """Load the evidence for a page, in a number of statements that does not depend on the number of projects.

    One statement reads features. Text similarity costs a call to the vector store, any similarity a statement for
    titles, words one, visitors one for each window, collaborative signals what `load_evidence` costs, and owners one.
    """
    ids = [one.project_id for one in scored_projects]
    known = {one.id: one for one in await read_features(stores.database, ids, profile.viewer.actor_id)}
    loaded = await _collaborative(stores, profile, scored_projects, known, at)
    by_text = await _nearest_by_text(
        stores, profile, projects_with_contribution(scored_projects, TEXT_SIGNALS), deadlines
    )
    neighbors = projects_with_contribution(scored_projects, NEIGHBOR_SIGNALS)
    by_people = {} if loaded is None else _nearest_by_people(*loaded, neighbors)
    return PageEvidence(
        profile=profile,
        at=at,
        features=known,
        similar=await _with_titles(stores, profile, {Basis.TEXT: by_text, Basis.PEOPLE: by_people}),
        words=await _matched_words(stores, scored_projects),
        engagement_counts=await _engagement_counts(stores, scored_projects, at),
        similar_people={} if loaded is None else _similar_people(*loaded),
        owners={} if loaded is None else await _owners(stores, known, *loaded),
    )


def total_contribution(scored_project: ScoredProject, signals: Iterable[Signal]) -> int:
    """Return the sum of the contributions of some signals, in millionths."""
    return sum(scored_project.contribution(signal) for signal in signals)


def projects_with_contribution(scored_projects: Sequence[ScoredProject], signals: Collection[Signal]) -> list[int]:
    """Return the ids of the projects whose score some signals raised."""
    return [one.project_id for one in scored_projects if total_contribution(one, signals) > 0]


async def text_similarities(
    vectors: VectorStore, ids: Collection[int], seeds: Sequence[int]
) -> dict[int, dict[int, float]]:
    """Return the cosine of each project and each seed, by project and seed id, in one call to the vector store."""
    known, rows = await vectors.project_vectors(np.array(sorted({*ids, *seeds}), dtype=np.int64))
    row_of = {int(id_): row for row, id_ in enumerate(known)}
    seeds = [seed for seed in seeds if seed in row_of]
    similarity = rows @ rows[[row_of[seed] for seed in seeds]].T if seeds else np.zeros((len(rows), 0))
    return {id_: dict(zip(seeds, similarity[row_of[id_]].tolist(), strict=True)) for id_ in ids if id_ in row_of}


# --- words and visitors -----------------------------------------------------------------------------------------------


async def _matched_words(stores: Stores, scored_projects: Sequence[ScoredProject]) -> dict[int, tuple[str, ...]]:
    """Return the words that each project shares with the search that ranked it."""
    searched = {one.project_id: one.query for one in scored_projects if one.query is not None}
    if not searched:
        return {}
    texts = await texts_by_id(stores.database, list(searched))
    return {id_: tuple(matched_words(query, texts.get(id_, ""))) for id_, query in searched.items()}


async def _engagement_counts(
    stores: Stores, scored_projects: Sequence[ScoredProject], at: datetime
) -> EngagementCounts:
    """Count visitors in the window of the signal that added most, in one statement for each window on the page."""
    wanted: dict[Window, list[int]] = {}
    for one in scored_projects:
        strongest = max(WINDOW_OF_SIGNAL, key=one.contribution)
        if one.contribution(strongest) > 0:
            wanted.setdefault(WINDOW_OF_SIGNAL[strongest], []).append(one.project_id)
    found: EngagementCounts = {}
    for window, ids in wanted.items():
        counted = await count_first_engagements(stores.database, ids, trending.LENGTH[window], at)
        found |= {id_: (window, count) for id_, count in counted.items()}
    return found


# --- similar projects -------------------------------------------------------------------------------------------------

_Nearest = dict[int, tuple[int, float]]
"""By project id: the id of the most similar project of the viewer's history, and the similarity."""


async def _with_titles(
    stores: Stores, profile: Profile, nearest: Mapping[Basis, _Nearest]
) -> dict[int, tuple[SimilarProject, ...]]:
    """Read the cards of the similar projects; one that the viewer may not see any more is no evidence."""
    seeds = {seed for found in nearest.values() for seed, _ in found.values()}
    if not seeds:
        return {}
    cards = await cards_by_id(stores.database, sorted(seeds), profile.viewer.user_id)
    engagements = {engagement.project_id: engagement for engagement in profile.engagements}
    similar: dict[int, tuple[SimilarProject, ...]] = {}
    for basis, found in nearest.items():
        for id_, (seed, similarity) in found.items():
            if seed in cards:
                one = SimilarProject(cards[seed], engagements[seed], similarity, basis)
                similar[id_] = (*similar.get(id_, ()), one)
    return similar


async def _nearest_by_text(stores: Stores, profile: Profile, ids: Sequence[int], deadlines: Deadlines) -> _Nearest:
    """Find the most similar project among the viewer's latest; none below `weights.MIN_REASON_SIMILARITY`."""
    latest = profile.engagements[: weights.PROFILE_VECTOR_PROJECTS]
    seeds = [engagement.project_id for engagement in latest if engagement.kinds]
    if not seeds or not ids:
        return {}
    try:
        async with asyncio.timeout(deadlines.vectors_s):
            similarities = await text_similarities(stores.vectors, ids, seeds)
    except (StoreUnavailable, TimeoutError):
        return {}  # evidence is optional: the contributions are exact without it
    best = {
        id_: max(((seed, value) for seed, value in row.items() if seed != id_), key=lambda pair: pair[1], default=None)
        for id_, row in similarities.items()
    }
    return {id_: pair for id_, pair in best.items() if pair is not None and pair[1] >= weights.MIN_REASON_SIMILARITY}


def _nearest_by_people(ids: Integers, evidence: BehaviorEvidence, wanted: Sequence[int]) -> _Nearest:
    """Find the project of the viewer's history that shares most visitors, by whichever neighbor list has it."""
    found: _Nearest = {}
    for links in evidence.links.values():
        for row, engagement, similarity in zip(*(part.tolist() for part in links), strict=True):
            id_, seed = int(ids[row]), int(evidence.engagements.projects[engagement])
            if seed != id_ and similarity > found.get(id_, (0, 0.0))[1]:
                found[id_] = (seed, similarity)
    return {id_: found[id_] for id_ in wanted if id_ in found}


# --- collaborative signals --------------------------------------------------------------------------------------------


async def _collaborative(
    stores: Stores,
    profile: Profile,
    scored_projects: Sequence[ScoredProject],
    known: Mapping[int, ProjectFeatures],
    at: datetime,
) -> tuple[Integers, BehaviorEvidence] | None:
    """Load the inputs of the collaborative signals, for the projects whose score these raised."""
    ids = [id_ for id_ in projects_with_contribution(scored_projects, _COLLABORATIVE) if id_ in known]
    if not ids:
        return None
    table = feature_table([known[id_] for id_ in ids], at)
    used = {signal for one in scored_projects for signal in one.signals}
    return table.ids, await load_evidence(stores, profile, table, at, used)


def _similar_people(ids: Integers, evidence: BehaviorEvidence) -> dict[tuple[Signal, ...], dict[int, int]]:
    """Count the people with any similarity to the viewer, by project; fewer than `weights.ANONYMITY_FLOOR` are none."""

    def counted(interactions: FirstInteractions) -> dict[int, int]:
        counts = Counter(ids[interactions.rows[interactions.similarity > 0]].tolist())
        return {id_: count for id_, count in counts.items() if count >= weights.ANONYMITY_FLOOR}

    return {TASTE_SIGNALS: counted(evidence.interactions), CO_VIEWER_SIGNALS: counted(evidence.session_neighbors)}


async def _owners(
    stores: Stores, known: Mapping[int, ProjectFeatures], ids: Integers, evidence: BehaviorEvidence
) -> dict[int, tuple[UserCard, int]]:
    own = set(evidence.engagements.projects.tolist())  # the project itself is not one of the owner's other projects
    others = zip(ids.tolist(), evidence.same_owner_count.tolist(), strict=True)
    engaged = {id_: left for id_, count in others if (left := int(count) - (id_ in own)) > 0}
    owners = {id_: owner for id_ in engaged if (owner := known[id_].owner_id) is not None}
    cards = await users_by_id(stores.database, sorted(set(owners.values()))) if owners else {}
    return {id_: (cards[owner], engaged[id_]) for id_, owner in owners.items() if owner in cards}
