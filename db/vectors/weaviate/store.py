"""The vector store on a Weaviate cluster, for data that does not fit on one host.

Ids are deterministic, so writes are idempotent. Writes need a quorum of the replicas, searches need one replica
(docs/decisions/0020-weaviate-consistency.md).
"""

import asyncio
from collections.abc import Sequence

from weaviate.classes.config import ConsistencyLevel
from weaviate.classes.query import Filter, Sort

from db.vectors.base import KINDS, IndexDocument, VectorStore
from db.vectors.weaviate import writes
from db.vectors.weaviate.collections import MAX_HITS, Collections
from db.vectors.weaviate.connection import Address, Connection
from db.vectors.weaviate.generations import Generations
from db.vectors.weaviate.schema import Layout, Space
from db.vectors.weaviate.search import WeaviateSearch

READ_DEADLINE_S = 2.0
WRITE_DEADLINE_S = 10.0

DROP_AFTER_S = 2.0
"""Delay before a replaced generation is dropped, so that running searches on all nodes can end."""


class WeaviateVectorStore(WeaviateSearch, VectorStore):
    """The vector store in Weaviate.

    `layout` applies to new collections. `prefix` is the prefix of all collection names, for gateways that share a
    server. After the time limit of a call, `StoreUnavailable` is raised.
    """

    def __init__(
        self,
        address: Address,
        layout: Layout | None = None,
        *,
        batch_size: int = 100,
        prefix: str = "",
        read_deadline_s: float = READ_DEADLINE_S,
        write_deadline_s: float = WRITE_DEADLINE_S,
        drop_after_s: float = DROP_AFTER_S,
    ) -> None:
        self._connection = Connection(address, read_deadline_s, write_deadline_s)
        super().__init__(Collections(self._connection))
        self._generations = Generations(self._connection, layout or Layout())
        self._batch_size = batch_size
        self._prefix = prefix
        self._drop_after_s = drop_after_s

    async def prepare(self, model: str, dimension: int) -> None:
        """Create missing collections for an embedding model. Collections of other models are not changed.

        Raises
        ------
        StoreMisconfigured
            If no Weaviate answers, the key is rejected, or the collections hold vectors of another dimension.
        """
        space = Space(self._prefix, model, dimension)
        await self._generations.prepare(space)
        self._collections.space = space

    async def preload(self) -> None:
        """Do nothing: the server keeps all collections loaded."""

    async def upsert(self, documents: Sequence[IndexDocument], generation: str | None = None) -> None:
        if documents:
            await writes.upsert(self._collections, documents, generation, self._batch_size)

    async def remove(self, kind: str, keys: Sequence[str], generation: str | None = None) -> None:
        await writes.remove(self._collections, kind, keys, generation)

    async def counts(self, generation: str | None = None) -> dict[str, int]:
        async def count(kind: str) -> int:
            response = await self._collections.read(
                kind, lambda collection: collection.aggregate.over_all(total_count=True), generation=generation
            )
            return int(response.total_count or 0)

        return dict(zip(KINDS, await asyncio.gather(*map(count, KINDS)), strict=True))

    async def listing(
        self, collection: str, after: str | None, limit: int, generation: str | None = None
    ) -> list[tuple[str, str]]:
        where = None if after is None else Filter.by_property("key").greater_than(after)
        response = await self._collections.read(
            collection,
            lambda properties: properties.query.fetch_objects(
                limit=min(limit, MAX_HITS),
                filters=where,
                sort=Sort.by_property("key", ascending=True),
                return_properties=["key", "fingerprint"],
            ),
            generation=generation,
            level=ConsistencyLevel.QUORUM,
        )
        return [
            (str(item.properties["key"]), str(item.properties.get("fingerprint") or "")) for item in response.objects
        ]

    async def stage(self) -> str:
        return await self._generations.stage(self._collections.prepared())

    async def staged(self) -> str | None:
        return await self._generations.staged(self._collections.prepared())

    async def publish(self, generation: str) -> None:
        """Activate a generation kind by kind, each atomically. Then drop all other generations.

        If the call is interrupted, `staged` still returns the generation, and publishing it again completes the work.
        """
        await self._generations.publish(self._collections.prepared(), generation, self._drop_after_s)

    async def discard(self, generation: str) -> None:
        await self._generations.discard(self._collections.prepared(), generation)

    async def scrub(self) -> None:
        """Do nothing: the server erases removed objects from its files by itself."""

    async def close(self) -> None:
        await self._connection.close()
