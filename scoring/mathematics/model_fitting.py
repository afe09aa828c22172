"""Fitting of a model to candidate lists: a curve for each signal, and offsets for each viewer stage.

The curves are shrunk towards the shipped curves, and the curves of a stage towards the common ones. Later lists choose
how much: with few lists, or lists that say nothing, the result is the shipped model.

For served lists, the position bias is fitted too: the probability that a viewer looks at a rank. The resulting model
does not contain the position bias.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

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
    list_losses,
    score_rows,
)
from scoring.mathematics.ranking_metrics import MIN_PROBABILITY_BETTER, probability_better
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

SHIPPED_SCALE = 0.05
"""The same factor for the shipped weights: they are half as large, so that texts and stated interests decide."""

MIN_STAGE_LISTS = 25
"""A stage with fewer earlier or later lists gets no offsets, because they would be mostly noise."""

EARLIER_SHARE = 2 / 3
"""Share of the lists, in the order of time, to which the candidates for a fit are fitted; the later lists choose."""

PRIOR_DEVIATIONS = (0.3, 1.5)
"""Standard deviations of the prior, in log odds, from which the later lists choose."""

OPTIONS = FitOptions()


def fit_model(
    name: str,
    lists: CandidateLists,
    signals: tuple[Signal, ...],
    shapes: Mapping[Signal, Shape] = SHAPES,
    shipped: Model | None = None,
) -> Model:
    """Fit a curve for each signal that varies, and for each viewer stage the offsets from these curves.

    The curves are regularized towards those of `shipped`, or towards 0, and a stage's curves towards the common ones.
    Each of `PRIOR_DEVIATIONS` is fitted to the earlier lists; the one that predicts the later lists best is fitted to
    all. The shipped curves stay if they rank the later lists better, and a stage gets offsets only if they are better
    with a probability of `MIN_PROBABILITY_BETTER`. `lists` are in the order of time, with a column for each of
    `signals`. `shapes` constrain the curves, at every stage. Raises `InsufficientData` if no
    signal varies.
    """
    return _fit(name, lists, signals, shapes, (), shipped)[0]


def fit_model_with_positions(
    name: str, lists: CandidateLists, signals: tuple[Signal, ...], shipped: Model | None = None
) -> tuple[Model, PositionBias]:
    """Fit a model to served lists as `fit_model`.

    The position bias is fitted as an additional curve of the rank and returned separately.
    """
    columns, knots = position_columns(lists.ranks), position_knots(lists.ranks)
    with_ranks = replace(lists, values=np.column_stack([lists.values, columns]))
    model, (by_rank, not_shown) = _fit(name, with_ranks, signals, SHAPES, knots, shipped)
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
    shipped: Model | None,
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
    shipped_curves = {} if shipped is None else shipped.curves
    flat = Curve((0.0,), (0.0,))
    prior = [
        shipped_curves.get(k, flat)(xs) / SHIPPED_SCALE for k, xs in zip(varying_signals, signal_knots, strict=True)
    ]
    prior += [np.zeros(xs.size) for xs in rank_knots]
    is_earlier = np.arange(lists.n) < EARLIER_SHARE * lists.n
    fitting = _Fitting(lists, is_earlier, knots, constraints)
    common = fitting.fit_if_better(_Heights(prior, prior), np.ones(lists.n, dtype=bool), 0.5) or _Heights(prior, prior)
    offsets = {}
    for index, stage in enumerate(ViewerStage):
        in_stage = lists.stages == index
        if min((in_stage & is_earlier).sum(), (in_stage & ~is_earlier).sum()) < MIN_STAGE_LISTS or in_stage.all():
            continue
        staged = fitting.fit_if_better(common, in_stage, MIN_PROBABILITY_BETTER)
        if staged is not None:
            differences = [ys - common_ys for ys, common_ys in zip(staged.by_all, common.by_all, strict=True)]
            offsets[stage] = _curves(varying_signals, signal_knots, differences)
    model = Model(name, _curves(varying_signals, signal_knots, common.by_all), offsets)
    return model, common.by_all[len(varying_signals) :]


class _Heights(NamedTuple):
    """Heights of all curves, fitted to the earlier lists, which the later lists judge, and to all lists."""

    by_earlier: list[Floats]
    by_all: list[Floats]


class _Fitting(NamedTuple):
    """Lists in the order of time, the mask of the earlier ones, and the knots and shapes of the curves."""

    lists: CandidateLists
    is_earlier: NDArray[np.bool_]
    knots: Sequence[Floats]
    shapes: Sequence[Shape]

    def fit_if_better(self, prior: _Heights, mask: NDArray[np.bool_], probability: float) -> _Heights | None:
        """Fit curves to the lists of a mask, with the prior's deviation that predicts the later ones of them best.

        Returns None if their NDCG@10 is not better than that of the prior itself with this probability (bootstrap over
        viewers).
        """
        later = self.lists.select(mask & ~self.is_earlier)
        if not later.n:
            return None
        fits = {
            deviation: self._fit(mask & self.is_earlier, prior.by_earlier, deviation) for deviation in PRIOR_DEVIATIONS
        }
        scored = {deviation: score_rows(later, self.knots, heights) for deviation, heights in fits.items()}
        best = min(scored, key=lambda deviation: float(list_losses(later, scored[deviation]).mean()))
        prior_score = score_rows(later, self.knots, prior.by_earlier)
        equal = np.ones(later.relevant.size)
        new, old = (unbiased_ndcg(later, score, equal, seed=0) for score in (scored[best], prior_score))
        if probability_better(new, old, later.viewers, seed=0) < probability:
            return None
        return _Heights(fits[best], self._fit(mask, prior.by_all, best))

    def _fit(self, mask: NDArray[np.bool_], prior: list[Floats], deviation: float) -> list[Floats]:
        options = replace(OPTIONS, prior_deviation=deviation)
        return fit_curves(self.lists.select(mask), self.knots, options, self.shapes, prior)


def _curves(signals: Sequence[Signal], knots: Sequence[Floats], heights: Sequence[Floats]) -> dict[Signal, Curve]:
    """Shift curves so that the value 0 (no evidence) contributes 0. A constant does not change a ranking."""
    curves = {}
    for signal, xs, ys in zip(signals, knots, heights, strict=False):
        shifted = (ys - np.interp(0.0, xs, ys)) * SCALE
        curves[signal] = Curve(tuple(xs.tolist()), tuple(np.round(shifted, 9).tolist()))
    return curves
