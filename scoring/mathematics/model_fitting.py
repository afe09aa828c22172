"""Fitting of a model to candidate lists: a curve for each signal, and offsets for each viewer stage."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from scoring.mathematics.additive_model import Curve, Model, scores
from scoring.mathematics.behavior_signals import BEHAVIOR_SIGNALS
from scoring.mathematics.curve_fitting import SHAPES, CandidateLists, FitOptions, Shape, choose_knots, fit_curves
from scoring.mathematics.position_bias import POSITION_SHAPES, PositionBias, position_columns, position_knots
from scoring.mathematics.signals import Floats, Integers, Signal
from scoring.mathematics.viewer_stages import ViewerStage

SCALE = 0.1
"""Factor from log odds, the unit of a fitted score, to the magnitude of the baseline's scores."""

MIN_STAGE_LISTS = 50
"""A stage with fewer lists gets no offsets, because they would be mostly noise."""

OPTIONS = FitOptions()


def fit_model(
    name: str,
    lists: CandidateLists,
    signals: tuple[Signal, ...] = tuple(BEHAVIOR_SIGNALS),
    options: FitOptions = OPTIONS,
    shapes: Mapping[Signal, Shape] = SHAPES,
) -> Model:
    """Fit a curve for each signal that varies, and for each viewer stage the offsets from these curves.

    A stage's curves are fitted to its own lists and regularized towards the common curves with the weight of
    `options.prior` lists (empirical Bayes).

    Parameters
    ----------
    lists
        Candidate lists with a column for each of `signals`.
    shapes
        Constraints of the curves, at every stage.
    """
    return _fit(name, lists, signals, options, shapes, ())[0]


def fit_model_with_positions(
    name: str,
    lists: CandidateLists,
    signals: tuple[Signal, ...],
    options: FitOptions = OPTIONS,
    shapes: Mapping[Signal, Shape] = SHAPES,
) -> tuple[Model, PositionBias]:
    """Fit to served lists. The rank is fitted as an additional curve (position bias) and returned separately."""
    columns, knots = position_columns(lists.ranks), position_knots(lists.ranks)
    with_ranks = replace(lists, values=np.column_stack([lists.values, columns]))
    model, (by_rank, not_shown) = _fit(name, with_ranks, signals, options, shapes, knots)
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
    options: FitOptions,
    shapes: Mapping[Signal, Shape],
    rank_knots: Sequence[Floats],
) -> tuple[Model, list[Floats]]:
    """Fit the curves of the signals, and curves with `rank_knots` of the columns behind the signals.

    Returns the model, and the heights of the latter curves at their knots.
    """
    varying = [k for k in range(len(signals)) if np.ptp(lists.values[:, k]) > 0]
    rank_columns = range(len(signals), lists.values.shape[1])
    used, used_signals = lists.select_columns([*varying, *rank_columns]), [signals[k] for k in varying]
    signal_knots = [choose_knots(used.values[:, k], used.relevant, options.knots) for k in range(len(used_signals))]
    knots = [*signal_knots, *rank_knots]
    constraints = [*(shapes.get(signal, Shape.FREE) for signal in used_signals), *POSITION_SHAPES[: len(rank_knots)]]
    common = fit_curves(used, knots, options, constraints)
    offsets = {}
    for index, stage in enumerate(ViewerStage):
        in_stage = used.stages == index
        if MIN_STAGE_LISTS <= in_stage.sum() < used.n:
            stage_heights = fit_curves(used.select(in_stage), knots, options, constraints, prior_heights=common)
            differences = [ys - common_ys for ys, common_ys in zip(stage_heights, common, strict=True)]
            offsets[stage] = _curves(used_signals, signal_knots, differences)
    return Model(name, _curves(used_signals, signal_knots, common), offsets), common[len(used_signals) :]


def _curves(signals: Sequence[Signal], knots: Sequence[Floats], heights: Sequence[Floats]) -> dict[Signal, Curve]:
    return {signal: _curve(xs, ys) for signal, xs, ys in zip(signals, knots, heights, strict=False)}


def _curve(xs: Floats, ys: Floats) -> Curve:
    """Shift a curve so that the value 0 (no evidence) contributes 0; a constant does not change a ranking."""
    shifted = (ys - np.interp(0.0, xs, ys)) * SCALE
    return Curve(tuple(xs.tolist()), tuple(np.round(shifted, 9).tolist()))
