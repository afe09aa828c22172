"""From candidate lists to a model that may serve: a curve for each signal, and offsets for each stage of viewers."""

from collections.abc import Mapping, Sequence

import numpy as np

from scoring.behaviour import BEHAVIOUR
from scoring.blend import Curve, Model
from scoring.signals import Floats
from scoring.stages import ViewerStage
from scoring.training.curves import Fitting, Lists, fit_curves, knots_of
from scoring.training.shapes import SHAPES, Shape
from scoring.weights import Signal

SCALE = 0.1
"""A fitted score is in units of log odds; a tenth of it has the size of the plan's scores."""

STAGE_LISTS = 50
"""A stage of fewer lists than this gets no offsets: at `Fitting.prior` they would be nothing but noise."""

FITTING = Fitting()


def train(
    name: str,
    lists: Lists,
    signals: tuple[Signal, ...] = tuple(BEHAVIOUR),
    fitting: Fitting = FITTING,
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
    varying = [k for k in range(len(signals)) if np.ptp(lists.values[:, k]) > 0]
    used, kept = lists.columns(varying), [signals[k] for k in varying]
    knots = [knots_of(used.values[:, k], used.relevant, fitting.knots) for k in range(len(kept))]
    held = [shapes.get(signal, Shape.FREE) for signal in kept]
    common = fit_curves(used, knots, fitting, held)
    offsets = {}
    for index, stage in enumerate(ViewerStage):
        of_stage = used.stages == index
        if STAGE_LISTS <= of_stage.sum() < used.n:
            own = fit_curves(used.of(of_stage), knots, fitting, held, towards=common)
            offsets[stage] = _named(kept, knots, [mine - all_ for mine, all_ in zip(own, common, strict=True)])
    return Model(name, _named(kept, knots, common), offsets)


def _named(signals: Sequence[Signal], knots: Sequence[Floats], heights: Sequence[Floats]) -> dict[Signal, Curve]:
    return {signal: _curve(xs, ys) for signal, xs, ys in zip(signals, knots, heights, strict=True)}


def _curve(xs: Floats, ys: Floats) -> Curve:
    """Shift a curve so that no evidence, the value 0, contributes 0: rankings do not change by a constant."""
    shifted = (ys - np.interp(0.0, xs, ys)) * SCALE
    return Curve(tuple(xs.tolist()), tuple(np.round(shifted, 9).tolist()))
