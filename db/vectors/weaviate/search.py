"""Searches in Weaviate: vector, keyword and hybrid search, and cosines and vectors of projects by id."""

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
    ScoreParts,
    conditions,
    hybrid_hits,
    keyword_hits,
    matches_nothing,
    nearest_hits,
    read_score_parts,
    similarity,
)
from db.vectors.weaviate.schema import FEATURES, SEARCH_TERMS, VECTOR_NAME

TIE_MARGIN = 16
"""Hits requested beyond the limit, so that ties at the limit can be broken by id."""

VECTOR_BATCH = 1_000


class WeaviateSearch:
    """The searches of the vector store."""

    def __init__(self, collections: Collections) -> None:
        self._collections = collections

    async def near(self, vector: Vector, limit: int, where: VectorFilter) -> Hits:
        """Return the projects nearest to a vector by cosine, ties by id, at most 10,000."""
        vector, limit = self._collections.unit(vector), min(limit, MAX_HITS)
        if limit <= 0 or not vector.any() or matches_nothing(where):
            return Hits()
        window = min(limit + TIE_MARGIN, MAX_HITS)
        while True:
            objects = await self._nearest_objects(PROJECT, vector, window, conditions(where), FEATURES)
            exhausted = len(objects) < window or window == MAX_HITS
            # If the last hits have equal scores, more hits with this score may follow: request a larger window.
            if exhausted or round(similarity(objects[limit - 1]) - similarity(objects[-1]), SCORE_DECIMALS) > 0:
                return nearest_hits(objects, limit)
            window = min(4 * window, MAX_HITS)

    async def keyword(self, query: str, limit: int, where: VectorFilter) -> Hits:
        words, limit = " ".join(query_terms(query)), min(limit, MAX_HITS)
        if limit <= 0 or not words or matches_nothing(where):
            return Hits()
        return keyword_hits(await self._keyword_objects(words, limit, where), limit)

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
            return await self._fuse_locally(words, unit, alpha, limit, where)
        return await self._fuse_on_server(words, unit, alpha, limit, where)

    async def similarities(self, vector: Vector, ids: Ids) -> Vector:
        vector = self._collections.unit(vector)
        similarity_by_id: dict[int, float] = {}
        for batch in chunks(np.unique(ids).tolist(), MAX_HITS):
            id_filter = Filter.by_property("project_id").contains_any(batch)
            objects = await self._nearest_objects(PROJECT, vector, len(batch), id_filter, ["project_id"])
            similarity_by_id |= {hit.properties["project_id"]: similarity(hit) for hit in objects}
        scores = [similarity_by_id.get(id_, np.nan) for id_ in ids.tolist()]
        return np.array(scores, np.float32).round(SCORE_DECIMALS)

    async def project_vectors(self, ids: Ids) -> tuple[Ids, Vector]:
        vector_by_id: dict[int, list[float]] = {}
        for batch in chunks(np.unique(ids).tolist(), VECTOR_BATCH):
            vector_by_id |= await self._fetch_vectors(list(batch))
        existing_ids = [id_ for id_ in ids.tolist() if id_ in vector_by_id]
        vectors = np.array([vector_by_id[id_] for id_ in existing_ids], np.float32)
        return np.array(existing_ids, np.int64), vectors.reshape(
            len(existing_ids), self._collections.prepared().dimension
        )

    async def profile(self, actor_id: int) -> Vector | None:
        uuid = generate_uuid5(str(actor_id), PROFILE)
        object_ = await self._collections.read(
            PROFILE,
            lambda collection: collection.query.fetch_object_by_id(
                uuid, include_vector=[VECTOR_NAME], return_properties=["user_id"]
            ),
        )
        return None if object_ is None else np.array(object_.vector[VECTOR_NAME], np.float32)

    async def nearest_tools(self, vector: Vector, limit: int) -> list[tuple[str, float]]:
        vector, limit = self._collections.unit(vector), min(limit, MAX_HITS)
        if limit <= 0 or not vector.any():
            return []
        objects = await self._nearest_objects(TOOL, vector, limit, None, ["key"])
        pairs = [(str(hit.properties["key"]), round(similarity(hit), SCORE_DECIMALS)) for hit in objects]
        return sorted(pairs, key=lambda pair: (-pair[1], pair[0]))

    async def _nearest_objects(
        self, kind: str, vector: Vector, limit: int, where: FilterReturn | None, properties: list[str]
    ) -> list[Any]:
        response = await self._collections.read(
            kind,
            lambda collection: collection.query.near_vector(
                vector.tolist(),
                limit=limit,
                filters=where,
                target_vector=VECTOR_NAME,
                return_metadata=MetadataQuery(distance=True),
                return_properties=properties,
            ),
        )
        return list(response.objects)

    async def _fetch_vectors(self, ids: list[int]) -> dict[int, list[float]]:
        response = await self._collections.read(
            PROJECT,
            lambda collection: collection.query.fetch_objects(
                limit=len(ids),
                filters=Filter.by_property("project_id").contains_any(ids),
                include_vector=[VECTOR_NAME],
                return_properties=["project_id"],
            ),
        )
        return {hit.properties["project_id"]: hit.vector[VECTOR_NAME] for hit in response.objects}

    async def _keyword_objects(self, words: str, limit: int, where: VectorFilter) -> list[Any]:
        response = await self._collections.read(
            PROJECT,
            lambda collection: collection.query.bm25(
                words,
                limit=limit,
                query_properties=[SEARCH_TERMS],
                filters=conditions(where),
                return_metadata=MetadataQuery(score=True),
                return_properties=FEATURES,
            ),
        )
        return list(response.objects)

    async def _fuse_on_server(
        self, words: str, vector: Vector, alpha: float, limit: int, where: VectorFilter
    ) -> HybridHits:
        """Run a hybrid search in which Weaviate fuses vector and keyword results."""
        response = await self._collections.read(
            PROJECT,
            lambda collection: collection.query.hybrid(
                words,
                vector=vector.tolist(),
                alpha=alpha,
                limit=limit,
                query_properties=[SEARCH_TERMS],
                filters=conditions(where),
                fusion_type=HybridFusion.RELATIVE_SCORE,
                target_vector=VECTOR_NAME,
                return_metadata=MetadataQuery(score=True, explain_score=True),
                return_properties=FEATURES,
            ),
        )
        parts = read_score_parts(response.objects)
        if parts is None:
            return await self._fuse_locally(words, vector, alpha, limit, where)
        return hybrid_hits(response.objects, parts)

    async def _fuse_locally(
        self, words: str, vector: Vector | None, alpha: float, limit: int, where: VectorFilter
    ) -> HybridHits:
        """Search by vector and by keywords separately, and fuse the results in this process.

        Used if there is only one of both searches, or if Weaviate's explanation of the scores is unreadable.
        """
        window = min(max(WINDOW, limit), MAX_HITS)

        async def search_by_vector() -> list[Any]:
            if vector is None:
                return []
            return await self._nearest_objects(PROJECT, vector, window, conditions(where), FEATURES)

        async def search_by_keywords() -> list[Any]:
            return await self._keyword_objects(words, window, where) if words else []

        vector_objects, keyword_objects = await asyncio.gather(search_by_vector(), search_by_keywords())
        object_by_uuid = {str(hit.uuid): hit for hit in (*keyword_objects, *vector_objects)}
        vector_results = _result_list(vector_objects, [similarity(hit) for hit in vector_objects])
        keyword_results = _result_list(keyword_objects, [hit.metadata.score for hit in keyword_objects])
        fused = fuse(vector_results, keyword_results, alpha)[:limit]
        parts = [ScoreParts(hit.vector_part, hit.keyword_part) for hit in fused]
        return hybrid_hits([object_by_uuid[hit.uuid] for hit in fused], parts)


def _result_list(objects: Sequence[Any], scores: Sequence[float]) -> ResultList:
    return ResultList([str(hit.uuid) for hit in objects], np.array(scores, np.float32))
