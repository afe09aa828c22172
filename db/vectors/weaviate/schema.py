"""The collections in Weaviate, as code: their names, their properties, and what an object becomes in them.

A collection is named after its kind, its embedding space and its generation (`Project_wordllama_256_0a1b2c3d_g1`) and
is served under an alias without the generation. A rebuilt generation takes over by moving the alias.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from weaviate.classes.config import Configure, DataType, Property, StopwordsPreset, Tokenization, VectorDistances

from db.vectors.base import ProfileDocument, ProjectDocument, ToolDocument, collection_name
from db.vectors.keywords import K1, B
from db.vectors.text_analysis import search_terms_of

PROJECT, PROFILE, TOOL = KINDS = ("Project", "UserProfile", "Tool")

VECTOR = "default"
"""The name of the only vector that an object has."""

ANONYMOUS_VIEWER = 0
"""Stands for an owner that is not known. Ids start at 1, and a filter on what is null means different things in
different versions of the server."""

WORDS = "search_terms"
"""The property that a keyword search reads: the project's terms as `db.vectors.text_analysis` makes them."""

FEATURES = ["project_id", "key", "project_type", "owner_id", "created_us", "term_ids"]
"""The properties that ride with each hit. The time comes as a number: with dates, a search for 200
costs 11 ms of CPU instead of 9."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Space:
    """The collections of one embedding model."""

    prefix: str
    model: str
    dimension: int

    def alias(self, kind: str) -> str:
        """Give the name under which a kind is served."""
        name = self.prefix + collection_name(kind, self.model, self.dimension)
        return name[:1].upper() + name[1:]

    def collection(self, kind: str, number: int) -> str:
        """Give the name of one generation of a kind."""
        return f"{self.alias(kind)}_g{number}"

    def number(self, kind: str, collection: str) -> int | None:
        """Read the generation's number from a collection's name; None for a name of something else."""
        match = re.fullmatch(re.escape(self.alias(kind)) + r"_g(\d+)", collection)
        return int(match[1]) if match else None


@dataclass(frozen=True, slots=True)
class Layout:
    """How the collections are made.

    Attributes
    ----------
    replicas
        Copies of each object, on as many nodes.
    shards
        Parts of each collection; None leaves it to the server, which makes one a node.
    openai_vectorizer
        Name text2vec-openai as the vectorizer, so that other clients of the same server can search by text. Our own
        vectors are always sent along, and it is never asked for one.
    """

    replicas: int = 1
    shards: int | None = None
    openai_vectorizer: bool = False


def collection_arguments(kind: str, space: Space, layout: Layout) -> dict[str, Any]:
    """Give the arguments of `collections.create`, but for the name."""
    return {
        "description": f"{kind} objects of explore-gateway; vectors of {space.model}, {space.dimension} components",
        "properties": PROPERTIES[kind],
        "vector_config": _vector_config(kind, space, layout),
        "inverted_index_config": Configure.inverted_index(bm25_k1=K1, bm25_b=B, stopwords_preset=StopwordsPreset.EN),
        "replication_config": Configure.replication(factor=layout.replicas),
        "sharding_config": None if layout.shards is None else Configure.sharding(desired_count=layout.shards),
    }


def _vector_config(kind: str, space: Space, layout: Layout) -> Any:
    index = Configure.VectorIndex.hnsw(distance_metric=VectorDistances.COSINE)
    if not layout.openai_vectorizer:
        return Configure.Vectors.self_provided(name=VECTOR, vector_index_config=index)
    return Configure.Vectors.text2vec_openai(
        name=VECTOR,
        model=space.model,
        dimensions=space.dimension,
        source_properties=SOURCES[kind],
        vectorize_collection_name=False,
        vector_index_config=index,
    )


def _words(name: str, kind: DataType = DataType.TEXT) -> Property:
    """Make a text that a keyword search can read and no filter does; ours reads `WORDS` only."""
    return Property(
        name=name, data_type=kind, tokenization=Tokenization.WORD, index_searchable=True, index_filterable=False
    )


def _name(name: str) -> Property:
    """Make a text that a filter compares as a whole."""
    return Property(
        name=name,
        data_type=DataType.TEXT,
        tokenization=Tokenization.FIELD,
        index_searchable=False,
        index_filterable=True,
    )


def _kept(name: str, kind: DataType = DataType.TEXT) -> Property:
    """Make a property that is only given back."""
    text = kind in (DataType.TEXT, DataType.TEXT_ARRAY)
    return Property(
        name=name,
        data_type=kind,
        tokenization=Tokenization.FIELD if text else None,
        index_searchable=False if text else None,
        index_filterable=False,
    )


def _number(name: str, kind: DataType = DataType.INT) -> Property:
    """Make a number that a filter compares."""
    return Property(name=name, data_type=kind, index_filterable=True)


PROPERTIES: dict[str, list[Property]] = {
    # The plan's popularity_score and engagement_velocity are left out: a like must not rewrite an index object.
    PROJECT: [
        _number("project_id"),
        _words("title"),
        _words("description"),
        _words("combined_text"),
        _words(WORDS),
        _words("tool_names", DataType.TEXT_ARRAY),
        _words("category_names", DataType.TEXT_ARRAY),
        _words("topics", DataType.TEXT_ARRAY),
        _name("username"),
        _name("project_type"),
        Property(name="created_at", data_type=DataType.DATE, index_filterable=True, index_range_filters=True),
        _name("key"),
        _number("owner_id"),
        _number("term_ids", DataType.INT_ARRAY),
        _kept("created_us", DataType.INT),
        _kept("fingerprint"),
    ],
    PROFILE: [
        _number("user_id"),
        _kept("preference_text"),
        _kept("tool_interests", DataType.TEXT_ARRAY),
        _kept("category_interests", DataType.TEXT_ARRAY),
        _kept("activity_summary"),
        _name("tier"),
        _kept("total_points", DataType.INT),
        _name("key"),
        _kept("fingerprint"),
    ],
    TOOL: [
        _number("tool_id"),
        _words("name"),
        _words("description"),
        _words("tagline"),
        _name("category"),
        _words("tags", DataType.TEXT_ARRAY),
        _words("use_cases"),
        _name("key"),
        _kept("fingerprint"),
    ],
}

SOURCES = {PROJECT: ["combined_text"], PROFILE: ["preference_text"], TOOL: ["name", "description", "tagline"]}
"""What text2vec-openai would embed, for other clients of the server."""


def project_properties(item: ProjectDocument) -> dict[str, Any]:
    """Give a project's properties."""
    return {
        "project_id": item.id,
        "title": item.title,
        "description": item.description,
        "combined_text": item.combined_text,
        WORDS: search_terms_of(item),
        "tool_names": list(item.tool_names),
        "category_names": list(item.category_names),
        "topics": list(item.topics),
        "username": item.username,
        "project_type": item.type,
        "created_at": item.created_at,
        "key": item.key,
        "owner_id": ANONYMOUS_VIEWER if item.owner_id is None else item.owner_id,
        "term_ids": list(item.term_ids),
        "created_us": (item.created_at - EPOCH) // timedelta(microseconds=1),
        "fingerprint": item.fingerprint,
    }


def profile_properties(item: ProfileDocument) -> dict[str, Any]:
    """Give a profile's properties."""
    return {
        "user_id": item.actor_id,
        "preference_text": item.preference_text,
        "tool_interests": list(item.tool_interests),
        "category_interests": list(item.category_interests),
        "activity_summary": item.activity_summary,
        "tier": item.tier,
        "total_points": item.total_points,
        "key": str(item.actor_id),
        "fingerprint": item.fingerprint,
    }


def tool_properties(item: ToolDocument) -> dict[str, Any]:
    """Give a tool's properties."""
    return {
        "tool_id": item.term_id,
        "name": item.name,
        "description": item.description,
        "tagline": item.tagline,
        "category": item.category,
        "tags": list(item.tags),
        "use_cases": item.use_cases,
        "key": item.key,
        "fingerprint": item.fingerprint,
    }


PROPERTIES_OF: dict[str, Callable[[Any], dict[str, Any]]] = {
    PROJECT: project_properties,
    PROFILE: profile_properties,
    TOOL: tool_properties,
}


def missing_properties(kind: str, there: Iterable[str]) -> list[Property]:
    """Give the properties that a collection made by an older version of this code lacks."""
    known = set(there)
    return [one for one in PROPERTIES[kind] if one.name not in known]
