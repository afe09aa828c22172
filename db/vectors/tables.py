"""The embedded index's tables in one SQLite file, and the statements on them. Every function runs inside a transaction.

Each generation of an embedding space has tables of its own, and one generation of a space is in service. Beside the
objects stands a list of ids that are gone, and each write of a generation carries its next `sequence`, so that a reader
fetches what changed since it last looked. SQLite lets one writer in at a time, so sequences become visible in order.
"""
# ruff: noqa: S608 (the names of tables consist of letters, digits and underscores; see `collection_name`)

import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import orjson

from db.errors import InvalidRecord
from db.vectors import keywords
from db.vectors.base import Ids, ProfileObject, ProjectObject, ToolObject, Vector, collection_name
from db.vectors.matrix import NOBODY, Rows, microseconds

CHUNK = 4_096
"""Rows fetched at once: 4 MB of vectors at 256 dimensions."""

MOST_GONE = 10_000
"""How many ids of what was removed are remembered. A reader that is further behind loads everything anew."""

PROJECT, PROFILE, TOOL = "Project", "UserProfile", "Tool"

SERVING, STAGED, RETIRED = "serving", "staged", "retired"
"""A generation is filled, put into service, and dropped when the next one has taken over."""


@dataclass(frozen=True, slots=True)
class Space:
    """One embedding space."""

    model: str
    dimension: int

    @property
    def name(self) -> str:
        """What the space's generations are known by."""
        return collection_name("Space", self.model, self.dimension)


@dataclass(frozen=True, slots=True)
class Generation:
    """One filling of a space: the names of its tables, and its dimension. `identity` is new with each making."""

    space: Space
    number: int
    identity: str

    @property
    def name(self) -> str:
        """The generation's row in the table of generations."""
        return self._table("Space")

    @property
    def dimension(self) -> int:
        """Components of each vector."""
        return self.space.dimension

    @property
    def projects(self) -> str:
        """The table of projects."""
        return self._table(PROJECT)

    @property
    def words(self) -> str:
        """The full-text table of the projects' texts."""
        return self._table("Words")

    @property
    def gone(self) -> str:
        """The table of ids that were removed."""
        return self._table("Gone")

    @property
    def profiles(self) -> str:
        """The table of profiles."""
        return self._table(PROFILE)

    @property
    def tools(self) -> str:
        """The table of tools."""
        return self._table(TOOL)

    def _table(self, kind: str) -> str:
        return f"{collection_name(kind, self.space.model, self.space.dimension)}_g{self.number}"


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a reader has read: which making of the tables, and its sequence."""

    identity: str
    sequence: int


@dataclass(frozen=True, slots=True)
class Delta:
    """What changed in a collection since a `Mark`; `full` means that `chunks` hold everything there is.

    What is gone has to be taken away first: an id may have come back since, and is then in `chunks` too.
    """

    mark: Mark
    full: bool
    expected: int
    chunks: Iterator[Rows]
    gone: Ids


def create(connection: sqlite3.Connection, space: Space) -> None:
    """Put an empty first generation into service if the space has none yet."""
    connection.execute(
        """CREATE TABLE IF NOT EXISTS generations (
            name TEXT PRIMARY KEY, space TEXT NOT NULL, number INTEGER NOT NULL, state TEXT NOT NULL,
            identity TEXT NOT NULL, sequence INTEGER NOT NULL DEFAULT 0, forgotten INTEGER NOT NULL DEFAULT 0)"""
    )
    if serving(connection, space) is None:
        _make(connection, space, SERVING)


def stage(connection: sqlite3.Connection, space: Space) -> Generation:
    """Make an empty generation beside the one in service, in place of unfinished and retired ones."""
    drop_all(connection, space, STAGED)
    drop_all(connection, space, RETIRED)
    return _make(connection, space, STAGED)


def publish(connection: sqlite3.Connection, generation: Generation) -> None:
    """Put a generation into service, and retire the one before."""
    connection.execute(
        f"UPDATE generations SET state = '{RETIRED}' WHERE space = ? AND state = '{SERVING}'", (generation.space.name,)
    )
    connection.execute(f"UPDATE generations SET state = '{SERVING}' WHERE name = ?", (generation.name,))


def drop_all(connection: sqlite3.Connection, space: Space, state: str) -> None:
    """Drop a space's generations of a state."""
    rows = connection.execute(
        "SELECT number, identity FROM generations WHERE space = ? AND state = ?", (space.name, state)
    )
    for row in rows.fetchall():
        drop(connection, Generation(space, *row))


def drop(connection: sqlite3.Connection, generation: Generation) -> None:
    """Drop a generation's tables. Their pages stay in the file, for the next ones."""
    for table in (generation.projects, generation.words, generation.gone, generation.profiles, generation.tools):
        connection.execute(f"DROP TABLE IF EXISTS {table}")
    connection.execute("DELETE FROM generations WHERE name = ?", (generation.name,))


def serving(connection: sqlite3.Connection, space: Space) -> Generation | None:
    """Give the generation in service; None if the space has not been prepared."""
    return _generation(connection, space, "state = ?", SERVING)


def staged(connection: sqlite3.Connection, space: Space) -> Generation | None:
    """Give the unfinished generation."""
    return _generation(connection, space, "state = ?", STAGED)


def named(connection: sqlite3.Connection, space: Space, name: str) -> Generation | None:
    """Give a generation by its name."""
    return _generation(connection, space, "name = ?", name)


def _generation(connection: sqlite3.Connection, space: Space, which: str, value: str) -> Generation | None:
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'generations'").fetchone() is None:
        return None
    row = connection.execute(
        f"SELECT number, identity FROM generations WHERE space = ? AND {which}", (space.name, value)
    ).fetchone()
    return None if row is None else Generation(space, *row)


def _make(connection: sqlite3.Connection, space: Space, state: str) -> Generation:
    [[number]] = connection.execute(
        "SELECT coalesce(max(number), 0) + 1 FROM generations WHERE space = ?", (space.name,)
    ).fetchall()
    made = Generation(space, number, secrets.token_hex(8))
    for statement in (
        f"""CREATE TABLE {made.projects} (
            id INTEGER PRIMARY KEY, sequence INTEGER NOT NULL, owner_id INTEGER NOT NULL, created_at INTEGER NOT NULL,
            type TEXT NOT NULL, terms BLOB NOT NULL, vector BLOB NOT NULL, key TEXT NOT NULL UNIQUE,
            username TEXT NOT NULL, fingerprint TEXT NOT NULL)""",
        f"CREATE INDEX {made.projects}_sequence ON {made.projects} (sequence)",
        f"CREATE TABLE {made.gone} (kind TEXT, id INTEGER, sequence INTEGER NOT NULL, PRIMARY KEY (kind, id))",
        f"CREATE INDEX {made.gone}_sequence ON {made.gone} (kind, sequence)",
        f"""CREATE TABLE {made.profiles} (
            id INTEGER PRIMARY KEY, sequence INTEGER NOT NULL, vector BLOB NOT NULL, features TEXT NOT NULL,
            fingerprint TEXT NOT NULL)""",
        f"CREATE INDEX {made.profiles}_sequence ON {made.profiles} (sequence)",
        f"CREATE INDEX {made.profiles}_key ON {made.profiles} (CAST(id AS TEXT))",
        f"""CREATE TABLE {made.tools} (
            term_id INTEGER PRIMARY KEY, vector BLOB NOT NULL, key TEXT NOT NULL UNIQUE, features TEXT NOT NULL,
            fingerprint TEXT NOT NULL)""",
        keywords.table(made.words),
    ):
        connection.execute(statement)
    connection.execute(
        "INSERT INTO generations (name, space, number, state, identity) VALUES (?, ?, ?, ?, ?)",
        (made.name, space.name, number, state, made.identity),
    )
    return made


def write_projects(connection: sqlite3.Connection, generation: Generation, objects: Sequence[ProjectObject]) -> None:
    """Write projects. A project made anew under an old key has a new id: the older one goes."""
    sequence = _next_sequence(connection, generation)
    ids_by_key = [(item.key, item.id) for item in objects]
    gone, older = generation.gone, f"SELECT id FROM {generation.projects} WHERE key = ? AND id <> ?"
    connection.executemany(
        f"INSERT OR REPLACE INTO {gone} (kind, id, sequence) SELECT '{PROJECT}', id, {sequence} FROM ({older})",
        ids_by_key,
    )
    connection.executemany(f"DELETE FROM {generation.words} WHERE rowid IN ({older})", ids_by_key)
    connection.executemany(f"DELETE FROM {generation.projects} WHERE key = ? AND id <> ?", ids_by_key)
    connection.executemany(
        f"""INSERT OR REPLACE INTO {generation.projects}
            (id, sequence, owner_id, created_at, type, terms, vector, key, username, fingerprint)
            VALUES (?, {sequence}, ?, ?, ?, ?, ?, ?, ?, ?)""",
        [_project_row(generation, item) for item in objects],
    )
    keywords.write(connection, generation.words, objects)


def remove_projects(connection: sqlite3.Connection, generation: Generation, keys: Sequence[str]) -> None:
    """Remove projects by key, and remember their ids for readers."""
    where = "key IN (SELECT value FROM json_each(?))"
    ids = _remove(connection, generation, PROJECT, generation.projects, where, keys)
    keywords.remove(connection, generation.words, ids)


def write_profiles(connection: sqlite3.Connection, generation: Generation, objects: Sequence[ProfileObject]) -> None:
    """Write profiles."""
    sequence = _next_sequence(connection, generation)
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


def write_tools(connection: sqlite3.Connection, generation: Generation, objects: Sequence[ToolObject]) -> None:
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


def newest_mark(connection: sqlite3.Connection, generation: Generation) -> Mark:
    """Give the mark of a reader that has read everything."""
    [sequence] = connection.execute("SELECT sequence FROM generations WHERE name = ?", (generation.name,)).fetchone()
    return Mark(generation.identity, sequence)


def changes(connection: sqlite3.Connection, generation: Generation, kind: str, since: Mark | None) -> Delta:
    """Read what changed in the projects or profiles after a mark.

    Everything, if that is None, too long ago, or of another making of the tables.
    """
    table, read = (generation.projects, _project_rows) if kind == PROJECT else (generation.profiles, _profile_rows)
    [forgotten] = connection.execute("SELECT forgotten FROM generations WHERE name = ?", (generation.name,)).fetchone()
    mark = newest_mark(connection, generation)
    if since is None or since.identity != mark.identity or not forgotten <= since.sequence <= mark.sequence:
        [[expected]] = connection.execute(f"SELECT count(*) FROM {table}").fetchall()
        # In the order of the file.
        return Delta(mark, True, expected, read(connection, generation, "ORDER BY id", ()), np.empty(0, np.int64))
    after = (since.sequence,)
    gone = connection.execute(f"SELECT id FROM {generation.gone} WHERE kind = '{kind}' AND sequence > ?", after)
    ids = np.array([row[0] for row in gone.fetchall()], np.int64)
    # By sequence: ordered by id, SQLite would go through the whole table to save itself a sort (66 ms, not 0.1).
    chunks = read(connection, generation, "WHERE sequence > ? ORDER BY sequence, id", after)
    return Delta(mark, False, 0, chunks, ids)


def _project_rows(
    connection: sqlite3.Connection, generation: Generation, which: str, parameters: tuple[int, ...]
) -> Iterator[Rows]:
    cursor = connection.execute(
        f"SELECT id, owner_id, created_at, type, key, terms, vector FROM {generation.projects} {which}", parameters
    )
    for chunk in _chunks(cursor):
        ids, owners, created, types, keys, terms, vectors = zip(*chunk, strict=True)
        yield Rows(
            ids=np.array(ids, np.int64),
            owners=np.array(owners, np.int64),
            created=np.array(created, np.int64),
            types=types,
            keys=keys,
            terms=np.frombuffer(b"".join(terms), "<i8"),
            term_counts=np.array([len(blob) // 8 for blob in terms], np.int64),
            vectors=np.frombuffer(b"".join(vectors), "<f4").reshape(len(chunk), generation.dimension),
        )


def _profile_rows(
    connection: sqlite3.Connection, generation: Generation, which: str, parameters: tuple[int, ...]
) -> Iterator[Rows]:
    for chunk in _chunks(connection.execute(f"SELECT id, vector FROM {generation.profiles} {which}", parameters)):
        ids, vectors = zip(*chunk, strict=True)
        nothing = np.zeros(len(chunk), np.int64)
        yield Rows(
            ids=np.array(ids, np.int64),
            owners=nothing,
            created=nothing,
            types=[""] * len(chunk),
            keys=[""] * len(chunk),
            terms=np.empty(0, np.int64),
            term_counts=nothing,
            vectors=np.frombuffer(b"".join(vectors), "<f4").reshape(len(chunk), generation.dimension),
        )


def _chunks(cursor: sqlite3.Cursor) -> Iterator[list[Any]]:
    while chunk := list(islice(cursor, CHUNK)):
        yield chunk


def _remove(
    connection: sqlite3.Connection, generation: Generation, kind: str, table: str, where: str, what: Sequence[str | int]
) -> list[int]:
    """Delete rows, remember their ids, and give them."""
    deleted = connection.execute(
        f"DELETE FROM {table} WHERE {where} RETURNING id", (orjson.dumps(list(what)).decode(),)
    )
    ids = [row[0] for row in deleted.fetchall()]
    if ids:
        sequence = _next_sequence(connection, generation)
        connection.executemany(
            f"INSERT OR REPLACE INTO {generation.gone} (kind, id, sequence) VALUES ('{kind}', ?, {sequence})",
            [(id_,) for id_ in ids],
        )
        _forget(connection, generation)
    return ids


def _next_sequence(connection: sqlite3.Connection, generation: Generation) -> int:
    [[sequence]] = connection.execute(
        "UPDATE generations SET sequence = sequence + 1 WHERE name = ? RETURNING sequence", (generation.name,)
    ).fetchall()
    return int(sequence)


def _forget(connection: sqlite3.Connection, generation: Generation) -> None:
    """Drop all but the newest half of the ids that are gone, once there are too many."""
    [[count]] = connection.execute(f"SELECT count(*) FROM {generation.gone}").fetchall()
    if count <= MOST_GONE:
        return
    [[forgotten]] = connection.execute(
        f"SELECT sequence FROM {generation.gone} ORDER BY sequence DESC LIMIT 1 OFFSET ?", (MOST_GONE // 2,)
    ).fetchall()
    connection.execute(f"DELETE FROM {generation.gone} WHERE sequence <= ?", (forgotten,))
    connection.execute("UPDATE generations SET forgotten = ? WHERE name = ?", (forgotten, generation.name))


def _project_row(generation: Generation, item: ProjectObject) -> tuple[object, ...]:
    return (
        item.id,
        NOBODY if item.owner_id is None else item.owner_id,
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
