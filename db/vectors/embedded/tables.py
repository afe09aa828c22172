"""Documents in the tables of a generation: writing, removing, counting and listing.

Every function runs inside a transaction.
"""
# ruff: noqa: S608 (table names consist of letters, digits and underscores; see `collection_name`)

import sqlite3
from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson

from db.errors import InvalidRecord
from db.vectors.base import (
    KINDS,
    NO_OWNER,
    PROFILE,
    PROJECT,
    TOOL,
    IndexDocument,
    ProfileDocument,
    ProjectDocument,
    Vector,
    microseconds,
    unit,
)
from db.vectors.embedded import keywords
from db.vectors.embedded.deltas import next_sequence, remember_gone
from db.vectors.embedded.generations import Generation
from db.vectors.text_analysis import search_terms_of


def write(connection: sqlite3.Connection, generation: Generation, documents: Sequence[IndexDocument]) -> None:
    """Write documents of one kind. A document replaces one with the same key and another id."""
    table, rows = generation.table(documents[0].kind), [_row(generation, item) for item in documents]
    ids_by_key = [(row["key"], row["id"]) for row in rows]
    projects = [item for item in documents if isinstance(item, ProjectDocument)]
    if projects:
        sequence = next_sequence(connection, generation)
        older = f"SELECT id FROM {table} WHERE key = ? AND id <> ?"
        connection.executemany(
            f"INSERT OR REPLACE INTO {generation.gone} (id, sequence) SELECT id, {sequence} FROM ({older})", ids_by_key
        )
        connection.executemany(f"DELETE FROM {generation.words} WHERE rowid IN ({older})", ids_by_key)
        texts = {item.id: search_terms_of(item) for item in projects}
        keywords.write(connection, generation.words, texts.items())
        rows = [row | {"sequence": sequence, "words": texts[row["id"]].count(" ") + 1} for row in rows]
    connection.executemany(f"DELETE FROM {table} WHERE key = ? AND id <> ?", ids_by_key)
    names = ", ".join(rows[0]), ", ".join(f":{name}" for name in rows[0])
    connection.executemany(f"INSERT OR REPLACE INTO {table} ({names[0]}) VALUES ({names[1]})", rows)


def remove(connection: sqlite3.Connection, generation: Generation, kind: str, keys: Sequence[str]) -> None:
    """Remove documents by key, and record their ids for readers."""
    deleted = connection.execute(
        f"DELETE FROM {generation.table(kind)} WHERE key IN (SELECT value FROM json_each(?)) RETURNING id",
        (orjson.dumps(list(keys)).decode(),),
    )
    ids = [row[0] for row in deleted.fetchall()]
    if ids and kind == PROJECT:
        remember_gone(connection, generation, ids)
        keywords.remove(connection, generation.words, ids)


def profile_vector(connection: sqlite3.Connection, generation: Generation, actor_id: int) -> Vector | None:
    """Return one profile's vector."""
    row = connection.execute(f"SELECT vector FROM {generation.table(PROFILE)} WHERE id = ?", (actor_id,)).fetchone()
    return None if row is None else np.frombuffer(row[0], "<f4").astype(np.float32)


def tool_vectors(connection: sqlite3.Connection, generation: Generation) -> tuple[list[str], Vector]:
    """Return the keys of all tools, sorted, and their vectors. 2,000 take 3 ms, so no copy is kept in memory."""
    rows = connection.execute(f"SELECT key, vector FROM {generation.table(TOOL)} ORDER BY key").fetchall()
    vectors = np.frombuffer(b"".join(vector for _, vector in rows), "<f4").reshape(len(rows), generation.dimension)
    return [key for key, _ in rows], vectors


def counts(connection: sqlite3.Connection, generation: Generation) -> dict[str, int]:
    """Return the number of documents of each kind."""
    return {kind: connection.execute(f"SELECT count(*) FROM {generation.table(kind)}").fetchone()[0] for kind in KINDS}


def listing(
    connection: sqlite3.Connection, generation: Generation, kind: str, after: str | None, limit: int
) -> list[tuple[str, str]]:
    """Return (key, fingerprint) pairs after a key, by key."""
    later = ">=" if after is None else ">"
    return connection.execute(
        f"SELECT key, fingerprint FROM {generation.table(kind)} WHERE key {later} ? ORDER BY key LIMIT ?",
        (after or "", limit),
    ).fetchall()


def _row(generation: Generation, item: IndexDocument) -> dict[str, Any]:
    row = {"key": item.key, "vector": _blob(generation, item), "fingerprint": item.fingerprint}
    if isinstance(item, ProjectDocument):
        return row | {
            "id": item.id,
            "owner_id": NO_OWNER if item.owner_id is None else item.owner_id,
            "created_at": microseconds(item.created_at),
            "type": item.type,
            "terms": np.array(item.term_ids, "<i8").tobytes(),
        }
    return row | {"id": item.actor_id if isinstance(item, ProfileDocument) else item.term_id}


def _blob(generation: Generation, item: IndexDocument) -> bytes:
    """Return the vector as bytes, at length 1."""
    if item.vector.shape != (generation.dimension,):
        message = f"{item.key}: a vector of shape {item.vector.shape} does not fit {generation.name}"
        raise InvalidRecord(message, (item.key,))
    if not np.isfinite(item.vector).all():
        raise InvalidRecord(f"{item.key}: its vector is not finite", (item.key,))
    return unit(item.vector).astype("<f4").tobytes()
