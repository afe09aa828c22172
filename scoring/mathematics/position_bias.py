"""Position bias: the probability that a viewer looks at a rank. Fitted with the signals, left out when serving."""

from dataclasses import dataclass

import numpy as np

from scoring.mathematics.additive_model import Curve
from scoring.mathematics.curve_fitting import CandidateLists, Matrix32, Shape
from scoring.mathematics.signals import Floats

RANKS = (1, 2, 3, 4, 6, 10, 15, 20, 30, 50, 100, 300, 1_000)
"""Knots of the position bias; log odds between them are interpolated linearly in the logarithm of the rank."""

POSITION_SHAPES = (Shape.DECREASING, Shape.FREE)
"""Shapes of the two position columns. The probability of a look falls with the rank. It is unconstrained for projects
that were not shown, because viewers may find them in other ways."""

MIN_PROPENSITY = 0.05
"""Lower bound of propensities, so that a choice has at most the weight 20."""

NDCG_DEPTH = 10


def position_columns(ranks: Matrix32) -> Matrix32:
    """Return the (rows, 2) columns log2 of the rank, and 1 for candidates that were not shown (rank 0)."""
    return np.column_stack([np.log2(np.maximum(ranks, 1.0)), ranks == 0]).astype(np.float32)


def position_knots(ranks: Matrix32) -> list[Floats]:
    """Return the knots of both `position_columns`; the knots of the rank end at the last rank shown."""
    last = max(float(ranks.max(initial=1.0)), 2.0)
    earlier = [rank for rank in RANKS if rank < last]
    return [np.log2(np.array([*earlier, last], dtype=np.float64)), np.array([0.0, 1.0])]


@dataclass(frozen=True, slots=True)
class PositionBias:
    """Log odds that a viewer looks at a candidate, relative to the first rank."""

    by_rank: Curve  # log odds by log2 of the rank
    not_shown: float  # log odds of candidates that were not shown

    def propensities(self, ranks: Matrix32) -> Floats:
        """Return the (rows,) probabilities of a look relative to the first rank, from `MIN_PROPENSITY` to 1."""
        shown = self.by_rank(np.log2(np.maximum(ranks, 1.0)).astype(np.float64)) - self.by_rank.ys[0]
        return np.clip(np.exp(np.where(ranks > 0, shown, self.not_shown)), MIN_PROPENSITY, 1.0)


def unbiased_ndcg(lists: CandidateLists, score: Floats, propensities: Floats, seed: int) -> Floats:
    """Return the (lists,) NDCG@10 with gains weighted by inverse propensity (Joachims et al., 2017).

    Without these weights, the measure would favor the model that ranked the served lists. A row with a weight of 20
    takes 20 ranks.

    Parameters
    ----------
    score
        (rows,) scores to rank by. Ties are in random order.
    propensities
        (rows,) probability that the viewer looked at each row's rank.
    """
    tie_breaks = np.random.default_rng(seed).random(score.size)
    gains = np.where(lists.relevant, 1.0 / propensities, 0.0)
    values = np.empty(lists.n)
    for index, (first, last) in enumerate(zip(lists.starts[:-1], lists.starts[1:], strict=True)):
        order = first + np.lexsort((tie_breaks[first:last], -score[first:last]))
        above = np.cumsum(lists.weight[order]) - lists.weight[order]
        within = above < NDCG_DEPTH
        best = np.sort(gains[first:last])[::-1][:NDCG_DEPTH]
        ideal = float(best @ (1.0 / np.log2(np.arange(best.size) + 2.0)))
        values[index] = float((gains[order][within] / np.log2(above[within] + 2.0)).sum()) / ideal
    return values
