"""Searches in Weaviate: vector and hybrid search, and cosines and vectors of projects by id."""

import asyncio
from collections.abc import Sequence
from typing import Any

import numpy as np
from weaviate.classes.query import Filter, MetadataQuery
from weaviate.collections.classes.filters import FilterReturn
from weaviate.util import generate_uuid5

from db.vectors.base import PROFILE, PROJECT, SCORE_DECIMALS, TOOL, Hits, HybridHits, Ids, Vector, VectorFilter
from db.vectors.fusion import WINDOW, fuse
from db.vectors.text_analysis import query_terms
from db.vectors.weaviate.collections import MAX_HITS, WeaviateCollections, chunks
from db.vectors.weaviate.schema import SEARCH_TERMS, VECTOR_NAME

TIE_MARGIN = 16
"""Hits requested beyond the limit, so that ties at the limit can be broken by id."""

VECTOR_BATCH = 1_000


class WeaviateSearch(WeaviateCollections):
    """The searches of the vector store."""

    async def near(self, vector: Vector, limit: int, where: VectorFilter) -> Hits:
        """Return the projects nearest to a vector by cosine, ties by id, at most 10,000."""
        vector, limit = self._unit_query(vector), min(limit, MAX_HITS)
        if limit <= 0 or not vector.any() or _matches_nothing(where):
            return Hits()
        window = min(limit + TIE_MARGIN, MAX_HITS)
        while True:
            objects = await self._nearest_objects(PROJECT, vector, window, _conditions(where), "project_id")
            is_exhausted = len(objects) < window or window == MAX_HITS
            # If the last hits have equal scores, more hits with this score may follow: request a larger window.
            if is_exhausted or round(_similarity(objects[limit - 1]) - _similarity(objects[-1]), SCORE_DECIMALS) > 0:
                hits = _vector_hits(objects)
                order = np.lexsort((hits.ids, -hits.scores))[:limit]
                return Hits(hits.ids[order], hits.scores[order])
            window = min(4 * window, MAX_HITS)

    async def hybrid(
        self, query: str, vector: Vector | None, alpha: float, limit: int, where: VectorFilter
    ) -> HybridHits:
        """Search by vector and by keywords concurrently, and fuse the hits in this process.

        Weaviate's own hybrid search returns both parts of a score only inside a text for people.
        """
        if not 0 <= alpha <= 1:
            raise ValueError(f"alpha {alpha} is not from 0 to 1")
        self._prepared()
        limit = min(limit, MAX_HITS)
        if limit <= 0 or _matches_nothing(where):
            return HybridHits()
        window, where_filter = max(WINDOW, limit), _conditions(where)

        async def search_by_vector() -> list[Any]:
            if vector is None or alpha == 0 or not vector.any():
                return []
            return await self._nearest_objects(PROJECT, self._unit_query(vector), window, where_filter, "project_id")

        async def search_by_keywords() -> list[Any]:
            words = " ".join(query_terms(query)) if alpha < 1 else ""
            return await self._keyword_objects(words, window, where_filter) if words else []

        vector_objects, keyword_objects = await asyncio.gather(search_by_vector(), search_by_keywords())
        keyword_scores = np.array([hit.metadata.score for hit in keyword_objects], np.float32)
        uuids = {hit.properties["project_id"]: str(hit.uuid) for hit in (*vector_objects, *keyword_objects)}
        return fuse(_vector_hits(vector_objects), Hits(_ids(keyword_objects), keyword_scores), alpha, limit, uuids)

    async def similarities(self, vector: Vector, ids: Ids) -> Vector:
        vector = self._unit_query(vector)
        similarity_by_id: dict[int, float] = {}
        for batch in chunks(np.unique(ids).tolist(), MAX_HITS):
            id_filter = Filter.by_property("project_id").contains_any(batch)
            objects = await self._nearest_objects(PROJECT, vector, len(batch), id_filter, "project_id")
            similarity_by_id |= {hit.properties["project_id"]: _similarity(hit) for hit in objects}
        scores = [similarity_by_id.get(id_, np.nan) for id_ in ids.tolist()]
        return np.array(scores, np.float32).round(SCORE_DECIMALS)

    async def project_vectors(self, ids: Ids) -> tuple[Ids, Vector]:
        vector_by_id: dict[int, list[float]] = {}
        for batch in chunks(np.unique(ids).tolist(), VECTOR_BATCH):
            vector_by_id |= await self._fetch_vectors(list(batch))
        existing_ids = [id_ for id_ in ids.tolist() if id_ in vector_by_id]
        vectors = np.array([vector_by_id[id_] for id_ in existing_ids], np.float32)
        return np.array(existing_ids, np.int64), vectors.reshape(len(existing_ids), self._prepared().dimension)

    async def profile(self, actor_id: int) -> Vector | None:
        uuid = generate_uuid5(str(actor_id), PROFILE)
        object_ = await self._read(
            PROFILE,
            lambda collection: collection.query.fetch_object_by_id(
                uuid, include_vector=[VECTOR_NAME], return_properties=["user_id"]
            ),
        )
        return None if object_ is None else np.array(object_.vector[VECTOR_NAME], np.float32)

    async def nearest_tools(self, vector: Vector, limit: int) -> list[tuple[str, float]]:
        vector, limit = self._unit_query(vector), min(limit, MAX_HITS)
        if limit <= 0 or not vector.any():
            return []
        objects = await self._nearest_objects(TOOL, vector, limit, None, "key")
        pairs = [(str(hit.properties["key"]), round(_similarity(hit), SCORE_DECIMALS)) for hit in objects]
        return sorted(pairs, key=lambda pair: (-pair[1], pair[0]))

    async def _nearest_objects(
        self, kind: str, vector: Vector, limit: int, where: FilterReturn | None, name: str
    ) -> list[Any]:
        """Return the objects nearest to a vector, with the property `name`."""
        response = await self._read(
            kind,
            lambda collection: collection.query.near_vector(
                vector.tolist(),
                limit=limit,
                filters=where,
                target_vector=VECTOR_NAME,
                return_metadata=MetadataQuery(distance=True),
                return_properties=[name],
            ),
        )
        return list(response.objects)

    async def _keyword_objects(self, words: str, limit: int, where: FilterReturn | None) -> list[Any]:
        response = await self._read(
            PROJECT,
            lambda collection: collection.query.bm25(
                words,
                limit=limit,
                query_properties=[SEARCH_TERMS],
                filters=where,
                return_metadata=MetadataQuery(score=True),
                return_properties=["project_id"],
            ),
        )
        return list(response.objects)

    async def _fetch_vectors(self, ids: list[int]) -> dict[int, list[float]]:
        response = await self._read(
            PROJECT,
            lambda collection: collection.query.fetch_objects(
                limit=len(ids),
                filters=Filter.by_property("project_id").contains_any(ids),
                include_vector=[VECTOR_NAME],
                return_properties=["project_id"],
            ),
        )
        return {hit.properties["project_id"]: hit.vector[VECTOR_NAME] for hit in response.objects}


def _vector_hits(objects: Sequence[Any]) -> Hits:
    scores = np.array([_similarity(hit) for hit in objects], np.float32).round(SCORE_DECIMALS)
    return Hits(_ids(objects), scores)


def _ids(objects: Sequence[Any]) -> Ids:
    return np.array([hit.properties["project_id"] for hit in objects], np.int64)


def _similarity(hit: Any) -> float:
    """Return the cosine of a hit of a vector search; NaN if the hit has no distance."""
    distance = hit.metadata.distance
    return 1.0 - distance if distance is not None else float("nan")


def _matches_nothing(where: VectorFilter) -> bool:
    """Return whether no project can pass a filter (an empty group of terms). Weaviate's filters cannot express this."""
    return not all(where.any_terms)


def _conditions(where: VectorFilter) -> FilterReturn | None:
    """Convert a filter to a Weaviate filter; None if all projects pass."""
    filters: list[FilterReturn] = []
    if where.exclude_owner is not None:
        filters.append(Filter.by_property("owner_id").not_equal(where.exclude_owner))
    if where.exclude_ids:
        filters.append(Filter.by_property("project_id").contains_none(sorted(where.exclude_ids)))
    if where.types:
        filters.append(Filter.by_property("project_type").contains_any(sorted(where.types)))
    filters += [Filter.by_property("term_ids").contains_any(sorted(group)) for group in where.any_terms]
    if where.created_after is not None:
        filters.append(Filter.by_property("created_at").greater_or_equal(where.created_after))
    if where.created_before is not None:
        filters.append(Filter.by_property("created_at").less_than(where.created_before))
    if where.owner is not None:
        filters.append(Filter.by_property("owner_id").equal(where.owner))
    return Filter.all_of(filters) if filters else None
