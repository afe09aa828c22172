"""Weaviate collections: names, properties, and the conversion of documents to properties.

The name of a collection consists of kind, model, dimension, version of the text analysis, and generation
(`Project_wordllama_256_0a1b2c3d_v2_g1`). An alias without the generation points to the active collection; activating a
generation moves the aliases. A new version of the analysis has its own collections, which are filled as after a change
of the model: Weaviate cannot change the tokenization of a property.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, NamedTuple

from weaviate.classes.config import Configure, DataType, Property, StopwordsPreset, Tokenization, VectorDistances

from db.vectors.base import KINDS, NO_OWNER, PROFILE, PROJECT, TOOL, IndexDocument, collection_name
from db.vectors.hnsw import DEFAULT_EF, DEFAULT_EF_CONSTRUCTION, DEFAULT_MAX_CONNECTIONS
from db.vectors.text_analysis import ANALYSIS_VERSION, BM25_B, BM25_K1, search_terms_of

VECTOR_NAME = "default"
"""Name of the vector of an object."""

SEARCH_TERMS = "search_terms"
"""Property that keyword search reads: the terms of a project from `db.vectors.text_analysis`."""


@dataclass(frozen=True, slots=True)
class Space:
    """An embedding space (model and dimension), and the names of its collections."""

    prefix: str  # starts with a capital, as the server makes all names start
    model: str
    dimension: int

    def alias(self, kind: str) -> str:
        """Return the alias of a kind, which points to the active collection."""
        return f"{self._name(kind)}_v{ANALYSIS_VERSION}"

    def is_outdated(self, collection: str) -> bool:
        """Return whether a collection is one of an older text analysis."""
        names = "|".join(re.escape(self._name(kind)) for kind in KINDS)
        match = re.fullmatch(rf"({names})(_v(?P<version>\d+))?(_g\d+)?", collection)
        return match is not None and int(match["version"] or 0) < ANALYSIS_VERSION

    def _name(self, kind: str) -> str:
        return f"{self.prefix}{collection_name(kind, self.model, self.dimension)}"

    @property
    def owner_mark(self) -> str:
        """Name of the collection that marks the prefix as the prefix of one installation."""
        return f"{self.prefix}ExploreInstallation"

    def collection(self, kind: str, number: int) -> str:
        """Return the name of the collection of a kind in a generation."""
        return f"{self.alias(kind)}_g{number}"

    def number(self, kind: str, collection: str) -> int | None:
        """Return the generation number in the name of a collection; None if the name has another form."""
        match = re.fullmatch(re.escape(self.alias(kind)) + r"_g(\d+)", collection)
        return int(match[1]) if match else None


@dataclass(frozen=True, slots=True)
class Layout:
    """Settings of new collections."""

    replicas: int = 1  # copies of each object, each on another node
    shards: int | None = None  # shards of each collection; None: decided by the server, one for each node
    # Whether to configure text2vec-openai as vectorizer, so that other clients of the server can search by text. The
    # gateway sends its own vectors in any case and does not use the vectorizer.
    openai_vectorizer: bool = False
    # Parameters of the HNSW graphs: candidates of a search, candidates of an insertion, and edges of a node.
    ef: int = DEFAULT_EF
    ef_construction: int = DEFAULT_EF_CONSTRUCTION
    max_connections: int = DEFAULT_MAX_CONNECTIONS


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
        "inverted_index_config": Configure.inverted_index(
            bm25_k1=BM25_K1, bm25_b=BM25_B, stopwords_preset=StopwordsPreset.EN
        ),
        "replication_config": Configure.replication(factor=layout.replicas),
        "sharding_config": None if layout.shards is None else Configure.sharding(desired_count=layout.shards),
    }


def properties_of(kind: str, existing: Iterable[str] = ()) -> list[Property]:
    """Return the properties of a kind's collection, except the existing ones."""
    existing_names = set(existing)
    return [field.property for field in FIELDS[kind] if field.property.name not in existing_names]


def values_of(document: IndexDocument) -> dict[str, Any]:
    """Return the properties of a document by name."""
    return {field.property.name: field.value(document) for field in FIELDS[document.kind]}


def _vector_config(kind: str, space: Space, layout: Layout) -> Any:
    index = Configure.VectorIndex.hnsw(
        distance_metric=VectorDistances.COSINE,
        ef=layout.ef,
        ef_construction=layout.ef_construction,
        max_connections=layout.max_connections,
        quantizer=Configure.VectorIndex.Quantizer.none(),  # whatever the server's DEFAULT_QUANTIZATION is
    )
    if not layout.openai_vectorizer:
        return Configure.Vectors.self_provided(name=VECTOR_NAME, vector_index_config=index)
    return Configure.Vectors.text2vec_openai(
        name=VECTOR_NAME,
        model=space.model,
        dimensions=space.dimension,
        source_properties=VECTORIZER_SOURCES[kind],
        vectorize_collection_name=False,
        vector_index_config=index,
    )


def _property_field(name: str, kind: DataType, value: Callable[[Any], Any] | None, **flags: Any) -> Field:
    read = value or attrgetter(name)
    return Field(
        Property(name=name, data_type=kind, **flags),
        (lambda document: list(read(document))) if kind.endswith("[]") else read,
    )


def _terms(name: str, value: Callable[[Any], Any]) -> Field:
    """Return the text property that the gateway's keyword search reads: terms separated by spaces, compared exactly."""
    flags = {"tokenization": Tokenization.WHITESPACE, "index_searchable": True, "index_filterable": False}
    return _property_field(name, DataType.TEXT, value, **flags)


def _exact_text(name: str, value: Callable[[Any], Any]) -> Field:
    """Return a text property that filters compare as a whole."""
    flags = {"tokenization": Tokenization.FIELD, "index_searchable": False, "index_filterable": True}
    return _property_field(name, DataType.TEXT, value, **flags)


def _stored_value(name: str, kind: DataType = DataType.TEXT, value: Callable[[Any], Any] | None = None) -> Field:
    """Return a property without an index."""
    text = {"tokenization": Tokenization.FIELD, "index_searchable": False} if kind.startswith("text") else {}
    return _property_field(name, kind, value, index_filterable=False, **text)


def _filterable_number(name: str, value: Callable[[Any], Any] | None = None, kind: DataType = DataType.INT) -> Field:
    """Return a number property for filters."""
    return _property_field(name, kind, value, index_filterable=True)


def _owner_id(document: Any) -> int:
    return NO_OWNER if document.owner_id is None else int(document.owner_id)


FIELDS: dict[str, list[Field]] = {
    # Only what a search or a filter reads has an index. Popularity and velocity are left out, because a like must not
    # require an update of the object.
    PROJECT: [
        _filterable_number("project_id", attrgetter("id")),
        _stored_value("title"),
        _stored_value("description"),
        _stored_value("combined_text"),
        _terms(SEARCH_TERMS, search_terms_of),
        _stored_value("tool_names", DataType.TEXT_ARRAY),
        _stored_value("category_names", DataType.TEXT_ARRAY),
        _stored_value("topics", DataType.TEXT_ARRAY),
        _stored_value("username"),
        _exact_text("project_type", attrgetter("type")),
        _property_field("created_at", DataType.DATE, None, index_filterable=True, index_range_filters=True),
        _stored_value("key"),
        _filterable_number("owner_id", _owner_id),
        _filterable_number("term_ids", kind=DataType.INT_ARRAY),
        _stored_value("fingerprint"),
    ],
    PROFILE: [
        _stored_value("user_id", DataType.INT, attrgetter("actor_id")),
        _stored_value("preference_text"),
        _stored_value("tool_interests", DataType.TEXT_ARRAY),
        _stored_value("category_interests", DataType.TEXT_ARRAY),
        _stored_value("activity_summary"),
        _stored_value("tier"),
        _stored_value("total_points", DataType.INT),
        _stored_value("key"),
        _stored_value("fingerprint"),
    ],
    TOOL: [
        _stored_value("tool_id", DataType.INT, attrgetter("term_id")),
        _stored_value("name"),
        _stored_value("description"),
        _stored_value("tagline"),
        _stored_value("category"),
        _stored_value("tags", DataType.TEXT_ARRAY),
        _stored_value("use_cases"),
        _stored_value("key"),
        _stored_value("fingerprint"),
    ],
}

VECTORIZER_SOURCES = {
    PROJECT: ["combined_text"],
    PROFILE: ["preference_text"],
    TOOL: ["name", "description", "tagline"],
}
"""Properties that text2vec-openai would embed, for other clients of the server."""
