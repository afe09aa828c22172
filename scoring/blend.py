"""From signals to a score: a curve for each signal, and a sum.

The model is a generalised additive one, score = Σ f_k(value of signal k), so the contribution of each signal is f_k of
its value and the contributions ARE the score. A weight is the straight curve. On timed feed requests such curves rank
as well as LambdaMART does (NDCG@10 .575 against .576), which cannot say why.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from scoring.errors import ModelInvalid
from scoring.signals import Floats, Integers
from scoring.weights import MILLIONTHS, PLAN_WEIGHTS, Signal


@dataclass(frozen=True, slots=True)
class Curve:
    """A piecewise-linear function through knots, constant beyond the first and the last.

    Attributes
    ----------
    xs, ys
        (k,) knots, k ≥ 1, `xs` strictly increasing.
    """

    xs: tuple[float, ...]
    ys: tuple[float, ...]

    def __post_init__(self) -> None:
        knots = np.array([self.xs, self.ys], dtype=float) if len(self.xs) == len(self.ys) else np.empty((2, 0))
        if not knots.size or not np.isfinite(knots).all() or (np.diff(knots[0]) <= 0).any():
            raise ModelInvalid("a curve needs as many finite ys as xs, at least one, with xs increasing")

    @classmethod
    def straight(cls, weight: float, least: float = -1.0, most: float = 1.0) -> Self:
        """Make the curve of a plain weight over the signal's range."""
        return cls((least, most), (weight * least, weight * most))

    def __call__(self, values: Floats) -> Floats:
        """Give the curve's height at each value; the shape stays."""
        return np.interp(values, self.xs, self.ys)


@dataclass(frozen=True, slots=True)
class Model:
    """What ranks: a name that is stored with every snapshot, and a curve for each signal it uses, in that order."""

    name: str
    curves: Mapping[Signal, Curve]

    @property
    def signals(self) -> tuple[Signal, ...]:
        """The signals it uses, in the order of every matrix's columns."""
        return tuple(self.curves)

    def contributions(self, matrix: Floats) -> Integers:
        """Turn signals into contributions.

        Parameters
        ----------
        matrix
            (n, k) values, a column for each of `signals`.

        Returns
        -------
        (n, k) contributions in whole millionths.
        """
        columns = [curve(matrix[:, k]) for k, curve in enumerate(self.curves.values())]
        return np.rint(np.column_stack(columns) * MILLIONTHS).astype(np.int64)


def scores(contributions: Integers) -> Integers:
    """Add up contributions: (n, k) millionths to (n,) millionths, exactly."""
    total: Integers = contributions.sum(axis=1)
    return total


def order_by_score(score: Integers, keys: NDArray[np.str_]) -> NDArray[np.intp]:
    """Give the (n,) indexes from best to worst; ties go by key, so that the order is the same everywhere."""
    return np.lexsort((keys, -score))


PLAN = Model("plan", {signal: Curve.straight(weight) for signal, weight in PLAN_WEIGHTS.items()})
"""The plan's weights as straight curves: what serves until something better is fitted."""
