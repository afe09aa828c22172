"""Weaviate's relativeScoreFusion of the hits of a vector search and a keyword search.

The scores of each search are scaled from 0 (worst hit) to 1 (best hit) and weighted: alpha for the vector search,
1 − alpha for the keyword search. A project that a search did not find gets 0 for that search. If all scores of a search
are equal, all get the full weight. Ties are broken by the original score (the keyword score if there is one), then by
the lower uuid. Source: `FusionRelativeScore` in Weaviate's usecases/traverser/hybrid, also in single precision.
"""

from collections.abc import Mapping
from functools import cmp_to_key

import numpy as np

from db.vectors.base import Hits, HybridHits, Vector

WINDOW = 100
"""Minimum number of hits requested from each search, independent of the limit: the worst hit defines the score 0."""

MIN_SCORE_DIFFERENCE = 1e-7
"""Scores with a smaller difference count as equal."""

MIN_COVERAGE = 0.7
"""Share of the query's words that a project must exceed to count as a keyword match."""

MATCHED_EXPONENT, UNMATCHED_EXPONENT = 2.0, 0.05
"""Exponents of `adapt_alpha` with and without a keyword match. The default alpha of 0.7 becomes 0.49 with a match and
0.98 without."""


def fuse(
    by_vector: Hits, by_keywords: Hits, alpha: float, limit: int, uuid_by_project: Mapping[int, str]
) -> HybridHits:
    """Fuse the hits of two searches, and return the best `limit` projects. A search with weight 0 must have no hits.

    `uuid_by_project` maps the id of each hit to the uuid of its document (`document_uuid`), which breaks ties.
    """
    vector_part = dict(zip(by_vector.ids.tolist(), normalize_scores(by_vector.scores, alpha), strict=True))
    keyword_part = dict(zip(by_keywords.ids.tolist(), normalize_scores(by_keywords.scores, 1 - alpha), strict=True))
    original_score = dict(zip(by_vector.ids.tolist(), by_vector.scores, strict=True))
    original_score |= dict(zip(by_keywords.ids.tolist(), by_keywords.scores, strict=True))
    zero = np.float32(0)
    fused = [
        (vector_part.get(id_, zero) + keyword_part.get(id_, zero), score, uuid_by_project[id_], id_)
        for id_, score in original_score.items()
    ]
    ids = [id_ for *_, id_ in sorted(fused, key=cmp_to_key(_compare_hits))[:limit]]
    return HybridHits(
        np.array(ids, np.int64),
        np.array([vector_part.get(id_, zero) for id_ in ids], np.float32),
        np.array([keyword_part.get(id_, zero) for id_ in ids], np.float32),
    )


def adapt_alpha(alpha: float, coverage: float) -> float:
    """Adapt alpha to the keyword hits: lower if a hit contains most words of the query, otherwise higher.

    `coverage` is the maximum share of the query's words, without stop words, that one of the first ten keyword hits
    contains. Measured on 30 written queries, and 1,500 made of words of projects (bench/README.md, "Search").
    """
    confidence = min(max((coverage - MIN_COVERAGE) / (1 - MIN_COVERAGE), 0.0), 1.0)
    return float(alpha ** (UNMATCHED_EXPONENT + (MATCHED_EXPONENT - UNMATCHED_EXPONENT) * confidence))


def reweight(hits: HybridHits, alpha: float, new_alpha: float) -> HybridHits:
    """Reorder hits of a hybrid search with `alpha` for `new_alpha`; ties keep their order.

    The result equals a search with `new_alpha` if `hits` contain all hits of both searches (limit 2 × `WINDOW`). If
    `alpha` is 0 or 1, one search has no hits, and the hits are returned unchanged.
    """
    if not 0 < alpha < 1:
        return hits
    vector_parts = (hits.vector_parts * np.float32(new_alpha / alpha)).astype(np.float32)
    keyword_parts = (hits.keyword_parts * np.float32((1 - new_alpha) / (1 - alpha))).astype(np.float32)
    order = np.argsort(-(vector_parts + keyword_parts), kind="stable")
    return HybridHits(hits.ids[order], vector_parts[order], keyword_parts[order])


def normalize_scores(scores: Vector, weight: float) -> Vector:
    """Scale scores linearly to the range 0 to `weight`."""
    scores = np.asarray(scores, np.float32)
    if not len(scores):
        return scores
    worst, best = scores.min(), scores.max()
    if worst == best:
        return np.full(len(scores), weight, np.float32)
    scaled: Vector = np.float32(weight) * ((scores - worst) / (best - worst))
    return scaled


def _compare_hits(left: tuple[float, float, str, int], right: tuple[float, float, str, int]) -> int:
    """Compare two (fused score, original score, uuid, id) for sorting."""
    for left_score, right_score in zip(left[:2], right[:2], strict=True):
        if abs(float(left_score) - float(right_score)) >= MIN_SCORE_DIFFERENCE:
            return -1 if left_score > right_score else 1
    return -1 if left[2] < right[2] else 1
