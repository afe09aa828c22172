"""Writing and removing objects in Weaviate, and the interpretation of its errors.

Batches are sent by `insert_many` and never by `batch.stream()`, whose failure closes the client for good
(weaviate-python-client issue 2139).
"""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from weaviate.classes.data import DataObject
from weaviate.classes.query import Filter
from weaviate.exceptions import WeaviateInsertManyAllFailedError
from weaviate.util import generate_uuid5

from db.errors import InvalidRecord, RefusedObjects, Store, StoreUnavailable
from db.vectors.base import IndexDocument, unit
from db.vectors.weaviate.collections import Collection, Collections, chunks
from db.vectors.weaviate.schema import VECTOR, values_of

REMOVED_AT_ONCE = 1_000

TRANSIENT = re.compile(
    r"deadline|unavailable|timeout|timed out|connection|consistency|replica|read-?only|shutting down|not ready|memory"
    r"|leader|no space|context canceled|rate limit|\b429\b|\b50[0234]\b|could not find class",
    re.IGNORECASE,
)
"""Errors of an object that are caused by the server rather than the object: worth a retry."""


async def upsert(
    collections: Collections, documents: Sequence[IndexDocument], generation: str | None, batch_size: int
) -> None:
    """Write documents of one kind, at most `batch_size` in one call.

    Raises
    ------
    InvalidRecord
        If a vector is not one of this space; nothing has been sent.
    RefusedObjects
        If the server rejects some; the others are written.
    """
    dimension = collections.prepared().dimension
    for document in documents:
        if document.vector.shape != (dimension,) or not np.isfinite(document.vector).all():
            raise InvalidRecord(f"the vector of {document.key!r} is not {dimension} finite numbers")
    refused: dict[str, str] = {}
    for some in chunks(documents, batch_size):
        refused |= await _insert(collections, some, generation)
    if refused:
        raise RefusedObjects(refused)


async def remove(collections: Collections, kind: str, keys: Sequence[str], generation: str | None) -> None:
    """Remove objects by key."""
    for some in chunks(keys, REMOVED_AT_ONCE):
        which = Filter.by_id().contains_any([generate_uuid5(key, kind) for key in some])
        removed = await collections.write(kind, lambda held, which=which: held.data.delete_many(which), generation)  # type: ignore[misc]
        if removed.failed:
            raise StoreUnavailable(Store.VECTORS, f"{removed.failed} of {len(some)} objects could not be removed")


async def _insert(
    collections: Collections, documents: Sequence[IndexDocument], generation: str | None
) -> dict[str, str]:
    """Write one batch; return the keys that the server rejects, with its reasons."""
    kind = documents[0].kind
    objects: list[DataObject[Any, Any]] = [
        DataObject(
            properties=values_of(document),
            uuid=generate_uuid5(document.key, kind),
            vector={VECTOR: unit(document.vector).tolist()},
        )
        for document in documents
    ]

    async def insert(collection: Collection) -> dict[int, str]:
        try:
            answer = await collection.data.insert_many(objects)
        except WeaviateInsertManyAllFailedError as error:
            return dict.fromkeys(range(len(objects)), str(error.message))
        return {index: error.message for index, error in answer.errors.items()} if answer.has_errors else {}

    refused = await collections.write(kind, insert, generation)
    for reason in refused.values():
        if TRANSIENT.search(reason):
            raise StoreUnavailable(Store.VECTORS, f"Weaviate at {collections.url}: {reason}")
    return {documents[index].key: reason for index, reason in refused.items()}
