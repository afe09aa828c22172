"""Writing, removing, counting and listing documents in the tables of a generation.

Every function runs inside a transaction.
"""
# ruff: noqa: S608 (table names consist of letters, digits and underscores; see `collection_name`)

import sqlite3
from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson

from db.sqlite_file import reading_content
from db.time_units import microseconds
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
    invalid_vectors,
    unit,
)
from db.vectors.embedded import keywords
from db.vectors.embedded.deltas import next_sequence, record_removed_ids, stored_vectors
from db.vectors.embedded.generations import Generation
from db.vectors.text_analysis import search_terms_of


def write(connection: sqlite3.Connection, generation: Generation, documents: Sequence[IndexDocument]) -> dict[str, str]:
    """Write documents of one kind, each in place of documents with the same id or key.

    Returns the reason for each rejected document by key.
    """
    rejected = invalid_vectors(documents, generation.dimension)
    valid = [document for document in documents if document.key not in rejected]
    if not valid:
        return rejected
    table, rows = generation.table(valid[0].kind), [_row(document) for document in valid]
    ids_by_key = [(row["key"], row["id"]) for row in rows]
    projects = [document for document in valid if isinstance(document, ProjectDocument)]
    if projects:
        sequence = next_sequence(connection, generation)
        replaced_ids = f"SELECT id FROM {table} WHERE key = ? AND id <> ?"
        connection.executemany(
            f"INSERT OR REPLACE INTO {generation.removed_ids_table} (id, sequence) "
            f"SELECT id, {sequence} FROM ({replaced_ids})",
            ids_by_key,
        )
        connection.executemany(f"DELETE FROM {generation.words_table} WHERE rowid IN ({replaced_ids})", ids_by_key)
        texts = {document.id: search_terms_of(document) for document in projects}
        keywords.write(connection, generation.words_table, texts.items())
        rows = [row | {"sequence": sequence, "words": texts[row["id"]].count(" ") + 1} for row in rows]
    connection.executemany(f"DELETE FROM {table} WHERE key = ? AND id <> ?", ids_by_key)
    columns, parameters = ", ".join(rows[0]), ", ".join(f":{name}" for name in rows[0])
    connection.executemany(f"INSERT OR REPLACE INTO {table} ({columns}) VALUES ({parameters})", rows)
    return rejected


def remove(connection: sqlite3.Connection, generation: Generation, kind: str, keys: Sequence[str]) -> None:
    """Remove documents by key, and record the ids of projects for readers."""
    deleted = connection.execute(
        f"DELETE FROM {generation.table(kind)} WHERE key IN (SELECT value FROM json_each(?)) RETURNING id",
        (orjson.dumps(list(keys)).decode(),),
    )
    ids = [row[0] for row in deleted.fetchall()]
    if ids and kind == PROJECT:
        record_removed_ids(connection, generation, ids)
        keywords.remove(connection, generation.words_table, ids)


def profile_vector(connection: sqlite3.Connection, generation: Generation, actor_id: int) -> Vector | None:
    """Return the profile vector of an actor, or None."""
    row = connection.execute(f"SELECT vector FROM {generation.table(PROFILE)} WHERE id = ?", (actor_id,)).fetchone()
    if row is None:
        return None
    with reading_content():
        vector: Vector = stored_vectors(row, generation.dimension)[0].astype(np.float32)
    return vector


def tool_vectors(connection: sqlite3.Connection, generation: Generation) -> tuple[list[str], Vector]:
    """Return the sorted keys of all tools, and their vectors. Not cached, since reading 2,000 tools takes 3 ms."""
    rows = connection.execute(f"SELECT key, vector FROM {generation.table(TOOL)} ORDER BY key").fetchall()
    with reading_content():
        return [key for key, _ in rows], stored_vectors([vector for _, vector in rows], generation.dimension)


def counts(connection: sqlite3.Connection, generation: Generation) -> dict[str, int]:
    """Return the number of documents of each kind."""
    return {kind: connection.execute(f"SELECT count(*) FROM {generation.table(kind)}").fetchone()[0] for kind in KINDS}


def listing(
    connection: sqlite3.Connection, generation: Generation, kind: str, after: str | None, limit: int
) -> list[tuple[str, str]]:
    """Return (key, fingerprint) of up to `limit` documents after a key, sorted by key."""
    operator = ">=" if after is None else ">"
    return connection.execute(
        f"SELECT key, fingerprint FROM {generation.table(kind)} WHERE key {operator} ? ORDER BY key LIMIT ?",
        (after or "", limit),
    ).fetchall()


def _row(document: IndexDocument) -> dict[str, Any]:
    row = {
        "key": document.key,
        "vector": unit(document.vector).astype("<f4").tobytes(),
        "fingerprint": document.fingerprint,
    }
    if isinstance(document, ProjectDocument):
        return row | {
            "id": document.id,
            "owner_id": NO_OWNER if document.owner_id is None else document.owner_id,
            "created_at": microseconds(document.created_at),
            "type": document.type,
            "terms": np.array(document.term_ids, "<i8").tobytes(),
        }
    return row | {"id": document.actor_id if isinstance(document, ProfileDocument) else document.term_id}
