"""Weaviate's relativeScoreFusion, with its textual explanation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cmp_to_key

import numpy as np

Leg = Sequence[tuple[str, float]]
"""(uuid, score) pairs, best first."""

EQUAL = 1e-7
"""Scores that differ by less are equal."""


@dataclass(slots=True)
class Fused:
    """One hit: its score, the pre-fusion score that breaks ties, and the explanation."""

    uuid: str
    score: np.float32
    before: np.float32
    explanation: str


def relative_score_fusion(legs: Mapping[str, Leg], weights: Mapping[str, float]) -> list[Fused]:
    """Unite the legs, best first; later legs come first in an explanation, and lend the score that breaks ties."""
    fused: dict[str, Fused] = {}
    for name, leg in legs.items():
        scores = np.array([score for _, score in leg], np.float32)
        for (uuid, _), before, part in zip(leg, scores, _parts(scores, weights[name]), strict=True):
            text = (
                f"\nHybrid (Result Set {name}) Document {uuid}: "
                f"original score {shortest(before)}, normalized score: {shortest(part)}"
            )
            earlier = fused.get(uuid)
            if earlier is None:
                fused[uuid] = Fused(uuid, part, before, text)
            else:
                explanation = f"{text} - {earlier.explanation}"
                fused[uuid] = Fused(uuid, np.float32(part + earlier.score), before, explanation)
    return sorted(fused.values(), key=cmp_to_key(_compare))


def shortest(value: np.float32) -> str:
    """Write a number as Go's `%v` does: the fewest digits that give it back, an exponent below 1e-4."""
    if value != 0 and abs(value) < 1e-4:
        mantissa, _, exponent = np.format_float_scientific(value, trim="-").partition("e")
        return f"{mantissa}e{int(exponent):+03d}"
    return np.format_float_positional(value, trim="-")


def _parts(scores: np.ndarray, weight: float) -> np.ndarray:
    if not len(scores):
        return scores
    worst, best = scores.min(), scores.max()
    if worst == best:
        return np.full(len(scores), weight, np.float32)
    return (np.float32(weight) * ((scores - worst) / (best - worst))).astype(np.float32)


def _compare(left: Fused, right: Fused) -> int:
    if abs(left.score - right.score) >= EQUAL:
        return 1 if left.score < right.score else -1
    if abs(left.before - right.before) >= EQUAL:
        return 1 if left.before < right.before else -1
    return (left.uuid > right.uuid) - (left.uuid < right.uuid)
