"""Index documents with defaults for irrelevant fields."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from db.vectors.base import ProfileDocument, ProjectDocument, ToolDocument, Vector

MODEL, DIMENSION = "test-model", 8
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


def unit(*components: float, dimension: int = DIMENSION) -> Vector:
    """Return a unit vector whose first components are in these proportions."""
    vector = np.zeros(dimension, np.float32)
    vector[: len(components)] = components
    return vector / np.linalg.norm(vector)


def project(
    id_: int,
    vector: Vector,
    *,
    key: str | None = None,
    owner: int | None = None,
    type_: str = "article",
    terms: Sequence[int] = (),
    day: int = 0,
) -> ProjectDocument:
    """Make a project's document; `day` is its day of creation."""
    return ProjectDocument(
        id=id_,
        key=key if key is not None else f"p{id_}",
        title=f"title {id_}",
        description="about it",
        combined_text=f"title {id_} about it",
        tool_names=("hammer",),
        category_names=("craft",),
        topics=("wood",),
        username="ann",
        type=type_,
        created_at=EPOCH + timedelta(days=day),
        owner_id=owner,
        term_ids=tuple(terms),
        vector=vector,
    )


def profile(actor_id: int, vector: Vector) -> ProfileDocument:
    """Make a profile's document."""
    return ProfileDocument(actor_id, "likes wood", ("hammer",), ("craft",), "view, like", "gold", 7, vector)


def tool(term_id: int, vector: Vector, key: str | None = None) -> ToolDocument:
    """Make a tool's document."""
    return ToolDocument(
        term_id, key or f"t{term_id}", "Hammer", "it hits", "hit it", "craft", ("iron",), "nails", vector
    )
