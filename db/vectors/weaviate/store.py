"""The vector store on a Weaviate cluster, for data that does not fit on one host.

Ids are deterministic, so writes are idempotent. Writes need a quorum of the replicas, searches need one replica
(docs/decisions/0020-weaviate-consistency.md).
"""

import asyncio
import re
from collections.abc import Sequence
from typing import Any

from weaviate.classes.config import ConsistencyLevel
from weaviate.classes.data import DataObject
from weaviate.classes.query import Filter
from weaviate.exceptions import UnexpectedStatusCodeError, WeaviateInsertManyAllFailedError
from weaviate.util import generate_uuid5

from db.errors import Store, WritesRefused
from db.vectors.base import KINDS, IndexDocument, VectorStore, invalid_vectors, unit
from db.vectors.weaviate.collections import MAX_HITS, Collection, chunks
from db.vectors.weaviate.connection import Address, Connection, server_text
from db.vectors.weaviate.generations import Installation, WeaviateGenerations
from db.vectors.weaviate.own_vectors import WeaviateOwnVectors
from db.vectors.weaviate.schema import VECTOR_NAME, Layout, values_of
from db.vectors.weaviate.search import WeaviateSearch

READ_DEADLINE_S = 2.0
WRITE_DEADLINE_S = 10.0

DROP_AFTER_S = 2.0
"""Delay before a replaced generation is dropped, so that running searches on all nodes can end."""

REMOVE_BATCH = 1_000

TRANSIENT_ERROR = re.compile(
    r"deadline|unavailable|timeout|timed out|connection|consistency|replica|read-?only|shutting down|not ready|memory"
    r"|leader|no space|context canceled|rate limit|\b429\b|\b50[0234]\b|could not find class|not present in schema"
    r"|which does not exist|no such prop",
    re.IGNORECASE,
)
"""Errors that are reported for an object although the server or its schema causes them. They are retried after the
collections were prepared again."""


class WeaviateVectorStore(WeaviateSearch, WeaviateOwnVectors, WeaviateGenerations, VectorStore):
    """The vector store in Weaviate. `StoreUnavailable` is raised after the time limit of a call.

    `layout`, `prefix`, `drop_after_s` and `installation` are those of `WeaviateGenerations`.
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
        installation: Installation | None = None,
    ) -> None:
        connection = Connection(address, read_deadline_s, write_deadline_s)
        super().__init__(connection, layout or Layout(), prefix, drop_after_s, installation)
        self._batch_size = batch_size

    async def preload(self) -> None:
        """Do nothing: the server keeps all collections loaded."""

    async def upsert(self, documents: Sequence[IndexDocument], generation: str | None = None) -> dict[str, str]:
        rejected = invalid_vectors(documents, self._prepared().dimension)
        valid = [document for document in documents if document.key not in rejected]
        for batch in chunks(valid, self._batch_size):
            rejected |= await self._insert(batch, generation)
        return rejected

    async def remove(self, kind: str, keys: Sequence[str], generation: str | None = None) -> None:
        for batch in chunks(keys, REMOVE_BATCH):
            id_filter = Filter.by_id().contains_any([generate_uuid5(key, kind) for key in batch])
            result = await self._write(
                kind,
                lambda collection, id_filter=id_filter: collection.data.delete_many(id_filter),  # type: ignore[misc]
                generation,
            )
            if result.failed:
                reason = await self._removal_error(kind, batch[0], generation)
                raise WritesRefused(Store.VECTORS, f"Weaviate at {self._connection.url} does not remove: {reason}")

    async def counts(self, generation: str | None = None) -> dict[str, int]:
        async def count(kind: str) -> int:
            response = await self._read(
                kind, lambda collection: collection.aggregate.over_all(total_count=True), generation=generation
            )
            return int(response.total_count or 0)

        return dict(zip(KINDS, await asyncio.gather(*map(count, KINDS)), strict=True))

    async def listing(
        self, kind: str, after: str | None, limit: int, generation: str | None = None
    ) -> list[tuple[str, str]]:
        # By uuid: the server sorts texts regardless of case and compares their bytes in filters, so pages sorted by key
        # would leave keys out.
        response = await self._read(
            kind,
            lambda collection: collection.query.fetch_objects(
                limit=min(limit, MAX_HITS),
                after=None if after is None else generate_uuid5(after, kind),
                return_properties=["key", "fingerprint"],
            ),
            generation=generation,
            level=ConsistencyLevel.QUORUM,
        )
        return [
            (str(item.properties["key"]), str(item.properties.get("fingerprint") or "")) for item in response.objects
        ]

    async def scrub(self) -> None:
        """Do nothing: the server erases removed objects from its files by itself."""

    async def close(self) -> None:
        await self._connection.close()

    async def _removal_error(self, kind: str, key: str, generation: str | None) -> str:
        """Return why an object cannot be removed: the reply of a removal of many gives no reason."""

        async def remove(collection: Collection) -> str:
            try:
                await collection.data.delete_by_id(generate_uuid5(key, kind))
            except UnexpectedStatusCodeError as error:
                return server_text(error)
            return "the server gives no reason"

        return str(await self._write(kind, remove, generation))

    async def _insert(self, documents: Sequence[IndexDocument], generation: str | None) -> dict[str, str]:
        """Write one batch, and return the reason for each rejected document by key."""
        kind = documents[0].kind
        objects: list[DataObject[Any, Any]] = [
            DataObject(
                properties=values_of(document),
                uuid=generate_uuid5(document.key, kind),
                vector={VECTOR_NAME: unit(document.vector).tolist()},
            )
            for document in documents
        ]

        async def insert(collection: Collection) -> dict[int, str]:
            # Not `batch.stream()`: its errors close the client permanently (weaviate-python-client issue 2139).
            try:
                response = await collection.data.insert_many(objects)
            except WeaviateInsertManyAllFailedError as error:
                return dict.fromkeys(range(len(objects)), str(error.message))
            return {index: error.message for index, error in response.errors.items()} if response.has_errors else {}

        rejected = await self._write(kind, insert, generation)
        for reason in rejected.values():
            if TRANSIENT_ERROR.search(reason):
                raise WritesRefused(Store.VECTORS, f"Weaviate at {self._connection.url}: {reason}")
        return {documents[index].key: reason for index, reason in rejected.items()}
