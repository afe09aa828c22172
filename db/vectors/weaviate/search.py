"""Searches in Weaviate: by vector, by keywords, by both, and cosines and vectors of given projects."""

import asyncio
from collections.abc import Sequence
from typing import Any

import numpy as np
from weaviate.classes.query import Filter, HybridFusion, MetadataQuery
from weaviate.collections.classes.filters import FilterReturn
from weaviate.util import generate_uuid5

from db.vectors.base import PROFILE, PROJECT, SCORE_DECIMALS, TOOL, Hits, HybridHits, Ids, Vector, VectorFilter
from db.vectors.fusion import WINDOW, ResultList, fuse
from db.vectors.text_analysis import query_terms
from db.vectors.weaviate.collections import MAX_HITS, Collections, chunks
from db.vectors.weaviate.hits import (
    Parts,
    conditions,
    hybrid_hits,
    keyword_hits,
    matches_nothing,
    nearest_hits,
    read_score_parts,
    similarity,
)
from db.vectors.weaviate.schema import FEATURES, VECTOR, WORDS

TIE_MARGIN = 16
"""Hits fetched beyond the limit, so that a tie at the limit can be broken by id."""

VECTORS_AT_ONCE = 1_000


class WeaviateSearch:
    """The searches of the vector store."""

    def __init__(self, collections: Collections) -> None:
        self._collections = collections

    async def near(self, vector: Vector, limit: int, where: VectorFilter) -> Hits:
        """Find the projects nearest to a vector by cosine, ties by id, at most 10,000."""
        vector, limit = self._collections.unit(vector), min(limit, MAX_HITS)
        if limit <= 0 or not vector.any() or matches_nothing(where):
            return Hits()
        window = min(limit + TIE_MARGIN, MAX_HITS)
        while True:
            found = await self._nearest(PROJECT, vector, window, conditions(where), FEATURES)
            exhausted = len(found) < window or window == MAX_HITS
            # Hits that tie with the last hit may lie beyond the window.
            if exhausted or round(similarity(found[limit - 1]) - similarity(found[-1]), SCORE_DECIMALS) > 0:
                return nearest_hits(found, limit)
            window = min(4 * window, MAX_HITS)

    async def keyword(self, query: str, limit: int, where: VectorFilter) -> Hits:
        words, limit = " ".join(query_terms(query)), min(limit, MAX_HITS)
        if limit <= 0 or not words or matches_nothing(where):
            return Hits()
        return keyword_hits(await self._by_keywords(words, limit, where), limit)

    async def hybrid(
        self, query: str, vector: Vector | None, alpha: float, limit: int, where: VectorFilter
    ) -> HybridHits:
        if not 0 <= alpha <= 1:
            raise ValueError(f"alpha {alpha} is not from 0 to 1")
        limit = min(limit, MAX_HITS)
        words = " ".join(query_terms(query)) if alpha < 1 else ""
        unit = None if vector is None or alpha == 0 else self._collections.unit(vector)
        if unit is not None and not unit.any():
            unit = None
        if limit <= 0 or matches_nothing(where) or (unit is None and not words):
            return HybridHits()
        if unit is None or not words:
            return await self._fused_here(words, unit, alpha, limit, where)
        return await self._fused_there(words, unit, alpha, limit, where)

    async def similarities(self, vector: Vector, ids: Ids) -> Vector:
        vector = self._collections.unit(vector)
        known: dict[int, float] = {}
        for some in chunks(np.unique(ids).tolist(), MAX_HITS):
            only = Filter.by_property("project_id").contains_any(some)
            found = await self._nearest(PROJECT, vector, len(some), only, ["project_id"])
            known |= {hit.properties["project_id"]: similarity(hit) for hit in found}
        scores = [known.get(id_, np.nan) for id_ in ids.tolist()]
        return np.array(scores, np.float32).round(SCORE_DECIMALS)

    async def project_vectors(self, ids: Ids) -> tuple[Ids, Vector]:
        found: dict[int, list[float]] = {}
        for some in chunks(np.unique(ids).tolist(), VECTORS_AT_ONCE):
            found |= await self._vectors(list(some))
        known = [id_ for id_ in ids.tolist() if id_ in found]
        vectors = np.array([found[id_] for id_ in known], np.float32)
        return np.array(known, np.int64), vectors.reshape(len(known), self._collections.prepared().dimension)

    async def profile(self, actor_id: int) -> Vector | None:
        uuid = generate_uuid5(str(actor_id), PROFILE)
        found = await self._collections.read(
            PROFILE,
            lambda collection: collection.query.fetch_object_by_id(
                uuid, include_vector=[VECTOR], return_properties=["user_id"]
            ),
        )
        return None if found is None else np.array(found.vector[VECTOR], np.float32)

    async def nearest_tools(self, vector: Vector, limit: int) -> list[tuple[str, float]]:
        vector, limit = self._collections.unit(vector), min(limit, MAX_HITS)
        if limit <= 0 or not vector.any():
            return []
        found = await self._nearest(TOOL, vector, limit, None, ["key"])
        pairs = [(str(hit.properties["key"]), round(similarity(hit), SCORE_DECIMALS)) for hit in found]
        return sorted(pairs, key=lambda pair: (-pair[1], pair[0]))

    async def _nearest(
        self, kind: str, vector: Vector, limit: int, where: FilterReturn | None, properties: list[str]
    ) -> list[Any]:
        found = await self._collections.read(
            kind,
            lambda collection: collection.query.near_vector(
                vector.tolist(),
                limit=limit,
                filters=where,
                target_vector=VECTOR,
                return_metadata=MetadataQuery(distance=True),
                return_properties=properties,
            ),
        )
        return list(found.objects)

    async def _vectors(self, ids: list[int]) -> dict[int, list[float]]:
        found = await self._collections.read(
            PROJECT,
            lambda collection: collection.query.fetch_objects(
                limit=len(ids),
                filters=Filter.by_property("project_id").contains_any(ids),
                include_vector=[VECTOR],
                return_properties=["project_id"],
            ),
        )
        return {hit.properties["project_id"]: hit.vector[VECTOR] for hit in found.objects}

    async def _by_keywords(self, words: str, limit: int, where: VectorFilter) -> list[Any]:
        found = await self._collections.read(
            PROJECT,
            lambda collection: collection.query.bm25(
                words,
                limit=limit,
                query_properties=[WORDS],
                filters=conditions(where),
                return_metadata=MetadataQuery(score=True),
                return_properties=FEATURES,
            ),
        )
        return list(found.objects)

    async def _fused_there(
        self, words: str, vector: Vector, alpha: float, limit: int, where: VectorFilter
    ) -> HybridHits:
        """Let the server fuse both legs."""
        found = await self._collections.read(
            PROJECT,
            lambda collection: collection.query.hybrid(
                words,
                vector=vector.tolist(),
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
        parts = read_score_parts(found.objects)
        if parts is None:
            return await self._fused_here(words, vector, alpha, limit, where)
        return hybrid_hits(found.objects, parts)

    async def _fused_here(
        self, words: str, vector: Vector | None, alpha: float, limit: int, where: VectorFilter
    ) -> HybridHits:
        """Request each leg and fuse them here: for a single leg, or if the explanation cannot be read."""
        window = min(max(WINDOW, limit), MAX_HITS)

        async def by_vector() -> list[Any]:
            if vector is None:
                return []
            return await self._nearest(PROJECT, vector, window, conditions(where), FEATURES)

        async def by_keywords() -> list[Any]:
            return await self._by_keywords(words, window, where) if words else []

        near, matching = await asyncio.gather(by_vector(), by_keywords())
        found = {str(hit.uuid): hit for hit in (*matching, *near)}
        vector_leg = _leg(near, [similarity(hit) for hit in near])
        keyword_leg = _leg(matching, [hit.metadata.score for hit in matching])
        fused = fuse(vector_leg, keyword_leg, alpha)[:limit]
        parts = [Parts(hit.vector_part, hit.keyword_part) for hit in fused]
        return hybrid_hits([found[hit.uuid] for hit in fused], parts)


def _leg(objects: Sequence[Any], scores: Sequence[float]) -> ResultList:
    return ResultList([str(hit.uuid) for hit in objects], np.array(scores, np.float32))
