"""Behavior signals: functions of a `BehaviorEvidence` that return (n,) values, 0 without evidence.

Values of fewer than `BehaviorEvidence.floor` actors are 0. This floor applies to the signal and not only to its
explanation, because a contribution to the score would reveal the value. Counts of all actors are live. Values of actors
who are similar to the viewer count released interactions (`scoring.mathematics.batched_release`) and are rounded.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import reduce
from operator import or_

import numpy as np

from db.time_units import DAY_S, HOUR_S, MIN_COUNTED_ACTORS
from scoring import tunables
from scoring.mathematics.behavior_evidence import (
    NO_LINKS,
    BehaviorEvidence,
    EvidencePart,
    FirstInteractions,
    NeighborKind,
    history_weights,
)
from scoring.mathematics.signals import Floats, Signal


def age(evidence: BehaviorEvidence) -> Floats:
    """Age: log2(1 + hours). Range 0 (now, or in the future) to about 17 (ten years)."""
    return np.log2(1.0 + np.maximum(evidence.at_s - evidence.created_s, 0.0) / HOUR_S)


def actors(half_life_index: int) -> Callable[[BehaviorEvidence], Floats]:
    """Decayed actors at the half-life with this index in `ACTOR_HALF_LIVES_H`: log2(1 + actors). Range 0 to 20."""
    return lambda evidence: _of_enough_actors(evidence, np.log2(1.0 + evidence.actors[:, half_life_index]))


def recent_actors(evidence: BehaviorEvidence) -> Floats:
    """Actors of the last `tunables.RECENT_INTERACTION_DAYS`, not decayed: log2(1 + actors). Range 0 to about 15."""
    return _of_enough_actors(evidence, np.log2(1.0 + _count_actors(evidence, evidence.interactions)))


def actors_within(half_life_h: float) -> Callable[[BehaviorEvidence], Floats]:
    """Decayed actors at a half-life without a stored counter: log2(1 + actors). Range 0 to about 15."""

    def signal(evidence: BehaviorEvidence) -> Floats:
        return _of_enough_actors(
            evidence, np.log2(1.0 + _decayed_similarity(evidence, evidence.interactions, half_life_h))
        )

    return signal


def new_since_visit(evidence: BehaviorEvidence) -> Floats:
    """Age as in `age` of projects published since the viewer's previous session; 0 for others. Range 0 to about 17.

    An interaction of the last `tunables.SESSION_GAP_H` hours belongs to the current session. 0 for a viewer without
    history.
    """
    earlier = evidence.engagements.at_s[evidence.engagements.at_s <= evidence.at_s - tunables.SESSION_GAP_H * HOUR_S]
    if not earlier.size:
        return np.zeros(evidence.n)
    return np.where(evidence.created_s > earlier.max(), age(evidence), 0.0)


def events_since_creation(evidence: BehaviorEvidence) -> Floats:
    """Activity since publication: log2(1 + first interactions on the platform since then). Range 0 to about 15."""
    return np.log2(1.0 + _activity_since_publication(evidence))


def actor_rate(evidence: BehaviorEvidence) -> Floats:
    """Actors relative to the platform's activity since the project was published. Range about −12 to 6.

    log2(1 + actors) − log2(1 + first interactions on the platform since publication / `tunables.RATE_PRIOR`).
    """
    expected = np.log2(1.0 + _activity_since_publication(evidence) / tunables.RATE_PRIOR)
    return _of_enough_actors(evidence, recent_actors(evidence) - expected)


def _activity_since_publication(evidence: BehaviorEvidence) -> Floats:
    """Count the first interactions on the whole platform since each candidate was published; 0 below the floor."""
    activity = evidence.platform_activity
    sums = np.concatenate([[0.0], np.cumsum(activity.actors)])
    counts = sums[-1] - sums[np.searchsorted(activity.at_s, evidence.created_s, side="right")]
    return np.where(counts >= evidence.floor, counts, 0.0)


def _of_enough_actors(evidence: BehaviorEvidence, values: Floats) -> Floats:
    """Return the (n,) values, 0 for a project of fewer actors than the floor.

    The actors are the counter with the longest half-life.
    """
    minimum = MIN_COUNTED_ACTORS if evidence.floor > 1 else 0.0
    return np.where(evidence.actors[:, -1] >= minimum, values, 0.0)


def _mean_similarity(evidence: BehaviorEvidence, interactions: FirstInteractions) -> Floats:
    """Mean similarity to the actors, shrunk towards 0. Range −1 to 1."""
    total, count = _sum_similarity(evidence, interactions)
    return total / count


def _similarity_sum(evidence: BehaviorEvidence, interactions: FirstInteractions) -> Floats:
    """Sum of similarities to the actors, divided by the square root of their number. Range about −30 to 30."""
    total, count = _sum_similarity(evidence, interactions)
    return total / np.sqrt(count)


def _recent_similarity(evidence: BehaviorEvidence, interactions: FirstInteractions) -> Floats:
    """Decayed sum of similarities to the actors. Range about −100 to 100."""
    return _decayed_similarity(evidence, interactions, tunables.RECENT_FACTORS_HALF_LIFE_H)


_Summary = Callable[[BehaviorEvidence, FirstInteractions], Floats]


def _of_actors(summarize: _Summary, step: float) -> Callable[[BehaviorEvidence], Floats]:
    """Return the signal of the similarities to single actors: rounded to `step`, 0 below the floor."""

    def signal(evidence: BehaviorEvidence) -> Floats:
        actors = evidence.similar_actors
        return _rounded(evidence, _zero_below_floor(evidence, actors, summarize(evidence, actors)), step)

    return signal


def _of_clusters(summarize: _Summary, step: float) -> Callable[[BehaviorEvidence], Floats]:
    """Return the signal of the similarities to the taste clusters of actors, rounded to `step`.

    No floor applies: each cluster has at least `tunables.MIN_CLUSTER_SIZE` members.
    """
    return lambda evidence: _rounded(evidence, summarize(evidence, evidence.clusters), step)


user_factors_mean = _of_actors(_mean_similarity, tunables.MEAN_SIMILARITY_STEP)
user_factors_sum = _of_actors(_similarity_sum, tunables.SIMILARITY_SUM_STEP)
user_factors_recent = _of_actors(_recent_similarity, tunables.SIMILARITY_SUM_STEP)
taste_cluster_mean = _of_clusters(_mean_similarity, tunables.MEAN_SIMILARITY_STEP)
taste_cluster_sum = _of_clusters(_similarity_sum, tunables.SIMILARITY_SUM_STEP)
taste_cluster_recent = _of_clusters(_recent_similarity, tunables.SIMILARITY_SUM_STEP)


def item_factors(evidence: BehaviorEvidence) -> Floats:
    """Similarity of the viewer's factors and the project's factors. Range −1 to 1."""
    return _rounded(evidence, evidence.item_similarity, tunables.ITEM_SIMILARITY_STEP)


def session_neighbors(evidence: BehaviorEvidence) -> Floats:
    """Session-kNN: log2(1 + decayed shared projects of session neighbors who engaged). Range 0 to about 15."""
    summed = _decayed_similarity(evidence, evidence.session_neighbors, tunables.SESSION_NEIGHBORS_HALF_LIFE_H)
    values = np.log2(1.0 + _zero_below_floor(evidence, evidence.session_neighbors, summed))
    return _rounded(evidence, values, tunables.SIMILARITY_SUM_STEP)


def item_neighbor_score(evidence: BehaviorEvidence) -> Floats:
    """Item-kNN: root of the summed similarities to the history, weighted by recency. Range 0 to about 10.

    The neighbor lists apply the floor: two projects are neighbors only if enough actors engaged with both.
    """
    return np.sqrt(_similarity_to_history(evidence))


def item_neighbors_mean(evidence: BehaviorEvidence) -> Floats:
    """Item-kNN: mean similarity to the history, weighted by recency. Range 0 to 1."""
    weight = _history_weights(evidence).sum()
    return _similarity_to_history(evidence) / weight if weight > 0 else _similarity_to_history(evidence)


def rp3beta(evidence: BehaviorEvidence) -> Floats:
    """RP3beta: root of the popularity-damped probability of a random walk from the history to the project.

    Range 0 to 1.
    """
    return np.sqrt(_summed_links(evidence, NeighborKind.RP3BETA) / max(evidence.engagements.projects.size, 1))


def ease(evidence: BehaviorEvidence) -> Floats:
    """EASE: sum of the linear autoencoder's weights over the history. Range about −1 to 2."""
    return _summed_links(evidence, NeighborKind.EASE)


def user_neighbor_score(evidence: BehaviorEvidence) -> Floats:
    """User-kNN: root of the share of the neighbors' total similarity that belongs to neighbors who engaged.

    Range 0 to 1.
    """
    interactions = evidence.user_neighbors
    summed = np.bincount(interactions.rows, interactions.similarity, minlength=evidence.n).astype(np.float64)
    total = evidence.user_neighbor_similarity
    return np.sqrt(_zero_below_floor(evidence, interactions, summed) / total) if total > 0 else np.zeros(evidence.n)


def _summed_links(evidence: BehaviorEvidence, kind: NeighborKind) -> Floats:
    links = evidence.links.get(kind, NO_LINKS)
    return np.bincount(links.rows, links.similarity, minlength=evidence.n).astype(np.float64)


def _similarity_to_history(evidence: BehaviorEvidence) -> Floats:
    links = evidence.links.get(NeighborKind.COSINE, NO_LINKS)
    weight = _history_weights(evidence)[links.engagements]
    return np.bincount(links.rows, links.similarity * weight, minlength=evidence.n).astype(np.float64)


def _history_weights(evidence: BehaviorEvidence) -> Floats:
    return history_weights((evidence.at_s - evidence.engagements.at_s) / DAY_S)


def _sum_similarity(evidence: BehaviorEvidence, interactions: FirstInteractions) -> tuple[Floats, Floats]:
    """Return (n,) sums of similarity, and (n,) numbers of actors plus `tunables.FACTOR_SHRINKAGE`."""
    total = np.bincount(interactions.rows, interactions.similarity, minlength=evidence.n).astype(np.float64)
    return total, _count_actors(evidence, interactions) + tunables.FACTOR_SHRINKAGE


def _zero_below_floor(evidence: BehaviorEvidence, interactions: FirstInteractions, values: Floats) -> Floats:
    """Return the (n,) values, 0 where fewer actors than the floor contributed."""
    return np.where(_count_actors(evidence, interactions) >= evidence.floor, values, 0.0)


def _rounded(evidence: BehaviorEvidence, values: Floats, step: float) -> Floats:
    return np.round(values / step) * step if evidence.floor > 1 else values


def _count_actors(evidence: BehaviorEvidence, interactions: FirstInteractions) -> Floats:
    return np.bincount(interactions.rows, minlength=evidence.n).astype(np.float64)


def _decayed_similarity(evidence: BehaviorEvidence, interactions: FirstInteractions, half_life_h: float) -> Floats:
    age_h = np.maximum(evidence.at_s - interactions.at_s, 0.0) / HOUR_S
    return np.bincount(
        interactions.rows, interactions.similarity * np.exp2(-age_h / half_life_h), minlength=evidence.n
    ).astype(float)


_RECENT = EvidencePart.INTERACTIONS
_COUNTED = EvidencePart.INTERACTIONS | EvidencePart.ACTORS
_SIGNALS: Mapping[Signal, tuple[Callable[[BehaviorEvidence], Floats], EvidencePart]] = {
    Signal.AGE: (age, EvidencePart.NOTHING),
    Signal.ACTORS_1H: (actors(0), EvidencePart.ACTORS),
    Signal.ACTORS_6H: (actors(1), EvidencePart.ACTORS),
    Signal.ACTORS_3D: (actors(2), EvidencePart.ACTORS),
    Signal.ACTORS_14D: (actors(3), EvidencePart.ACTORS),
    Signal.ACTORS_15M: (actors_within(0.25), _COUNTED),
    Signal.ACTORS_1D: (actors_within(24.0), _COUNTED),
    Signal.RECENT_ACTORS: (recent_actors, _COUNTED),
    Signal.EVENTS_SINCE_CREATION: (events_since_creation, EvidencePart.ACTIVITY),
    Signal.ACTOR_RATE: (actor_rate, _COUNTED | EvidencePart.ACTIVITY),
    Signal.NEW_SINCE_VISIT: (new_since_visit, EvidencePart.NOTHING),
    Signal.USER_FACTORS_MEAN: (user_factors_mean, _RECENT | EvidencePart.USER_FACTORS),
    Signal.USER_FACTORS_SUM: (user_factors_sum, _RECENT | EvidencePart.USER_FACTORS),
    Signal.USER_FACTORS_RECENT: (user_factors_recent, _RECENT | EvidencePart.USER_FACTORS),
    Signal.TASTE_CLUSTER_MEAN: (taste_cluster_mean, _RECENT | EvidencePart.CLUSTERS),
    Signal.TASTE_CLUSTER_SUM: (taste_cluster_sum, _RECENT | EvidencePart.CLUSTERS),
    Signal.TASTE_CLUSTER_RECENT: (taste_cluster_recent, _RECENT | EvidencePart.CLUSTERS),
    Signal.ITEM_FACTORS: (item_factors, EvidencePart.ITEM_FACTORS),
    Signal.SAME_OWNER: (lambda evidence: np.log2(1.0 + evidence.same_owner_count), EvidencePart.OWNERS),
    Signal.SESSION_NEIGHBORS: (session_neighbors, _RECENT | EvidencePart.SESSION_NEIGHBORS),
    Signal.ITEM_NEIGHBORS: (item_neighbor_score, EvidencePart.ITEM_NEIGHBORS),
    Signal.ITEM_NEIGHBORS_MEAN: (item_neighbors_mean, EvidencePart.ITEM_NEIGHBORS),
    Signal.RP3BETA: (rp3beta, EvidencePart.NOTHING),
    Signal.EASE: (ease, EvidencePart.NOTHING),
    Signal.USER_NEIGHBORS: (user_neighbor_score, EvidencePart.NOTHING),
}
"""The function of each behavior signal, and the parts of the evidence that the function reads."""

BEHAVIOR_SIGNALS: Mapping[Signal, Callable[[BehaviorEvidence], Floats]] = {
    signal: function for signal, (function, _) in _SIGNALS.items()
}
"""Behavior signals, in the order of a trained model's columns."""

EVALUATION_ONLY = frozenset({Signal.RP3BETA, Signal.EASE, Signal.USER_NEIGHBORS})
"""Signals that only `explore evaluate` computes. They rank best in random splits but add nothing in replays of feed
requests. Nightly training therefore does not build their neighbor lists (docs/ranking.md)."""


REPLAYED_SIGNALS: Mapping[Signal, Callable[[BehaviorEvidence], Floats]] = {
    **BEHAVIOR_SIGNALS,
    Signal.VECTOR_SIMILARITY: lambda evidence: evidence.history_similarity,
    Signal.EXPLICIT_PREFERENCES: lambda evidence: evidence.interest_matches,
}
"""Signals that can be computed from a log. A served feed computes the last two from the viewer's profile. The vector of
a profile also contains the text of the interests; a log knows only that of the history."""


def required_parts(signals: Iterable[Signal]) -> EvidencePart:
    """Return the parts of a `BehaviorEvidence` that the given signals read."""
    return reduce(or_, (_SIGNALS[signal][1] for signal in signals if signal in _SIGNALS), EvidencePart.NOTHING)


def behavior_matrix(evidence: BehaviorEvidence, signals: tuple[Signal, ...] = tuple(REPLAYED_SIGNALS)) -> Floats:
    """Return the (n, k) matrix of signal values, one column per signal."""
    return np.column_stack([REPLAYED_SIGNALS[signal](evidence) for signal in signals])
