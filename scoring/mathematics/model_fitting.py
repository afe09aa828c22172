"""Fitting of a model to candidate lists: a curve for each signal, and offsets for each viewer stage.

For served lists, the position bias is fitted too: the probability that a viewer looks at a rank. The resulting model
does not contain the position bias.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from scoring.errors import InsufficientData
from scoring.mathematics.additive_model import Curve, Model, scores
from scoring.mathematics.curve_fitting import (
    SHAPES,
    CandidateLists,
    FitOptions,
    Matrix32,
    Shape,
    choose_knots,
    fit_curves,
)
from scoring.mathematics.signals import Floats, Integers, Signal
from scoring.mathematics.viewer_stages import ViewerStage

RANKS = (1, 2, 3, 4, 6, 10, 15, 20, 30, 50, 100, 300, 1_000)
"""Knots of the position bias; log odds between them are interpolated linearly in the logarithm of the rank."""

POSITION_SHAPES = (Shape.DECREASING, Shape.FREE)
"""Shapes of the two position columns. The probability that a viewer looks at a rank falls with the rank. The column of
projects that were not shown is unconstrained, because viewers may find such projects in other ways."""

MIN_PROPENSITY = 0.05
"""Lower bound of propensities, so that a choice has at most the weight 20."""

NDCG_DEPTH = 10


def position_columns(ranks: Matrix32) -> Matrix32:
    """Return the (rows, 2) position columns: log2 of the rank, and 1 for candidates that were not shown (rank 0)."""
    return np.column_stack([np.log2(np.maximum(ranks, 1.0)), ranks == 0]).astype(np.float32)


def position_knots(ranks: Matrix32) -> list[Floats]:
    """Return the knots of both `position_columns`. The knots of the rank end at the last rank shown."""
    last = max(float(ranks.max(initial=1.0)), 2.0)
    earlier = [rank for rank in RANKS if rank < last]
    return [np.log2(np.array([*earlier, last], dtype=np.float64)), np.array([0.0, 1.0])]


@dataclass(frozen=True, slots=True)
class PositionBias:
    """Log odds that a viewer looks at a candidate, relative to the first rank."""

    by_rank: Curve  # log odds by log2 of the rank
    not_shown: float  # log odds of candidates that were not shown

    def propensities(self, ranks: Matrix32) -> Floats:
        """Return the (rows,) probabilities of being seen, relative to the first rank, at least `MIN_PROPENSITY`."""
        shown = self.by_rank(np.log2(np.maximum(ranks, 1.0)).astype(np.float64)) - self.by_rank.ys[0]
        return np.clip(np.exp(np.where(ranks > 0, shown, self.not_shown)), MIN_PROPENSITY, 1.0)


def unbiased_ndcg(lists: CandidateLists, score: Floats, propensities: Floats, seed: int) -> Floats:
    """Return the (lists,) NDCG@10 with gains weighted by inverse propensity (Joachims et al., 2017).

    Without these weights, the measure would favor the model that ranked the served lists. A row that represents 20
    candidates takes 20 ranks. `score` has the (rows,) scores to rank by, with ties in random order, and `propensities`
    the (rows,) probabilities that the viewer looked at the rank.
    """
    tie_breaks = np.random.default_rng(seed).random(score.size)
    gains = np.where(lists.relevant, 1.0 / propensities, 0.0)
    values = np.empty(lists.n)
    for index, (first, last) in enumerate(zip(lists.starts[:-1], lists.starts[1:], strict=True)):
        order = first + np.lexsort((tie_breaks[first:last], -score[first:last]))
        above = np.cumsum(lists.weight[order]) - lists.weight[order]
        is_counted = above < NDCG_DEPTH
        best_gains = np.sort(gains[first:last])[::-1][:NDCG_DEPTH]
        ideal = float(best_gains @ (1.0 / np.log2(np.arange(best_gains.size) + 2.0)))
        values[index] = float((gains[order][is_counted] / np.log2(above[is_counted] + 2.0)).sum()) / ideal
    return values


SCALE = 0.1
"""Factor from log odds, the unit of a fitted score, to the magnitude of the baseline's scores."""

MIN_STAGE_LISTS = 50
"""A stage with fewer lists gets no offsets, because they would be mostly noise."""

OPTIONS = FitOptions()


def fit_model(
    name: str,
    lists: CandidateLists,
    signals: tuple[Signal, ...],
    shapes: Mapping[Signal, Shape] = SHAPES,
) -> Model:
    """Fit a curve for each signal that varies, and for each viewer stage the offsets from these curves.

    A stage's curves are fitted to its own lists and regularized towards the common curves with the weight of
    `FitOptions.prior_lists` lists (empirical Bayes). `lists` have a column for each of `signals`. `shapes` constrain
    the curves, at every stage. Raises `InsufficientData` if no signal varies.
    """
    return _fit(name, lists, signals, shapes, ())[0]


def fit_model_with_positions(
    name: str, lists: CandidateLists, signals: tuple[Signal, ...]
) -> tuple[Model, PositionBias]:
    """Fit a model to served lists.

    The position bias is fitted as an additional curve of the rank and returned separately.
    """
    columns, knots = position_columns(lists.ranks), position_knots(lists.ranks)
    with_ranks = replace(lists, values=np.column_stack([lists.values, columns]))
    model, (by_rank, not_shown) = _fit(name, with_ranks, signals, SHAPES, knots)
    bias = float(not_shown[1] - not_shown[0])
    return model, PositionBias(Curve(tuple(knots[0].tolist()), tuple(by_rank.tolist())), bias)


def score_lists(model: Model, lists: CandidateLists, signals: tuple[Signal, ...]) -> Integers:
    """Return the (rows,) scores of a model at the stage of each viewer; signals without a column are 0."""
    columns = {signal: index for index, signal in enumerate(signals)}
    stages = np.repeat(lists.stages, np.diff(lists.starts))
    score = np.zeros(stages.size, dtype=np.int64)
    for index, stage in enumerate(ViewerStage):
        rows = np.flatnonzero(stages == index)
        zeros = np.zeros(rows.size)
        values = [lists.values[rows, columns[k]] if k in columns else zeros for k in model.signals]
        score[rows] = scores(model.for_stage(stage).contributions(np.column_stack(values).astype(np.float64)))
    return score


def _fit(
    name: str,
    lists: CandidateLists,
    signals: tuple[Signal, ...],
    shapes: Mapping[Signal, Shape],
    rank_knots: Sequence[Floats],
) -> tuple[Model, list[Floats]]:
    """Return the fitted model, and the heights of the curves of the position columns at `rank_knots`."""
    varying = [k for k in range(len(signals)) if np.ptp(lists.values[:, k]) > 0]
    if not varying:
        raise InsufficientData(
            "every signal is the same for all candidates; a model needs more viewers who share projects"
        )
    rank_columns = range(len(signals), lists.values.shape[1])
    lists, varying_signals = lists.select_columns([*varying, *rank_columns]), [signals[k] for k in varying]
    signal_knots = [choose_knots(lists.values[:, k], lists.relevant, OPTIONS.knots) for k in range(len(varying))]
    knots = [*signal_knots, *rank_knots]
    constraints = [*(shapes.get(signal, Shape.FREE) for signal in varying_signals), *POSITION_SHAPES[: len(rank_knots)]]
    common = fit_curves(lists, knots, OPTIONS, constraints)
    offsets = {}
    for index, stage in enumerate(ViewerStage):
        in_stage = lists.stages == index
        if MIN_STAGE_LISTS <= in_stage.sum() < lists.n:
            stage_heights = fit_curves(lists.select(in_stage), knots, OPTIONS, constraints, prior_heights=common)
            differences = [ys - common_ys for ys, common_ys in zip(stage_heights, common, strict=True)]
            offsets[stage] = _curves(varying_signals, signal_knots, differences)
    return Model(name, _curves(varying_signals, signal_knots, common), offsets), common[len(varying_signals) :]


def _curves(signals: Sequence[Signal], knots: Sequence[Floats], heights: Sequence[Floats]) -> dict[Signal, Curve]:
    """Shift curves so that the value 0 (no evidence) contributes 0. A constant does not change a ranking."""
    curves = {}
    for signal, xs, ys in zip(signals, knots, heights, strict=False):
        shifted = (ys - np.interp(0.0, xs, ys)) * SCALE
        curves[signal] = Curve(tuple(xs.tolist()), tuple(np.round(shifted, 9).tolist()))
    return curves
