"""Incremental reads of the projects of the embedded index: only changes since the reader's last position.

Each write of a generation gets its next `sequence`, and removed ids are recorded beside the documents. SQLite admits
one writer at a time, so sequences become visible in order. Every function runs inside a transaction.
"""
# ruff: noqa: S608 (table names consist of letters, digits and underscores; see `collection_name`)

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from db.vectors.base import PROJECT, Ids
from db.vectors.embedded.generations import Generation
from db.vectors.embedded.matrix import Rows

CHUNK = 4_096
"""Rows fetched at once: 4 MB of vectors at 256 dimensions."""

MAX_GONE = 10_000
"""Maximum number of removed ids kept. A reader that is further behind loads everything."""


@dataclass(frozen=True, slots=True)
class Position:
    """Position of a reader: the identity of the generation, and its sequence."""

    identity: str
    sequence: int


@dataclass(frozen=True, slots=True)
class Delta:
    """Changes since a `Position`; if `full`, `chunks` hold all rows.

    Removed ids are applied first: an id may have been written again since, and is then in `chunks` too.
    """

    position: Position
    full: bool
    expected: int
    chunks: Iterator[Rows]
    gone: Ids


def next_sequence(connection: sqlite3.Connection, generation: Generation) -> int:
    """Return the sequence of the next write."""
    [[sequence]] = connection.execute(
        "UPDATE generations SET sequence = sequence + 1 WHERE name = ? RETURNING sequence", (generation.name,)
    ).fetchall()
    return int(sequence)


def remember_gone(connection: sqlite3.Connection, generation: Generation, ids: Sequence[int]) -> None:
    """Record removed ids for readers."""
    sequence = next_sequence(connection, generation)
    connection.executemany(
        f"INSERT OR REPLACE INTO {generation.gone} (id, sequence) VALUES (?, {sequence})",
        [(id_,) for id_ in ids],
    )
    _prune(connection, generation)


def newest_position(connection: sqlite3.Connection, generation: Generation) -> Position:
    """Return the position of a reader that has read everything."""
    [sequence] = connection.execute("SELECT sequence FROM generations WHERE name = ?", (generation.name,)).fetchone()
    return Position(generation.identity, sequence)


def changes(connection: sqlite3.Connection, generation: Generation, since: Position | None) -> Delta:
    """Read the changes since a position.

    Reads all rows if the position is None, too old, or of another generation.
    """
    [forgotten] = connection.execute("SELECT forgotten FROM generations WHERE name = ?", (generation.name,)).fetchone()
    newest = newest_position(connection, generation)
    if since is None or since.identity != newest.identity or not forgotten <= since.sequence <= newest.sequence:
        [[expected]] = connection.execute(f"SELECT count(*) FROM {generation.table(PROJECT)}").fetchall()
        # In file order.
        return Delta(newest, True, expected, _rows(connection, generation, "ORDER BY id", ()), np.empty(0, np.int64))
    after = (since.sequence,)
    gone = connection.execute(f"SELECT id FROM {generation.gone} WHERE sequence > ?", after)
    ids = np.array([row[0] for row in gone.fetchall()], np.int64)
    # Ordered by id, SQLite would scan the whole table to avoid a sort (66 ms instead of 0.1).
    chunks = _rows(connection, generation, "WHERE sequence > ? ORDER BY sequence, id", after)
    return Delta(newest, False, 0, chunks, ids)


def _rows(
    connection: sqlite3.Connection, generation: Generation, which: str, parameters: tuple[int, ...]
) -> Iterator[Rows]:
    cursor = connection.execute(
        f"SELECT id, owner_id, created_at, type, key, terms, vector, words FROM {generation.table(PROJECT)} {which}",
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


def _chunks(cursor: sqlite3.Cursor) -> Iterator[list[Any]]:
    while chunk := list(islice(cursor, CHUNK)):
        yield chunk


def _prune(connection: sqlite3.Connection, generation: Generation) -> None:
    """Delete all but the newest half of the removed ids once there are too many."""
    [[count]] = connection.execute(f"SELECT count(*) FROM {generation.gone}").fetchall()
    if count <= MAX_GONE:
        return
    [[forgotten]] = connection.execute(
        f"SELECT sequence FROM {generation.gone} ORDER BY sequence DESC LIMIT 1 OFFSET ?", (MAX_GONE // 2,)
    ).fetchall()
    connection.execute(f"DELETE FROM {generation.gone} WHERE sequence <= ?", (forgotten,))
    connection.execute("UPDATE generations SET forgotten = ? WHERE name = ?", (forgotten, generation.name))
