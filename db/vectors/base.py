"""The protocol of vector stores, with the types of documents, filters and hits that both engines use."""

import re
import uuid
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]
Ids = NDArray[np.int64]

PROJECT, PROFILE, TOOL = KINDS = ("Project", "UserProfile", "Tool")
"""Kinds of documents; each kind has a collection."""

NO_OWNER = 0
"""Owner id of a project without owner (ids start at 1). Null is not used, because Weaviate versions filter null
differently."""

SCORE_DECIMALS = 6
"""Decimals of a cosine. Cosines are rounded, because products of equal vectors can differ in the last bit, and that bit
would decide ties."""


LATEST = 1_000
"""Documents that `VectorStore.unsearchable` searches for without keys. A killed Weaviate 1.38 lost the vectors of up to
31 of the last documents (20,000 x 256 components)."""


@dataclass(frozen=True, slots=True)
class ProjectDocument:
    """A public project in the index: texts for keyword search, and fields for filters.

    It has no counters, so that a like does not require an update of the index.
    """

    kind: ClassVar[str] = PROJECT
    id: int
    key: str
    title: str
    description: str
    combined_text: str
    tool_names: tuple[str, ...]
    category_names: tuple[str, ...]
    topics: tuple[str, ...]
    username: str
    type: str
    created_at: datetime
    owner_id: int | None
    term_ids: tuple[int, ...]
    vector: Vector
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class ProfileDocument:
    """An actor's preferences as one text and one vector."""

    kind: ClassVar[str] = PROFILE
    actor_id: int
    preference_text: str
    tool_interests: tuple[str, ...]
    category_interests: tuple[str, ...]
    activity_summary: str
    tier: str
    total_points: int
    vector: Vector
    fingerprint: str = ""

    @property
    def key(self) -> str:
        """The actor id in decimal digits."""
        return str(self.actor_id)


@dataclass(frozen=True, slots=True)
class ToolDocument:
    """A tool in the index, with the texts that describe it."""

    kind: ClassVar[str] = TOOL
    term_id: int
    key: str
    name: str
    description: str
    tagline: str
    category: str
    tags: tuple[str, ...]
    use_cases: str
    vector: Vector
    fingerprint: str = ""


IndexDocument = ProjectDocument | ProfileDocument | ToolDocument


@dataclass(frozen=True, slots=True)
class VectorFilter:
    """Conditions that every hit of a search satisfies. The defaults exclude nothing."""

    exclude_owner: int | None = None  # no projects of this user
    exclude_ids: frozenset[int] = frozenset()  # none of these projects
    types: frozenset[str] = frozenset()  # only these types; empty: all types
    # at least one term id of each group: ``((1, 2), (7,))`` means (1 or 2) and 7
    any_terms: tuple[frozenset[int], ...] = ()
    created_after: datetime | None = None  # inclusive
    created_before: datetime | None = None  # exclusive
    owner: int | None = None  # only projects of this user


@dataclass(frozen=True, slots=True)
class Hits:
    """Projects found by a vector search or a keyword search, best first."""

    ids: Ids = field(default_factory=lambda: np.empty(0, np.int64))  # (n,) project ids
    scores: Vector = field(
        default_factory=lambda: np.empty(0, np.float32)
    )  # (n,) cosine similarities from −1 to 1, or BM25 scores


@dataclass(frozen=True, slots=True)
class HybridHits:
    """Projects found by a hybrid search (vectors and keywords), best first."""

    ids: Ids = field(default_factory=lambda: np.empty(0, np.int64))  # (n,) project ids
    # (n,) alpha x the normalized similarity; 0 for a project that the vector search did not find
    vector_parts: Vector = field(default_factory=lambda: np.empty(0, np.float32))
    # (n,) (1 − alpha) x the normalized BM25 score; 0 for a project that the keyword search did not find
    keyword_parts: Vector = field(default_factory=lambda: np.empty(0, np.float32))

    @property
    def scores(self) -> Vector:
        """The (n,) sums of both parts."""
        return self.vector_parts + self.keyword_parts


def collection_name(kind: str, model: str, dimension: int) -> str:
    """Return the name of a collection of an embedding model, in letters, digits and underscores. Unique by model.

    >>> collection_name("Project", "text-embedding-3-small", 1536)
    'Project_text_embedding_3_small_1536_03765544'
    """
    plain = re.sub(r"[^A-Za-z0-9]+", "_", model).strip("_")
    return f"{kind}_{plain}_{dimension}_{zlib.crc32(model.encode()):08x}"


def document_uuid(kind: str, key: str) -> str:
    """Return the deterministic id of a document, the same as `weaviate.util.generate_uuid5(key, kind)`.

    >>> document_uuid("Project", "p1")
    '9cd03b18-081e-5f59-b6fc-36e064d6646b'
    """
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, kind + key))


def unit(vector: Vector) -> Vector:
    """Scale a vector to length 1. A vector of zeros is returned unchanged."""
    length = np.linalg.norm(vector.astype(np.float64))
    return (vector / length if length > 0 else vector).astype(np.float32)


def unit_query(vector: Vector, dimension: int) -> Vector:
    """Scale a query vector to length 1; raise `ValueError` if it has another dimension than the index."""
    if vector.shape != (dimension,):
        raise ValueError(f"a vector of shape {vector.shape} cannot be compared with vectors of {dimension} components")
    return unit(vector)


def invalid_vectors(documents: Sequence[IndexDocument], dimension: int) -> dict[str, str]:
    """Return, by document key, why a vector cannot be stored; valid vectors are left out."""
    return {
        document.key: f"its vector of shape {document.vector.shape} is not {dimension} finite numbers"
        for document in documents
        if document.vector.shape != (dimension,) or not np.isfinite(document.vector).all()
    }


class VectorStore(Protocol):
    """A searchable index derived from the database.

    Every method raises `StoreUnavailable` if the store cannot be reached or has not been prepared. Vectors are stored
    with length 1, except vectors of zeros.

    A *generation* is a complete set of the three collections. One generation is active: searches read it. `stage`
    creates another one for a rebuild, and `publish` activates it. The parameter `generation` is None for the active
    one.
    """

    async def prepare(self, model: str, dimension: int) -> None:
        """Create missing collections for an embedding model, and repair damaged ones. Other models are not changed.

        Workers call this regularly.
        """

    async def faults(self, model: str, dimension: int) -> list[str]:
        """Return what `prepare` would create or repair, a sentence each. Changes nothing, and needs no `prepare`."""

    async def unused(self) -> list[str]:
        """Return the names of the collections of other models and text analyses, and of replaced generations."""

    async def drop_unused(self) -> list[str]:
        """Drop the collections that `unused` names, and return their names."""

    async def drop_outdated(self) -> None:
        """Drop the collections of older text analyses of the same model, which deletions no longer reach."""

    async def take_over(self) -> None:
        """Let `prepare` accept collections that belong to another installation."""

    async def preload(self) -> None:
        """Load data for the next searches in advance. Call this about every second."""

    async def upsert(self, documents: Sequence[IndexDocument], generation: str | None = None) -> dict[str, str]:
        """Write documents of one kind, and return the reason for each rejected document by key.

        A document replaces the document with the same key, so the call is idempotent. A document is rejected if its
        vector has another dimension or is not finite, or if the store does not accept it. The others are written.
        """

    async def remove(self, kind: str, keys: Sequence[str], generation: str | None = None) -> None:
        """Remove documents of one of the `KINDS`. Unknown keys are not an error."""

    async def near(self, vector: Vector, limit: int, where: VectorFilter) -> Hits:
        """Return the projects nearest to a vector by cosine, ties by id. A vector of zeros has no hits."""

    async def hybrid(
        self, query: str, vector: Vector | None, alpha: float, limit: int, where: VectorFilter
    ) -> HybridHits:
        """Search by vector and by keywords, and fuse the hits by relativeScoreFusion (`db.vectors.fusion`).

        The keyword search ranks projects by the BM25 score of the query's terms (`db.vectors.text_analysis`). Any text
        is a valid query. `alpha` is the weight of the vector search: with 1 there is no keyword search, with 0 no
        vector search. If `vector` is None or zeros, only keywords are searched; their weight is still 1 − alpha. Raises
        `ValueError` if `alpha` is not from 0 to 1.
        """

    async def similarities(self, vector: Vector, ids: Ids) -> Vector:
        """Return the cosine of each project to a vector, in the shape of `ids`; NaN for projects not in the index."""

    async def project_vectors(self, ids: Ids) -> tuple[Ids, Vector]:
        """Return ids (m,) and vectors (m, dimension) of the projects that are in the index, in the order of `ids`."""

    async def profile(self, actor_id: int) -> Vector | None:
        """Return the profile vector of an actor, or None if the index has no profile of the actor."""

    async def nearest_tools(self, vector: Vector, limit: int) -> list[tuple[str, float]]:
        """Return (platform key, cosine) of the tools nearest to a vector, best first, ties by key."""

    async def counts(self, generation: str | None = None) -> dict[str, int]:
        """Return the number of documents of each kind."""

    async def listing(
        self, kind: str, after: str | None, limit: int, generation: str | None = None
    ) -> list[tuple[str, str]]:
        """Return (key, fingerprint) of up to `limit` documents of a kind that follow the key `after`.

        Each engine has an order of its own. Repeating the call with the last key lists each document once.
        """

    async def server_start(self) -> str:
        """Return a text that changes when a server of the store restarts, because a crash may lose the last vectors."""

    async def unsearchable(
        self, kind: str, keys: Sequence[str] | None = None, generation: str | None = None
    ) -> list[str]:
        """Return the keys of documents that a search by their own vector does not find.

        Searches for the documents with these keys, or if `keys` is None for the `LATEST` documents written last.
        Unknown keys and vectors of zeros are left out.
        """

    async def stage(self) -> str:
        """Create an empty generation beside the active one, drop an unfinished generation, and return the new name."""

    async def staged(self) -> str | None:
        """Return the name of the generation that `stage` created and `publish` has not activated, or None."""

    async def publish(self, generation: str) -> None:
        """Activate a staged generation without interrupting searches, and drop the previous one.

        Raises `StoreUnavailable` if there is no such generation.
        """

    async def discard(self, generation: str) -> None:
        """Drop a generation that is not active. An unknown name is not an error."""

    async def scrub(self) -> None:
        """Erase removed documents from local files.

        Raises `StoreUnavailable` while other processes read a file.
        """

    async def close(self) -> None:
        """Close files and connections."""
