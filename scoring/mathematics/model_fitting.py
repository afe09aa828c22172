"""From candidate lists to a model that may serve: a curve for each signal, and offsets for each stage of viewers."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from scoring.mathematics.additive_model import Curve, Model
from scoring.mathematics.behavior_signals import BEHAVIOR_SIGNALS
from scoring.mathematics.curve_fitting import CandidateLists, FitOptions, choose_knots, fit_curves
from scoring.mathematics.curve_shapes import SHAPES, Shape
from scoring.mathematics.position_bias import POSITION_SHAPES, PositionBias, position_columns, position_knots
from scoring.mathematics.signals import Floats
from scoring.mathematics.viewer_stages import ViewerStage
from scoring.weights import Signal

SCALE = 0.1
"""A fitted score is in units of log odds; a tenth of it has the size of the plan's scores."""

MIN_STAGE_LISTS = 50
"""A stage of fewer lists than this gets no offsets: at `FitOptions.prior` they would be nothing but noise."""

FITTING = FitOptions()


def fit_model(
    name: str,
    lists: CandidateLists,
    signals: tuple[Signal, ...] = tuple(BEHAVIOR_SIGNALS),
    fitting: FitOptions = FITTING,
    shapes: Mapping[Signal, Shape] = SHAPES,
) -> Model:
    """Fit a curve for each signal, then for each stage of viewers how its curves differ; what never varies is left out.

    A stage's curves are fitted to its own lists, but drawn towards the common ones as if `fitting.prior` lists had said
    so: a stage of few lists keeps the common curves, one of many has its own (empirical Bayes).

    Parameters
    ----------
    lists
        Candidate lists with a column for each of `signals`.
    shapes
        Which curves may run only one way; those of every stage are held to it too.
    """
    return _fitted(name, lists, signals, fitting, shapes, ())[0]


def fit_model_with_positions(
    name: str,
    lists: CandidateLists,
    signals: tuple[Signal, ...],
    fitting: FitOptions = FITTING,
    shapes: Mapping[Signal, Shape] = SHAPES,
) -> tuple[Model, PositionBias]:
    """Fit as `fit_model` does to lists that say at which rank each row was seen, with the place as one more curve.

    Returns
    -------
    The model, without the place; and how likely each place is to be looked at.
    """
    columns, knots = position_columns(lists.ranks), position_knots(lists.ranks)
    placed = replace(lists, values=np.column_stack([lists.values, columns]))
    model, (by_rank, shown) = _fitted(name, placed, signals, fitting, shapes, knots)
    return model, PositionBias(Curve(tuple(knots[0].tolist()), tuple(by_rank.tolist())), float(shown[1] - shown[0]))


def _fitted(
    name: str,
    lists: CandidateLists,
    signals: tuple[Signal, ...],
    fitting: FitOptions,
    shapes: Mapping[Signal, Shape],
    position_knots: Sequence[Floats],
) -> tuple[Model, list[Floats]]:
    """Fit the curves of the signals, and beside them those of the last columns, which have `position_knots`."""
    varying = [k for k in range(len(signals)) if np.ptp(lists.values[:, k]) > 0]
    places = range(len(signals), lists.values.shape[1])
    used, kept = lists.columns([*varying, *places]), [signals[k] for k in varying]
    own_knots = [choose_knots(used.values[:, k], used.relevant, fitting.knots) for k in range(len(kept))]
    knots = [*own_knots, *position_knots]
    held = [*(shapes.get(signal, Shape.FREE) for signal in kept), *POSITION_SHAPES[: len(position_knots)]]
    common = fit_curves(used, knots, fitting, held)
    offsets = {}
    for index, stage in enumerate(ViewerStage):
        of_stage = used.stages == index
        if MIN_STAGE_LISTS <= of_stage.sum() < used.n:
            own = fit_curves(used.of(of_stage), knots, fitting, held, towards=common)
            apart = [mine - all_ for mine, all_ in zip(own, common, strict=True)]
            offsets[stage] = _named(kept, own_knots, apart[: len(kept)])
    return Model(name, _named(kept, own_knots, common[: len(kept)]), offsets), common[len(kept) :]


def _named(signals: Sequence[Signal], knots: Sequence[Floats], heights: Sequence[Floats]) -> dict[Signal, Curve]:
    return {signal: _curve(xs, ys) for signal, xs, ys in zip(signals, knots, heights, strict=True)}


def _curve(xs: Floats, ys: Floats) -> Curve:
    """Shift a curve so that no evidence, the value 0, contributes 0: rankings do not change by a constant."""
    shifted = (ys - np.interp(0.0, xs, ys)) * SCALE
    return Curve(tuple(xs.tolist()), tuple(np.round(shifted, 9).tolist()))
