"""Weaviate's relativeScoreFusion."""

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
    """One hit: its score, and the pre-fusion score that breaks ties."""

    uuid: str
    score: np.float32
    before: np.float32


def relative_score_fusion(legs: Mapping[str, Leg], weights: Mapping[str, float]) -> list[Fused]:
    """Unite the legs, best first; the score of the last leg breaks ties."""
    fused: dict[str, Fused] = {}
    for name, leg in legs.items():
        scores = np.array([score for _, score in leg], np.float32)
        for (uuid, _), before, part in zip(leg, scores, _parts(scores, weights[name]), strict=True):
            earlier = fused.get(uuid)
            if earlier is None:
                fused[uuid] = Fused(uuid, part, before)
            else:
                fused[uuid] = Fused(uuid, np.float32(part + earlier.score), before)
    return sorted(fused.values(), key=cmp_to_key(_compare))


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
