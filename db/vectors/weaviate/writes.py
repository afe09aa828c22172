"""Writing and removing objects in Weaviate, and the interpretation of its errors.

Batches are sent by `insert_many`, not by `batch.stream()`: an error of the latter closes the client permanently
(weaviate-python-client issue 2139).
"""

import re
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from weaviate.classes.data import DataObject
from weaviate.classes.query import Filter
from weaviate.collections.classes.filters import FilterReturn
from weaviate.exceptions import WeaviateInsertManyAllFailedError
from weaviate.util import generate_uuid5

from db.errors import InvalidRecord, RefusedObjects, Store, StoreUnavailable
from db.vectors.base import IndexDocument, unit
from db.vectors.weaviate.collections import Collection, Collections, chunks
from db.vectors.weaviate.schema import VECTOR_NAME, values_of

REMOVE_BATCH = 1_000

TRANSIENT_ERROR = re.compile(
    r"deadline|unavailable|timeout|timed out|connection|consistency|replica|read-?only|shutting down|not ready|memory"
    r"|leader|no space|context canceled|rate limit|\b429\b|\b50[0234]\b|could not find class",
    re.IGNORECASE,
)
"""Errors of an object that the server causes, not the object: they are retried."""


async def upsert(
    collections: Collections, documents: Sequence[IndexDocument], generation: str | None, batch_size: int
) -> None:
    """Write documents of one kind, at most `batch_size` in one call.

    Raises
    ------
    InvalidRecord
        If a vector has another dimension or is not finite; nothing has been sent.
    RefusedObjects
        If the server rejects some documents; the other documents have been written.
    """
    dimension = collections.prepared().dimension
    for document in documents:
        if document.vector.shape != (dimension,) or not np.isfinite(document.vector).all():
            raise InvalidRecord(f"the vector of {document.key!r} is not {dimension} finite numbers")
    rejected: dict[str, str] = {}
    for batch in chunks(documents, batch_size):
        rejected |= await _insert(collections, batch, generation)
    if rejected:
        raise RefusedObjects(rejected)


async def remove(collections: Collections, kind: str, keys: Sequence[str], generation: str | None) -> None:
    """Remove the objects of a kind by their document keys."""
    for batch in chunks(keys, REMOVE_BATCH):
        uuid_filter = Filter.by_id().contains_any([generate_uuid5(key, kind) for key in batch])
        result = await collections.write(kind, partial(_delete_many, uuid_filter), generation)
        if result.failed:
            raise StoreUnavailable(Store.VECTORS, f"{result.failed} of {len(batch)} objects could not be removed")


def _delete_many(uuid_filter: FilterReturn, collection: Collection) -> Any:
    return collection.data.delete_many(uuid_filter)


async def _insert(
    collections: Collections, documents: Sequence[IndexDocument], generation: str | None
) -> dict[str, str]:
    """Write one batch, and return the reason of each rejected document by key."""
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
        try:
            response = await collection.data.insert_many(objects)
        except WeaviateInsertManyAllFailedError as error:
            return dict.fromkeys(range(len(objects)), str(error.message))
        return {index: error.message for index, error in response.errors.items()} if response.has_errors else {}

    rejected = await collections.write(kind, insert, generation)
    for reason in rejected.values():
        if TRANSIENT_ERROR.search(reason):
            raise StoreUnavailable(Store.VECTORS, f"Weaviate at {collections.url}: {reason}")
    return {documents[index].key: reason for index, reason in rejected.items()}
