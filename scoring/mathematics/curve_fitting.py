"""Fitting of one curve per signal, so that the sum of curves ranks the projects first with which viewers then engaged.

The model is a generalized additive model with piecewise-linear curves. L-BFGS minimizes the listwise softmax loss over
whole candidate lists (Cao et al., 2007) plus a penalty on curvature. On feed requests it ranks as well as LambdaMART
over the same signals, and its contributions are exact.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import minimize
from scipy.sparse.linalg import spsolve_triangular

from scoring.mathematics.signals import TASTE_SIGNALS, Floats, Integers, Signal

Matrix32 = NDArray[np.float32]
NO_RANKS: Matrix32 = np.empty(0, np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class CandidateLists:
    """Candidate lists of several requests, concatenated."""

    values: Matrix32  # (rows, k) signal values
    starts: Integers  # (lists + 1,) first row of each list
    relevant: NDArray[np.bool_]  # (rows,) whether the viewer engaged with the candidate afterwards
    weight: Matrix32  # (rows,) number of candidates that a row represents: above 1 for a sample of a long list
    viewers: Integers  # (lists,) viewer of each list
    stages: Integers  # (lists,) stage of the viewer, as an index into `tuple(ViewerStage)`
    # (rows,) rank from 1 at which the viewer saw each candidate, 0 for unseen. Empty if no ranks are known.
    ranks: Matrix32 = field(default_factory=lambda: NO_RANKS)

    @classmethod
    def single(
        cls, values: Matrix32, relevant: NDArray[np.bool_], weight: Matrix32, viewer: int, stage: int, ranks: Matrix32
    ) -> "CandidateLists":
        """Make the candidate lists of a single request."""
        starts = np.array([0, relevant.size])
        return cls(values, starts, relevant, weight, np.array([viewer]), np.array([stage]), ranks)

    @property
    def n(self) -> int:
        """The number of lists."""
        return self.viewers.size

    def select(self, mask: NDArray[np.bool_]) -> "CandidateLists":
        """Select lists by a (lists,) mask."""
        sizes = np.diff(self.starts)
        rows = np.repeat(mask, sizes)
        starts = np.concatenate([[0], np.cumsum(sizes[mask])]).astype(np.int64)
        selected = (self.values[rows], starts, self.relevant[rows], self.weight[rows])
        ranks = self.ranks[rows] if self.ranks.size else self.ranks
        return CandidateLists(*selected, self.viewers[mask], self.stages[mask], ranks)

    def select_columns(self, columns: Sequence[int]) -> "CandidateLists":
        """Return the same lists with these columns of signal values."""
        return replace(self, values=np.ascontiguousarray(self.values[:, columns]))


def concatenate_lists(parts: Sequence[CandidateLists]) -> CandidateLists:
    """Concatenate lists of the same signals."""
    sizes = np.concatenate([np.diff(part.starts) for part in parts])
    values, *others = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("values", "relevant", "weight", "viewers", "stages", "ranks")
    )
    return CandidateLists(values, np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64), *others)


class Shape(StrEnum):
    """Constraint on the direction of a curve."""

    FREE = "free"
    INCREASING = "increasing"
    DECREASING = "decreasing"


SHAPES: Mapping[Signal, Shape] = dict.fromkeys(
    (
        Signal.VECTOR_SIMILARITY,
        Signal.EXPLICIT_PREFERENCES,
        Signal.BEHAVIORAL_SIGNALS,
        Signal.COLLABORATIVE,
        *TASTE_SIGNALS,
        Signal.ITEM_FACTORS,
        Signal.SAME_OWNER,
        Signal.SESSION_NEIGHBORS,
        Signal.ITEM_NEIGHBORS,
        Signal.ITEM_NEIGHBORS_MEAN,
        Signal.RP3BETA,
        Signal.EASE,
        Signal.USER_NEIGHBORS,
    ),
    Shape.INCREASING,
) | dict.fromkeys((Signal.IMPRESSION_FATIGUE, Signal.SIMILAR_TO_DISMISSED), Shape.DECREASING)
"""Constraints of the curves whose direction is part of the signal's meaning. For example, "the more similar, the lower
the score" would be an absurd explanation. For similarities this costs .0008 ± .0007 of NDCG@10 on feed requests (see
`docs/ranking.md`). Curves of ages and of actor counts are free. Of two projects with equally many actors in the last
hours, the project with more actors in the last 14 days must be able to score lower. Constraining all curves costs .0067
± .0016."""


@dataclass(frozen=True, slots=True)
class FitOptions:
    """Options of a fit."""

    knots: int = 20  # approximate number of knots of a curve
    curvature_penalty: float = 1e-2  # penalty on the squared second differences of a curve
    # Standard deviation of each height around the prior's height, in log odds: a Gaussian prior, which weighs as much
    # as the lists say little.
    prior_deviation: float = 1.5
    rounds: int = 150  # maximum number of L-BFGS iterations
    tolerance: float = 1e-5  # relative change of the loss at which they end: half of the time, the same NDCG@10


PENALTY_LISTS = 5_000
"""Number of lists at which the penalty on curvature is not scaled. Like a prior, it weighs more with fewer lists. For
80 lists of a synthetic log this scaling adds .08 to NDCG@10."""


def choose_knots(values: Matrix32, relevant: NDArray[np.bool_], count: int) -> Floats:
    """Choose about `count` knots: two thirds at quantiles of the relevant rows, the rest at quantiles of all rows."""
    steps = np.linspace(0.0, 1.0, max(2 * count // 3, 2))
    tail = np.array([0.0, 0.25, 0.5, 0.75, 0.9, 0.97, 0.995, 1.0])
    quantiles = np.concatenate([np.quantile(values[relevant], steps), np.quantile(values, tail)])
    knots = np.unique(np.round(quantiles.astype(np.float64), 9))
    span = knots[-1] - knots[0]
    distinct = np.concatenate([[True], np.diff(knots) > 1e-4 * span]) if span > 0 else np.ones(1, dtype=bool)
    return knots[distinct]


def hat_basis(values: Matrix32, knots: Sequence[Floats]) -> sparse.csr_array:
    """Return the (rows, knots) matrix whose product with the heights at all knots is the (rows,) sum of the curves."""
    rows, k = values.shape
    columns = np.empty((rows, k, 2), dtype=np.int32)
    weight = np.empty((rows, k, 2), dtype=np.float32)
    first_column = 0
    for index, xs in enumerate(knots):
        if xs.size == 1:
            columns[:, index] = first_column
            weight[:, index] = (1.0, 0.0)
        else:
            value = np.clip(values[:, index], xs[0], xs[-1])
            left = np.clip(np.searchsorted(xs, value, side="right") - 1, 0, xs.size - 2)
            share = (value - xs[left]) / (xs[left + 1] - xs[left])
            columns[:, index, 0], columns[:, index, 1] = first_column + left, first_column + left + 1
            weight[:, index, 0], weight[:, index, 1] = 1.0 - share, share
        first_column += xs.size
    pointers = np.arange(0, rows * k * 2 + 1, k * 2, dtype=np.int64 if rows * k * 2 > 2**31 - 1 else np.int32)
    return sparse.csr_array((weight.ravel(), columns.ravel(), pointers), shape=(rows, first_column))


def monotone_basis(sizes: Sequence[int], shapes: Sequence[Shape]) -> tuple[sparse.csr_array, NDArray[np.bool_]]:
    """Return a (knots, knots) matrix that turns the first height and the steps of each curve into its heights.

    The matrix is the identity for free curves. The returned (knots,) mask marks the steps that must not be negative.
    """
    blocks, non_negative = [], []
    for size, shape in zip(sizes, shapes, strict=True):
        sign = -1.0 if shape is Shape.DECREASING else 1.0
        block = np.eye(size) if shape is Shape.FREE else sign * np.tril(np.ones((size, size)))
        block[:, 0] = block[:, 0] if shape is Shape.FREE else 1.0
        blocks.append(block)
        non_negative.append(np.arange(size) > (size if shape is Shape.FREE else 0))
    return sparse.csr_array(sparse.block_diag(blocks)), np.concatenate(non_negative)


def fit_curves(
    lists: CandidateLists,
    knots: Sequence[Floats],
    options: FitOptions,
    shapes: Sequence[Shape] | None = None,
    prior_heights: Sequence[Floats] | None = None,
) -> list[Floats]:
    """Return for each signal the fitted heights at its knots.

    The fit starts from the heights `prior_heights` and is regularized towards them, or towards 0 without them. Without
    `shapes` all curves are free.
    """
    design = hat_basis(lists.values, knots)
    transposed = design.T.tocsr() if design.shape[0] < 200_000 else design.T
    target, n = _target(lists), lists.n
    knot_counts = [xs.size for xs in knots]
    basis, non_negative = monotone_basis(knot_counts, shapes or [Shape.FREE] * len(knots))
    center = np.zeros(design.shape[1]) if prior_heights is None else np.concatenate(list(prior_heights))
    penalty = heights_penalty(knot_counts, options, n)

    def loss(steps: Floats) -> tuple[float, Floats]:
        heights = basis @ steps
        losses, probabilities = softmax_losses(lists, target, (design @ heights.astype(np.float32)).astype(np.float64))
        slope = transposed @ ((probabilities - target) / n).astype(np.float32)
        distance = heights - center
        pull = penalty @ distance
        value = float(losses.mean()) + 0.5 * float(distance @ pull)
        return value, basis.T @ (slope.astype(np.float64) + pull)

    start = spsolve_triangular(basis, center)
    start[non_negative] = np.maximum(start[non_negative], 0.0)
    result = minimize(
        loss,
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=[(0.0 if is_step else None, None) for is_step in non_negative],
        options={"maxiter": options.rounds, "maxcor": 20, "ftol": options.tolerance},
    )
    return np.split(basis @ result.x, np.cumsum(knot_counts)[:-1])


def score_rows(lists: CandidateLists, knots: Sequence[Floats], heights: Sequence[Floats]) -> Floats:
    """Return the (rows,) scores of curves, in log odds."""
    score = hat_basis(lists.values, knots) @ np.concatenate(list(heights)).astype(np.float32)
    return np.asarray(score, np.float64)


def list_losses(lists: CandidateLists, score: Floats) -> Floats:
    """Return the (lists,) softmax losses of (rows,) scores: the negative log likelihood of the relevant rows."""
    return softmax_losses(lists, _target(lists), score)[0]


def softmax_losses(lists: CandidateLists, target: Floats, score: Floats) -> tuple[Floats, Floats]:
    """Return the (lists,) losses and the (rows,) probabilities of choice."""
    first_rows, sizes = lists.starts[:-1], np.diff(lists.starts)
    weighted = score + np.log(lists.weight.astype(np.float64))
    top = np.maximum.reduceat(weighted, first_rows)
    exponentials = np.exp(weighted - np.repeat(top, sizes))
    total = np.add.reduceat(exponentials, first_rows)
    losses = np.log(total) + top - np.add.reduceat(target * score, first_rows)
    return losses, exponentials / np.repeat(total, sizes)


def _target(lists: CandidateLists) -> Floats:
    """Return the (rows,) target of the softmax: the relevant rows of a list share 1 equally."""
    counts = np.add.reduceat(lists.relevant.astype(np.float64), lists.starts[:-1])
    return np.where(lists.relevant, 1.0 / np.maximum(np.repeat(counts, np.diff(lists.starts)), 1.0), 0.0)


def heights_penalty(sizes: Sequence[int], options: FitOptions, n: int) -> sparse.csr_array:
    """Return the (knots, knots) matrix of the penalty on the distance from the prior's heights, for n lists."""
    blocks = []
    curvature_penalty, prior_penalty = options.curvature_penalty * PENALTY_LISTS / n, options.prior_deviation**-2 / n
    for size in sizes:
        second_differences = np.diff(np.eye(size), n=2, axis=0) if size > 2 else np.zeros((1, size))
        blocks.append(curvature_penalty * second_differences.T @ second_differences + prior_penalty * np.eye(size))
    return sparse.csr_array(sparse.block_diag(blocks))
