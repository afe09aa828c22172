"""Access to the collections of one embedding model, by kind, generation and consistency level."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from weaviate import WeaviateAsyncClient
from weaviate.classes.config import ConsistencyLevel
from weaviate.collections import CollectionAsync

from db.errors import Store, StoreUnavailable
from db.vectors.base import Vector, unit_query
from db.vectors.weaviate.connection import Connection
from db.vectors.weaviate.schema import Space

T = TypeVar("T")
Collection = CollectionAsync[Any, Any]

MAX_HITS = 10_000
"""Weaviate's default limit on the results of a query (QUERY_MAXIMUM_RESULTS)."""


class WeaviateCollections:
    """Base class of the parts of the vector store. It runs calls on collections.

    Without a generation, a call uses the active one through its alias.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._space: Space | None = None  # None until `prepare` has been called

    def _prepared(self) -> Space:
        """Return the names of the collections; raise `StoreUnavailable` if they have not been prepared."""
        if self._space is None:
            message = f"Weaviate at {self._connection.url} has not been prepared for an embedding model"
            raise StoreUnavailable(Store.VECTORS, message)
        return self._space

    def _unit_query(self, vector: Vector) -> Vector:
        return unit_query(vector, self._prepared().dimension)

    async def _read(
        self,
        kind: str,
        call: Callable[[Collection], Any],
        *,
        generation: str | None = None,
        level: ConsistencyLevel = ConsistencyLevel.ONE,
        is_slow: bool = False,
    ) -> Any:
        """Run a call that reads from a collection; a slow one reads all its objects."""
        self._prepared()
        read = self._connection.read_all if is_slow else self._connection.read
        return await read(lambda client: call(self._collection(client, kind, generation, level)))

    async def _write(self, kind: str, call: Callable[[Collection], Any], generation: str | None) -> Any:
        """Run a call that writes to a collection, acknowledged by a quorum of the replicas."""
        self._prepared()
        return await self._connection.write(
            lambda client: call(self._collection(client, kind, generation, ConsistencyLevel.QUORUM))
        )

    def _collection(
        self, client: WeaviateAsyncClient, kind: str, generation: str | None, level: ConsistencyLevel
    ) -> Collection:
        space = self._prepared()
        name = space.alias(kind) if generation is None else space.collection(kind, number_of(generation))
        collection: Collection = client.collections.use(name, skip_argument_validation=True)
        return collection.with_consistency_level(level)


def number_of(generation: str) -> int:
    """Return the number in the name of a generation (``g3``); raise `ValueError` for another name."""
    match = re.fullmatch(r"g(\d+)", generation)
    if match is None:
        raise ValueError(f"{generation!r} is not the name of a generation")
    return int(match[1])


def chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Split a sequence into parts of at most `size` items."""
    for first in range(0, len(items), size):
        yield items[first : first + size]
