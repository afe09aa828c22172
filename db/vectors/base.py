"""The protocol of vector stores, and the documents, filters and hits that all engines share."""

import re
import uuid
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]
Ids = NDArray[np.int64]

PROJECT, PROFILE, TOOL = KINDS = ("Project", "UserProfile", "Tool")
"""The three collections."""

NO_OWNER = 0
"""Owner id of a project without owner. Ids start at 1; versions of Weaviate filter on null differently."""

SCORE_DECIMALS = 6
"""Cosines are rounded: the products of equal vectors can differ in the last bit, which would break ties."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ProjectDocument:
    """A public project in the index: texts for keyword search, and the fields that filters need.

    It holds no counters, so that a like does not rewrite an index document.
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
    """A tool in the index."""

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
    """Conditions that every hit satisfies."""

    exclude_owner: int | None = None  # no project of this user
    exclude_ids: frozenset[int] = frozenset()  # none of these projects
    types: frozenset[str] = frozenset()  # one of these types; empty allows all
    # For each group, at least one of its term ids: ``((1, 2), (7,))`` means (1 or 2) and 7
    any_terms: tuple[frozenset[int], ...] = ()
    created_after: datetime | None = None  # created at `created_after` or later, and before `created_before`
    created_before: datetime | None = None
    owner: int | None = None  # of this user


@dataclass(frozen=True, slots=True)
class HitFeatures:
    """The immutable features of a hit, so that no second query is needed."""

    key: str
    type: str
    owner_id: int | None
    created_at: datetime
    term_ids: tuple[int, ...]


def _no_ids() -> Ids:
    return np.empty(0, np.int64)


def _no_scores() -> Vector:
    return np.empty(0, np.float32)


@dataclass(frozen=True, slots=True)
class Hits:
    """Projects found, best first."""

    ids: Ids = field(default_factory=_no_ids)  # (n,) project ids
    # (n,) cosine similarities from −1 to 1; BM25 scores for a keyword search
    scores: Vector = field(default_factory=_no_scores)
    features: tuple[HitFeatures, ...] = ()  # features of each hit, in order


@dataclass(frozen=True, slots=True)
class HybridHits:
    """Projects found by vectors and keywords, best first."""

    ids: Ids = field(default_factory=_no_ids)  # (n,) project ids
    scores: Vector = field(default_factory=_no_scores)  # (n,) `vector_parts` + `keyword_parts`
    # (n,) alpha x the normalized similarity; 0 for a project that the vector search did not find
    vector_parts: Vector = field(default_factory=_no_scores)
    # (n,) (1 − alpha) x the normalized BM25 score; 0 for a project that the keyword search did not find
    keyword_parts: Vector = field(default_factory=_no_scores)
    features: tuple[HitFeatures, ...] = ()  # features of each hit, in order


def collection_name(kind: str, model: str, dimension: int) -> str:
    """Return the collection name of an embedding space, in letters, digits and underscores; unique for each model.

    >>> collection_name("Project", "text-embedding-3-small", 1536)
    'Project_text_embedding_3_small_1536_03765544'
    """
    plain = re.sub(r"[^A-Za-z0-9]+", "_", model).strip("_")
    return f"{kind}_{plain}_{dimension}_{zlib.crc32(model.encode()):08x}"


def document_uuid(kind: str, key: str) -> str:
    """Return the deterministic id of a document, the same as `weaviate.util.generate_uuid5(key, kind)`.

    >>> object_uuid("Project", "p1")
    '9cd03b18-081e-5f59-b6fc-36e064d6646b'
    """
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, kind + key))


def microseconds(at: datetime) -> int:
    """Convert a time to whole microseconds since 1970."""
    return (at - _EPOCH) // timedelta(microseconds=1)


def from_microseconds(value: int) -> datetime:
    """Convert whole microseconds since 1970 to a time."""
    return _EPOCH + timedelta(microseconds=value)


def unit(vector: Vector) -> Vector:
    """Scale a vector to length 1; a vector of zeros stays as it is."""
    length = np.linalg.norm(vector.astype(np.float64))
    return (vector / length if length > 0 else vector).astype(np.float32)


class VectorStore(Protocol):
    """A searchable projection of the database.

    Every method raises `StoreUnavailable` if the store cannot be reached or has not been prepared. Vectors are stored
    as unit vectors; a vector of zeros stays as it is.

    A *generation* is one filling of the collections. Writes go to the active generation, unless ``into`` names another
    one made by `stage`.
    """

    async def prepare(self, model: str, dimension: int) -> None:
        """Create missing collections for this embedding model; those of other models are left alone."""

    async def preload(self) -> None:
        """Load what the next searches need, so that none of them waits for it. To be called about every second."""

    async def upsert(self, documents: Sequence[IndexDocument], into: str | None = None) -> None:
        """Write documents of one kind, idempotently. A project replaces an older one with the same key.

        Raises
        ------
        InvalidRecord
            If a vector has another dimension or is not finite; nothing has been written.
        RefusedObjects
            If the store rejects some documents; the others are written.
        """

    async def remove(self, kind: str, keys: Sequence[str], into: str | None = None) -> None:
        """Remove documents of one of the `KINDS`; unknown keys are no error."""

    async def near(self, vector: Vector, limit: int, where: VectorFilter) -> Hits:
        """Find the projects nearest to a vector by cosine, ties by id; a vector of zeros finds nothing."""

    async def keyword(self, query: str, limit: int, where: VectorFilter) -> Hits:
        """Find projects by keywords: BM25 over their terms (`db.vectors.text_analysis`), ties by id.

        Any text is a query; one of stop words only finds nothing.
        """

    async def hybrid(
        self, query: str, vector: Vector | None, alpha: float, limit: int, where: VectorFilter
    ) -> HybridHits:
        """Find projects by keywords and vector, fused by Weaviate's relativeScoreFusion (`db.vectors.fusion`).

        Alpha is the weight of the vector: 1 skips the keywords, 0 skips the vector. A `vector` of None or zeros leaves
        the keywords at their weight of 1 − alpha. Raises `ValueError` for an alpha outside 0 to 1.
        """

    async def similarities(self, vector: Vector, ids: Ids) -> Vector:
        """Return the cosine of each project to the vector, shape of `ids`; NaN for a project not in the index."""

    async def project_vectors(self, ids: Ids) -> tuple[Ids, Vector]:
        """Return the vectors of the projects in the index, in the order of `ids`: (m,) ids and (m, dimension) rows."""

    async def profile(self, actor_id: int) -> Vector | None:
        """Return an actor's profile vector, or None if the index holds none."""

    async def nearest_tools(self, vector: Vector, limit: int) -> list[tuple[str, float]]:
        """Find the nearest tools: platform keys and cosines, best first, ties by key."""

    async def counts(self, generation: str | None = None) -> dict[str, int]:
        """Return the number of documents of each kind."""

    async def listing(
        self, collection: str, after: str | None, limit: int, generation: str | None = None
    ) -> list[tuple[str, str]]:
        """Return (key, fingerprint) of the documents of a kind after a key, by key in code point order."""

    async def stage(self) -> str:
        """Create an empty generation beside the active one, replacing an unfinished one, and return its name."""

    async def staged(self) -> str | None:
        """Return the name of the unfinished generation, if there is one."""

    async def publish(self, generation: str) -> None:
        """Activate a staged generation without interrupting searches, and drop the previous one.

        Raises `StoreUnavailable` if there is no such generation.
        """

    async def discard(self, generation: str) -> None:
        """Drop a generation that is not active; an unknown one is no error."""

    async def scrub(self) -> None:
        """Erase removed documents from the files of this host; raises while other processes read them."""

    async def close(self) -> None:
        """Release files and connections."""
