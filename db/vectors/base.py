"""What a vector store is to this product: one protocol, an engine a file, one contract test-suite."""

import re
import uuid
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]
Ids = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ProjectDocument:
    """A public project as the index holds it: its texts for keyword search, and what filters need.

    Nothing in here moves when somebody likes the project: a like must not rewrite an index object.
    """

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

    actor_id: int
    preference_text: str
    tool_interests: tuple[str, ...]
    category_interests: tuple[str, ...]
    activity_summary: str
    tier: str
    total_points: int
    vector: Vector
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class ToolDocument:
    """A tool as the index holds it."""

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


@dataclass(frozen=True, slots=True)
class VectorFilter:
    """What a hit must satisfy, all of it together.

    Attributes
    ----------
    exclude_owner
        No project of this user.
    exclude_ids
        None of these projects.
    types
        One of these types; empty allows all.
    any_terms
        For each group, at least one of its term ids: ``((1, 2), (7,))`` means (1 or 2) and 7.
    created_after, created_before
        Created at `created_after` or later, and before `created_before`.
    owner
        Of this user.
    """

    exclude_owner: int | None = None
    exclude_ids: frozenset[int] = frozenset()
    types: frozenset[str] = frozenset()
    any_terms: tuple[frozenset[int], ...] = ()
    created_after: datetime | None = None
    created_before: datetime | None = None
    owner: int | None = None


@dataclass(frozen=True, slots=True)
class HitFeatures:
    """What a hit brings along, so that no second hop is needed: all that does not move when somebody likes it."""

    key: str
    type: str
    owner_id: int | None
    created_at: datetime
    term_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Hits:
    """Projects found, best first.

    Attributes
    ----------
    ids
        (n,) project ids.
    scores
        (n,) cosine similarity of the vectors, from −1 to 1; of a keyword search, the BM25 score.
    features
        One a hit, in order.
    """

    ids: Ids = field(default_factory=lambda: np.empty(0, np.int64))
    scores: Vector = field(default_factory=lambda: np.empty(0, np.float32))
    features: tuple[HitFeatures, ...] = ()


@dataclass(frozen=True, slots=True)
class HybridHits:
    """Projects found by meaning and by words, best first.

    Attributes
    ----------
    ids
        (n,) project ids.
    scores
        (n,) `vector_parts` + `keyword_parts`.
    vector_parts
        (n,) alpha x the normalized similarity; 0 for a project that the vectors did not find.
    keyword_parts
        (n,) (1 − alpha) x the normalized BM25 score; 0 for a project that the words did not find.
    features
        One a hit, in order.
    """

    ids: Ids = field(default_factory=lambda: np.empty(0, np.int64))
    scores: Vector = field(default_factory=lambda: np.empty(0, np.float32))
    vector_parts: Vector = field(default_factory=lambda: np.empty(0, np.float32))
    keyword_parts: Vector = field(default_factory=lambda: np.empty(0, np.float32))
    features: tuple[HitFeatures, ...] = ()


def collection_name(kind: str, model: str, dimension: int) -> str:
    """Name the collection of one embedding space, in letters, digits and underscores; no two models share one.

    >>> collection_name("Project", "text-embedding-3-small", 1536)
    'Project_text_embedding_3_small_1536_03765544'
    """
    plain = re.sub(r"[^A-Za-z0-9]+", "_", model).strip("_")
    return f"{kind}_{plain}_{dimension}_{zlib.crc32(model.encode()):08x}"


def document_uuid(kind: str, key: str) -> str:
    """Give an object's deterministic id, the one that `weaviate.util.generate_uuid5(key, kind)` gives.

    >>> object_uuid("Project", "p1")
    '9cd03b18-081e-5f59-b6fc-36e064d6646b'
    """
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, kind + key))


class VectorStore(Protocol):
    """A searchable shadow of the truth.

    Every method raises `StoreUnavailable` when the store is not there, or has not been prepared. The three upserts
    write all of their objects or none, and raise `InvalidRecord` for an object that no try will make fit: a vector of
    another dimension, or one that is not finite. Vectors are kept as unit vectors; one of zeros stays as it is.

    A *generation* is one filling of the collections. Upserts and removals go to the one in service, unless ``into``
    names another that `stage` has made.
    """

    async def prepare(self, model: str, dimension: int) -> None:
        """Make the collections for this embedding model if they are not there; those of other models are left alone."""

    async def health(self) -> None:
        """Return if the store can be searched; raise `StoreUnavailable` if not."""

    async def preload(self) -> None:
        """Load what the next searches need, so that none of them waits for it. To be called every second or so."""

    async def upsert_projects(self, objects: Sequence[ProjectDocument], into: str | None = None) -> None:
        """Write projects; doing it twice changes nothing. An older project of the same platform key goes."""

    async def upsert_profiles(self, objects: Sequence[ProfileDocument], into: str | None = None) -> None:
        """Write profiles."""

    async def upsert_tools(self, objects: Sequence[ToolDocument], into: str | None = None) -> None:
        """Write tools."""

    async def remove_projects(self, keys: Sequence[str], into: str | None = None) -> None:
        """Remove projects by platform key; an unknown key is no error."""

    async def remove_profiles(self, actor_ids: Sequence[int], into: str | None = None) -> None:
        """Remove profiles; an unknown actor is no error."""

    async def remove_tools(self, keys: Sequence[str], into: str | None = None) -> None:
        """Remove tools by platform key; an unknown key is no error."""

    async def near(self, vector: Vector, limit: int, where: VectorFilter) -> Hits:
        """Find the projects nearest to a vector by cosine, ties by id; nothing is near to a vector of zeros."""

    async def keyword(self, query: str, limit: int, where: VectorFilter) -> Hits:
        """Find projects by words: BM25 over their terms, as `db.vectors.text_analysis` makes them of text and query.

        Any text is a query; one without a word beside stop words finds nothing.
        """

    async def hybrid(
        self, query: str, vector: Vector | None, alpha: float, limit: int, where: VectorFilter
    ) -> HybridHits:
        """Find projects by words and by meaning, fused by Weaviate's relativeScoreFusion (`db.vectors.fusion`).

        Alpha 1 skips the words, 0 the vectors; a `vector` that is None or zeros leaves the words alone, at their weight
        of 1 − alpha. Raises `ValueError` for an alpha outside 0 to 1.
        """

    async def similarities(self, vector: Vector, ids: Ids) -> Vector:
        """Give the cosine of each project to the vector, shape of `ids`; NaN for one that the index does not hold."""

    async def project_vectors(self, ids: Ids) -> tuple[Ids, Vector]:
        """Give the vectors of those projects that the index holds: (m,) ids and (m, dimension) rows."""

    async def profile(self, actor_id: int) -> Vector | None:
        """Give an actor's profile vector, or None if the index does not hold one."""

    async def nearest_profiles(self, vector: Vector, limit: int, exclude_actor: int | None) -> tuple[Ids, Vector]:
        """Find the actors whose profiles are nearest: (n,) actor ids and their cosines, best first, ties by id."""

    async def nearest_tools(self, vector: Vector, limit: int) -> list[tuple[str, float]]:
        """Find the nearest tools: platform keys and cosines, best first, ties by key."""

    async def counts(self, generation: str | None = None) -> dict[str, int]:
        """Count the objects of each collection: ``Project``, ``UserProfile``, ``Tool``."""

    async def listing(
        self, collection: str, after: str | None, limit: int, generation: str | None = None
    ) -> list[tuple[str, str]]:
        """List (key, fingerprint) of a collection's objects after a key, by key in code point order.

        A profile's key is its actor id in decimal digits.
        """

    async def stage(self) -> str:
        """Make an empty generation beside the one in service, drop an unfinished one, and give its name."""

    async def staged(self) -> str | None:
        """Give the name of an unfinished generation, if there is one."""

    async def publish(self, generation: str) -> None:
        """Put a staged generation into service at once, while searches go on, and drop the one before.

        Raises `StoreUnavailable` if there is no such generation.
        """

    async def discard(self, generation: str) -> None:
        """Drop a generation that is not in service; an unknown one is no error."""

    async def scrub(self) -> None:
        """See to it that no file of this host holds what was removed, not a word of it; raises while others read it."""

    async def close(self) -> None:
        """Let go of files and connections."""
