"""Searching in Weaviate: by meaning, by words, by both, and the cosines and vectors of given projects."""

import asyncio
from collections.abc import Sequence
from typing import Any

import numpy as np
from weaviate.classes.query import Filter, HybridFusion, MetadataQuery
from weaviate.collections.classes.filters import FilterReturn

from db.vectors.base import Hits, HybridHits, Ids, Vector, VectorFilter
from db.vectors.fusion import WINDOW, Leg, fuse
from db.vectors.text_analysis import query_terms
from db.vectors.weaviate_collections import MOST_HITS, Collections, chunks
from db.vectors.weaviate_hits import (
    SCORE_DECIMALS,
    Parts,
    conditions,
    explained,
    hybrid_hits,
    keyword_hits,
    matches_nothing,
    nearest_hits,
    similarity,
)
from db.vectors.weaviate_schema import FEATURES, PROFILE, PROJECT, TOOL, VECTOR, WORDS

MORE_FOR_TIES = 16
"""Hits fetched beyond the limit, so that a tie at the limit can be broken by id."""

VECTORS_AT_ONCE = 1_000


async def near(collections: Collections, vector: Vector, limit: int, where: VectorFilter) -> Hits:
    """Find the projects nearest to a vector by cosine, ties by id, of at most 10,000."""
    vector = collections.unit(vector)
    limit = min(limit, MOST_HITS)
    if limit <= 0 or not vector.any() or matches_nothing(where):
        return Hits()
    window = min(limit + MORE_FOR_TIES, MOST_HITS)
    while True:
        found = await _nearest(collections, PROJECT, vector, window, conditions(where), FEATURES)
        exhausted = len(found) < window or window == MOST_HITS
        # Hits that tie with the last one may lie beyond the window.
        if exhausted or round(similarity(found[limit - 1]) - similarity(found[-1]), SCORE_DECIMALS) > 0:
            return nearest_hits(found, limit)
        window = min(4 * window, MOST_HITS)


async def similarities(collections: Collections, vector: Vector, ids: Ids) -> Vector:
    """Give the cosine of each project to the vector; NaN for one that the index does not hold."""
    vector = collections.unit(vector)
    known: dict[int, float] = {}
    for some in chunks(np.unique(ids).tolist(), MOST_HITS):
        only = Filter.by_property("project_id").contains_any(some)
        found = await _nearest(collections, PROJECT, vector, len(some), only, ["project_id"])
        known |= {one.properties["project_id"]: similarity(one) for one in found}
    scores = [known.get(id_, np.nan) for id_ in ids.tolist()]
    return np.array(scores, np.float32).round(SCORE_DECIMALS)


async def project_vectors(collections: Collections, ids: Ids) -> tuple[Ids, Vector]:
    """Give the vectors of those projects that the index holds, in the order asked for."""
    held: dict[int, list[float]] = {}
    for some in chunks(np.unique(ids).tolist(), VECTORS_AT_ONCE):
        held |= await _vectors(collections, list(some))
    known = [id_ for id_ in ids.tolist() if id_ in held]
    vectors = np.array([held[id_] for id_ in known], np.float32)
    return np.array(known, np.int64), vectors.reshape(len(known), collections.prepared().dimension)


async def hybrid(
    collections: Collections, query: str, vector: Vector | None, alpha: float, limit: int, where: VectorFilter
) -> HybridHits:
    """Find projects by meaning and by words, fused by relativeScoreFusion.

    Parameters
    ----------
    query
        Words; one of stop words and signs alone finds nothing by words.
    vector
        The query's meaning; without one, or for one of zeros, words alone count, at their weight of 1 − alpha.
    alpha
        The weight of the meaning, from 0 to 1; 1 skips the words, and 0 the meaning.
    """
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha {alpha} does not lie from 0 to 1")
    limit = min(limit, MOST_HITS)
    words = " ".join(query_terms(query)) if alpha < 1 else ""
    meaning = None if vector is None or alpha == 0 else collections.unit(vector)
    if meaning is not None and not meaning.any():
        meaning = None
    if limit <= 0 or matches_nothing(where) or (meaning is None and not words):
        return HybridHits()
    if meaning is None or not words:
        return await _fused_here(collections, words, meaning, alpha, limit, where)
    return await _fused(collections, words, meaning, alpha, limit, where)


async def keyword(collections: Collections, query: str, limit: int, where: VectorFilter) -> Hits:
    """Find projects by words alone (BM25F), ties by id."""
    words, limit = " ".join(query_terms(query)), min(limit, MOST_HITS)
    if limit <= 0 or not words or matches_nothing(where):
        return Hits()
    return keyword_hits(await _by_words(collections, words, limit, where), limit)


async def nearest_profiles(
    collections: Collections, vector: Vector, limit: int, exclude_actor: int | None
) -> tuple[Ids, Vector]:
    """Find the actors whose profiles are nearest to a vector: their ids and cosines, ties by id."""
    vector, limit = collections.unit(vector), min(limit, MOST_HITS)
    if limit <= 0 or not vector.any():
        return np.empty(0, np.int64), np.empty(0, np.float32)
    where = None if exclude_actor is None else Filter.by_property("user_id").not_equal(exclude_actor)
    found = await _nearest(collections, PROFILE, vector, limit, where, ["user_id"])
    ids = np.array([one.properties["user_id"] for one in found], np.int64)
    scores = np.array([similarity(one) for one in found], np.float32).round(SCORE_DECIMALS)
    order = np.lexsort((ids, -scores))
    return ids[order], scores[order]


async def nearest_tools(collections: Collections, vector: Vector, limit: int) -> list[tuple[str, float]]:
    """Find the tools nearest to a vector: (key, cosine), ties by key."""
    vector, limit = collections.unit(vector), min(limit, MOST_HITS)
    if limit <= 0 or not vector.any():
        return []
    found = await _nearest(collections, TOOL, vector, limit, None, ["key"])
    pairs = [(str(one.properties["key"]), round(similarity(one), SCORE_DECIMALS)) for one in found]
    return sorted(pairs, key=lambda pair: (-pair[1], pair[0]))


async def _nearest(
    collections: Collections, kind: str, vector: Vector, limit: int, where: FilterReturn | None, properties: list[str]
) -> list[Any]:
    found = await collections.read(
        kind,
        lambda held: held.query.near_vector(
            vector.tolist(),
            limit=limit,
            filters=where,
            target_vector=VECTOR,
            return_metadata=MetadataQuery(distance=True),
            return_properties=properties,
        ),
    )
    return list(found.objects)


async def _vectors(collections: Collections, ids: list[int]) -> dict[int, list[float]]:
    found = await collections.read(
        PROJECT,
        lambda held: held.query.fetch_objects(
            limit=len(ids),
            filters=Filter.by_property("project_id").contains_any(ids),
            include_vector=[VECTOR],
            return_properties=["project_id"],
        ),
    )
    return {one.properties["project_id"]: one.vector[VECTOR] for one in found.objects}


async def _by_words(collections: Collections, words: str, limit: int, where: VectorFilter) -> list[Any]:
    found = await collections.read(
        PROJECT,
        lambda held: held.query.bm25(
            words,
            limit=limit,
            query_properties=[WORDS],
            filters=conditions(where),
            return_metadata=MetadataQuery(score=True),
            return_properties=FEATURES,
        ),
    )
    return list(found.objects)


async def _fused(
    collections: Collections, words: str, meaning: Vector, alpha: float, limit: int, where: VectorFilter
) -> HybridHits:
    found = await collections.read(
        PROJECT,
        lambda held: held.query.hybrid(
            words,
            vector=meaning.tolist(),
            alpha=alpha,
            limit=limit,
            query_properties=[WORDS],
            filters=conditions(where),
            fusion_type=HybridFusion.RELATIVE_SCORE,
            target_vector=VECTOR,
            return_metadata=MetadataQuery(score=True, explain_score=True),
            return_properties=FEATURES,
        ),
    )
    parts = explained(found.objects)
    if parts is None:
        return await _fused_here(collections, words, meaning, alpha, limit, where)
    return hybrid_hits(found.objects, parts)


async def _fused_here(
    collections: Collections, words: str, meaning: Vector | None, alpha: float, limit: int, where: VectorFilter
) -> HybridHits:
    """Ask for the legs and fuse them here: for one leg alone, or a server that explains itself in another way."""
    window = min(max(WINDOW, limit), MOST_HITS)

    async def by_meaning() -> list[Any]:
        if meaning is None:
            return []
        return await _nearest(collections, PROJECT, meaning, window, conditions(where), FEATURES)

    async def by_words() -> list[Any]:
        return await _by_words(collections, words, window, where) if words else []

    near, matching = await asyncio.gather(by_meaning(), by_words())
    held = {str(one.uuid): one for one in (*matching, *near)}
    vector_leg = _leg(near, [similarity(one) for one in near])
    keyword_leg = _leg(matching, [one.metadata.score for one in matching])
    fused = fuse(vector_leg, keyword_leg, alpha)[:limit]
    return hybrid_hits([held[hit.uuid] for hit in fused], [Parts(hit.vector_part, hit.keyword_part) for hit in fused])


def _leg(objects: Sequence[Any], scores: Sequence[float]) -> Leg:
    return Leg([str(one.uuid) for one in objects], np.array(scores, np.float32))
