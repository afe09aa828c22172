"""What a vector store is to this product: one protocol, an engine a file, one contract test-suite."""

import re
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
class ProjectObject:
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
class ProfileObject:
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
class ToolObject:
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
    created_after
        Created at this time or later.
    """

    exclude_owner: int | None = None
    exclude_ids: frozenset[int] = frozenset()
    types: frozenset[str] = frozenset()
    any_terms: tuple[frozenset[int], ...] = ()
    created_after: datetime | None = None


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
        (n,) alpha x the normalised similarity; 0 for a project that the vectors did not find.
    keyword_parts
        (n,) (1 − alpha) x the normalised BM25 score; 0 for a project that the words did not find.
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


class VectorStore(Protocol):
    """A searchable shadow of the truth.

    Every method raises `StoreUnavailable` when the store is not there, or has not been prepared. The three upserts
    write all of their objects or none, and raise `InvalidRecord` for an object that no try will make fit: a vector of
    another dimension, or one that is not finite. Vectors are kept as unit vectors; one of zeros stays as it is.
    """

    async def prepare(self, model: str, dimension: int) -> None:
        """Make the collections for this embedding model if they are not there; those of other models are left alone."""

    async def upsert_projects(self, objects: Sequence[ProjectObject]) -> None:
        """Write projects; doing it twice changes nothing. An older project of the same platform key goes."""

    async def upsert_profiles(self, objects: Sequence[ProfileObject]) -> None:
        """Write profiles."""

    async def upsert_tools(self, objects: Sequence[ToolObject]) -> None:
        """Write tools."""

    async def remove_projects(self, keys: Sequence[str]) -> None:
        """Remove projects by platform key; an unknown key is no error."""

    async def remove_profiles(self, actor_ids: Sequence[int]) -> None:
        """Remove profiles; an unknown actor is no error."""

    async def remove_tools(self, keys: Sequence[str]) -> None:
        """Remove tools by platform key; an unknown key is no error."""

    async def near(self, vector: Vector, limit: int, where: VectorFilter) -> Hits:
        """Find the projects nearest to a vector by cosine, ties by id; nothing is near to a vector of zeros."""

    async def similarities(self, vector: Vector, ids: Ids) -> Vector:
        """Give the cosine of each project to the vector, shape of `ids`; NaN for one that the index does not hold."""

    async def project_vectors(self, ids: Ids) -> tuple[Ids, Vector]:
        """Give the vectors of those projects that the index holds: (m,) ids and (m, dimension) rows."""

    async def profile(self, actor_id: int) -> Vector | None:
        """Give an actor's profile vector, or None if the index does not hold one."""

    async def counts(self) -> dict[str, int]:
        """Count the objects of each collection: ``Project``, ``UserProfile``, ``Tool``."""

    async def close(self) -> None:
        """Let go of files and connections."""
