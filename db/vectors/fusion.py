"""Weaviate's relativeScoreFusion of the hits of a vector search and a keyword search.

Each leg's scores are scaled from 0 (its worst hit) to 1 (its best) and weighted: alpha for the vectors, 1 − alpha for
the keywords. A project missing from a leg gets 0 from it; equal scores all get the full weight. Ties are broken by the
score before the fusion (the keyword score if there is one), then by the lower uuid.
Source: `FusionRelativeScore` in Weaviate's usecases/traverser/hybrid, in single precision as there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cmp_to_key

import numpy as np

from db.vectors.base import HybridHits, Vector

WINDOW = 100
"""Minimum hits of each leg, whatever the limit: the worst of them sets the zero."""

MIN_CONFIDENCE_CHANGE = 1e-7
"""Scores that differ by less are equal."""

UNSURE = 0.7
"""Share of a query's words up to which a hit does not count as a keyword match."""

POWER_SURE, POWER_UNSURE = 2.0, 0.05
"""Exponents of `adapt_alpha` with and without a keyword match: the default alpha of 0.7 becomes 0.49 and 0.98."""


@dataclass(frozen=True, slots=True)
class Leg:
    """The hits of one search, best first. `scores` are (n,) cosines or BM25 scores."""

    uuids: Sequence[str]
    scores: Vector


@dataclass(frozen=True, slots=True)
class FusedHit:
    """The parts of one document's score; the score is their sum."""

    uuid: str
    vector_part: float
    keyword_part: float


def fuse(vectors: Leg, keywords: Leg, alpha: float) -> list[FusedHit]:
    """Fuse two legs, best first. A leg of weight 0 must be empty: it adds no hits either."""
    vector_parts = dict(zip(vectors.uuids, normalize_scores(vectors.scores, alpha), strict=True))
    keyword_parts = dict(zip(keywords.uuids, normalize_scores(keywords.scores, 1 - alpha), strict=True))
    before = dict(zip(vectors.uuids, vectors.scores, strict=True))
    before |= dict(zip(keywords.uuids, keywords.scores, strict=True))
    nothing = np.float32(0)
    fused = [
        (vector_parts.get(uuid, nothing) + keyword_parts.get(uuid, nothing), score, uuid)
        for uuid, score in before.items()
    ]
    return [
        FusedHit(uuid, float(vector_parts.get(uuid, 0)), float(keyword_parts.get(uuid, 0)))
        for _, _, uuid in sorted(fused, key=cmp_to_key(_better_first))
    ]


def adapt_alpha(alpha: float, covered: float) -> float:
    """Adapt alpha to the keyword match: lower if a project holds all words of the query, close to 1 if none does.

    `covered` is the maximum share of the query's words, without stop words, that one of the first ten keyword hits
    holds. Measured on 30 written queries and 1,500 made of projects' own words (bench/README.md, "Search").
    """
    sure = min(max((covered - UNSURE) / (1 - UNSURE), 0.0), 1.0)
    return float(alpha ** (POWER_UNSURE + (POWER_SURE - POWER_UNSURE) * sure))


def reweight(hits: HybridHits, alpha: float, to: float) -> HybridHits:
    """Reorder hits of one alpha for another alpha; ties keep their order.

    The result equals a search with that alpha if `hits` hold all hits of both legs (a limit of twice `WINDOW` does). A
    leg of weight 0 cannot be restored: then the hits stay unchanged.
    """
    if not 0 < alpha < 1:
        return hits
    vector_parts = (hits.vector_parts * np.float32(to / alpha)).astype(np.float32)
    keyword_parts = (hits.keyword_parts * np.float32((1 - to) / (1 - alpha))).astype(np.float32)
    scores = vector_parts + keyword_parts
    order = np.argsort(-scores, kind="stable")
    features = tuple(hits.features[place] for place in order) if hits.features else ()
    return HybridHits(hits.ids[order], scores[order], vector_parts[order], keyword_parts[order], features)


def normalize_scores(scores: Vector, weight: float) -> Vector:
    """Scale scores to run from 0 to `weight`."""
    scores = np.asarray(scores, np.float32)
    if not len(scores):
        return scores
    worst, best = scores.min(), scores.max()
    if worst == best:
        return np.full(len(scores), weight, np.float32)
    stretched: Vector = np.float32(weight) * ((scores - worst) / (best - worst))
    return stretched


def _better_first(left: tuple[float, float, str], right: tuple[float, float, str]) -> int:
    for mine, other in zip(left[:2], right[:2], strict=True):
        if abs(float(mine) - float(other)) >= MIN_CONFIDENCE_CHANGE:
            return -1 if mine > other else 1
    return -1 if left[2] < right[2] else 1
