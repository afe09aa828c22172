"""Writing and removing objects in Weaviate, and what its refusals mean.

Batches are sent by `insert_many` and never by `batch.stream()`, whose failure leaves the client closed for good
(weaviate-python-client issue 2139).
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from weaviate.classes.data import DataObject
from weaviate.classes.query import Filter
from weaviate.exceptions import WeaviateInsertManyAllFailedError
from weaviate.util import generate_uuid5

from db.errors import InvalidRecord, RefusedObjects, Store, StoreUnavailable
from db.vectors.base import ProfileDocument, ProjectDocument, ToolDocument, Vector
from db.vectors.weaviate_collections import Collection, Collections, chunks, unit
from db.vectors.weaviate_schema import PROPERTIES_OF, VECTOR

Objects = TypeVar("Objects", ProjectDocument, ProfileDocument, ToolDocument)

REMOVED_AT_ONCE = 1_000

PASSING = re.compile(
    r"deadline|unavailable|timeout|timed out|connection|consistency|replica|read-?only|shutting down|not ready|memory"
    r"|leader|no space|context canceled|rate limit|\b429\b|\b50[0234]\b",
    re.IGNORECASE,
)
"""Errors of an object that are the server's trouble and not the object's: worth another try."""


async def upsert(
    collections: Collections, kind: str, objects: Mapping[str, Objects], into: str | None, batch_size: int
) -> None:
    """Write objects by key, so many in one call.

    Raises
    ------
    InvalidRecord
        If a vector is not one of this space; then nothing has been sent.
    RefusedObjects
        If the server refuses some; the others are written.
    """
    vectors = _checked({key: item.vector for key, item in objects.items()}, collections.prepared().dimension)
    sent = [
        DataObject(
            properties=PROPERTIES_OF[kind](item),
            uuid=generate_uuid5(key, kind),
            vector={VECTOR: vectors[key].tolist()},
        )
        for key, item in objects.items()
    ]
    refused: dict[str, str] = {}
    for keys, some in zip(chunks(list(objects), batch_size), chunks(sent, batch_size), strict=True):
        refused |= await _insert(collections, kind, keys, some, into)
    if refused:
        raise RefusedObjects(refused)


async def remove(collections: Collections, kind: str, keys: Sequence[str], into: str | None) -> None:
    """Remove objects by key."""
    for some in chunks(keys, REMOVED_AT_ONCE):
        which = Filter.by_id().contains_any([generate_uuid5(key, kind) for key in some])
        removed = await collections.write(kind, lambda held, which=which: held.data.delete_many(which), into)  # type: ignore[misc]
        if removed.failed:
            raise StoreUnavailable(Store.VECTORS, f"{removed.failed} of {len(some)} objects could not be removed")


async def _insert(
    collections: Collections,
    kind: str,
    keys: Sequence[str],
    objects: Sequence[DataObject[Any, Any]],
    into: str | None,
) -> dict[str, str]:
    """Write one batch; give the keys that the server refuses and why."""

    async def call(held: Collection) -> dict[int, str]:
        try:
            answer = await held.data.insert_many(objects)
        except WeaviateInsertManyAllFailedError as error:
            return dict.fromkeys(range(len(objects)), str(error.message))
        return {index: error.message for index, error in answer.errors.items()} if answer.has_errors else {}

    refused = await collections.write(kind, call, into)
    for reason in refused.values():
        if PASSING.search(reason) or "could not find class" in reason:
            raise StoreUnavailable(Store.VECTORS, f"Weaviate at {collections.url}: {reason}")
    return {keys[index]: reason for index, reason in refused.items()}


def _checked(vectors: Mapping[str, Vector], dimension: int) -> dict[str, Vector]:
    for key, vector in vectors.items():
        if vector.shape != (dimension,) or not np.isfinite(vector).all():
            raise InvalidRecord(f"the vector of {key!r} is not {dimension} finite numbers")
    return {key: unit(vector) for key, vector in vectors.items()}
