"""Conversion of filters to Weaviate's and of hits from Weaviate's, and parsing of hybrid scores."""

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

EXPLANATION_PATTERN = re.compile(
    r"\(Result Set '?(?P<search>keyword|vector)[^)]*\) Document (?P<uuid>[0-9a-f-]{36}): "
    r"original score (?P<before>[-+.\deE]+), normalized score: (?P<part>[-+.\deE]+)"
)
"""One search in Weaviate's explanation of a hybrid score. The normalized score includes the weight of the search."""

SCORE_TOLERANCE = 1e-4
"""Maximum difference of a score and the sum of its parts; with a larger one, the explanation counts as unreadable."""


class FoundObject(Protocol):
    """A hit as returned by the client library."""

    uuid: UUID
    properties: Mapping[str, Any]
    metadata: MetadataReturn


class ScoreParts(NamedTuple):
    """The contributions of vector search and keyword search to a hybrid score."""

    vector: float
    keyword: float


def matches_nothing(where: VectorFilter) -> bool:
    """Return whether no project can pass a filter (an empty group of terms). Weaviate's filters cannot express this."""
    return not all(where.any_terms)


def conditions(where: VectorFilter) -> FilterReturn | None:
    """Convert a filter to a Weaviate filter; None if all projects pass."""
    filters: list[FilterReturn] = []
    if where.exclude_owner is not None:
        filters.append(Filter.by_property("owner_id").not_equal(where.exclude_owner))
    if where.exclude_ids:
        filters.append(Filter.by_property("project_id").contains_none(sorted(where.exclude_ids)))
    if where.types:
        filters.append(Filter.by_property("project_type").contains_any(sorted(where.types)))
    filters += [Filter.by_property("term_ids").contains_any(sorted(group)) for group in where.any_terms]
    if where.created_after is not None:
        filters.append(Filter.by_property("created_at").greater_or_equal(where.created_after))
    if where.created_before is not None:
        filters.append(Filter.by_property("created_at").less_than(where.created_before))
    if where.owner is not None:
        filters.append(Filter.by_property("owner_id").equal(where.owner))
    return Filter.all_of(filters) if filters else None


def similarity(hit: FoundObject) -> float:
    """Return the cosine of a hit of a vector search; NaN if the hit has no distance."""
    distance = hit.metadata.distance
    return 1.0 - distance if distance is not None else float("nan")


def nearest_hits(objects: Sequence[FoundObject], limit: int) -> Hits:
    """Return the first `limit` hits of a vector search, ties by id."""
    scores = np.array([similarity(hit) for hit in objects], np.float32).round(SCORE_DECIMALS)
    return _sorted_hits(objects, scores, limit)


def keyword_hits(objects: Sequence[FoundObject], limit: int) -> Hits:
    """Return the first `limit` hits of a keyword search, ties by id."""
    return _sorted_hits(objects, np.array([hit.metadata.score for hit in objects], np.float32), limit)


def _sorted_hits(objects: Sequence[FoundObject], scores: Vector, limit: int) -> Hits:
    ids = _ids(objects)
    order = np.lexsort((ids, -scores))[:limit]
    return Hits(ids[order], scores[order], tuple(_features(objects[index]) for index in order))


def hybrid_hits(objects: Sequence[FoundObject], parts: Sequence[ScoreParts]) -> HybridHits:
    """Return the hits of a hybrid search in the given order, with the parts of their scores."""
    vector_parts = np.array([part.vector for part in parts], np.float32)
    keyword_parts = np.array([part.keyword for part in parts], np.float32)
    features = tuple(_features(hit) for hit in objects)
    return HybridHits(_ids(objects), vector_parts + keyword_parts, vector_parts, keyword_parts, features)


def _ids(objects: Sequence[FoundObject]) -> Ids:
    return np.array([hit.properties["project_id"] for hit in objects], np.int64)


def _features(hit: FoundObject) -> HitFeatures:
    values = hit.properties
    return HitFeatures(
        key=values["key"],
        type=values["project_type"],
        owner_id=None if values["owner_id"] == NO_OWNER else values["owner_id"],
        created_at=from_microseconds(values["created_us"]),
        term_ids=tuple(values.get("term_ids") or ()),
    )


def read_score_parts(objects: Sequence[FoundObject]) -> list[ScoreParts] | None:
    """Return the parts of the score of each hit; None if an explanation is unreadable or does not match its score."""
    parts = []
    for hit in objects:
        score_parts = parse_score_parts(hit.metadata.explain_score or "", str(hit.uuid))
        if score_parts is None or abs(sum(score_parts) - (hit.metadata.score or 0.0)) > SCORE_TOLERANCE:
            return None
        parts.append(score_parts)
    return parts


def parse_score_parts(text: str, uuid: str) -> ScoreParts | None:
    r"""Parse the explanation of the score of one hit; None if it is unreadable.

    >>> parse_score_parts(
    ...     "\nHybrid (Result Set keyword,bm25) Document 0b0a7f7c-8a3b-5a43-9d3c-0c2a1b0f2f10: "
    ...     "original score 1.5, normalized score: 0.3",
    ...     "0b0a7f7c-8a3b-5a43-9d3c-0c2a1b0f2f10",
    ... )
    ScoreParts(vector=0.0, keyword=0.3)
    """
    part_by_search = {
        match["search"]: float(match["part"]) for match in EXPLANATION_PATTERN.finditer(text) if match["uuid"] == uuid
    }
    if not part_by_search:
        return None
    return ScoreParts(part_by_search.get("vector", 0.0), part_by_search.get("keyword", 0.0))
