"""Signals of content, interests and popularity: functions that return (n,) float64 values, 0 without evidence."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from scoring import tunables

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Cosines = NDArray[np.float32]

MILLIONTHS = 1_000_000  # contributions are whole millionths, so that their sum is exactly the score


class Signal(StrEnum):
    """Signals of the ranking models. Snapshots, served pages and stored models hold the values."""

    VECTOR_SIMILARITY = "vector_similarity"
    EXPLICIT_PREFERENCES = "explicit_preferences"
    BEHAVIORAL_SIGNALS = "behavioral_signals"
    ANSWER_MATCHES = "answer_matches"
    COLLABORATIVE = "collaborative"
    POPULARITY = "popularity"
    LIKES = "likes"
    FRESHNESS = "freshness"
    CREATED_AT = "created_at"
    QUERY_SIMILARITY = "query_similarity"
    KEYWORD_MATCH = "keyword_match"
    PERSONAL_BOOST = "personal_boost"
    PROJECT_SIMILARITY = "project_similarity"
    AGE = "age"
    ACTORS_1H = "actors_1h"
    ACTORS_6H = "actors_6h"
    ACTORS_3D = "actors_3d"
    ACTORS_14D = "actors_14d"
    RECENT_ACTORS = "recent_actors"
    ACTOR_RATE = "actor_rate"
    EVENTS_SINCE_CREATION = "events_since_creation"
    USER_FACTORS_MEAN = "user_factors_mean"
    USER_FACTORS_SUM = "user_factors_sum"
    USER_FACTORS_RECENT = "user_factors_recent"
    ACTORS_15M = "actors_15m"
    ACTORS_1D = "actors_1d"
    NEW_SINCE_VISIT = "new_since_visit"
    TASTE_CLUSTER_MEAN = "taste_cluster_mean"
    TASTE_CLUSTER_SUM = "taste_cluster_sum"
    TASTE_CLUSTER_RECENT = "taste_cluster_recent"
    ITEM_FACTORS = "item_factors"
    SAME_OWNER = "same_owner"
    SESSION_NEIGHBORS = "session_neighbors"
    ITEM_NEIGHBORS = "item_neighbors"
    ITEM_NEIGHBORS_MEAN = "item_neighbors_mean"
    RP3BETA = "rp3beta"
    EASE = "ease"
    USER_NEIGHBORS = "user_neighbors"
    TRENDING_HOUR = "trending_hour"
    TRENDING_DAY = "trending_day"
    TRENDING_WEEK = "trending_week"
    GRAVITY = "gravity"
    RECENT_POPULARITY = "recent_popularity"
    NOVELTY = "novelty"
    IMPRESSION_FATIGUE = "impression_fatigue"
    SIMILAR_TO_DISMISSED = "similar_to_dismissed"


TASTE_SIGNALS = (
    Signal.USER_FACTORS_MEAN,
    Signal.USER_FACTORS_SUM,
    Signal.USER_FACTORS_RECENT,
    Signal.TASTE_CLUSTER_MEAN,
    Signal.TASTE_CLUSTER_SUM,
    Signal.TASTE_CLUSTER_RECENT,
)
"""Signals of actors with similar latent factors."""

PROFILE_FREE_SIGNALS = frozenset(
    {
        Signal.AGE,
        Signal.ACTORS_15M,
        Signal.ACTORS_1H,
        Signal.ACTORS_6H,
        Signal.ACTORS_1D,
        Signal.ACTORS_3D,
        Signal.ACTORS_14D,
        Signal.RECENT_ACTORS,
        Signal.ACTOR_RATE,
        Signal.EVENTS_SINCE_CREATION,
        Signal.POPULARITY,
        Signal.LIKES,
        Signal.FRESHNESS,
    }
)
"""Signals that need no data about the viewer. They rank For You for viewers of whom nothing is known."""


def look_up(ids: Integers, sorted_ids: Integers, values: Floats) -> Floats:
    """Return the value of each id; 0 for an id that is not among the ascending `sorted_ids`."""
    if not sorted_ids.size:
        return np.zeros(ids.size)
    index = np.minimum(np.searchsorted(sorted_ids, ids), sorted_ids.size - 1)
    return np.where(sorted_ids[index] == ids, values[index], 0.0)


def ranges(starts: Integers, sizes: Integers) -> Integers:
    """Return the concatenated ranges from each start on, with these sizes."""
    return np.repeat(starts - (np.cumsum(sizes) - sizes), sizes) + np.arange(sizes.sum())


@dataclass(frozen=True, slots=True)
class Incidence:
    """Sparse binary (n, terms) matrix of the terms of n projects, as (m,) pairs of row and term id."""

    n: int
    rows: Integers
    terms: Integers

    def take(self, indexes: Integers) -> "Incidence":
        """Select the rows at these indexes, in this order."""
        new_row = np.full(self.n, -1, dtype=np.int64)
        new_row[indexes] = np.arange(indexes.size)
        rows = new_row[self.rows]
        return Incidence(indexes.size, rows[rows >= 0], self.terms[rows >= 0])

    def weighted_sum(self, term_ids: Integers, term_weights: Floats) -> Floats:
        """Return the (n,) sums of the weights of each row's terms; terms not among the (t,) `term_ids` weigh 0."""
        order = np.argsort(term_ids)
        pair_weights = look_up(self.terms, term_ids[order], term_weights[order])
        return np.bincount(self.rows, pair_weights, minlength=self.n).astype(np.float64)


def union(incidences: Iterable[Incidence]) -> Incidence:
    """Combine the terms of several incidences of the same n projects."""
    parts = list(incidences)
    rows, terms = (np.concatenate([getattr(part, name) for part in parts]) for name in ("rows", "terms"))
    return Incidence(parts[0].n, rows, terms)


def vector_similarity(cosines: Cosines) -> Floats:
    """Similarity of the profile's and the project's vectors: 1 − min(cosine distance, 1). Range 0 to 1; NaN is 0."""
    return np.clip(np.nan_to_num(cosines.astype(np.float64), nan=0.0), 0.0, 1.0)


def discrimination(own: Floats, others: Cosines) -> float:
    """Return how well the vector similarity tells the viewer's projects from other projects, 0 to 1.

    `own` are (h,) similarities of each project of the history to the rest of the history, and `others` the (n,) cosines
    of other projects and the profile, NaN if unknown. The value is Somers' D: twice the probability that an own project
    is more similar than another one, minus 1. It is shrunk towards `tunables.DISCRIMINATION_PRIOR`, and never negative.
    """
    known = np.sort(others[~np.isnan(others)])
    if not known.size:
        return tunables.DISCRIMINATION_PRIOR
    ranks = np.searchsorted(known, own, side="left") + np.searchsorted(known, own, side="right")
    advantage = float((ranks / known.size - 1.0).sum())
    prior_weight = tunables.DISCRIMINATION_PRIOR_PROJECTS
    return max((advantage + prior_weight * tunables.DISCRIMINATION_PRIOR) / (own.size + prior_weight), 0.0)


def similarities_to_rest(rows: NDArray[np.float32], weighted: NDArray[np.float32]) -> Floats:
    """Return the cosine of each of (h, d) unit vectors to the sum of the other `weighted` vectors; empty for one."""
    if len(rows) < 2:
        return np.empty(0)
    rest = weighted.sum(axis=0) - weighted
    norms = np.linalg.norm(rest, axis=1).astype(np.float64)
    cosines: Floats = np.divide((rows * rest).sum(axis=1), norms, out=np.zeros(len(rows)), where=norms > 0)
    return cosines


def explicit_preferences(project_terms: Incidence, interests: Integers, interest_weights: Floats) -> Floats:
    """Sum of the weights of the viewer's interests that match the project, at most 1. Range 0 to 1.

    `interests` are (t,) term ids. A weight is the confidence of the interest times the value of a match of its kind
    (`tunables.TOOL_MATCH`, ...).
    """
    return np.minimum(project_terms.weighted_sum(interests, interest_weights), 1.0)


def answer_matches(project_terms: Incidence, interests: Integers) -> Floats:
    """Number of the viewer's (t,) interests that match the project. Range 0 to t."""
    return project_terms.weighted_sum(interests, np.ones(interests.size))


def behavioral_signals(
    viewed_recently: NDArray[np.bool_], liked: NDArray[np.bool_], tools: Incidence, seen_tools: Integers
) -> Floats:
    """Recent behavior: negative for viewed and liked projects, positive for tools of viewed projects. Range −0.5 to 1.

    `viewed_recently` and `seen_tools` cover the last `tunables.RECENT_VIEWS_DAYS` days. `seen_tools` has one entry for
    each viewed project and tool.
    """
    tool_ids, view_counts = np.unique(seen_tools, return_counts=True)
    affinity = np.minimum(tunables.TOOL_AFFINITY_STEP * view_counts, tunables.MAX_TOOL_AFFINITY)
    value = tools.weighted_sum(tool_ids, affinity)
    value -= tunables.VIEWED_PENALTY * viewed_recently + tunables.LIKED_PENALTY * liked
    return np.clip(value, tunables.MIN_BEHAVIOR, tunables.MAX_BEHAVIOR)


def novelty(project_terms: Incidence, familiar_terms: Integers, familiarity: Floats) -> Floats:
    """Novelty: 1 minus the mean familiarity of the project's terms, 0 without terms. Range 0 to 1.

    `familiar_terms` are (t,) distinct term ids, and `familiarity` their familiarity to the viewer, 0 to 1. Other terms
    have the familiarity 0.
    """
    term_counts = np.bincount(project_terms.rows, minlength=project_terms.n)
    summed = project_terms.weighted_sum(familiar_terms, familiarity)
    return np.where(term_counts > 0, 1.0 - summed / np.maximum(term_counts, 1), 0.0)


def collaborative(likes: Integers) -> Floats:
    """Likes by user neighbors, 1 from `tunables.LIKES_FOR_FULL_COLLABORATION` likes on. Range 0 to 1.

    Fewer than `tunables.ANONYMITY_FLOOR` likes count as 0, so that no contribution reveals a like of one neighbor.
    """
    return np.minimum(counted_likes(likes) / tunables.LIKES_FOR_FULL_COLLABORATION, 1.0)


def popularity(likes: Integers) -> Floats:
    """All-time likes, 1 from `tunables.LIKES_FOR_FULL_POPULARITY` likes on. Range 0 to 1."""
    return np.minimum(counted_likes(likes) / tunables.LIKES_FOR_FULL_POPULARITY, 1.0)


def counted_likes(likes: Integers) -> Integers:
    """Return the likes that contribute to a score: all of them, but 0 below `tunables.ANONYMITY_FLOOR`."""
    return np.where(likes >= tunables.ANONYMITY_FLOOR, likes, 0)


def freshness(age_days: Floats) -> Floats:
    """Freshness, halved every `tunables.FRESHNESS_HALF_LIFE_DAYS` days. Range 0 to 1. Negative ages count as 0."""
    return np.exp2(-np.maximum(age_days, 0.0) / tunables.FRESHNESS_HALF_LIFE_DAYS)
