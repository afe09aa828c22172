"""Which curves may run only one way, and how a fit is held to that.

A curve that says "the more alike, the lower the score" would be an absurd reason to show. Where the sign of a signal's
worth is part of what the signal means, its curve is held; where it is a fact of the platform, it is free.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

import numpy as np

from scoring.mathematics.signals import Floats, Integers
from scoring.weights import Signal


class Shape(StrEnum):
    """How a curve may run."""

    FREE = "free"
    INCREASING = "increasing"
    DECREASING = "decreasing"


SHAPES: Mapping[Signal, Shape] = dict.fromkeys(
    (
        Signal.VECTOR_SIMILARITY,
        Signal.EXPLICIT_PREFERENCES,
        Signal.BEHAVIORAL_SIGNALS,
        Signal.COLLABORATIVE,
        Signal.USER_FACTORS_MEAN,
        Signal.USER_FACTORS_SUM,
        Signal.USER_FACTORS_RECENT,
        Signal.TASTE_CLUSTER_MEAN,
        Signal.TASTE_CLUSTER_SUM,
        Signal.TASTE_CLUSTER_RECENT,
        Signal.ITEM_FACTORS,
        Signal.OWNER_FACTORS,
        Signal.SAME_OWNER,
        Signal.SESSION_NEIGHBORS,
        Signal.ITEM_NEIGHBORS,
        Signal.ITEM_NEIGHBORS_MEAN,
        Signal.RP3BETA,
        Signal.EASE,
        Signal.USER_NEIGHBORS,
    ),
    Shape.INCREASING,
) | dict.fromkeys((Signal.IMPRESSION_FATIGUE, Signal.SIMILAR_TO_DISMISSED), Shape.DECREASING)
"""Likenesses are held; on feed requests this costs .0008 ± .0007 of NDCG@10 (see `docs/ranking.md`). Counts of people
and ages are free: that more people of the last fortnight lower a score, beside those of the last hours, is what a timed
feed is made of. To hold all costs .0067 ± .0016."""


@dataclass(frozen=True, slots=True, eq=False)
class MonotoneSteps:
    """Heights written so that bounds hold their order: the first, then the steps from knot to knot.

    Attributes
    ----------
    splits
        Where one curve's heights end and the next one's begin.
    spans
        (first, last, sign) of each curve that is held; those that are free stay heights.
    bounds
        Least and most of each number, for L-BFGS-B.
    """

    splits: Integers
    spans: tuple[tuple[int, int, float], ...]
    bounds: list[tuple[float | None, float | None]]

    @classmethod
    def of(cls, knots: Sequence[Floats], shapes: Sequence[Shape]) -> Self:
        """Hold the curves with these knots to these shapes."""
        ends = np.cumsum([xs.size for xs in knots])
        spans: list[tuple[int, int, float]] = []
        bounds: list[tuple[float | None, float | None]] = []
        for xs, end, shape in zip(knots, ends.tolist(), shapes, strict=True):
            held = shape is not Shape.FREE
            if held:
                spans.append((end - xs.size, end, 1.0 if shape is Shape.INCREASING else -1.0))
            bounds += [(None, None), *[(0.0 if held else None, None)] * (xs.size - 1)]
        return cls(ends[:-1], tuple(spans), bounds)

    def heights(self, moved: Floats) -> Floats:
        """Turn firsts and steps into heights."""
        made = moved.copy()
        for first, last, sign in self.spans:
            made[first + 1 : last] = moved[first] + sign * np.cumsum(moved[first + 1 : last])
        return made

    def moves(self, heights: Floats) -> Floats:
        """Turn heights into firsts and steps; a step the wrong way becomes none."""
        made = heights.copy()
        for first, last, sign in self.spans:
            made[first + 1 : last] = np.maximum(sign * np.diff(heights[first:last]), 0.0)
        return made

    def slopes(self, slope: Floats) -> Floats:
        """Turn the slope by heights into the slope by firsts and steps."""
        made = slope.copy()
        for first, last, sign in self.spans:
            behind = np.cumsum(slope[first:last][::-1])[::-1]
            made[first] = behind[0]
            made[first + 1 : last] = sign * behind[1:]
        return made
