"""How likely a viewer is to look at a place: fitted beside the signals, left out when a model serves."""

from dataclasses import dataclass

import numpy as np

from scoring.mathematics.additive_model import Curve
from scoring.mathematics.curve_fitting import Matrix32
from scoring.mathematics.curve_shapes import Shape
from scoring.mathematics.signals import Floats

RANKS = (1, 2, 3, 4, 6, 10, 15, 20, 30, 50, 100, 300, 1_000)
"""Ranks between which the chance to be looked at is interpolated, in the logarithm of the rank."""

POSITION_SHAPES = (Shape.DECREASING, Shape.FREE)
"""A place further down is not looked at more; to what was not shown, viewers may come by any other way."""

MIN_PROPENSITY = 0.05
"""A choice counts at most twenty times, however unlikely its place was to be looked at."""


def position_columns(ranks: Matrix32) -> Matrix32:
    """Write places as two values: log2 of the rank, and 1 for what was not shown.

    Parameters
    ----------
    ranks
        (rows,) from 1; 0 for what was not shown.
    """
    return np.column_stack([np.log2(np.maximum(ranks, 1.0)), ranks == 0]).astype(np.float32)


def position_knots(ranks: Matrix32) -> list[Floats]:
    """Give the knots of both, as far down as anything was shown."""
    lowest = max(float(ranks.max(initial=1.0)), 2.0)
    inside = [rank for rank in RANKS if rank < lowest]
    return [np.log2(np.array([*inside, lowest], dtype=np.float64)), np.array([0.0, 1.0])]


@dataclass(frozen=True, slots=True)
class PositionBias:
    """How likely a viewer is to look at a place, compared with the first rank: log odds by log2 of the rank."""

    by_rank: Curve
    not_shown: float

    def chance(self, ranks: Matrix32) -> Floats:
        """Give the (rows,) chances, at least `MIN_PROPENSITY` and at most 1."""
        shown = self.by_rank(np.log2(np.maximum(ranks, 1.0)).astype(np.float64)) - self.by_rank.ys[0]
        return np.clip(np.exp(np.where(ranks > 0, shown, self.not_shown)), MIN_PROPENSITY, 1.0)
