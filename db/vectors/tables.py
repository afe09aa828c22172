"""The embedded index's tables in one SQLite file, and the statements on them. Every function runs inside a transaction.

Each embedding space has tables of its own. Beside the projects stands a list of ids that are gone, and each write of a
space carries its next `sequence`, so that a reader fetches what changed since it last looked. SQLite lets one writer
in at a time, so sequences become visible in their order.
"""
# ruff: noqa: S608 (the names of tables consist of letters, digits and underscores; see `collection_name`)

import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import orjson

from db.errors import InvalidRecord
from db.vectors.base import Ids, ProfileObject, ProjectObject, ToolObject, Vector, collection_name
from db.vectors.matrix import NOBODY, Rows, microseconds

CHUNK = 4_096
"""Rows fetched at once: 4 MB of vectors at 256 dimensions."""

MOST_GONE = 10_000
"""How many ids of removed projects are remembered. A reader that is further behind loads everything anew."""


@dataclass(frozen=True, slots=True)
class Space:
    """One embedding space: the names of its tables, quoted, and its dimension."""

    model: str
    dimension: int

    @property
    def name(self) -> str:
        """The space's row in the table of spaces."""
        return collection_name("Space", self.model, self.dimension)

    @property
    def projects(self) -> str:
        """The table of projects."""
        return collection_name("Project", self.model, self.dimension)

    @property
    def gone(self) -> str:
        """The table of project ids that were removed."""
        return collection_name("Gone", self.model, self.dimension)

    @property
    def profiles(self) -> str:
        """The table of profiles."""
        return collection_name("UserProfile", self.model, self.dimension)

    @property
    def tools(self) -> str:
        """The table of tools."""
        return collection_name("Tool", self.model, self.dimension)


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a reader has read: which making of the tables, and its sequence."""

    identity: str
    sequence: int


@dataclass(frozen=True, slots=True)
class Delta:
    """What changed in the projects since a `Mark`; `full` means that `chunks` hold everything there is.

    What is gone has to be taken away first: an id may have come back since, and is then in `chunks` too.
    """

    mark: Mark
    full: bool
    expected: int
    chunks: Iterator[Rows]
    gone: Ids


def create(connection: sqlite3.Connection, space: Space) -> None:
    """Make the tables of a space if they are not there. Texts stand last, where reading vectors does not pass them."""
    for statement in (
        """CREATE TABLE IF NOT EXISTS spaces (
            name TEXT PRIMARY KEY, model TEXT NOT NULL, dimension INTEGER NOT NULL,
            identity TEXT NOT NULL, sequence INTEGER NOT NULL DEFAULT 0, forgotten INTEGER NOT NULL DEFAULT 0)""",
        f"""CREATE TABLE IF NOT EXISTS {space.projects} (
            id INTEGER PRIMARY KEY, sequence INTEGER NOT NULL, owner_id INTEGER NOT NULL, created_at INTEGER NOT NULL,
            type TEXT NOT NULL, terms BLOB NOT NULL, vector BLOB NOT NULL, key TEXT NOT NULL UNIQUE,
            title TEXT NOT NULL, description TEXT NOT NULL, combined_text TEXT NOT NULL, features TEXT NOT NULL)""",
        f"CREATE INDEX IF NOT EXISTS {space.projects}_sequence ON {space.projects} (sequence)",
        f"CREATE TABLE IF NOT EXISTS {space.gone} (id INTEGER PRIMARY KEY, sequence INTEGER NOT NULL)",
        f"CREATE INDEX IF NOT EXISTS {space.gone}_sequence ON {space.gone} (sequence)",
        f"""CREATE TABLE IF NOT EXISTS {space.profiles} (
            actor_id INTEGER PRIMARY KEY, vector BLOB NOT NULL, features TEXT NOT NULL)""",
        f"""CREATE TABLE IF NOT EXISTS {space.tools} (
            term_id INTEGER PRIMARY KEY, vector BLOB NOT NULL, key TEXT NOT NULL UNIQUE, features TEXT NOT NULL)""",
    ):
        connection.execute(statement)
    connection.execute(
        "INSERT INTO spaces (name, model, dimension, identity) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (space.name, space.model, space.dimension, secrets.token_hex(8)),
    )


def write_projects(connection: sqlite3.Connection, space: Space, objects: Sequence[ProjectObject]) -> None:
    """Write projects. A project made anew under an old key has a new id: the older one goes."""
    sequence = _next_sequence(connection, space)
    ids_by_key = [(item.key, item.id) for item in objects]
    connection.executemany(
        f"""INSERT OR REPLACE INTO {space.gone} (id, sequence)
            SELECT id, {sequence} FROM {space.projects} WHERE key = ? AND id <> ?""",
        ids_by_key,
    )
    connection.executemany(f"DELETE FROM {space.projects} WHERE key = ? AND id <> ?", ids_by_key)
    connection.executemany(
        f"""INSERT OR REPLACE INTO {space.projects}
            (id, sequence, owner_id, created_at, type, terms, vector, key, title, description, combined_text, features)
            VALUES (?, {sequence}, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        [_project_row(space, item) for item in objects],
    )


def remove_projects(connection: sqlite3.Connection, space: Space, keys: Sequence[str]) -> None:
    """Remove projects by key, and remember their ids for readers."""
    listed = orjson.dumps(list(keys)).decode()
    named = f"FROM {space.projects} WHERE key IN (SELECT value FROM json_each(?))"
    if connection.execute(f"SELECT 1 {named} LIMIT 1", (listed,)).fetchone() is None:
        return
    sequence = _next_sequence(connection, space)
    connection.execute(f"INSERT OR REPLACE INTO {space.gone} (id, sequence) SELECT id, {sequence} {named}", (listed,))
    connection.execute(f"DELETE {named}", (listed,))
    _forget(connection, space)


def write_profiles(connection: sqlite3.Connection, space: Space, objects: Sequence[ProfileObject]) -> None:
    """Write profiles."""
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
        rows.append((item.actor_id, _unit(space, item.vector, item.actor_id), orjson.dumps(features).decode()))
    connection.executemany(
        f"INSERT OR REPLACE INTO {space.profiles} (actor_id, vector, features) VALUES (?, ?, ?)", rows
    )


def remove_profiles(connection: sqlite3.Connection, space: Space, actor_ids: Sequence[int]) -> None:
    """Remove profiles."""
    connection.executemany(f"DELETE FROM {space.profiles} WHERE actor_id = ?", [(actor,) for actor in actor_ids])


def write_tools(connection: sqlite3.Connection, space: Space, objects: Sequence[ToolObject]) -> None:
    """Write tools."""
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
        rows.append((item.term_id, _unit(space, item.vector, item.key), item.key, orjson.dumps(features).decode()))
    connection.executemany(
        f"INSERT OR REPLACE INTO {space.tools} (term_id, vector, key, features) VALUES (?, ?, ?, ?)", rows
    )


def remove_tools(connection: sqlite3.Connection, space: Space, keys: Sequence[str]) -> None:
    """Remove tools by key."""
    connection.executemany(f"DELETE FROM {space.tools} WHERE key = ?", [(key,) for key in keys])


def profile_vector(connection: sqlite3.Connection, space: Space, actor_id: int) -> Vector | None:
    """Read one profile's vector."""
    row = connection.execute(f"SELECT vector FROM {space.profiles} WHERE actor_id = ?", (actor_id,)).fetchone()
    return None if row is None else np.frombuffer(row[0], "<f4").astype(np.float32)


def counts(connection: sqlite3.Connection, space: Space) -> dict[str, int]:
    """Count the objects of each collection."""
    tables = {"Project": space.projects, "UserProfile": space.profiles, "Tool": space.tools}
    return {name: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for name, table in tables.items()}


def is_prepared(connection: sqlite3.Connection, space: Space) -> bool:
    """Tell whether a space has its tables."""
    named = connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (space.tools,))
    return named.fetchone() is not None


def changes(connection: sqlite3.Connection, space: Space, since: Mark | None) -> Delta:
    """Read what changed after a mark; everything, if that is None, too long ago, or of another file."""
    identity, sequence, forgotten = connection.execute(
        "SELECT identity, sequence, forgotten FROM spaces WHERE name = ?", (space.name,)
    ).fetchone()
    mark = Mark(identity, sequence)
    if since is None or since.identity != identity or not forgotten <= since.sequence <= sequence:
        [[expected]] = connection.execute(f"SELECT count(*) FROM {space.projects}").fetchall()
        # In the order of the file.
        return Delta(mark, True, expected, _chunks(connection, space, "ORDER BY id", ()), np.empty(0, np.int64))
    after = (since.sequence,)
    gone = connection.execute(f"SELECT id FROM {space.gone} WHERE sequence > ?", after).fetchall()
    ids = np.array([row[0] for row in gone], np.int64)
    # By sequence: ordered by id, SQLite would go through the whole table to save itself a sort (66 ms, not 0.1).
    chunks = _chunks(connection, space, "WHERE sequence > ? ORDER BY sequence, id", after)
    return Delta(mark, False, 0, chunks, ids)


def _chunks(connection: sqlite3.Connection, space: Space, which: str, parameters: tuple[int, ...]) -> Iterator[Rows]:
    cursor = connection.execute(
        f"SELECT id, owner_id, created_at, type, terms, vector FROM {space.projects} {which}", parameters
    )
    while chunk := list(islice(cursor, CHUNK)):
        ids, owners, created, types, terms, vectors = zip(*chunk, strict=True)
        yield Rows(
            ids=np.array(ids, np.int64),
            owners=np.array(owners, np.int64),
            created=np.array(created, np.int64),
            types=types,
            terms=np.frombuffer(b"".join(terms), "<i8"),
            term_counts=np.array([len(blob) // 8 for blob in terms], np.int64),
            vectors=np.frombuffer(b"".join(vectors), "<f4").reshape(len(chunk), space.dimension),
        )


def _next_sequence(connection: sqlite3.Connection, space: Space) -> int:
    [[sequence]] = connection.execute(
        "UPDATE spaces SET sequence = sequence + 1 WHERE name = ? RETURNING sequence", (space.name,)
    ).fetchall()
    return int(sequence)


def _forget(connection: sqlite3.Connection, space: Space) -> None:
    """Drop all but the newest half of the ids that are gone, once there are too many."""
    [[count]] = connection.execute(f"SELECT count(*) FROM {space.gone}").fetchall()
    if count <= MOST_GONE:
        return
    [[forgotten]] = connection.execute(
        f"SELECT sequence FROM {space.gone} ORDER BY sequence DESC LIMIT 1 OFFSET ?", (MOST_GONE // 2,)
    ).fetchall()
    connection.execute(f"DELETE FROM {space.gone} WHERE sequence <= ?", (forgotten,))
    connection.execute("UPDATE spaces SET forgotten = ? WHERE name = ?", (forgotten, space.name))


def _project_row(space: Space, item: ProjectObject) -> tuple[object, ...]:
    features = {
        "tool_names": item.tool_names,
        "category_names": item.category_names,
        "topics": item.topics,
        "username": item.username,
    }
    return (
        item.id,
        NOBODY if item.owner_id is None else item.owner_id,
        microseconds(item.created_at),
        item.type,
        np.array(item.term_ids, "<i8").tobytes(),
        _unit(space, item.vector, item.key),
        item.key,
        item.title,
        item.description,
        item.combined_text,
        orjson.dumps(features).decode(),
    )


def _unit(space: Space, vector: Vector, name: str | int) -> bytes:
    if vector.shape != (space.dimension,):
        raise InvalidRecord(f"{name}: a vector of shape {vector.shape} does not fit {space.name}", (name,))
    length = float(np.linalg.norm(vector.astype(np.float64)))
    if not np.isfinite(length):
        raise InvalidRecord(f"{name}: its vector is not finite", (name,))
    return (vector / length if length > 0 else vector).astype("<f4").tobytes()
