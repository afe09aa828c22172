"""From candidate lists to a model that may serve."""

import numpy as np

from scoring.behaviour import BEHAVIOUR
from scoring.blend import Curve, Model
from scoring.signals import Floats
from scoring.training.curves import Fitting, Lists, fit_curves, knots_of
from scoring.weights import Signal

SCALE = 0.1
"""A fitted score is in units of log odds; a tenth of it has the size of the plan's scores."""


FITTING = Fitting()


def train(name: str, lists: Lists, signals: tuple[Signal, ...] = tuple(BEHAVIOUR), fitting: Fitting = FITTING) -> Model:
    """Fit a curve for each signal; those that never vary are left out.

    Parameters
    ----------
    lists
        Candidate lists with a column for each of `signals`.
    """
    varying = [k for k in range(len(signals)) if np.ptp(lists.values[:, k]) > 0]
    used = Lists(
        np.ascontiguousarray(lists.values[:, varying]), lists.starts, lists.relevant, lists.weight, lists.viewers
    )
    knots = [knots_of(used.values[:, k], used.relevant, fitting.knots) for k in range(len(varying))]
    heights = fit_curves(used, knots, fitting)
    return Model(name, {signals[k]: _curve(xs, ys) for k, xs, ys in zip(varying, knots, heights, strict=True)})


def _curve(xs: Floats, ys: Floats) -> Curve:
    """Shift a curve so that no evidence, the value 0, contributes 0: rankings do not change by a constant."""
    shifted = (ys - np.interp(0.0, xs, ys)) * SCALE
    return Curve(tuple(xs.tolist()), tuple(np.round(shifted, 9).tolist()))
