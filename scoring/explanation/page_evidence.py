"""Evidence for the reasons of a page, loaded for all its projects together and only for signals that raised a score."""

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
from db.custom_types import NO_CUSTOM_TYPES, CustomTypes
from db.deadlines import deadline
from db.errors import StoreUnavailable
from db.interactions.velocity_queries import FirstEngagementCounts, count_first_engagements
from db.stores import Stores
from db.vectors.base import VectorStore
from db.vectors.text_analysis import join_pairs, matched_words
from scoring import tunables
from scoring.collaborative.evidence_loader import load_evidence
from scoring.deadlines import SERVING, Deadlines
from scoring.explanation.reasons import SimilarityBasis
from scoring.features import feature_table
from scoring.mathematics.behavior_evidence import BehaviorEvidence, FirstInteractions
from scoring.mathematics.signals import TASTE_SIGNALS, Integers, Signal
from scoring.mathematics.velocity import Window
from scoring.pipelines import trending
from scoring.profiles.viewer_profile import Profile
from scoring.ranking import ScoredProject

INTEREST_SIGNALS = (Signal.EXPLICIT_PREFERENCES, Signal.ANSWER_MATCHES)
TEXT_SIGNALS = (Signal.VECTOR_SIMILARITY, Signal.PERSONAL_BOOST)
NEIGHBOR_SIGNALS = (Signal.ITEM_NEIGHBORS, Signal.ITEM_NEIGHBORS_MEAN)
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
"""Window of time whose visitors are the evidence for a signal. Signals with longer half-lives have longer windows."""


class SimilarProject(NamedTuple):
    """Project `seed` of the viewer's history that is similar to a scored project, by the cosine that `basis` names."""

    seed: ProjectCard
    engagement: EngagedProject
    similarity: float
    basis: SimilarityBasis


EngagementCounts = dict[int, tuple[Window, FirstEngagementCounts]]
"""Window and number of first engagements within it, by project id."""


_Nearest = dict[int, tuple[int, float]]
"""Id of the most similar project of the viewer's history, and the similarity, by project id."""


@dataclass(frozen=True, slots=True)
class PageEvidence:
    """Evidence for the reasons of a page; each mapping is by project id."""

    profile: Profile
    at: datetime
    features: Mapping[int, ProjectFeatures]
    # the most similar projects of the viewer's history, by text and by visitors
    similar: Mapping[int, tuple[SimilarProject, ...]]
    words: Mapping[int, tuple[str, ...]]  # words that the project shares with the search
    engagement_counts: EngagementCounts  # first engagements within a window; reasons call them visitors
    # by group of collaborative signals: the number of similar people who engaged with the project
    similar_people: Mapping[tuple[Signal, ...], Mapping[int, int]]
    # the owner, and the number of the owner's other projects that the viewer engaged with
    owners: Mapping[int, tuple[UserCard, int]]
    custom_types: CustomTypes = NO_CUSTOM_TYPES


async def load_page_evidence(
    stores: Stores,
    profile: Profile,
    scored_projects: Sequence[ScoredProject],
    at: datetime,
    deadlines: Deadlines = SERVING,
) -> PageEvidence:
    """Load the evidence for a page, in a number of statements that does not depend on the number of projects.

    Features take one statement. If a reason needs them, text similarity takes a call to the vector store, titles, words
    and owners take a statement each, visitors take a statement per window, and `load_evidence` is called.
    """
    ids = [project.project_id for project in scored_projects]
    features = {feature.id: feature for feature in await read_features(stores.database, ids, profile.viewer.actor_id)}
    raised_by_text = projects_with_contribution(scored_projects, TEXT_SIGNALS)
    by_text = await _nearest_by_text(stores, profile, raised_by_text, deadlines)
    by_people: _Nearest = {}
    similar_people: dict[tuple[Signal, ...], dict[int, int]] = {}
    owners: dict[int, tuple[UserCard, int]] = {}
    if raised := [id_ for id_ in projects_with_contribution(scored_projects, _COLLABORATIVE) if id_ in features]:
        table = feature_table([features[id_] for id_ in raised], at)
        used_signals = {signal for project in scored_projects for signal in project.signals}
        behavior = await load_evidence(stores, profile, table, at, used_signals)
        raised_by_neighbors = projects_with_contribution(scored_projects, NEIGHBOR_SIGNALS)
        by_people = _nearest_by_people(table.ids, behavior, raised_by_neighbors)
        similar_people = _similar_people(table.ids, behavior)
        owners = await _owners(stores, features, table.ids, behavior)
    return PageEvidence(
        profile=profile,
        at=at,
        features=features,
        similar=await _with_titles(stores, profile, {SimilarityBasis.TEXT: by_text, SimilarityBasis.PEOPLE: by_people}),
        words=await _matched_words(stores, scored_projects),
        engagement_counts=await _engagement_counts(stores, scored_projects, at),
        similar_people=similar_people,
        owners=owners,
        custom_types=stores.platform.custom_types,
    )


def total_contribution(scored_project: ScoredProject, signals: Iterable[Signal]) -> int:
    """Return the sum of the contributions of some signals, in millionths."""
    return sum(scored_project.contribution(signal) for signal in signals)


def projects_with_contribution(scored_projects: Sequence[ScoredProject], signals: Collection[Signal]) -> list[int]:
    """Return the ids of the projects whose score some signals raised."""
    return [project.project_id for project in scored_projects if total_contribution(project, signals) > 0]


async def text_similarities(
    vectors: VectorStore, ids: Collection[int], seeds: Sequence[int]
) -> dict[int, dict[int, float]]:
    """Return the cosine of each project with each seed, by project id and seed id, in one call to the vector store."""
    known_ids, rows = await vectors.project_vectors(np.array(sorted({*ids, *seeds}), dtype=np.int64))
    row_of = {int(id_): row for row, id_ in enumerate(known_ids)}
    seeds = [seed for seed in seeds if seed in row_of]
    similarity = rows @ rows[[row_of[seed] for seed in seeds]].T if seeds else np.zeros((len(rows), 0))
    return {id_: dict(zip(seeds, similarity[row_of[id_]].tolist(), strict=True)) for id_ in ids if id_ in row_of}


async def _matched_words(stores: Stores, scored_projects: Sequence[ScoredProject]) -> dict[int, tuple[str, ...]]:
    query_of = {project.project_id: project.query for project in scored_projects if project.query is not None}
    if not query_of:
        return {}
    texts = await texts_by_id(stores.database, list(query_of))
    return {id_: tuple(join_pairs(matched_words(query, texts.get(id_, "")))) for id_, query in query_of.items()}


async def _engagement_counts(
    stores: Stores, scored_projects: Sequence[ScoredProject], at: datetime
) -> EngagementCounts:
    """Count visitors in the window of each project's strongest signal, in one statement per window."""
    ids_by_window: dict[Window, list[int]] = {}
    for project in scored_projects:
        strongest = max(WINDOW_OF_SIGNAL, key=project.contribution)
        if project.contribution(strongest) > 0:
            ids_by_window.setdefault(WINDOW_OF_SIGNAL[strongest], []).append(project.project_id)
    counts: EngagementCounts = {}
    for window, ids in ids_by_window.items():
        window_counts = await count_first_engagements(stores.database, ids, trending.LENGTH[window], at)
        counts |= {id_: (window, count) for id_, count in window_counts.items()}
    return counts


async def _with_titles(
    stores: Stores, profile: Profile, nearest: Mapping[SimilarityBasis, _Nearest]
) -> dict[int, tuple[SimilarProject, ...]]:
    """Read the cards of the similar projects that the viewer may see."""
    seeds = {seed for pairs in nearest.values() for seed, _ in pairs.values()}
    if not seeds:
        return {}
    cards = await cards_by_id(stores.database, sorted(seeds), profile.viewer.user_id)
    engagements = {engagement.project_id: engagement for engagement in profile.engagements}
    similar: dict[int, tuple[SimilarProject, ...]] = {}
    for basis, pairs in nearest.items():
        for id_, (seed, similarity) in pairs.items():
            if seed in cards:
                project = SimilarProject(cards[seed], engagements[seed], similarity, basis)
                similar[id_] = (*similar.get(id_, ()), project)
    return similar


async def _nearest_by_text(stores: Stores, profile: Profile, ids: Sequence[int], deadlines: Deadlines) -> _Nearest:
    """Find the most similar of the viewer's latest projects, if it reaches `tunables.MIN_REASON_SIMILARITY`."""
    latest = profile.engagements[: tunables.PROFILE_VECTOR_PROJECTS]
    seeds = [engagement.project_id for engagement in latest if engagement.kinds]
    if not seeds or not ids:
        return {}
    try:
        async with deadline(deadlines.vectors_s):
            similarities = await text_similarities(stores.vectors, ids, seeds)
    except (StoreUnavailable, TimeoutError):
        return {}  # evidence is optional
    best: _Nearest = {}
    for id_, row in similarities.items():
        row.pop(id_, None)  # the project itself
        seed = max(row, key=row.__getitem__, default=id_)
        if seed != id_ and row[seed] >= tunables.MIN_REASON_SIMILARITY:
            best[id_] = seed, row[seed]
    return best


def _nearest_by_people(ids: Integers, evidence: BehaviorEvidence, neighbors: Sequence[int]) -> _Nearest:
    """Find the project of the viewer's history that shares most visitors, in any of the neighbor lists."""
    nearest: _Nearest = {}
    for links in evidence.links.values():
        for row, engagement, similarity in zip(*(part.tolist() for part in links), strict=True):
            id_, seed = int(ids[row]), int(evidence.engagements.projects[engagement])
            if seed != id_ and similarity > nearest.get(id_, (0, 0.0))[1]:
                nearest[id_] = (seed, similarity)
    return {id_: nearest[id_] for id_ in neighbors if id_ in nearest}


def _similar_people(ids: Integers, evidence: BehaviorEvidence) -> dict[tuple[Signal, ...], dict[int, int]]:
    """Count the people with similar taste by project, in multiples of `tunables.ANONYMITY_FLOOR`; 0 is left out."""

    def count_similar(interactions: FirstInteractions) -> dict[int, int]:
        counts = Counter(ids[interactions.rows[interactions.similarity > 0]].tolist())
        floor = tunables.ANONYMITY_FLOOR
        return {id_: count // floor * floor for id_, count in counts.items() if count >= floor}

    return {
        TASTE_SIGNALS: count_similar(evidence.similar_actors),
        CO_VIEWER_SIGNALS: count_similar(evidence.session_neighbors),
    }


async def _owners(
    stores: Stores, features: Mapping[int, ProjectFeatures], ids: Integers, evidence: BehaviorEvidence
) -> dict[int, tuple[UserCard, int]]:
    history = set(evidence.engagements.projects.tolist())  # the project itself is not one of the owner's other projects
    counts = zip(ids.tolist(), evidence.same_owner_count.tolist(), strict=True)
    other_projects = {id_: others for id_, count in counts if (others := int(count) - (id_ in history)) > 0}
    owners = {id_: owner for id_ in other_projects if (owner := features[id_].owner_id) is not None}
    cards = await users_by_id(stores.database, sorted(set(owners.values()))) if owners else {}
    return {id_: (cards[owner], other_projects[id_]) for id_, owner in owners.items() if owner in cards}
