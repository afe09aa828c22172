"""How a reader of the embedded index follows what is written: it fetches only what changed since it last looked.

Each write of a generation carries its next `sequence`, and beside the objects stands a list of ids that are gone.
SQLite lets one writer in at a time, so sequences become visible in order. Every function runs inside a transaction.
"""
# ruff: noqa: S608 (the names of tables consist of letters, digits and underscores; see `collection_name`)

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from db.vectors.base import Ids
from db.vectors.generations import PROJECT, Generation
from db.vectors.matrix import Rows

CHUNK = 4_096
"""Rows fetched at once: 4 MB of vectors at 256 dimensions."""

MOST_GONE = 10_000
"""How many ids of what was removed are remembered. A reader that is further behind loads everything anew."""


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


def next_sequence(connection: sqlite3.Connection, generation: Generation) -> int:
    """Give the number that the next write carries."""
    [[sequence]] = connection.execute(
        "UPDATE generations SET sequence = sequence + 1 WHERE name = ? RETURNING sequence", (generation.name,)
    ).fetchall()
    return int(sequence)


def remember_gone(connection: sqlite3.Connection, generation: Generation, kind: str, ids: Sequence[int]) -> None:
    """Remember ids that were removed, for readers."""
    sequence = next_sequence(connection, generation)
    connection.executemany(
        f"INSERT OR REPLACE INTO {generation.gone} (kind, id, sequence) VALUES ('{kind}', ?, {sequence})",
        [(id_,) for id_ in ids],
    )
    _forget(connection, generation)


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
        f"SELECT id, owner_id, created_at, type, key, terms, vector, words FROM {generation.projects} {which}",
        parameters,
    )
    for chunk in _chunks(cursor):
        ids, owners, created, types, keys, terms, vectors, lengths = zip(*chunk, strict=True)
        yield Rows(
            ids=np.array(ids, np.int64),
            owners=np.array(owners, np.int64),
            created=np.array(created, np.int64),
            types=types,
            keys=keys,
            terms=np.frombuffer(b"".join(terms), "<i8"),
            term_counts=np.array([len(blob) // 8 for blob in terms], np.int64),
            vectors=np.frombuffer(b"".join(vectors), "<f4").reshape(len(chunk), generation.dimension),
            lengths=np.array(lengths, np.int32),
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
            lengths=np.zeros(len(chunk), np.int32),
        )


def _chunks(cursor: sqlite3.Cursor) -> Iterator[list[Any]]:
    while chunk := list(islice(cursor, CHUNK)):
        yield chunk


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
