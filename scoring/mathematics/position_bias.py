"""Position bias: the probability of a look at a place, fitted beside the signals and left out when serving."""

from dataclasses import dataclass

import numpy as np

from scoring.mathematics.additive_model import Curve
from scoring.mathematics.curve_fitting import CandidateLists, Matrix32, Shape
from scoring.mathematics.signals import Floats

RANKS = (1, 2, 3, 4, 6, 10, 15, 20, 30, 50, 100, 300, 1_000)
"""Ranks between which the log odds of a look are interpolated, in the logarithm of the rank."""

POSITION_SHAPES = (Shape.DECREASING, Shape.FREE)
"""Lower places are not looked at more; a project that was not shown may be found in any other way."""

MIN_PROPENSITY = 0.05
"""A choice counts at most twenty times, however unlikely a look at its place was."""

NDCG_DEPTH = 10


def position_columns(ranks: Matrix32) -> Matrix32:
    """Return (rows, 2) columns, log2 of the rank and 1 for what was not shown; `ranks` has 0 for the latter."""
    return np.column_stack([np.log2(np.maximum(ranks, 1.0)), ranks == 0]).astype(np.float32)


def position_knots(ranks: Matrix32) -> list[Floats]:
    """Return the knots of both columns, down to the lowest rank shown."""
    lowest = max(float(ranks.max(initial=1.0)), 2.0)
    inside = [rank for rank in RANKS if rank < lowest]
    return [np.log2(np.array([*inside, lowest], dtype=np.float64)), np.array([0.0, 1.0])]


@dataclass(frozen=True, slots=True)
class PositionBias:
    """Log odds of a look relative to the first rank, by log2 of the rank, and of a project that was not shown."""

    by_rank: Curve
    not_shown: float

    def propensities(self, ranks: Matrix32) -> Floats:
        """Return the (rows,) probabilities of a look, at least `MIN_PROPENSITY` and at most 1."""
        shown = self.by_rank(np.log2(np.maximum(ranks, 1.0)).astype(np.float64)) - self.by_rank.ys[0]
        return np.clip(np.exp(np.where(ranks > 0, shown, self.not_shown)), MIN_PROPENSITY, 1.0)


def unbiased_ndcg(lists: CandidateLists, score: Floats, propensities: Floats, seed: int) -> Floats:
    """Return the (lists,) NDCG@10 with gains weighted by inverse propensity (Joachims et al., 2017).

    Without the weights, a model would be rewarded for every project that the active model had put first. A row that
    stands for several candidates takes as many ranks.

    Parameters
    ----------
    score, propensities
        (rows,) what is ranked by, and the probability of a look at each row's place. Ties are in random order.
    """
    drawn = np.random.default_rng(seed).random(score.size)
    gains = np.where(lists.relevant, 1.0 / propensities, 0.0)
    values = np.empty(lists.n)
    for index, (first, last) in enumerate(zip(lists.starts[:-1], lists.starts[1:], strict=True)):
        order = first + np.lexsort((drawn[first:last], -score[first:last]))
        above = np.cumsum(lists.weight[order]) - lists.weight[order]
        within = above < NDCG_DEPTH
        best = np.sort(gains[first:last])[::-1][:NDCG_DEPTH]
        ideal = float(best @ (1.0 / np.log2(np.arange(best.size) + 2.0)))
        values[index] = float((gains[order][within] / np.log2(above[within] + 2.0)).sum()) / ideal
    return values
