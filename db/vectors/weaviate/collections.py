"""The collections of one embedding space in Weaviate, as calls reach them: by kind, generation and consistency."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
from weaviate import WeaviateAsyncClient
from weaviate.classes.config import ConsistencyLevel
from weaviate.collections import CollectionAsync

from db.errors import Store, StoreUnavailable
from db.vectors.base import Vector
from db.vectors.weaviate_connection import Connection
from db.vectors.weaviate_schema import Space

T = TypeVar("T")
Collection = CollectionAsync[Any, Any]

MOST_HITS = 10_000
"""Weaviate gives no more (QUERY_MAXIMUM_RESULTS), however it is asked."""


class Collections:
    """Lends collections to calls: the generation in service, under its alias, or one by its name.

    Attributes
    ----------
    space
        Set once the collections have been prepared.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.space: Space | None = None

    @property
    def url(self) -> str:
        """Where the server is, for messages."""
        return self._connection.url

    def prepared(self) -> Space:
        """Give the space; raise `StoreUnavailable` if nothing has been prepared."""
        if self.space is None:
            raise StoreUnavailable(
                Store.VECTORS, f"Weaviate at {self.url} has not been prepared for an embedding model"
            )
        return self.space

    def unit(self, vector: Vector) -> Vector:
        """Give a query's vector at length 1; raise `ValueError` if it is not of this space."""
        dimension = self.prepared().dimension
        if vector.shape != (dimension,):
            raise ValueError(
                f"a vector of shape {vector.shape} cannot be compared with those of {dimension} components"
            )
        return unit(vector)

    async def read(
        self,
        kind: str,
        call: Callable[[Collection], Any],
        *,
        generation: str | None = None,
        level: ConsistencyLevel = ConsistencyLevel.ONE,
    ) -> Any:
        """Run a call that only reads."""
        self.prepared()
        return await self._connection.read(lambda client: call(self._held(client, kind, generation, level)))

    async def write(self, kind: str, call: Callable[[Collection], Any], into: str | None) -> Any:
        """Run a call that writes, acknowledged by a quorum of the replicas."""
        return await self._connection.write(
            lambda client: call(self._held(client, kind, into, ConsistencyLevel.QUORUM))
        )

    def _held(
        self, client: WeaviateAsyncClient, kind: str, generation: str | None, level: ConsistencyLevel
    ) -> Collection:
        space = self.prepared()
        name = space.alias(kind) if generation is None else space.collection(kind, number_of(generation))
        held: Collection = client.collections.use(name, skip_argument_validation=True)
        return held.with_consistency_level(level)


def number_of(generation: str) -> int:
    """Read a generation's number from its name."""
    match = re.fullmatch(r"g(\d+)", generation)
    if match is None:
        raise ValueError(f"{generation!r} names no generation")
    return int(match[1])


def chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Cut what is too much for one call."""
    for first in range(0, len(items), size):
        yield items[first : first + size]


def unit(vector: Vector) -> Vector:
    """Give a vector at length 1; one of zeros stays so."""
    length = np.linalg.norm(vector)
    return (vector / length if length > 0 else vector).astype(np.float32)
