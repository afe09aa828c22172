"""Texts and terms of a log: similarities to a viewer's history, and matches with a viewer's interests."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scoring import tunables
from scoring.mathematics.signals import (
    Floats,
    Incidence,
    Integers,
    discrimination,
    explicit_preferences,
    similarities_to_rest,
    vector_similarity,
)

Vectors = NDArray[np.float32]


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


@dataclass(frozen=True, eq=False)
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

    def similarity_to_history(
        self, candidates: Integers, history: Integers, weights: Floats, newest: Integers
    ) -> Floats:
        """Return the signal of candidates and the weighted sum of a history's latest vectors, as in a feed.

        `weights` are those of the history's projects, the latest first. The similarity counts as far as it tells the
        history from the `newest` projects (`discrimination`). A candidate without text has the similarity 0.
        """
        latest = history[: tunables.PROFILE_VECTOR_PROJECTS]
        known = self._has_text[latest]
        latest, rows = latest[known], self.vectors[latest[known]]
        weighted = weights[: known.size][known, None].astype(np.float32) * rows
        length = float(np.linalg.norm(weighted.sum(axis=0)))
        if length == 0:
            return np.zeros(candidates.size)
        cosines = self.vectors @ (weighted.sum(axis=0) / length)
        others = np.setdiff1d(newest[self._has_text[newest]], latest)
        factor = discrimination(similarities_to_rest(rows, weighted), cosines[others])
        return factor * vector_similarity(cosines[candidates])

    @cached_property
    def _has_text(self) -> NDArray[np.bool_]:
        return np.abs(self.vectors).max(axis=1, initial=0.0) > 0

    def interest_matches(self, actor: int, candidates: Integers, at_s: float) -> Floats:
        """Return the matches of candidates with the interests of an actor at a moment (`explicit_preferences`)."""
        _, terms, values, since_s = self.interests
        first, last = np.searchsorted(self.interests.actors, [actor, actor + 1])
        held = first + np.flatnonzero(since_s[first:last] < at_s)
        if not held.size:
            return np.zeros(candidates.size)
        return explicit_preferences(self.terms.take(candidates), terms[held], values[held])
