"""Additive ranking models: score = Σ f_k(value of signal k), with one curve f_k for each signal.

The contribution of a signal is the value of its curve, so the contributions add up to the score exactly. A linear model
is the case in which each curve is a straight line. In a replay of feed requests with timestamps (docs/ranking.md), such
models rank as well as LambdaMART (NDCG@10 .575 against .576).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from scoring.errors import InvalidModel
from scoring.mathematics.signals import MILLIONTHS, PROFILE_FREE_SIGNALS, Floats, Integers, Signal
from scoring.mathematics.viewer_stages import ViewerStage


@dataclass(frozen=True, slots=True)
class Curve:
    """Piecewise-linear function through one or more knots, constant beyond the outer knots; `xs` strictly increases."""

    xs: tuple[float, ...]
    ys: tuple[float, ...]

    def __post_init__(self) -> None:
        knots = np.array([self.xs, self.ys], dtype=float) if len(self.xs) == len(self.ys) else np.empty((2, 0))
        if not knots.size or not np.isfinite(knots).all() or (np.diff(knots[0]) <= 0).any():
            raise InvalidModel("a curve needs as many finite ys as xs, at least one, with xs increasing")

    @classmethod
    def linear(cls, weight: float, low: float = -1.0, high: float = 1.0) -> Self:
        """Return the curve that multiplies a signal with values from `low` to `high` by a weight."""
        return cls((low, high), (weight * low, weight * high))

    def __call__(self, values: Floats) -> Floats:
        """Return the height of the curve at each value."""
        return np.interp(values, self.xs, self.ys)

    def __add__(self, other: Self) -> Self:
        """Return the exact sum of two curves; its knots are the knots of both."""
        if self.xs == other.xs:  # the usual case after training: 2 µs instead of 30 µs per request
            return type(self)(self.xs, tuple(y + other_y for y, other_y in zip(self.ys, other.ys, strict=True)))
        xs = np.union1d(self.xs, other.xs)
        return type(self)(tuple(xs.tolist()), tuple((self(xs) + other(xs)).tolist()))


@dataclass(frozen=True, slots=True)
class Model:
    """Ranking model: a curve for each signal, in the order of the columns of every matrix."""

    name: str  # stored with snapshots and served pages
    curves: Mapping[Signal, Curve]
    offsets: Mapping[ViewerStage, Mapping[Signal, Curve]] = field(default_factory=dict)  # added to the curves by stage

    def __post_init__(self) -> None:
        unknown = {signal for offset in self.offsets.values() for signal in offset} - set(self.curves)
        if unknown:
            raise InvalidModel(f"the model {self.name} has offsets of {', '.join(sorted(unknown))}, but no curve")

    def for_stage(self, stage: ViewerStage) -> Self:
        """Return the model for viewers of a stage: the same name and signals, with the offsets added to the curves."""
        offset = self.offsets.get(stage)
        if not offset:
            return self if not self.offsets else replace(self, offsets={})
        curves = {k: curve + offset[k] if k in offset else curve for k, curve in self.curves.items()}
        return replace(self, curves=curves, offsets={})

    def for_unknown_viewers(self) -> Self:
        """Return the model for viewers without data: the curves of the stage NEW that need no data about the viewer."""
        curves = self.for_stage(ViewerStage.NEW).curves
        needed = {signal: curve for signal, curve in curves.items() if signal in PROFILE_FREE_SIGNALS}
        return replace(self, curves=needed, offsets={})

    @property
    def signals(self) -> tuple[Signal, ...]:
        """The signals, in the order of the columns of every matrix."""
        return tuple(self.curves)

    def contributions(self, matrix: Floats) -> Integers:
        """Return the (n, k) contributions, in whole millionths, of (n, k) signal values."""
        heights = np.empty((len(self.curves), matrix.shape[0]))
        for k, curve in enumerate(self.curves.values()):
            heights[k] = curve(matrix[:, k])
        heights *= MILLIONTHS
        return np.ascontiguousarray(np.rint(heights, out=heights).astype(np.int64).T)


def scores(contributions: Integers) -> Integers:
    """Add up (n, k) contributions to (n,) scores in millionths."""
    return contributions.sum(axis=1)


def order_by_score(score: Integers, keys: NDArray[np.str_]) -> NDArray[np.intp]:
    """Return the (n,) indexes from best to worst; ties are broken by key, so that the order is reproducible."""
    return np.lexsort((keys, -score))


BASELINE_WEIGHTS: dict[Signal, float] = {
    Signal.VECTOR_SIMILARITY: 0.30,
    Signal.EXPLICIT_PREFERENCES: 0.25,
    Signal.BEHAVIORAL_SIGNALS: 0.25,
    Signal.COLLABORATIVE: 0.15,
    Signal.POPULARITY: 0.05,
}
"""Baseline weights. The specification's text says 'equal', its code uses these values."""

BASELINE = Model("baseline", {signal: Curve.linear(weight) for signal, weight in BASELINE_WEIGHTS.items()})
"""The specification's weights as linear curves."""
