"""Fitting of a model to candidate lists: a curve for each signal, and offsets for each stage of viewers."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from scoring.mathematics.additive_model import Curve, Model, scores
from scoring.mathematics.behavior_signals import BEHAVIOR_SIGNALS
from scoring.mathematics.curve_fitting import SHAPES, CandidateLists, FitOptions, Shape, choose_knots, fit_curves
from scoring.mathematics.position_bias import POSITION_SHAPES, PositionBias, position_columns, position_knots
from scoring.mathematics.signals import Floats, Integers
from scoring.mathematics.viewer_stages import ViewerStage
from scoring.weights import Signal

SCALE = 0.1
"""A fitted score is in log odds; a tenth of it has the magnitude of the baseline's scores."""

MIN_STAGE_LISTS = 50
"""A stage of fewer lists gets no offsets: at `FitOptions.prior` they would be noise."""

OPTIONS = FitOptions()


def fit_model(
    name: str,
    lists: CandidateLists,
    signals: tuple[Signal, ...] = tuple(BEHAVIOR_SIGNALS),
    options: FitOptions = OPTIONS,
    shapes: Mapping[Signal, Shape] = SHAPES,
) -> Model:
    """Fit a curve for each signal that varies, and for each stage of viewers the offsets from these curves.

    A stage's curves are fitted to its own lists and drawn towards the common ones with the weight of `options.prior`
    lists (empirical Bayes).

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
    """Fit to lists with ranks, with the place as one more curve, which is returned apart from the model."""
    columns, knots = position_columns(lists.ranks), position_knots(lists.ranks)
    with_places = replace(lists, values=np.column_stack([lists.values, columns]))
    model, (by_rank, shown) = _fit(name, with_places, signals, options, shapes, knots)
    return model, PositionBias(Curve(tuple(knots[0].tolist()), tuple(by_rank.tolist())), float(shown[1] - shown[0]))


def score_lists(model: Model, lists: CandidateLists, signals: tuple[Signal, ...]) -> Integers:
    """Return the (rows,) scores of a model at the stage of each viewer; a signal that is not a column is 0."""
    column = {signal: index for index, signal in enumerate(signals)}
    stages = np.repeat(lists.stages, np.diff(lists.starts))
    score = np.zeros(stages.size, dtype=np.int64)
    for index, stage in enumerate(ViewerStage):
        rows = np.flatnonzero(stages == index)
        nothing = np.zeros(rows.size)
        values = [lists.values[rows, column[one]] if one in column else nothing for one in model.signals]
        score[rows] = scores(model.at(stage).contributions(np.column_stack(values).astype(np.float64)))
    return score


def _fit(
    name: str,
    lists: CandidateLists,
    signals: tuple[Signal, ...],
    options: FitOptions,
    shapes: Mapping[Signal, Shape],
    place_knots: Sequence[Floats],
) -> tuple[Model, list[Floats]]:
    """Fit the curves of the signals, and beside them those of the last columns, which have `place_knots`."""
    varying = [k for k in range(len(signals)) if np.ptp(lists.values[:, k]) > 0]
    places = range(len(signals), lists.values.shape[1])
    used, kept = lists.columns([*varying, *places]), [signals[k] for k in varying]
    own_knots = [choose_knots(used.values[:, k], used.relevant, options.knots) for k in range(len(kept))]
    knots = [*own_knots, *place_knots]
    constraints = [*(shapes.get(signal, Shape.FREE) for signal in kept), *POSITION_SHAPES[: len(place_knots)]]
    common = fit_curves(used, knots, options, constraints)
    offsets = {}
    for index, stage in enumerate(ViewerStage):
        of_stage = used.stages == index
        if MIN_STAGE_LISTS <= of_stage.sum() < used.n:
            own = fit_curves(used.of(of_stage), knots, options, constraints, towards=common)
            differences = [mine - shared for mine, shared in zip(own, common, strict=True)]
            offsets[stage] = _curves(kept, own_knots, differences)
    return Model(name, _curves(kept, own_knots, common), offsets), common[len(kept) :]


def _curves(signals: Sequence[Signal], knots: Sequence[Floats], heights: Sequence[Floats]) -> dict[Signal, Curve]:
    return {signal: _curve(xs, ys) for signal, xs, ys in zip(signals, knots, heights, strict=False)}


def _curve(xs: Floats, ys: Floats) -> Curve:
    """Shift a curve so that no evidence, the value 0, contributes 0: rankings do not change by a constant."""
    shifted = (ys - np.interp(0.0, xs, ys)) * SCALE
    return Curve(tuple(xs.tolist()), tuple(np.round(shifted, 9).tolist()))
