"""The behavior signals: pure functions of an `BehaviorEvidence`, each giving (n,) values. "No evidence" is 0 in each of them.

Sums over people are 0 below `BehaviorEvidence.floor` people: the floor is on the signal, not on the sentence shown. What fewer
did is told of circles (`scoring.mathematics.taste_clusters`), never of persons.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import reduce
from operator import or_

import numpy as np

from scoring import weights
from scoring.mathematics.behavior_evidence import (
    DAY_S,
    HOUR_S,
    NO_LINKS,
    BehaviorEvidence,
    FirstInteractions,
    NeighborKind,
    Part,
    history_weights,
)
from scoring.mathematics.signals import Floats
from scoring.weights import Signal


def age(evidence: BehaviorEvidence) -> Floats:
    """Time since publication: log2(1 + hours). Range 0 (now, or from the future) to about 17 (ten years)."""
    return np.log2(1.0 + np.maximum(evidence.at_s - evidence.created_s, 0.0) / HOUR_S)


def actors(half_life: int) -> Callable[[BehaviorEvidence], Floats]:
    """Distinct people lately: log2(1 + decayed people). Range 0 to about 20.

    Parameters
    ----------
    half_life
        Index into `weights.ACTOR_HALF_LIVES_H`.
    """

    def signal(evidence: BehaviorEvidence) -> Floats:
        return np.log2(1.0 + evidence.actors[:, half_life])

    return signal


def recent_actors(evidence: BehaviorEvidence) -> Floats:
    """People of the last `weights.RECENT_INTERACTION_DAYS`, all alike: log2(1 + people). Range 0 to about 15."""
    return np.log2(1.0 + _count(evidence, evidence.interactions))


def actors_within(half_life_h: float) -> Callable[[BehaviorEvidence], Floats]:
    """Distinct people at a half-life for which no counter is kept: log2(1 + decayed people). Range 0 to about 15."""

    def signal(evidence: BehaviorEvidence) -> Floats:
        ones = evidence.interactions._replace(similarity=np.ones(evidence.interactions.rows.size))
        return np.log2(1.0 + _decayed(evidence, ones, half_life_h))

    return signal


def new_since_visit(evidence: BehaviorEvidence) -> Floats:
    """Published since the viewer's last visit: then its age, log2(1 + hours), else 0. Range 0 to about 17.

    What was there at the last visit has been passed by, what came since has had no chance. A touch less than
    `weights.SESSION_GAP_H` ago belongs to this visit. 0 also for a viewer who was never here.
    """
    earlier = evidence.engagements.at_s[evidence.engagements.at_s <= evidence.at_s - weights.SESSION_GAP_H * HOUR_S]
    if not earlier.size:
        return np.zeros(evidence.n)
    return np.where(evidence.created_s > earlier.max(), age(evidence), 0.0)


def events_since_creation(evidence: BehaviorEvidence) -> Floats:
    """Age by the clock of the platform: log2(1 + first touches of anything since publication). Range 0 to about 15.

    A night counts little by this clock, and a busy morning much: it says how often a project could have been chosen.
    """
    return np.log2(1.0 + _since(evidence))


def actor_rate(evidence: BehaviorEvidence) -> Floats:
    """People for the chances it had: log2(1 + people) − log2(1 + deeds since / prior). Range about −12 to 6."""
    return recent_actors(evidence) - np.log2(1.0 + _since(evidence) / weights.RATE_PRIOR)


def _since(evidence: BehaviorEvidence) -> Floats:
    """Count the first touches on the whole platform since each candidate was published."""
    platform_activity = evidence.platform_activity
    passed = np.concatenate([[0.0], np.cumsum(platform_activity.actors)])
    gone_by: Floats = passed[-1] - passed[np.searchsorted(platform_activity.at_s, evidence.created_s, side="right")]
    return gone_by


def user_factors_mean(evidence: BehaviorEvidence) -> Floats:
    """Mean likeness of taste of the people who touched it lately, shrunken towards 0. Range −1 to 1."""
    total, count = _likeness(evidence, evidence.interactions, evidence.floor)
    return total / (count + weights.FACTOR_SHRINKAGE)


def user_factors_sum(evidence: BehaviorEvidence) -> Floats:
    """The same, where many count more than few: the sum over the root of their number. Range about −30 to 30."""
    total, count = _likeness(evidence, evidence.interactions, evidence.floor)
    return total / np.sqrt(count + weights.FACTOR_SHRINKAGE)


def user_factors_recent(evidence: BehaviorEvidence) -> Floats:
    """Sum of the likenesses, each halved every `weights.RECENT_FACTORS_HALF_LIFE_H`. Range about −100 to 100."""
    summed = _decayed(evidence, evidence.interactions, weights.RECENT_FACTORS_HALF_LIFE_H)
    return np.where(_count(evidence, evidence.interactions) >= evidence.floor, summed, 0.0)


def taste_cluster_mean(evidence: BehaviorEvidence) -> Floats:
    """Mean likeness of the circles of the people who touched it lately, shrunken towards 0. Range −1 to 1.

    No floor is needed, also where one person came: a circle is told of, and stands for at least
    `weights.MIN_CLUSTER_SIZE` people.
    """
    total, count = _likeness(evidence, evidence.clusters)
    return total / (count + weights.FACTOR_SHRINKAGE)


def taste_cluster_sum(evidence: BehaviorEvidence) -> Floats:
    """The same, where many count more than few: the sum over the root of their number. Range about −30 to 30."""
    total, count = _likeness(evidence, evidence.clusters)
    return total / np.sqrt(count + weights.FACTOR_SHRINKAGE)


def taste_cluster_recent(evidence: BehaviorEvidence) -> Floats:
    """Sum of the circles' likenesses, each halved every `weights.RECENT_FACTORS_HALF_LIFE_H`. Range about −100 to 100."""
    return _decayed(evidence, evidence.clusters, weights.RECENT_FACTORS_HALF_LIFE_H)


def session_neighbors(evidence: BehaviorEvidence) -> Floats:
    """What those who touched the viewer's last projects touched too: log2(1 + decayed sum). Range 0 to about 15."""
    summed = _decayed(evidence, evidence.session_neighbors, weights.SESSION_NEIGHBORS_HALF_LIFE_H)
    return np.log2(1.0 + np.where(_count(evidence, evidence.session_neighbors) >= evidence.floor, summed, 0.0))


def item_neighbor_score(evidence: BehaviorEvidence) -> Floats:
    """Item-kNN: root of the summed similarities to the viewer's touches, late ones counting more. Range 0 to about 10.

    The floor is in the lists: two projects are neighbors only if enough people touched both.
    """
    return np.sqrt(_linked(evidence))


def item_neighbors_mean(evidence: BehaviorEvidence) -> Floats:
    """The mean similarity to the viewer's touches, late ones counting more. Range 0 to 1."""
    worth = _worth(evidence).sum()
    return _linked(evidence) / worth if worth > 0 else _linked(evidence)


def rp3beta(evidence: BehaviorEvidence) -> Floats:
    """RP3beta: the root of the damped chance to walk from one of the viewer's touches to the project. Range 0 to 1."""
    return np.sqrt(_summed(evidence, NeighborKind.RP3BETA) / max(evidence.engagements.projects.size, 1))


def ease(evidence: BehaviorEvidence) -> Floats:
    """EASE: the linear autoencoder's sum over all touches of the viewer. Range about −1 to 2."""
    return _summed(evidence, NeighborKind.EASE)


def user_neighbors(evidence: BehaviorEvidence) -> Floats:
    """User-kNN: share of the likeness of the nearest people who touched it, at any time. Range 0 to 1."""
    interactions = evidence.user_neighbors
    summed = np.bincount(interactions.rows, interactions.similarity, minlength=evidence.n)
    enough = np.where(_count(evidence, interactions) >= evidence.floor, summed, 0.0)
    return np.sqrt(enough / evidence.user_neighbor_similarity) if evidence.user_neighbor_similarity > 0 else enough


def _summed(evidence: BehaviorEvidence, kind: NeighborKind) -> Floats:
    links = evidence.links.get(kind, NO_LINKS)
    return np.bincount(links.rows, links.similarity, minlength=evidence.n).astype(np.float64)


def _linked(evidence: BehaviorEvidence) -> Floats:
    links = evidence.links.get(NeighborKind.COSINE, NO_LINKS)
    worth = _worth(evidence)[links.engagements]
    return np.bincount(links.rows, links.similarity * worth, minlength=evidence.n).astype(np.float64)


def _worth(evidence: BehaviorEvidence) -> Floats:
    """Give what each of the viewer's touches counts: half as much every `weights.HISTORY_HALF_LIFE_DAYS`."""
    return history_weights((evidence.at_s - evidence.engagements.at_s) / DAY_S)


def _likeness(evidence: BehaviorEvidence, interactions: FirstInteractions, floor: int = 1) -> tuple[Floats, Floats]:
    """Give (n,) sums of likeness, 0 below the floor, and (n,) numbers of people."""
    count = _count(evidence, interactions)
    total = np.bincount(interactions.rows, interactions.similarity, minlength=evidence.n)
    return np.where(count >= floor, total, 0.0), count


def _count(evidence: BehaviorEvidence, interactions: FirstInteractions) -> Floats:
    return np.bincount(interactions.rows, minlength=evidence.n).astype(np.float64)


def _decayed(evidence: BehaviorEvidence, interactions: FirstInteractions, half_life_h: float) -> Floats:
    age_h = np.maximum(evidence.at_s - interactions.at_s, 0.0) / HOUR_S
    return np.bincount(
        interactions.rows, interactions.similarity * np.exp2(-age_h / half_life_h), minlength=evidence.n
    ).astype(float)


BEHAVIOR_SIGNALS: Mapping[Signal, Callable[[BehaviorEvidence], Floats]] = {
    Signal.AGE: age,
    Signal.ACTORS_1H: actors(0),
    Signal.ACTORS_6H: actors(1),
    Signal.ACTORS_3D: actors(2),
    Signal.ACTORS_14D: actors(3),
    Signal.ACTORS_15M: actors_within(0.25),
    Signal.ACTORS_1D: actors_within(24.0),
    Signal.RECENT_ACTORS: recent_actors,
    Signal.EVENTS_SINCE_CREATION: events_since_creation,
    Signal.ACTOR_RATE: actor_rate,
    Signal.NEW_SINCE_VISIT: new_since_visit,
    Signal.USER_FACTORS_MEAN: user_factors_mean,
    Signal.USER_FACTORS_SUM: user_factors_sum,
    Signal.USER_FACTORS_RECENT: user_factors_recent,
    Signal.TASTE_CLUSTER_MEAN: taste_cluster_mean,
    Signal.TASTE_CLUSTER_SUM: taste_cluster_sum,
    Signal.TASTE_CLUSTER_RECENT: taste_cluster_recent,
    Signal.ITEM_FACTORS: lambda evidence: evidence.item_similarity,
    Signal.OWNER_FACTORS: lambda evidence: evidence.owner_similarity,
    Signal.SAME_OWNER: lambda evidence: np.log2(1.0 + evidence.owner_touches),
    Signal.SESSION_NEIGHBORS: session_neighbors,
    Signal.ITEM_NEIGHBORS: item_neighbor_score,
    Signal.ITEM_NEIGHBORS_MEAN: item_neighbors_mean,
    Signal.RP3BETA: rp3beta,
    Signal.EASE: ease,
    Signal.USER_NEIGHBORS: user_neighbors,
}
"""Every signal that is read from behavior, in the order of a trained model's columns."""

_READS: Mapping[Signal, Part] = {
    Signal.ACTORS_1H: Part.PEOPLE,
    Signal.ACTORS_6H: Part.PEOPLE,
    Signal.ACTORS_3D: Part.PEOPLE,
    Signal.ACTORS_14D: Part.PEOPLE,
    Signal.ACTORS_15M: Part.INTERACTIONS,
    Signal.ACTORS_1D: Part.INTERACTIONS,
    Signal.RECENT_ACTORS: Part.INTERACTIONS,
    Signal.EVENTS_SINCE_CREATION: Part.ARRIVALS,
    Signal.ACTOR_RATE: Part.INTERACTIONS | Part.ARRIVALS,
    Signal.USER_FACTORS_MEAN: Part.INTERACTIONS | Part.TASTES,
    Signal.USER_FACTORS_SUM: Part.INTERACTIONS | Part.TASTES,
    Signal.USER_FACTORS_RECENT: Part.INTERACTIONS | Part.TASTES,
    Signal.TASTE_CLUSTER_MEAN: Part.INTERACTIONS | Part.CIRCLES,
    Signal.TASTE_CLUSTER_SUM: Part.INTERACTIONS | Part.CIRCLES,
    Signal.TASTE_CLUSTER_RECENT: Part.INTERACTIONS | Part.CIRCLES,
    Signal.ITEM_FACTORS: Part.ITEM_FACTORS,
    Signal.OWNER_FACTORS: Part.OWNER_FACTORS,
    Signal.SAME_OWNER: Part.OWNERS,
    Signal.SESSION_NEIGHBORS: Part.INTERACTIONS | Part.SESSION_NEIGHBORS,
    Signal.ITEM_NEIGHBORS: Part.COSINE,
    Signal.ITEM_NEIGHBORS_MEAN: Part.COSINE,
    Signal.RP3BETA: Part.RP3BETA,
    Signal.EASE: Part.EASE,
    Signal.USER_NEIGHBORS: Part.USER_NEIGHBORS,
}


def required_parts(signals: Iterable[Signal]) -> Part:
    """Name the parts of an `BehaviorEvidence` that signals read; the others may be empty for them."""
    return reduce(or_, (_READS.get(signal, Part.NOTHING) for signal in signals), Part.NOTHING)


def behavior_matrix(evidence: BehaviorEvidence, signals: tuple[Signal, ...] = tuple(BEHAVIOR_SIGNALS)) -> Floats:
    """Compute signals: an (n, k) matrix with a column for each."""
    return np.column_stack([BEHAVIOR_SIGNALS[signal](evidence) for signal in signals])
