"""Access to the collections of one embedding model, by kind, generation and consistency level."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from weaviate import WeaviateAsyncClient
from weaviate.classes.config import ConsistencyLevel
from weaviate.collections import CollectionAsync

from db.errors import Store, StoreUnavailable
from db.vectors.base import Vector, unit
from db.vectors.weaviate.connection import Connection
from db.vectors.weaviate.schema import Space

T = TypeVar("T")
Collection = CollectionAsync[Any, Any]

MAX_HITS = 10_000
"""Weaviate's default limit on the results of a query (QUERY_MAXIMUM_RESULTS)."""


class Collections:
    """Runs calls on collections: of the active generation through its alias, or of a generation by name.

    Attributes
    ----------
    space
        The model, dimension and name prefix of the collections; None until `prepare` has been called.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.space: Space | None = None

    @property
    def url(self) -> str:
        """Address of the server, for messages."""
        return self._connection.url

    def prepared(self) -> Space:
        """Return `space`; raise `StoreUnavailable` if it is None."""
        if self.space is None:
            message = f"Weaviate at {self.url} has not been prepared for an embedding model"
            raise StoreUnavailable(Store.VECTORS, message)
        return self.space

    def unit(self, vector: Vector) -> Vector:
        """Scale a query vector to length 1; raise `ValueError` if it has another dimension than the collections."""
        dimension = self.prepared().dimension
        if vector.shape != (dimension,):
            raise ValueError(f"a vector of shape {vector.shape} cannot be compared with {dimension} components")
        return unit(vector)

    async def read(
        self,
        kind: str,
        call: Callable[[Collection], Any],
        *,
        generation: str | None = None,
        level: ConsistencyLevel = ConsistencyLevel.ONE,
    ) -> Any:
        """Run a call that reads from a collection."""
        self.prepared()
        return await self._connection.read(lambda client: call(self._collection(client, kind, generation, level)))

    async def write(self, kind: str, call: Callable[[Collection], Any], generation: str | None) -> Any:
        """Run a call that writes to a collection, acknowledged by a quorum of the replicas."""
        return await self._connection.write(
            lambda client: call(self._collection(client, kind, generation, ConsistencyLevel.QUORUM))
        )

    def _collection(
        self, client: WeaviateAsyncClient, kind: str, generation: str | None, level: ConsistencyLevel
    ) -> Collection:
        space = self.prepared()
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
