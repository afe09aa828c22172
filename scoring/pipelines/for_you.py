"""For You: profile, candidates, features, filters, signals, scoring, re-ranking."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

import numpy as np

from db.actors.users import ANONYMOUS_VIEWER
from db.catalog.project_cards import HiddenReads, ProjectFilter, read_features, term_ids
from db.errors import Store, StoreUnavailable
from db.models import FeedKind, TermKind
from db.stores import Stores
from db.time_units import DAY_S
from scoring import tunables
from scoring.collaborative.evidence_loader import load_evidence
from scoring.deadlines import SERVING, Deadlines, within
from scoring.features import FeatureTable, feature_table
from scoring.mathematics import signals
from scoring.mathematics.additive_model import Model, order_by_score, scores
from scoring.mathematics.behavior_evidence import BehaviorEvidence
from scoring.mathematics.behavior_signals import BEHAVIOR_SIGNALS
from scoring.mathematics.exploration import diversify_and_explore, draw, exploration_seed, under_exposed
from scoring.mathematics.signals import Floats, Integers, Signal
from scoring.models.model_presets import DEFAULT, with_answers
from scoring.pipelines.candidate_sources import Candidates, gather_candidates, likes_by_neighbors
from scoring.pipelines.feed_filters import TermGroups, removing_filter
from scoring.profiles import negative_feedback
from scoring.profiles.model_preferences import apply_preferences, learnable_kinds, switched_off
from scoring.profiles.negative_feedback import NegativeFeedback, load_negative_feedback
from scoring.profiles.read_projects import hidden_ids, hidden_reads, read_penalty, record_demotions
from scoring.profiles.viewer_columns import view_columns
from scoring.profiles.viewer_profile import Profile
from scoring.ranking import Ranking, ScoredProject, Strategy, adjustments_of, distinct_stores


async def rank(
    stores: Stores,
    profile: Profile,
    where: ProjectFilter,
    model: Model,
    at: datetime,
    deadlines: Deadlines = SERVING,
    exploration: float = tunables.EXPLORATION_SHARE,
    ranks: int = tunables.DIVERSITY_DEPTH,
    read_hidden_days: float = tunables.READ_HIDDEN_DAYS,
) -> Ranking:
    """Rank the candidates for a viewer. The number of store calls does not depend on the number of candidates.

    A share `exploration` of the ranks goes to under-exposed projects. Only the first `ranks` ranks are diversified;
    fewer cost less.

    Projects that the viewer read in the last `read_hidden_days` days are left out, unless no other is left. Other read
    projects are demoted. 0 days and the viewer's preference `show_read` turn both off.
    """
    terms = await term_ids(stores.database, where)
    hidden = hidden_reads(profile, read_hidden_days, at)
    demotes = hidden is not None
    candidates, table = await _candidates(stores, profile, where, terms, at, deadlines, hidden)
    if hidden is not None and not table.n and hidden_ids(profile, hidden):
        hidden = None
        candidates, table = await _candidates(stores, profile, where, terms, at, deadlines, hidden)
    scored = await _score(stores, profile, table, model, at, deadlines, candidates.neighbor_likes, candidates.degraded)
    seed = exploration_seed(profile.viewer.actor_id or 0, at.date())
    # In a thread: this takes 15 ms, for which the event loop would answer nobody.
    order = partial(_order, scored, table, seed, exploration, ranks, demotes=demotes)
    return replace(await asyncio.to_thread(order), hidden=hidden)


def _order(
    scored: Ranking, table: FeatureTable, seed: int, exploration: float, ranks: int, *, demotes: bool
) -> Ranking:
    """Return the scored projects in the order in which they are served, with its adjustments."""
    score = scores(scored.contributions)
    is_read = (table.read_at >= 0) & demotes
    penalty = read_penalty(score, is_read)
    lowered = score - penalty * is_read
    best = order_by_score(lowered, table.keys)[: tunables.SNAPSHOT_RANKS]
    eligible = under_exposed(table.age_days, table.likes, table.viewed_at, table.liked)[best]
    drawn = draw(eligible, table.ids[best], seed, exploration)
    order, changes = diversify_and_explore(lowered[best], table.diversity_attributes(best), drawn, ranks=ranks)
    adjustments = adjustments_of(changes, table.ids[best], drawn)
    if penalty and is_read.any():
        rank_by_score = np.argsort(order_by_score(score[best], table.keys[best])) + 1
        adjustments = record_demotions(adjustments, order, rank_by_score, is_read[best], penalty)
    return replace(scored.take(best[order]), adjustments=adjustments)


async def rank_for_unknown(
    stores: Stores, where: ProjectFilter, model: Model, at: datetime, deadlines: Deadlines = SERVING
) -> Ranking:
    """Rank for all viewers without data. They share the ranking, so nothing is explored and nothing read is hidden."""
    unknown = await _unknown_viewer(stores, at)
    return await rank(stores, unknown, where, model, at, deadlines, exploration=0.0, read_hidden_days=0.0)


async def explain(
    stores: Stores,
    profile: Profile,
    ids: Sequence[int],
    model: Model,
    at: datetime,
    deadlines: Deadlines = SERVING,
) -> dict[int, ScoredProject]:
    """Score projects outside of a feed as the feed would score them."""
    profile = await _unknown_viewer(stores, at) if profile.is_empty else profile
    table = await _table(stores, profile, ids, at)
    likes = await likes_by_neighbors(stores, profile, at)
    return (await _score(stores, profile, table, model, at, deadlines, likes)).scored_projects()


async def _unknown_viewer(stores: Stores, at: datetime) -> Profile:
    return Profile(ANONYMOUS_VIEWER, columns=await view_columns(stores, ANONYMOUS_VIEWER, at))


async def _score(
    stores: Stores,
    profile: Profile,
    table: FeatureTable,
    model: Model,
    at: datetime,
    deadlines: Deadlines,
    neighbor_likes: Mapping[int, int],
    degraded: tuple[Store, ...] = (),
) -> Ranking:
    """Return the scores of projects in the order of `table`."""
    viewer_model = apply_preferences(stage_model(model, profile), profile.preferences)
    cosines, degraded = await _cosines(stores, profile, table.ids, degraded, deadlines)
    evidence, feedback = None, negative_feedback.NO_FEEDBACK
    if any(signal in BEHAVIOR_SIGNALS for signal in viewer_model.signals):
        evidence = await load_evidence(stores, profile, table, at, viewer_model.signals)
    if any(signal in negative_feedback.SIGNALS for signal in viewer_model.signals):
        feedback = await load_negative_feedback(stores, profile, at)
    matrix = signal_matrix(viewer_model, profile, table, cosines, neighbor_likes, at, evidence, feedback)
    return Ranking(
        kind=FeedKind.FOR_YOU,
        strategy=_strategy(profile),
        model=viewer_model.name,
        signals=viewer_model.signals,
        ids=table.ids,
        values=matrix.astype(np.float32),
        contributions=viewer_model.contributions(matrix),
        generated_at=at,
        degraded=distinct_stores([*profile.degraded, *degraded, *_lagging(profile, at)]),
        switched_off=switched_off(viewer_model, profile.preferences),
    )


def stage_model(model: Model, profile: Profile) -> Model:
    """Return the curves of a model for a viewer; an empty profile gets only those that need no profile."""
    if profile.is_empty:
        unknown = model.for_unknown_viewers()
        return unknown if unknown.curves else DEFAULT.for_unknown_viewers()
    return with_answers(model) if profile.has_only_answers else model.for_stage(profile.stage)


def _strategy(profile: Profile) -> Strategy:
    if profile.is_empty:
        return Strategy.POPULAR
    return Strategy.ONBOARDING if profile.has_only_answers else Strategy.PERSONALIZED


def signal_matrix(
    model: Model,
    profile: Profile,
    table: FeatureTable,
    cosines: signals.Cosines,
    neighbor_likes: Mapping[int, int],
    at: datetime,
    evidence: BehaviorEvidence | None,
    feedback: NegativeFeedback,
) -> Floats:
    """Compute the (n, k) values of the model's signals. A model with behavior signals requires `evidence`.

    `cosines`: (n,) similarities to the profile's vector, NaN if unknown. `neighbor_likes`: by project id.
    """
    ids = table.ids.tolist()
    week_ago = at.timestamp() - tunables.RECENT_VIEWS_DAYS * DAY_S
    computed = {
        Signal.VECTOR_SIMILARITY: lambda: profile.vector_weight * signals.vector_similarity(cosines),
        Signal.EXPLICIT_PREFERENCES: lambda: signals.explicit_preferences(
            table.all_terms, profile.interest_terms, profile.interest_values
        ),
        Signal.ANSWER_MATCHES: lambda: signals.answer_matches(table.all_terms, profile.interest_terms),
        Signal.BEHAVIORAL_SIGNALS: lambda: signals.behavioral_signals(
            table.viewed_at >= week_ago, table.liked, table.terms[TermKind.TOOL], profile.recent_tools(at)
        ),
        Signal.COLLABORATIVE: lambda: signals.collaborative(
            np.array([neighbor_likes.get(id_, 0) for id_ in ids], dtype=np.int64)
        ),
        Signal.POPULARITY: lambda: signals.popularity(table.likes),
        Signal.LIKES: lambda: signals.counted_likes(table.likes).astype(np.float64),
        Signal.FRESHNESS: lambda: signals.freshness(table.age_days),
        Signal.IMPRESSION_FATIGUE: lambda: negative_feedback.impression_fatigue(
            np.array([feedback.shown.get(id_, 0) for id_ in ids], dtype=np.int64), table.viewed_at == 0
        ),
        Signal.SIMILAR_TO_DISMISSED: lambda: negative_feedback.similar_to_dismissed(table, profile, feedback.dismissed),
        Signal.NOVELTY: lambda: signals.novelty(table.all_terms, *profile.familiar_terms()),
    }
    if evidence is not None:
        computed |= {signal: partial(function, evidence) for signal, function in BEHAVIOR_SIGNALS.items()}
    return np.column_stack([computed[signal]() for signal in model.signals])


async def _candidates(
    stores: Stores,
    profile: Profile,
    where: ProjectFilter,
    terms: TermGroups,
    at: datetime,
    deadlines: Deadlines,
    hidden: HiddenReads | None,
) -> tuple[Candidates, FeatureTable]:
    """Return the candidates, and the features of those that no filter removes and that are not hidden."""
    if hidden is not None:  # the quotas of the sources go to other projects
        where = replace(where, excluded_ids=(*where.excluded_ids, *hidden_ids(profile, hidden)))
    candidates = await gather_candidates(stores, profile, where, terms, at, deadlines)
    kinds, excluded = learnable_kinds(profile.preferences), profile.exclusions.projects
    if profile.columns is not None:
        kept = profile.columns.without_filtered(candidates.ids, where, terms)
        return candidates, profile.columns.feature_table(kept, at, kinds, excluded)
    features = await read_features(stores.database, candidates.ids.tolist(), profile.viewer.actor_id)
    kept_features = [
        feature
        for feature in features
        if removing_filter(feature, profile.viewer.user_id, where, terms) is None
        and not (hidden is not None and hidden.hides(feature))
    ]
    return candidates, feature_table(kept_features, at, kinds, excluded)


async def _table(stores: Stores, profile: Profile, ids: Sequence[int], at: datetime) -> FeatureTable:
    kinds, excluded = learnable_kinds(profile.preferences), profile.exclusions.projects
    if profile.columns is not None and profile.columns.hold(ids):
        return profile.columns.feature_table(np.array(ids, np.int64), at, kinds, excluded)
    return feature_table(await read_features(stores.database, ids, profile.viewer.actor_id), at, kinds, excluded)


def _lagging(profile: Profile, at: datetime) -> tuple[Store, ...]:
    is_lagging = profile.columns is not None and profile.columns.columns.is_lagging(at)
    return (Store.DATABASE,) if is_lagging else ()


async def _cosines(
    stores: Stores, profile: Profile, ids: Integers, degraded: tuple[Store, ...], deadlines: Deadlines
) -> tuple[signals.Cosines, tuple[Store, ...]]:
    unknown = np.full(ids.shape, np.nan, dtype=np.float32)
    if profile.vector is None or not ids.size or Store.VECTORS in degraded:
        return unknown, degraded
    try:
        similarities = stores.vectors.similarities(profile.vector, ids)
        return await within(deadlines.vectors_s, Store.VECTORS, similarities), degraded
    except StoreUnavailable:
        return unknown, (*degraded, Store.VECTORS)
