"""From signals to a score: a curve for each signal, and a sum.

The model is a generalized additive one, score = Σ f_k(value of signal k), so the contribution of each signal is f_k of
its value and the contributions ARE the score. A weight is the straight curve. On timed feed requests such curves rank
as well as LambdaMART does (NDCG@10 .575 against .576), which cannot say why.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from scoring.errors import InvalidModel
from scoring.mathematics.signals import Floats, Integers
from scoring.mathematics.viewer_stages import ViewerStage
from scoring.weights import BASELINE_WEIGHTS, MILLIONTHS, Signal


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
            raise InvalidModel("a curve needs as many finite ys as xs, at least one, with xs increasing")

    @classmethod
    def linear(cls, weight: float, least: float = -1.0, most: float = 1.0) -> Self:
        """Make the curve of a plain weight over the signal's range."""
        return cls((least, most), (weight * least, weight * most))

    def __call__(self, values: Floats) -> Floats:
        """Give the curve's height at each value; the shape stays."""
        return np.interp(values, self.xs, self.ys)

    def __add__(self, other: Self) -> Self:
        """Add two curves: exactly their sum everywhere, with the knots of both."""
        if self.xs == other.xs:  # as training makes them: 2 microseconds in the place of 30, for each request
            return type(self)(self.xs, tuple(mine + theirs for mine, theirs in zip(self.ys, other.ys, strict=True)))
        xs = np.union1d(self.xs, other.xs)
        return type(self)(tuple(xs.tolist()), tuple((self(xs) + other(xs)).tolist()))


@dataclass(frozen=True, slots=True)
class Model:
    """What ranks: a name that is stored with every snapshot, and a curve for each signal it uses, in that order.

    Attributes
    ----------
    name
        Under which its rankings are stored.
    curves
        For everybody.
    offsets
        What is added to some of the curves for viewers of a stage; `at` adds it up.
    """

    name: str
    curves: Mapping[Signal, Curve]
    offsets: Mapping[ViewerStage, Mapping[Signal, Curve]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        strange = {signal for offset in self.offsets.values() for signal in offset} - set(self.curves)
        if strange:
            raise InvalidModel(f"the model {self.name} has offsets of {', '.join(sorted(strange))}, but no curve")

    def at(self, stage: ViewerStage) -> Self:
        """Give the model as it ranks for viewers of a stage: of the same name and signals, offsets added up.

        A contribution is then the height of one curve as ever, so that the contributions are the score for every stage.
        """
        offset = self.offsets.get(stage)
        if not offset:
            return self if not self.offsets else replace(self, offsets={})
        curves = {k: curve + offset[k] if k in offset else curve for k, curve in self.curves.items()}
        return replace(self, curves=curves, offsets={})

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
        heights = np.empty((len(self.curves), matrix.shape[0]))
        for k, curve in enumerate(self.curves.values()):
            heights[k] = curve(matrix[:, k])
        heights *= MILLIONTHS
        return np.ascontiguousarray(np.rint(heights, out=heights).astype(np.int64).T)


def scores(contributions: Integers) -> Integers:
    """Add up contributions: (n, k) millionths to (n,) millionths, exactly."""
    total: Integers = contributions.sum(axis=1)
    return total


def order_by_score(score: Integers, keys: NDArray[np.str_]) -> NDArray[np.intp]:
    """Give the (n,) indexes from best to worst; ties go by key, so that the order is the same everywhere."""
    return np.lexsort((keys, -score))


BASELINE = Model("baseline", {signal: Curve.linear(weight) for signal, weight in BASELINE_WEIGHTS.items()})
"""The plan's weights as straight curves: what serves until something better is fitted."""
