"""Weaviate collections: names, properties, and the conversion of documents to properties.

A collection is named after its kind, its embedding space and its generation (`Project_wordllama_256_0a1b2c3d_g1`) and
served under an alias without the generation. A rebuilt generation is activated by moving the alias.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, NamedTuple

from weaviate.classes.config import Configure, DataType, Property, StopwordsPreset, Tokenization, VectorDistances

from db.vectors.base import NO_OWNER, PROFILE, PROJECT, TOOL, IndexDocument, collection_name, microseconds
from db.vectors.text_analysis import K1, B, search_terms_of

VECTOR = "default"
"""Name of the only vector of an object."""

WORDS = "search_terms"
"""Property that a keyword search reads: the project's stems as `db.vectors.text_analysis` makes them."""

FEATURES = ["project_id", "key", "project_type", "owner_id", "created_us", "term_ids"]
"""Properties returned with each hit. The time is a number: with dates, a search for 200 takes 11 ms CPU, not 9."""


@dataclass(frozen=True, slots=True)
class Space:
    """The collections of one embedding model."""

    prefix: str
    model: str
    dimension: int

    def alias(self, kind: str) -> str:
        """Return the name under which a kind is served."""
        name = self.prefix + collection_name(kind, self.model, self.dimension)
        return name[:1].upper() + name[1:]

    def collection(self, kind: str, number: int) -> str:
        """Return the name of one generation of a kind."""
        return f"{self.alias(kind)}_g{number}"

    def number(self, kind: str, collection: str) -> int | None:
        """Return the generation's number in a collection's name; None for another name."""
        match = re.fullmatch(re.escape(self.alias(kind)) + r"_g(\d+)", collection)
        return int(match[1]) if match else None


@dataclass(frozen=True, slots=True)
class Layout:
    """Settings of new collections."""

    replicas: int = 1  # copies of each object, on as many nodes
    shards: int | None = None  # parts of each collection; None leaves it to the server, which makes one for each node
    # Whether to name text2vec-openai as the vectorizer, so that other clients of the server can search by text. Our own
    # vectors are always sent, and the vectorizer is never used.
    openai_vectorizer: bool = False


class Field(NamedTuple):
    """A property of a collection, and the function that reads its value from a document."""

    property: Property
    value: Callable[[Any], Any]


def collection_arguments(kind: str, space: Space, layout: Layout) -> dict[str, Any]:
    """Return the arguments of `collections.create`, except the name."""
    return {
        "description": f"{kind} objects of explore-gateway; vectors of {space.model}, {space.dimension} components",
        "properties": properties_of(kind),
        "vector_config": _vector_config(kind, space, layout),
        "inverted_index_config": Configure.inverted_index(bm25_k1=K1, bm25_b=B, stopwords_preset=StopwordsPreset.EN),
        "replication_config": Configure.replication(factor=layout.replicas),
        "sharding_config": None if layout.shards is None else Configure.sharding(desired_count=layout.shards),
    }


def properties_of(kind: str, existing: Iterable[str] = ()) -> list[Property]:
    """Return the properties of a collection, except existing ones."""
    known = set(existing)
    return [field.property for field in FIELDS[kind] if field.property.name not in known]


def values_of(document: IndexDocument) -> dict[str, Any]:
    """Return the properties of a document by name."""
    return {field.property.name: field.value(document) for field in FIELDS[document.kind]}


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


def _field(name: str, kind: DataType, value: Callable[[Any], Any] | None, **flags: Any) -> Field:
    read = value or attrgetter(name)
    return Field(
        Property(name=name, data_type=kind, **flags),
        (lambda document: list(read(document))) if kind.endswith("[]") else read,
    )


def _words(name: str, kind: DataType = DataType.TEXT, value: Callable[[Any], Any] | None = None) -> Field:
    """Make a text for keyword search, without filters; ours reads `WORDS` only."""
    flags = {"tokenization": Tokenization.WORD, "index_searchable": True, "index_filterable": False}
    return _field(name, kind, value, **flags)


def _name(name: str, value: Callable[[Any], Any] | None = None) -> Field:
    """Make a text that a filter compares as a whole."""
    flags = {"tokenization": Tokenization.FIELD, "index_searchable": False, "index_filterable": True}
    return _field(name, DataType.TEXT, value, **flags)


def _stored(name: str, kind: DataType = DataType.TEXT, value: Callable[[Any], Any] | None = None) -> Field:
    """Make a property without index."""
    text = {"tokenization": Tokenization.FIELD, "index_searchable": False} if kind.startswith("text") else {}
    return _field(name, kind, value, index_filterable=False, **text)


def _number(name: str, kind: DataType = DataType.INT, value: Callable[[Any], Any] | None = None) -> Field:
    """Make a number that a filter compares."""
    return _field(name, kind, value, index_filterable=True)


def _owner_id(document: Any) -> int:
    return NO_OWNER if document.owner_id is None else int(document.owner_id)


FIELDS: dict[str, list[Field]] = {
    # The specification's popularity_score and engagement_velocity are left out: a like must not rewrite an object.
    PROJECT: [
        _number("project_id", value=attrgetter("id")),
        _words("title"),
        _words("description"),
        _words("combined_text"),
        _words(WORDS, value=search_terms_of),
        _words("tool_names", DataType.TEXT_ARRAY),
        _words("category_names", DataType.TEXT_ARRAY),
        _words("topics", DataType.TEXT_ARRAY),
        _name("username"),
        _name("project_type", attrgetter("type")),
        _field("created_at", DataType.DATE, None, index_filterable=True, index_range_filters=True),
        _name("key"),
        _number("owner_id", value=_owner_id),
        _number("term_ids", DataType.INT_ARRAY),
        _stored("created_us", DataType.INT, lambda document: microseconds(document.created_at)),
        _stored("fingerprint"),
    ],
    PROFILE: [
        _number("user_id", value=attrgetter("actor_id")),
        _stored("preference_text"),
        _stored("tool_interests", DataType.TEXT_ARRAY),
        _stored("category_interests", DataType.TEXT_ARRAY),
        _stored("activity_summary"),
        _name("tier"),
        _stored("total_points", DataType.INT),
        _name("key"),
        _stored("fingerprint"),
    ],
    TOOL: [
        _number("tool_id", value=attrgetter("term_id")),
        _words("name"),
        _words("description"),
        _words("tagline"),
        _name("category"),
        _words("tags", DataType.TEXT_ARRAY),
        _words("use_cases"),
        _name("key"),
        _stored("fingerprint"),
    ],
}

SOURCES = {PROJECT: ["combined_text"], PROFILE: ["preference_text"], TOOL: ["name", "description", "tagline"]}
"""Properties that text2vec-openai would embed, for other clients of the server."""
