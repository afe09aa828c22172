"""Similarity of candidates to the projects of the viewer's history by text."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scoring import tunables
from scoring.mathematics.signals import Floats, Incidence, Integers, explicit_preferences

Vectors = NDArray[np.float32]


class HistoryTexts(NamedTuple):
    """Cosines of n candidates and the h latest projects of the viewer; 0 where a vector is unknown."""

    to_candidates: Floats  # (n, h)
    among: Floats  # (h, h) of the projects with each other


NO_TEXTS = HistoryTexts(np.empty((0, 0)), np.empty((0, 0)))


class Interests(NamedTuple):
    """Interests of the actors of a log, ascending by actor: (m,) each."""

    actors: Integers  # dense indexes
    terms: Integers
    values: Floats  # of a match, 0 to 1
    since_s: Floats  # Unix seconds, −inf if the time is unknown

    @classmethod
    def ordered(cls, actors: Integers, terms: Integers, values: Floats, since_s: Floats) -> "Interests":
        """Order interests by actor."""
        order = np.argsort(actors, kind="stable")
        return cls(actors[order], terms[order], values[order], since_s[order])


NO_INTERESTS = Interests(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0), np.empty(0))


@dataclass(frozen=True, slots=True, eq=False)
class CatalogContents:
    """Vectors and terms of the p projects of a log, in the order of their dense indexes, and the actors' interests."""

    vectors: Vectors  # (p, d) of length 1; zeros for a project without text. (p, 0) if no texts are known
    terms: Incidence
    interests: Interests = NO_INTERESTS

    @classmethod
    def unknown(cls, n: int) -> "CatalogContents":
        """Return the contents of n projects without texts and terms."""
        none = np.empty(0, np.int64)
        return cls(np.empty((n, 0), np.float32), Incidence(n, none, none))

    def texts(self, candidates: Integers, history: Integers) -> HistoryTexts:
        """Compare candidates with the latest projects of a history."""
        latest = self.vectors[history[: tunables.PROFILE_VECTOR_PROJECTS]]
        return HistoryTexts((self.vectors @ latest.T)[candidates].astype(np.float64), (latest @ latest.T).astype(float))

    def interest_matches(self, actor: int, candidates: Integers, at_s: float) -> Floats:
        """Return the matches of candidates with the interests of an actor at a moment (`explicit_preferences`)."""
        _, terms, values, since_s = self.interests
        first, last = np.searchsorted(self.interests.actors, [actor, actor + 1])
        held = first + np.flatnonzero(since_s[first:last] < at_s)
        if not held.size:
            return np.zeros(candidates.size)
        return explicit_preferences(self.terms.take(candidates), terms[held], values[held])


def similarity_to_history(texts: HistoryTexts, weights: Floats) -> Floats:
    """Return the (n,) cosines with the weighted sum of the history's vectors, 0 to 1."""
    return _clipped(_cosines_with_sum(texts, weights))


def similarity_to_interests(texts: HistoryTexts, weights: Floats) -> Floats:
    """Return the (n,) cosines with the most similar of the viewer's interests, 0 to 1.

    An interest is a group of similar projects of the history. From the latest project on, each joins the group whose
    first project it is most similar to, if the cosine reaches `tunables.SAME_INTEREST`; if not, it starts a group.
    """
    groups = _groups(texts.among)
    parts = [HistoryTexts(texts.to_candidates[:, group], texts.among[np.ix_(group, group)]) for group in groups]
    sums = [_cosines_with_sum(part, weights[group]) for part, group in zip(parts, groups, strict=True)]
    return _clipped(np.max(sums, axis=0)) if sums else np.zeros(texts.to_candidates.shape[0])


def _groups(among: Floats) -> list[list[int]]:
    groups: list[list[int]] = []
    for project in range(among.shape[0]):
        similarity = [among[project, group[0]] for group in groups]
        nearest = int(np.argmax(similarity)) if similarity else -1
        if nearest >= 0 and similarity[nearest] >= tunables.SAME_INTEREST:
            groups[nearest].append(project)
        else:
            groups.append([project])
    return groups


def _cosines_with_sum(texts: HistoryTexts, weights: Floats) -> Floats:
    length = float(np.sqrt(np.maximum(weights @ texts.among @ weights, 0.0)))
    return texts.to_candidates @ weights / length if length > 0 else np.zeros(texts.to_candidates.shape[0])


def _clipped(cosines: Floats) -> Floats:
    return np.clip(cosines, 0.0, 1.0)
