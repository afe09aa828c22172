"""Private parts of Weaviate's client: queries whose replies are read as the server sends them.

The client converts each hit to five Python objects, which costs 25 µs of CPU: 55 ms for the cosines of 2,000 projects.
"""

from collections.abc import Collection as Names
from typing import Any

from weaviate.collections.classes.grpc import MetadataQuery, _MetadataQuery
from weaviate.collections.queries.base_executor import _BaseExecutor
from weaviate.connect.v4 import ConnectionAsync

from db.vectors.weaviate.collections import Collection

TESTED = {"weaviate-client": (4, 23)}
"""Versions for which the gateway is tested, as the beginning of the version number."""

USED_ATTRIBUTES: dict[type, str] = {
    _BaseExecutor: "_query _connection",
    ConnectionAsync: "grpc_search",
    _MetadataQuery: "from_public",
}
"""Attributes of each class that the gateway uses."""


async def search(
    collection: Collection,
    method: str,  # of the client's builder of requests: near_vector, bm25 or get
    *,
    metadata: MetadataQuery | None = None,
    vectors: Names[str] = (),  # names of the vectors in each result
    **arguments: Any,  # of the method
) -> list[Any]:
    """Send a query, and return its results as messages of the protocol."""
    query = collection.query
    build = getattr(query._query, method)
    request = build(return_metadata=_MetadataQuery.from_public(metadata, list(vectors)), **arguments)
    return list((await query._connection.grpc_search(request)).results)
