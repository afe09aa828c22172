"""Searches in Weaviate: vector and hybrid search, and cosines and vectors of projects by id."""

import asyncio
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from weaviate.classes.query import Filter, MetadataQuery
from weaviate.collections.classes.filters import FilterReturn
from weaviate.util import generate_uuid5

from db.vectors.base import PROFILE, PROJECT, SCORE_DECIMALS, TOOL, Hits, HybridHits, Ids, Vector, VectorFilter
from db.vectors.fusion import WINDOW, fuse
from db.vectors.text_analysis import query_terms
from db.vectors.weaviate import compat
from db.vectors.weaviate.collections import MAX_HITS, Collection, WeaviateCollections, chunks
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
            hits = _vector_hits(await self._nearest(PROJECT, vector, window, _conditions(where), "project_id"))
            is_exhausted = len(hits.ids) < window or window == MAX_HITS
            # If the last hits have equal scores, more hits with this score may follow: request a larger window.
            if is_exhausted or hits.scores[limit - 1] > hits.scores[-1]:
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
            return await self._nearest(PROJECT, self._unit_query(vector), window, where_filter, "project_id")

        async def search_by_keywords() -> list[Any]:
            words = " ".join(query_terms(query)) if alpha < 1 else ""
            return await self._by_keywords(words, window, where_filter) if words else []

        by_vector, by_keywords = await asyncio.gather(search_by_vector(), search_by_keywords())
        keyword_scores = np.array([result.metadata.score for result in by_keywords], np.float32)
        results = (*by_vector, *by_keywords)
        uuids = dict(zip(_ids(results).tolist(), (result.metadata.id for result in results), strict=True))
        return fuse(_vector_hits(by_vector), Hits(_ids(by_keywords), keyword_scores), alpha, limit, uuids)

    async def similarities(self, vector: Vector, ids: Ids) -> Vector:
        vector = self._unit_query(vector)
        known = Hits()
        for batch in chunks(np.unique(ids).tolist(), MAX_HITS):
            id_filter = Filter.by_property("project_id").contains_any(list(batch))
            found = _vector_hits(await self._nearest(PROJECT, vector, len(batch), id_filter, "project_id"))
            known = Hits(np.append(known.ids, found.ids), np.append(known.scores, found.scores))
        order = np.argsort(known.ids)
        positions = np.searchsorted(known.ids, ids, sorter=order)
        if not len(order):
            return np.full(ids.shape, np.nan, np.float32)
        rows = order[np.minimum(positions, len(order) - 1)]
        return np.where(known.ids[rows] == ids, known.scores[rows], np.float32(np.nan))

    async def project_vectors(self, ids: Ids) -> tuple[Ids, Vector]:
        vector_by_id: dict[int, Vector] = {}
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
        results = await self._nearest(TOOL, vector, limit, None, "key")
        keys = [_value(result, "key").text_value for result in results]
        pairs = [
            (key, round(score, SCORE_DECIMALS)) for key, score in zip(keys, _scores(results).tolist(), strict=True)
        ]
        return sorted(pairs, key=lambda pair: (-pair[1], pair[0]))

    async def _nearest(self, kind: str, vector: Vector, limit: int, where: FilterReturn | None, name: str) -> list[Any]:
        """Return the results nearest to a vector, with the property `name`."""

        def call(collection: Collection) -> Any:
            return compat.search(
                collection,
                "near_vector",
                metadata=MetadataQuery(distance=True),
                near_vector=vector.tolist(),
                limit=limit,
                filters=where,
                target_vector=VECTOR_NAME,
                return_properties=[name],
            )

        results: list[Any] = await self._read(kind, call)
        return results

    async def _by_keywords(self, words: str, limit: int, where: FilterReturn | None) -> list[Any]:
        def call(collection: Collection) -> Any:
            return compat.search(
                collection,
                "bm25",
                metadata=MetadataQuery(score=True),
                query=words,
                limit=limit,
                properties=[SEARCH_TERMS],
                filters=where,
                return_properties=["project_id"],
            )

        results: list[Any] = await self._read(PROJECT, call)
        return results

    async def _fetch_vectors(self, ids: list[int]) -> dict[int, Vector]:
        def call(collection: Collection) -> Any:
            return compat.search(
                collection,
                "get",
                vectors=[VECTOR_NAME],
                limit=len(ids),
                filters=Filter.by_property("project_id").contains_any(ids),
                return_properties=["project_id"],
            )

        results = await self._read(PROJECT, call)
        vectors = (np.frombuffer(result.metadata.vectors[0].vector_bytes, "<f4") for result in results)
        return dict(zip(_ids(results).tolist(), vectors, strict=True))


def _vector_hits(results: Sequence[Any]) -> Hits:
    return Hits(_ids(results), _scores(results).astype(np.float32).round(SCORE_DECIMALS))


def _ids(results: Sequence[Any]) -> Ids:
    return np.array([_value(result, "project_id").int_value for result in results], np.int64)


def _value(result: Any, name: str) -> Any:
    return result.properties.non_ref_props.fields[name]


def _scores(results: Sequence[Any]) -> NDArray[np.float64]:
    """Return the cosines of the hits of a vector search; NaN for hits without a distance."""
    found = [(result.metadata.distance, result.metadata.distance_present) for result in results]
    distances, are_present = np.array(found, np.float64).reshape(-1, 2).T
    return np.where(are_present > 0, 1.0 - distances, np.nan)


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
