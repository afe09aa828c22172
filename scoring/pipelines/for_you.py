"""The personal ranking: profile, candidates, features, filters, signals, blend, re-rank."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np

from db.catalog.project_cards import ProjectFeatures, ProjectFilter, read_features, term_ids
from db.errors import Store, StoreUnavailable
from db.models import FeedKind, TermKind
from db.stores import Stores
from scoring import weights
from scoring.collaborative.evidence_loader import load_evidence
from scoring.collaborative.recent_interactions import RecentInteractionReader
from scoring.deadlines import SERVING, Deadlines
from scoring.features import FeatureTable, feature_table
from scoring.mathematics import signals
from scoring.mathematics.additive_model import Model, order_by_score, scores
from scoring.mathematics.behavior_evidence import BehaviorEvidence
from scoring.mathematics.behavior_signals import BEHAVIOR_SIGNALS
from scoring.mathematics.diversity import DiversityAttributes, RankChange
from scoring.mathematics.exploration import ExplorationDraw, diversify_and_explore, draw, seed_of, unknown
from scoring.mathematics.signals import Floats, Integers
from scoring.pipelines.candidate_sources import gather_candidates, likes_by_neighbors
from scoring.pipelines.feed_filters import select
from scoring.profiles.model_preferences import apply_preferences, learnable_kinds, switched_off
from scoring.profiles.negative_feedback import (
    NOTHING,
    NegativeFeedback,
    impression_fatigue,
    load_negative_feedback,
    similar_to_dismissed,
)
from scoring.profiles.negative_feedback import SIGNALS as PASSED_BY
from scoring.profiles.viewer_profile import Profile
from scoring.ranking import Adjustment, Ranking, Rule, ScoredProject, Strategy, distinct_stores
from scoring.weights import Signal


async def rank(
    stores: Stores,
    profile: Profile,
    where: ProjectFilter,
    model: Model,
    at: datetime,
    deadlines: Deadlines = SERVING,
    exploration: float = weights.EXPLORATION_SHARE,
    recent: RecentInteractionReader | None = None,
) -> Ranking:
    """Rank the candidates for a viewer; a share `exploration` of the places goes to projects that are little known.

    Whoever ranks one page several times hands in `recent`, which remembers what has been read.
    A fixed number of store calls whatever the number of candidates: the sources' (see `gather_candidates`), one
    statement for the features, one call for the similarities, and one statement for the terms a filter names.
    """
    viewer, off = profile.viewer, switched_off(model, profile.preferences)
    model = apply_preferences(model.at(profile.stage), profile.preferences)
    terms = await term_ids(stores.database, where)
    candidates = await gather_candidates(stores, profile, where, terms, at, deadlines)
    found = await _features(stores, candidates.ids.tolist(), profile)
    selection = select(found, viewer.user_id, where, terms)
    table = feature_table(selection.kept, at, learnable_kinds(profile.preferences))
    cosines, away = await _cosines(stores, profile, table.ids, candidates.degraded, deadlines)
    evidence = await _evidence(stores, model, profile, table, at, recent)
    passed = await _passed_by(stores, model, profile, at)
    matrix = signal_matrix(model, profile, table, cosines, candidates.people, at, evidence, passed)
    contributions = model.contributions(matrix)
    best = order_by_score(scores(contributions), table.keys)[: weights.SNAPSHOT_RANKS]
    seed = seed_of(viewer.actor_id or 0, at.date())
    drawn = draw(unknown(table)[best], table.ids[best], seed, exploration)
    order, moved = diversify_and_explore(scores(contributions)[best], _attributes(table, best), drawn)
    served = best[order]
    return Ranking(
        kind=FeedKind.FOR_YOU,
        strategy=Strategy.ONBOARDING if profile.has_only_answers else Strategy.PERSONALIZED,
        model=model.name,
        signals=model.signals,
        ids=table.ids[served],
        values=matrix[served].astype(np.float32),
        contributions=contributions[served],
        adjustments=adjustments_of(moved, table.ids[best], drawn),
        generated_at=at,
        degraded=distinct_stores([*profile.degraded, *away]),
        switched_off=off,
    )


async def explain(
    stores: Stores,
    profile: Profile,
    ids: Sequence[int],
    model: Model,
    at: datetime,
    deadlines: Deadlines = SERVING,
) -> dict[int, ScoredProject]:
    """Score projects met outside of a feed as the feed would score them: the same signals, the same blend."""
    off, model = (
        switched_off(model, profile.preferences),
        apply_preferences(model.at(profile.stage), profile.preferences),
    )
    found = await _features(stores, ids, profile)
    table = feature_table(found, at, learnable_kinds(profile.preferences))
    cosines, _ = await _cosines(stores, profile, table.ids, (), deadlines)
    evidence = await _evidence(stores, model, profile, table, at)
    passed = await _passed_by(stores, model, profile, at)
    people = await likes_by_neighbors(stores, profile)
    matrix = signal_matrix(model, profile, table, cosines, people, at, evidence, passed)
    contributions = model.contributions(matrix)
    values = matrix.astype(np.float32).tolist()
    return {
        int(id_): ScoredProject(
            int(id_), model.signals, tuple(values[row]), tuple(contributions[row].tolist()), switched_off=off
        )
        for row, id_ in enumerate(table.ids)
    }


def signal_matrix(
    model: Model,
    profile: Profile,
    table: FeatureTable,
    cosines: signals.Cosines,
    people: Mapping[int, int],
    at: datetime,
    evidence: BehaviorEvidence | None = None,
    passed: NegativeFeedback = NOTHING,
) -> Floats:
    """Compute the signals that a model uses.

    Parameters
    ----------
    cosines
        (n,) likeness of each project's vector to the profile's; NaN where nobody knows.
    people
        Neighbors who like a project, by its id.
    evidence
        What the behavior signals read; None if the model uses none of them.
    passed
        What the viewer has passed by.

    Returns
    -------
    (n, k) values, a column for each of `model.signals`.
    """
    liking = np.array([people.get(int(id_), 0) for id_ in table.ids], dtype=np.int64)
    week_ago = at.timestamp() - weights.RECENT_VIEWS_DAYS * 86_400
    computed = {
        Signal.VECTOR_SIMILARITY: lambda: signals.vector_similarity(cosines),
        Signal.EXPLICIT_PREFERENCES: lambda: signals.explicit_preferences(
            signals.union(table.terms.values()), profile.tag_terms, profile.tag_worth
        ),
        Signal.ANSWER_MATCHES: lambda: signals.answer_matches(signals.union(table.terms.values()), profile.tag_terms),
        Signal.BEHAVIORAL_SIGNALS: lambda: signals.behavioral_signals(
            table.viewed_at >= week_ago, table.liked, table.terms[TermKind.TOOL], profile.seen_tools(at)
        ),
        Signal.COLLABORATIVE: lambda: signals.collaborative(liking),
        Signal.POPULARITY: lambda: signals.popularity(table.likes),
        Signal.LIKES: lambda: table.likes.astype(np.float64),
        Signal.FRESHNESS: lambda: signals.freshness(table.age_days),
        Signal.IMPRESSION_FATIGUE: lambda: impression_fatigue(
            np.array([passed.shown.get(int(id_), 0) for id_ in table.ids], dtype=np.int64), table.viewed_at == 0
        ),
        Signal.SIMILAR_TO_DISMISSED: lambda: similar_to_dismissed(table, profile, passed.dismissed),
        Signal.NOVELTY: lambda: signals.novelty(signals.union(table.terms.values()), *profile.met_terms()),
    }
    if evidence is not None:
        known = evidence
        computed |= {signal: lambda signal=signal: BEHAVIOR_SIGNALS[signal](known) for signal in BEHAVIOR_SIGNALS}  # type: ignore[misc]
    return np.column_stack([computed[signal]() for signal in model.signals])


async def _features(stores: Stores, ids: Sequence[int], profile: Profile) -> list[ProjectFeatures]:
    """Read projects; one whose touch the profile leaves out was never touched."""
    found = await read_features(stores.database, ids, profile.viewer.actor_id)
    without = profile.without.projects
    return [replace(one, kinds=None, last_at=None) if one.id in without else one for one in found]


async def _evidence(
    stores: Stores,
    model: Model,
    profile: Profile,
    table: FeatureTable,
    at: datetime,
    recent: RecentInteractionReader | None = None,
) -> BehaviorEvidence | None:
    """Read the behavior behind the candidates, if the model asks for it."""
    if not any(signal in BEHAVIOR_SIGNALS for signal in model.signals):
        return None
    return await load_evidence(stores, profile, table, at, model.signals, recent)


async def _passed_by(stores: Stores, model: Model, profile: Profile, at: datetime) -> NegativeFeedback:
    """Read what the viewer has passed by, if the model asks for it."""
    if not any(signal in PASSED_BY for signal in model.signals):
        return NOTHING
    return await load_negative_feedback(stores.database, profile, at)


async def _cosines(
    stores: Stores, profile: Profile, ids: Integers, away: tuple[Store, ...], deadlines: Deadlines
) -> tuple[signals.Cosines, tuple[Store, ...]]:
    unknown = np.full(ids.shape, np.nan, dtype=np.float32)
    if profile.vector is None or not ids.size or Store.VECTORS in away:
        return unknown, away
    try:
        async with asyncio.timeout(deadlines.vectors_s):
            return await stores.vectors.similarities(profile.vector, ids), away
    except (StoreUnavailable, TimeoutError):
        return unknown, (*away, Store.VECTORS)


def _attributes(table: FeatureTable, rows: Integers) -> DiversityAttributes:
    return DiversityAttributes(
        table.owners[rows], table.terms[TermKind.CATEGORY].take(rows), table.terms[TermKind.TOOL].take(rows)
    )


def adjustments_of(moved: Mapping[int, RankChange], ids: Integers, drawn: ExplorationDraw) -> dict[int, Adjustment]:
    """Turn moves, told by rank by score, into adjustments by rank as served."""
    return {
        move.to_rank - 1: Adjustment(
            _rule(move),
            move.penalty,
            int(ids[move.blocker]) if move.blocker >= 0 else None,
            move.from_rank,
            move.to_rank,
            drawn.propensities[index] if move.chance else None,
        )
        for index, move in moved.items()
    }


def _rule(move: RankChange) -> Rule:
    made_room = move.blocker >= 0 and not move.penalty
    return Rule.EXPLORATION if move.chance or made_room else Rule.DIVERSITY
