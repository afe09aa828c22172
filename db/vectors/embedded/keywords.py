"""Keyword search in the embedded index: FTS5 finds the projects of a term, BM25 is computed here.

FTS5's own `bm25` looks up each project's length in the file, 1 us for each occurrence; here the lengths are in memory,
and a term's projects come as one string: 0.2 us. Its idf also differs: a term in more than half of the projects counts
for nothing there.
"""
# ruff: noqa: S608 (table names consist of letters, digits and underscores)

import math
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from db.vectors.base import Hits, Ids
from db.vectors.embedded.matrix import best
from db.vectors.text_analysis import K1, B, query_terms

MAX_POSTINGS = 20_000
"""Maximum number of projects scored, summed over a query's terms. The rarest terms come first; past this number, common
terms are left out."""

MERGED_AT_ONCE = 500
"""Pages of the full-text index that one call of `merge` writes: about 10 ms of the file's write lock."""

Mask = NDArray[np.bool_]
Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Corpus:
    """Statistics of all texts, for scoring."""

    size: int  # number of projects, without any filter
    mean_length: float  # mean number of terms of a text
    lengths: Callable[[Ids], NDArray[np.int32]]  # returns the number of terms of existing projects' texts
    passes: Callable[[Ids], Mask]  # returns which projects pass the filter


def table(name: str) -> str:
    """Return the statement that creates the table. It stores the terms too: otherwise no row could be removed."""
    return f"CREATE VIRTUAL TABLE {name} USING fts5(terms, columnsize = 0, tokenize = 'unicode61 remove_diacritics 0')"


def write(connection: sqlite3.Connection, name: str, texts: Iterable[tuple[int, str]]) -> None:
    """Write the terms of projects (see `search_terms_of`) by id, replacing older ones."""
    connection.executemany(f"INSERT OR REPLACE INTO {name} (rowid, terms) VALUES (?, ?)", texts)


def remove(connection: sqlite3.Connection, name: str, ids: Sequence[int]) -> None:
    """Remove the terms of projects."""
    connection.executemany(f"DELETE FROM {name} WHERE rowid = ?", [(id_,) for id_ in ids])


def merge(connection: sqlite3.Connection, name: str, *, first: bool) -> bool:
    """Merge a part of the full-text index, and return whether anything is left to merge.

    FTS5 only marks a text as removed: its words stay in the file until everything is merged. The `first` call begins a
    full merge, the others continue it.
    """
    before = connection.total_changes
    pages = -MERGED_AT_ONCE if first else MERGED_AT_ONCE
    connection.execute(f"INSERT INTO {name} ({name}, rank) VALUES ('merge', {pages})")
    return connection.total_changes - before >= 2  # FTS5's manual: fewer means that there was nothing to do


def search(
    connection: sqlite3.Connection,
    name: str,
    query: str,
    limit: int,
    corpus: Corpus,
    max_postings: int = MAX_POSTINGS,
) -> Hits:
    """Return the best `limit` projects that pass the filter, best first, ties by id."""
    terms = _selective(connection, name, query_terms(query), max_postings) if limit > 0 else []
    if not terms:
        return Hits()
    _open_occurrences(connection, name)
    scored = [_scored(*_occurrences(connection, name, term), corpus) for term in terms]
    ids, places = np.unique(np.concatenate([ids for ids, _ in scored]), return_inverse=True)
    # Summed in the same order of terms for each project, so that equal texts have equal scores.
    scores = np.bincount(places, np.concatenate([parts for _, parts in scored])).astype(np.float32)
    passing = corpus.passes(ids)
    return best(ids[passing], scores[passing], limit)


def idf(size: int, holding: int) -> float:
    """Return the inverse document frequency of a term that `holding` of the projects hold.

    >>> round(idf(100, 1), 3), round(idf(100, 60), 3)
    (4.211, 0.512)
    """
    return math.log(1 + (size - holding + 0.5) / (holding + 0.5))


def _scored(ids: Ids, counts: Counts, corpus: Corpus) -> tuple[Ids, NDArray[np.float64]]:
    """Return a term's part of each project's score: idf x f / (f + k1 (1 - b + b length / mean length))."""
    norm = K1 * (1 - B + B * corpus.lengths(ids) / corpus.mean_length)
    return ids, idf(corpus.size, len(ids)) * counts / (counts + norm)


def _open_occurrences(connection: sqlite3.Connection, name: str) -> None:
    """Create FTS5's view of term occurrences in this connection; it stores nothing itself."""
    connection.execute(f"CREATE VIRTUAL TABLE IF NOT EXISTS temp.{name}_at USING fts5vocab(main, {name}, instance)")


def _occurrences(connection: sqlite3.Connection, name: str, term: str) -> tuple[Ids, Counts]:
    """Return the projects that hold a term, by id, and the number of occurrences in each."""
    [[listed]] = connection.execute(f"SELECT group_concat(doc) FROM temp.{name}_at WHERE term = ?", (term,)).fetchall()
    return np.unique(np.fromstring(listed or "", np.int64, sep=","), return_counts=True)


def _selective(connection: sqlite3.Connection, name: str, terms: Sequence[str], room: int) -> list[str]:
    """Return the occurring terms, rarest first: at least one, and no more than `room` postings in all."""
    statement = f"SELECT count(*) FROM {name} WHERE {name} MATCH ?"
    # Quoted, so that no term is parsed as an operator.
    counted = [(connection.execute(statement, (f'"{term}"',)).fetchone()[0], term) for term in terms]
    selected: list[str] = []
    for count, term in sorted((count, term) for count, term in counted if count):
        if selected and count > room:
            break
        selected.append(term)
        room -= count
    return selected
