"""The objects in a generation's tables of the embedded index: writing, removing, counting and listing them.

Every function runs inside a transaction.
"""
# ruff: noqa: S608 (the names of tables consist of letters, digits and underscores; see `collection_name`)

import sqlite3
from collections.abc import Sequence

import numpy as np
import orjson

from db.errors import InvalidRecord
from db.vectors import keywords
from db.vectors.base import ProfileDocument, ProjectDocument, ToolDocument, Vector
from db.vectors.deltas import next_sequence, remember_gone
from db.vectors.generations import PROFILE, PROJECT, TOOL, Generation
from db.vectors.matrix import ANONYMOUS_VIEWER, microseconds
from db.vectors.text_analysis import search_terms_of


def write_projects(connection: sqlite3.Connection, generation: Generation, objects: Sequence[ProjectDocument]) -> None:
    """Write projects. A project made anew under an old key has a new id: the older one goes."""
    sequence = next_sequence(connection, generation)
    ids_by_key = [(item.key, item.id) for item in objects]
    texts = {item.id: search_terms_of(item) for item in objects}
    gone, older = generation.gone, f"SELECT id FROM {generation.projects} WHERE key = ? AND id <> ?"
    connection.executemany(
        f"INSERT OR REPLACE INTO {gone} (kind, id, sequence) SELECT '{PROJECT}', id, {sequence} FROM ({older})",
        ids_by_key,
    )
    connection.executemany(f"DELETE FROM {generation.words} WHERE rowid IN ({older})", ids_by_key)
    connection.executemany(f"DELETE FROM {generation.projects} WHERE key = ? AND id <> ?", ids_by_key)
    connection.executemany(
        f"""INSERT OR REPLACE INTO {generation.projects}
            (id, sequence, owner_id, created_at, type, terms, vector, key, username, fingerprint, words)
            VALUES (?, {sequence}, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        [(*_project_row(generation, item), texts[item.id].count(" ") + 1) for item in objects],
    )
    keywords.write(connection, generation.words, texts.items())


def remove_projects(connection: sqlite3.Connection, generation: Generation, keys: Sequence[str]) -> None:
    """Remove projects by key, and remember their ids for readers."""
    where = "key IN (SELECT value FROM json_each(?))"
    ids = _remove(connection, generation, PROJECT, generation.projects, where, keys)
    keywords.remove(connection, generation.words, ids)


def write_profiles(connection: sqlite3.Connection, generation: Generation, objects: Sequence[ProfileDocument]) -> None:
    """Write profiles."""
    sequence = next_sequence(connection, generation)
    rows = []
    for item in objects:
        features = {
            "preference_text": item.preference_text,
            "tool_interests": item.tool_interests,
            "category_interests": item.category_interests,
            "activity_summary": item.activity_summary,
            "tier": item.tier,
            "total_points": item.total_points,
        }
        vector = _unit(generation, item.vector, item.actor_id)
        rows.append((item.actor_id, vector, orjson.dumps(features).decode(), item.fingerprint))
    connection.executemany(
        f"""INSERT OR REPLACE INTO {generation.profiles} (id, sequence, vector, features, fingerprint)
            VALUES (?, {sequence}, ?, ?, ?)""",
        rows,
    )


def remove_profiles(connection: sqlite3.Connection, generation: Generation, actor_ids: Sequence[int]) -> None:
    """Remove profiles, and remember their ids for readers."""
    where = "id IN (SELECT value FROM json_each(?))"
    _remove(connection, generation, PROFILE, generation.profiles, where, actor_ids)


def write_tools(connection: sqlite3.Connection, generation: Generation, objects: Sequence[ToolDocument]) -> None:
    """Write tools. A tool made anew under an old key replaces the older one."""
    rows = []
    for item in objects:
        features = {
            "name": item.name,
            "description": item.description,
            "tagline": item.tagline,
            "category": item.category,
            "tags": item.tags,
            "use_cases": item.use_cases,
        }
        vector = _unit(generation, item.vector, item.key)
        rows.append((item.term_id, vector, item.key, orjson.dumps(features).decode(), item.fingerprint))
    connection.executemany(
        f"""INSERT OR REPLACE INTO {generation.tools} (term_id, vector, key, features, fingerprint)
            VALUES (?, ?, ?, ?, ?)""",
        rows,
    )


def remove_tools(connection: sqlite3.Connection, generation: Generation, keys: Sequence[str]) -> None:
    """Remove tools by key."""
    connection.executemany(f"DELETE FROM {generation.tools} WHERE key = ?", [(key,) for key in keys])


def profile_vector(connection: sqlite3.Connection, generation: Generation, actor_id: int) -> Vector | None:
    """Read one profile's vector."""
    row = connection.execute(f"SELECT vector FROM {generation.profiles} WHERE id = ?", (actor_id,)).fetchone()
    return None if row is None else np.frombuffer(row[0], "<f4").astype(np.float32)


def tool_vectors(connection: sqlite3.Connection, generation: Generation) -> tuple[list[str], Vector]:
    """Read the keys of all tools, sorted, and their vectors. 2,000 of them take 3 ms: no copy is kept in memory."""
    rows = connection.execute(f"SELECT key, vector FROM {generation.tools} ORDER BY key").fetchall()
    vectors = np.frombuffer(b"".join(vector for _, vector in rows), "<f4").reshape(len(rows), generation.dimension)
    return [key for key, _ in rows], vectors


def counts(connection: sqlite3.Connection, generation: Generation) -> dict[str, int]:
    """Count the objects of each collection."""
    tables = _collections(generation)
    return {
        name: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for name, (table, _) in tables.items()
    }


def listing(
    connection: sqlite3.Connection, generation: Generation, collection: str, after: str | None, limit: int
) -> list[tuple[str, str]]:
    """Give (key, fingerprint) pairs after a key, by key."""
    table, key = _collections(generation)[collection]
    later = ">=" if after is None else ">"
    return connection.execute(
        f"SELECT {key}, fingerprint FROM {table} WHERE {key} {later} ? ORDER BY {key} LIMIT ?", (after or "", limit)
    ).fetchall()


def _collections(generation: Generation) -> dict[str, tuple[str, str]]:
    """Name each collection's table, and the expression that is its key."""
    return {
        PROJECT: (generation.projects, "key"),
        PROFILE: (generation.profiles, "CAST(id AS TEXT)"),
        TOOL: (generation.tools, "key"),
    }


def _remove(
    connection: sqlite3.Connection, generation: Generation, kind: str, table: str, where: str, what: Sequence[str | int]
) -> list[int]:
    """Delete rows, remember their ids, and give them."""
    deleted = connection.execute(
        f"DELETE FROM {table} WHERE {where} RETURNING id", (orjson.dumps(list(what)).decode(),)
    )
    ids = [row[0] for row in deleted.fetchall()]
    if ids:
        remember_gone(connection, generation, kind, ids)
    return ids


def _project_row(generation: Generation, item: ProjectDocument) -> tuple[object, ...]:
    return (
        item.id,
        ANONYMOUS_VIEWER if item.owner_id is None else item.owner_id,
        microseconds(item.created_at),
        item.type,
        np.array(item.term_ids, "<i8").tobytes(),
        _unit(generation, item.vector, item.key),
        item.key,
        item.username,
        item.fingerprint,
    )


def _unit(generation: Generation, vector: Vector, name: str | int) -> bytes:
    if vector.shape != (generation.dimension,):
        raise InvalidRecord(f"{name}: a vector of shape {vector.shape} does not fit {generation.name}", (name,))
    length = float(np.linalg.norm(vector.astype(np.float64)))
    if not np.isfinite(length):
        raise InvalidRecord(f"{name}: its vector is not finite", (name,))
    return (vector / length if length > 0 else vector).astype("<f4").tobytes()
