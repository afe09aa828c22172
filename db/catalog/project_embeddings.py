"""Embeddings of projects that the platform sends. They are authoritative data: the index is derived from them."""

from collections.abc import Mapping, Sequence

import numpy as np
from sqlalchemy import bindparam, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from db.catalog.visibility import PUBLIC
from db.database.column_types import IDS, in_list
from db.database.engine import Database
from db.models import Project, ProjectEmbedding
from db.platform_inputs import EmbeddingSpace
from db.vectors.base import Vector

_STORED = select(ProjectEmbedding).where(in_list(ProjectEmbedding.project_id, IDS))
_insert = insert(ProjectEmbedding)
_UPSERT = _insert.on_conflict_do_update(
    index_elements=["project_id"], set_={"model": _insert.excluded.model, "vector": _insert.excluded.vector}
)
_DELETE = delete(ProjectEmbedding).where(in_list(ProjectEmbedding.project_id, IDS))
_BYTES = func.length(ProjectEmbedding.vector)
_MATCHES = (ProjectEmbedding.model == bindparam("model")) & (bindparam("size") == _BYTES)
_COUNTS = (
    select(func.count(), func.count().filter(_MATCHES), func.count(ProjectEmbedding.project_id))
    .select_from(Project)
    .outerjoin(ProjectEmbedding, ProjectEmbedding.project_id == Project.id)
    .where(PUBLIC)
)


def embedding_fault(embedding: Sequence[float], space: EmbeddingSpace | None) -> str | None:
    """Return why an embedding cannot be stored, or None."""
    if space is None:
        return "is not expected; set PROJECT_EMBEDDING_MODEL and PROJECT_EMBEDDING_DIMENSION, or omit it"
    if len(embedding) != space.dimension:
        return f"has {len(embedding)} numbers, not {space.dimension} as PROJECT_EMBEDDING_DIMENSION says"
    return None


async def replace_embeddings(
    connection: AsyncConnection, embeddings: Mapping[int, Sequence[float] | None], model: str
) -> set[int]:
    """Store the embeddings of locked projects with length 1; None deletes. Return the ids with a change."""
    new = {id_: _as_bytes(embedding) for id_, embedding in embeddings.items() if embedding is not None}
    rows = await connection.execute(_STORED, {"ids": sorted(embeddings)})
    stored = {row.project_id: (row.model, row.vector) for row in rows}
    removed = sorted(stored.keys() - new.keys())
    changed = sorted(id_ for id_, vector in new.items() if stored.get(id_) != (model, vector))
    if removed:
        await connection.execute(_DELETE, {"ids": removed})
    if changed:
        parameters = [{"project_id": id_, "model": model, "vector": new[id_]} for id_ in changed]
        await connection.execute(_UPSERT, parameters)
    return {*removed, *changed}


def _as_bytes(embedding: Sequence[float]) -> bytes:
    vector = np.array(embedding, np.float64)
    vector /= np.abs(vector).max()  # so that no square overflows
    return (vector / np.linalg.norm(vector)).astype("<f4").tobytes()


def stored_vector(vector: bytes) -> Vector:
    """Return the components of a stored embedding."""
    return np.frombuffer(vector, "<f4").astype(np.float32)


async def count_embeddings(database: Database, space: tuple[str, int]) -> tuple[int, int, int]:
    """Count the public projects, those with an embedding in a space, and those with any embedding."""
    [(projects, matching, brought)] = await database.fetch(_COUNTS, {"model": space[0], "size": 4 * space[1]})
    return projects, matching, brought
