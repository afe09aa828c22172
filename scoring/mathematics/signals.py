"""Signals of content, interests and popularity: functions that return (n,) float64 values, 0 without evidence."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scoring import weights

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Cosines = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Incidence:
    """Sparse (n, terms) matrix of ones: the terms of n projects, as (m,) pairs of row and term id."""

    n: int
    rows: Integers
    terms: Integers

    def take(self, chosen: Integers) -> "Incidence":
        """Select the rows at these indexes, in this order."""
        place = np.full(self.n, -1, dtype=np.int64)
        place[chosen] = np.arange(chosen.size)
        rows = place[self.rows]
        return Incidence(chosen.size, rows[rows >= 0], self.terms[rows >= 0])

    def weighted_sum(self, term_ids: Integers, worth: Floats) -> Floats:
        """Add up for each row the (t,) `worth` of those of its terms that are among the (t,) distinct `term_ids`."""
        if not term_ids.size or not self.terms.size:
            return np.zeros(self.n)
        order = np.argsort(term_ids)
        ids = term_ids[order]
        at = np.minimum(np.searchsorted(ids, self.terms), ids.size - 1)
        pair_worth = np.where(ids[at] == self.terms, worth[order][at], 0.0)
        return np.bincount(self.rows, weights=pair_worth, minlength=self.n).astype(np.float64)


def union(parts: Iterable[Incidence]) -> Incidence:
    """Combine the terms of several incidences of the same n projects."""
    listed = list(parts)
    return Incidence(
        listed[0].n, np.concatenate([part.rows for part in listed]), np.concatenate([part.terms for part in listed])
    )


def vector_similarity(cosines: Cosines) -> Floats:
    """Similarity of the profile's and the project's vectors: 1 − min(cosine distance, 1). Range 0 to 1; NaN is 0."""
    return np.clip(np.nan_to_num(cosines.astype(np.float64), nan=0.0), 0.0, 1.0)


def explicit_preferences(carried: Incidence, tag_terms: Integers, tag_worth: Floats) -> Floats:
    """Sum over the viewer's (t,) matching tags, at most 1. Range 0 to 1.

    `tag_worth` is the confidence times the value of a match of that kind (`weights.TOOL_MATCH`, ...).
    """
    return np.minimum(carried.weighted_sum(tag_terms, tag_worth), 1.0)


def answer_matches(carried: Incidence, tag_terms: Integers) -> Floats:
    """Count the viewer's tags that a project carries. Range 0 to the number of tags."""
    return carried.weighted_sum(tag_terms, np.ones(tag_terms.size))


def behavioral_signals(
    viewed_recently: NDArray[np.bool_], liked: NDArray[np.bool_], tools: Incidence, seen_tools: Integers
) -> Floats:
    """Recent behavior: less of viewed and liked projects, more of the same tools. Range −0.5 to 1.

    `viewed_recently` and `seen_tools` are of the last `weights.RECENT_VIEWS_DAYS`; `seen_tools` has one entry for each
    viewed project and tool.
    """
    tool_ids, times = np.unique(seen_tools, return_counts=True)
    affinity = np.minimum(weights.TOOL_AFFINITY_STEP * times, weights.MAX_TOOL_AFFINITY)
    value = tools.weighted_sum(tool_ids, affinity)
    value -= weights.VIEWED_PENALTY * viewed_recently
    value -= weights.LIKED_PENALTY * liked
    return np.clip(value, weights.MIN_BEHAVIOR, weights.MAX_BEHAVIOR)


def novelty(carried: Incidence, met_terms: Integers, familiarity: Floats) -> Floats:
    """Novelty: 1 minus the mean familiarity of the project's terms, 0 without terms. Range 0 to 1.

    `met_terms` are (t,) distinct term ids that are familiar to the viewer; `familiarity` is 0 to 1.
    """
    many = np.bincount(carried.rows, minlength=carried.n)
    known = carried.weighted_sum(met_terms, familiarity)
    return np.where(many > 0, 1.0 - known / np.maximum(many, 1), 0.0)


def collaborative(likes: Integers) -> Floats:
    """Likes by user neighbors, full at `weights.LIKES_FOR_FULL_COLLABORATION`. Range 0 to 1.

    Fewer than `weights.ANONYMITY_FLOOR` count as none, so that the contribution does not reveal what one of them did.
    """
    enough = np.where(likes >= weights.ANONYMITY_FLOOR, likes, 0)
    return np.minimum(enough / weights.LIKES_FOR_FULL_COLLABORATION, 1.0)


def popularity(likes: Integers) -> Floats:
    """All-time likes, full at `weights.LIKES_FOR_FULL_POPULARITY`. Range 0 to 1."""
    return np.minimum(likes / weights.LIKES_FOR_FULL_POPULARITY, 1.0)


def freshness(age_days: Floats) -> Floats:
    """Freshness, halved every `weights.FRESHNESS_HALF_LIFE_DAYS`. Range 0 to 1; a negative age counts as 0."""
    return np.exp2(-np.maximum(age_days, 0.0) / weights.FRESHNESS_HALF_LIFE_DAYS)
