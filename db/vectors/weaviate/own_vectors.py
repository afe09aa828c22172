"""Search of documents by their own vectors, which finds those whose vector a crash of the server has lost.

A killed server keeps each acknowledged object, and may lose the last entries of its HNSW index. Such an object is found
by id and by keywords, not by vector, and writing it again unchanged does not restore its vector.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from weaviate import WeaviateAsyncClient
from weaviate.classes.query import Filter, MetadataQuery, Sort
from weaviate.exceptions import UnexpectedStatusCodeError
from weaviate.util import generate_uuid5

from db.vectors.base import LATEST
from db.vectors.weaviate.collections import MAX_HITS, Collection, WeaviateCollections, chunks
from db.vectors.weaviate.schema import VECTOR_NAME

log = logging.getLogger(__name__)

OWN_HITS = 10
"""Hits of the first search by an own vector. A document may have the same vector as many others."""

SAME_VECTOR = 1e-5
"""Maximum cosine distance of two equal vectors."""

PARALLEL_SEARCHES = 4


class WeaviateOwnVectors(WeaviateCollections):
    """The part of the vector store that checks whether vectors are searchable."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._starts: dict[str, tuple[str, int]] = {}  # by node, as last told
        self._has_warned = False

    async def server_start(self) -> str:
        """Return the nodes with the term of their Raft election and the index of the log at which each has started.

        A node that is away keeps its last start. The text is empty if the server tells no starts.
        """
        for node in await self._connection.read(self._node_statistics):
            if node.raft.term:  # empty for a node that does not answer
                self._starts[node.name] = node.raft.term, node.initial_last_applied_index
        return repr(sorted(self._starts.items())) if self._starts else ""

    async def _node_statistics(self, client: WeaviateAsyncClient) -> list[Any]:
        try:
            return list((await client.cluster.statistics()).statistics)
        except UnexpectedStatusCodeError as error:
            if error.status_code not in (403, 404):
                raise
            if not self._has_warned:
                self._has_warned = True
                log.warning(
                    "Weaviate at %s answers %d to /v1/cluster/statistics, so lost vectors are found only by explore "
                    "reindex --check; give the key the permission to read the cluster",
                    self._connection.url,
                    error.status_code,
                )
            return []

    async def unsearchable(
        self, kind: str, keys: Sequence[str] | None = None, generation: str | None = None
    ) -> list[str]:
        """Return the keys of documents that a search by their own vector does not find."""
        if keys is None:
            return await self._unsearchable(kind, await self._latest_objects(kind, generation), generation)
        found = []
        for batch in chunks(keys, LATEST):
            found += await self._unsearchable(kind, await self._objects(kind, batch, generation), generation)
        return found

    async def _unsearchable(self, kind: str, objects: Sequence[Any], generation: str | None) -> list[str]:
        slots = asyncio.Semaphore(PARALLEL_SEARCHES)

        async def is_found(item: Any) -> bool:
            async with slots:
                return await self._is_found(kind, item, generation)

        with_vector = [item for item in objects if any(item.vector.get(VECTOR_NAME, ()))]
        answers = await asyncio.gather(*map(is_found, with_vector))
        return [str(item.properties["key"]) for item, found in zip(with_vector, answers, strict=True) if not found]

    async def _is_found(self, kind: str, item: Any, generation: str | None) -> bool:
        limit = OWN_HITS
        while True:
            response = await self._read(
                kind,
                lambda collection: collection.query.near_vector(
                    item.vector[VECTOR_NAME],
                    limit=limit,  # noqa: B023 (called before the next iteration)
                    target_vector=VECTOR_NAME,
                    return_metadata=MetadataQuery(distance=True),
                    return_properties=[],
                ),
                generation=generation,
            )
            hits = response.objects
            if any(hit.uuid == item.uuid for hit in hits):
                return True
            if len(hits) < limit or hits[-1].metadata.distance > SAME_VECTOR or limit == MAX_HITS:
                return False
            limit = min(10 * limit, MAX_HITS)  # all hits have the same vector, and more may follow

    async def _latest_objects(self, kind: str, generation: str | None) -> list[Any]:
        def latest(collection: Collection) -> Any:
            # Sorting reads all objects: 0.3 s for 20,000.
            return collection.query.fetch_objects(
                limit=LATEST,
                sort=Sort.by_update_time(ascending=False),
                include_vector=[VECTOR_NAME],
                return_properties=["key"],
            )

        return list((await self._read(kind, latest, generation=generation, is_slow=True)).objects)

    async def _objects(self, kind: str, keys: Sequence[str], generation: str | None) -> list[Any]:
        where = Filter.by_id().contains_any([generate_uuid5(key, kind) for key in keys])

        def fetch(collection: Collection) -> Any:
            return collection.query.fetch_objects(
                limit=len(keys), filters=where, include_vector=[VECTOR_NAME], return_properties=["key"]
            )

        return list((await self._read(kind, fetch, generation=generation, is_slow=True)).objects)
