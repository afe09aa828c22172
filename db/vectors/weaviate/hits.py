"""Conversion between this layer's filters and hits and Weaviate's, and the parts of a hybrid score."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol
from uuid import UUID

import numpy as np
from weaviate.classes.query import Filter
from weaviate.collections.classes.filters import FilterReturn
from weaviate.collections.classes.internal import MetadataReturn

from db.vectors.base import (
    NO_OWNER,
    SCORE_DECIMALS,
    HitFeatures,
    Hits,
    HybridHits,
    Ids,
    Vector,
    VectorFilter,
    from_microseconds,
)

LEG = re.compile(
    r"\(Result Set '?(?P<leg>keyword|vector)[^)]*\) Document (?P<uuid>[0-9a-f-]{36}): "
    r"original score (?P<before>[-+.\deE]+), normalized score: (?P<part>[-+.\deE]+)"
)
"""One leg in Weaviate's textual explanation of a hybrid score; the normalized score includes the leg's weight."""

SAME_SCORE = 1e-4
"""Tolerance of the sum of the parts: a larger difference means that the explanation was not understood."""


class Found(Protocol):
    """A hit as the client returns it."""

    uuid: UUID
    properties: Mapping[str, Any]
    metadata: MetadataReturn


class Parts(NamedTuple):
    """The contributions of both legs to a hybrid score."""

    vector: float
    keyword: float


def matches_nothing(where: VectorFilter) -> bool:
    """Return whether no project passes a filter, which Weaviate's filters cannot express."""
    return not all(where.any_terms)


def conditions(where: VectorFilter) -> FilterReturn | None:
    """Convert a filter; None lets all projects pass."""
    parts: list[FilterReturn] = []
    if where.exclude_owner is not None:
        parts.append(Filter.by_property("owner_id").not_equal(where.exclude_owner))
    if where.exclude_ids:
        parts.append(Filter.by_property("project_id").contains_none(sorted(where.exclude_ids)))
    if where.types:
        parts.append(Filter.by_property("project_type").contains_any(sorted(where.types)))
    parts += [Filter.by_property("term_ids").contains_any(sorted(group)) for group in where.any_terms]
    if where.created_after is not None:
        parts.append(Filter.by_property("created_at").greater_or_equal(where.created_after))
    if where.created_before is not None:
        parts.append(Filter.by_property("created_at").less_than(where.created_before))
    if where.owner is not None:
        parts.append(Filter.by_property("owner_id").equal(where.owner))
    return Filter.all_of(parts) if parts else None


def similarity(found: Found) -> float:
    """Return the cosine of a hit of a vector search."""
    distance = found.metadata.distance
    return 1.0 - distance if distance is not None else float("nan")


def nearest_hits(objects: Sequence[Found], limit: int) -> Hits:
    """Return the first hits of a vector search, ties by id."""
    scores = np.array([similarity(found) for found in objects], np.float32).round(SCORE_DECIMALS)
    return _ordered(objects, scores, limit)


def keyword_hits(objects: Sequence[Found], limit: int) -> Hits:
    """Return the first hits of a keyword search, ties by id."""
    return _ordered(objects, np.array([found.metadata.score for found in objects], np.float32), limit)


def _ordered(objects: Sequence[Found], scores: Vector, limit: int) -> Hits:
    ids = _ids(objects)
    order = np.lexsort((ids, -scores))[:limit]
    return Hits(ids[order], scores[order], tuple(_features(objects[index]) for index in order))


def hybrid_hits(objects: Sequence[Found], parts: Sequence[Parts]) -> HybridHits:
    """Return the hits of a hybrid search in their order."""
    vector_parts = np.array([part.vector for part in parts], np.float32)
    keyword_parts = np.array([part.keyword for part in parts], np.float32)
    features = tuple(_features(found) for found in objects)
    return HybridHits(_ids(objects), vector_parts + keyword_parts, vector_parts, keyword_parts, features)


def _ids(objects: Sequence[Found]) -> Ids:
    return np.array([found.properties["project_id"] for found in objects], np.int64)


def _features(found: Found) -> HitFeatures:
    read = found.properties
    return HitFeatures(
        key=read["key"],
        type=read["project_type"],
        owner_id=None if read["owner_id"] == NO_OWNER else read["owner_id"],
        created_at=from_microseconds(read["created_us"]),
        term_ids=tuple(read.get("term_ids") or ()),
    )


def read_score_parts(objects: Sequence[Found]) -> list[Parts] | None:
    """Read the parts of each score; None if an explanation has an unknown form or does not add up."""
    parts = []
    for found in objects:
        one = parse_score_parts(found.metadata.explain_score or "", str(found.uuid))
        if one is None or abs(sum(one) - (found.metadata.score or 0.0)) > SAME_SCORE:
            return None
        parts.append(one)
    return parts


def parse_score_parts(text: str, uuid: str) -> Parts | None:
    r"""Read the two parts of one explanation; None if it has an unknown form.

    >>> explained_parts(
    ...     "\nHybrid (Result Set keyword,bm25) Document 0b0a7f7c-8a3b-5a43-9d3c-0c2a1b0f2f10: "
    ...     "original score 1.5, normalized score: 0.3",
    ...     "0b0a7f7c-8a3b-5a43-9d3c-0c2a1b0f2f10",
    ... )
    Parts(vector=0.0, keyword=0.3)
    """
    read = {match["leg"]: float(match["part"]) for match in LEG.finditer(text) if match["uuid"] == uuid}
    if not read:
        return None
    return Parts(read.get("vector", 0.0), read.get("keyword", 0.0))
