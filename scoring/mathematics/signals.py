"""The signals: arrays in, one array out, a stated range, no I/O.

Every function takes n candidates at once and gives an (n,) float64 array. "No evidence" is 0 in each of them.
"""

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
    """Which candidate carries which term: a sparse (n, terms) matrix of ones, as pairs.

    Attributes
    ----------
    n
        Number of candidates.
    rows, terms
        (m,) candidate index and term id of each pair.
    """

    n: int
    rows: Integers
    terms: Integers

    def take(self, chosen: Integers) -> "Incidence":
        """Keep the candidates at these indexes, in this order."""
        place = np.full(self.n, -1, dtype=np.int64)
        place[chosen] = np.arange(chosen.size)
        rows = place[self.rows]
        return Incidence(chosen.size, rows[rows >= 0], self.terms[rows >= 0])

    def weighted_sum(self, term_ids: Integers, worth: Floats) -> Floats:
        """Sum, for each candidate, the worth of those of its terms that are in `term_ids`.

        Parameters
        ----------
        term_ids
            (t,) distinct term ids, in any order.
        worth
            (t,) what each is worth.
        """
        if not term_ids.size or not self.terms.size:
            return np.zeros(self.n)
        order = np.argsort(term_ids)
        ids = term_ids[order]
        at = np.minimum(np.searchsorted(ids, self.terms), ids.size - 1)
        pair_worth = np.where(ids[at] == self.terms, worth[order][at], 0.0)
        return np.bincount(self.rows, weights=pair_worth, minlength=self.n).astype(np.float64)


def union(parts: Iterable[Incidence]) -> Incidence:
    """Unite incidences of the same n candidates."""
    listed = list(parts)
    return Incidence(
        listed[0].n, np.concatenate([part.rows for part in listed]), np.concatenate([part.terms for part in listed])
    )


def vector_similarity(cosines: Cosines) -> Floats:
    """Likeness of the profile's vector and the project's: 1 − min(cosine distance, 1). Range 0 to 1.

    Parameters
    ----------
    cosines
        (n,) cosine similarities; NaN where the index does not hold the project.
    """
    return np.clip(np.nan_to_num(cosines.astype(np.float64), nan=0.0), 0.0, 1.0)


def explicit_preferences(carried: Incidence, tag_terms: Integers, tag_worth: Floats) -> Floats:
    """Sum of what the viewer's matching tags are worth, at most 1. Range 0 to 1.

    Parameters
    ----------
    carried
        The candidates' terms.
    tag_terms
        (t,) term ids of the viewer's tags.
    tag_worth
        (t,) confidence times what a match of that kind is worth (`weights.TOOL_MATCH` and its like).
    """
    return np.minimum(carried.weighted_sum(tag_terms, tag_worth), 1.0)


def answer_matches(carried: Incidence, tag_terms: Integers) -> Floats:
    """Count how many of the viewer's tags a project carries, each once. Range 0 to the number of tags."""
    return carried.weighted_sum(tag_terms, np.ones(tag_terms.size))


def behavioral_signals(
    viewed_recently: NDArray[np.bool_], liked: NDArray[np.bool_], tools: Incidence, seen_tools: Integers
) -> Floats:
    """What the viewer's last days say: less of what was seen or liked, more of the same tools. Range −0.5 to 1.

    Parameters
    ----------
    viewed_recently, liked
        (n,) whether the viewer has seen the project in the last `weights.RECENT_VIEWS_DAYS`, or likes it.
    tools
        The candidates' tools.
    seen_tools
        (v,) the tools of the projects viewed in that time, one entry for each project and tool.
    """
    tool_ids, times = np.unique(seen_tools, return_counts=True)
    affinity = np.minimum(weights.TOOL_AFFINITY_STEP * times, weights.MAX_TOOL_AFFINITY)
    value = tools.weighted_sum(tool_ids, affinity)
    value -= weights.VIEWED_PENALTY * viewed_recently
    value -= weights.LIKED_PENALTY * liked
    return np.clip(value, weights.MIN_BEHAVIOR, weights.MAX_BEHAVIOR)


def novelty(carried: Incidence, met_terms: Integers, familiarity: Floats) -> Floats:
    """How far the viewer has not met what the project carries: 1 minus the mean familiarity of its terms. Range 0 to 1.

    A project that carries no terms is 0: nothing says that it is new.

    Parameters
    ----------
    carried
        The candidates' terms.
    met_terms, familiarity
        (t,) distinct term ids that the viewer has met, and how well, 0 to 1.
    """
    many = np.bincount(carried.rows, minlength=carried.n)
    known = carried.weighted_sum(met_terms, familiarity)
    return np.where(many > 0, 1.0 - known / np.maximum(many, 1), 0.0)


def collaborative(people: Integers) -> Floats:
    """Share of the neighbors' likes that makes the signal full. Range 0 to 1.

    Parameters
    ----------
    people
        (n,) how many of the viewer's neighbors like the project. Fewer than `weights.ANONYMITY_FLOOR` count as none:
        the floor is here and not on the sentence shown, else the contribution would tell what one person did.
    """
    enough = np.where(people >= weights.ANONYMITY_FLOOR, people, 0)
    return np.minimum(enough / weights.LIKES_FOR_FULL_COLLABORATION, 1.0)


def popularity(likes: Integers) -> Floats:
    """All-time likes, full at `weights.LIKES_FOR_FULL_POPULARITY`. Range 0 to 1."""
    return np.minimum(likes / weights.LIKES_FOR_FULL_POPULARITY, 1.0)


def freshness(age_days: Floats) -> Floats:
    """Halves every `weights.FRESHNESS_HALF_LIFE_DAYS`. Range 0 to 1; a project from the future counts as new."""
    return np.exp2(-np.maximum(age_days, 0.0) / weights.FRESHNESS_HALF_LIFE_DAYS)
