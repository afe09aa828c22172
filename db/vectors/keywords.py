"""Keyword search in the embedded index: which projects hold which terms is FTS5's to know, BM25 is computed here.

FTS5's own `bm25` looks up each project's length in the file, 1 us an occurrence; here the lengths are in memory, and a
term's projects come as one string: 0.2 us. And its idf is another: what more than half of the projects hold counts for
nothing there.
"""
# ruff: noqa: S608 (tables are named in letters, digits and underscores)

import math
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from db.vectors.base import Hits, Ids
from db.vectors.matrix import best
from db.vectors.text_analysis import query_terms

K1, B = 1.2, 0.75
"""Weaviate's defaults; `db.vectors.weaviate_schema` asks for the same."""

MOST_PROJECTS = 20_000
"""How many projects are scored, added up over a query's terms. The rarest terms come first: past that number, terms
that tell little are left out."""

Mask = NDArray[np.bool_]
Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Corpus:
    """What scoring has to know of all texts.

    Attributes
    ----------
    size
        How many projects there are, filter or not.
    mean_length
        Terms in the mean text.
    lengths
        Gives the terms in the texts of some projects, which are all here.
    passes
        Tells which of some projects pass the filter.
    """

    size: int
    mean_length: float
    lengths: Callable[[Ids], NDArray[np.int32]]
    passes: Callable[[Ids], Mask]


def table(name: str) -> str:
    """Write the statement that makes the table. It keeps the terms as well: else no row could be removed from it."""
    return f"CREATE VIRTUAL TABLE {name} USING fts5(terms, columnsize = 0, tokenize = 'unicode61 remove_diacritics 0')"


def write(connection: sqlite3.Connection, name: str, texts: Iterable[tuple[int, str]]) -> None:
    """Write the terms of projects (see `search_terms_of`) by id, in place of older ones."""
    connection.executemany(f"INSERT OR REPLACE INTO {name} (rowid, terms) VALUES (?, ?)", texts)


def remove(connection: sqlite3.Connection, name: str, ids: Sequence[int]) -> None:
    """Remove the terms of projects."""
    connection.executemany(f"DELETE FROM {name} WHERE rowid = ?", [(id_,) for id_ in ids])


MERGED_AT_ONCE = 500
"""Pages of the full-text index that one call of `merge` writes: about 10 ms of the file's write lock."""


def merge(connection: sqlite3.Connection, name: str, *, first: bool) -> bool:
    """Merge a part of the full-text index, and tell whether anything is left to merge.

    FTS5 only notes that a text was removed: its words stay until everything is merged.

    Parameters
    ----------
    first
        Whether this begins a merge of everything; else it goes on with one.
    """
    before = connection.total_changes
    pages = -MERGED_AT_ONCE if first else MERGED_AT_ONCE
    connection.execute(f"INSERT INTO {name} ({name}, rank) VALUES ('merge', {pages})")
    return connection.total_changes - before >= 2  # by FTS5's manual: fewer means that there was nothing to do


def search(
    connection: sqlite3.Connection,
    name: str,
    query: str,
    limit: int,
    corpus: Corpus,
    most_projects: int = MOST_PROJECTS,
) -> Hits:
    """Find the best `limit` projects that pass, best first, ties by id."""
    terms = _telling(connection, name, query_terms(query), most_projects) if limit > 0 else []
    if not terms:
        return Hits()
    _open_occurrences(connection, name)
    scored = [_scored(*_occurrences(connection, name, term), corpus) for term in terms]
    ids, places = np.unique(np.concatenate([ids for ids, _ in scored]), return_inverse=True)
    # Added in the same order of terms for each, so that equal texts have equal scores.
    scores = np.bincount(places, np.concatenate([parts for _, parts in scored])).astype(np.float32)
    passing = corpus.passes(ids)
    return best(ids[passing], scores[passing], limit)


def idf(size: int, holding: int) -> float:
    """Give what a term is worth that so many of the projects hold.

    >>> round(idf(100, 1), 3), round(idf(100, 60), 3)
    (4.211, 0.512)
    """
    return math.log(1 + (size - holding + 0.5) / (holding + 0.5))


def _scored(ids: Ids, counts: Counts, corpus: Corpus) -> tuple[Ids, NDArray[np.float64]]:
    """Give a term's part of each project's score: idf x f / (f + k1 (1 - b + b length / mean length))."""
    norm = K1 * (1 - B + B * corpus.lengths(ids) / corpus.mean_length)
    return ids, idf(corpus.size, len(ids)) * counts / (counts + norm)


def _open_occurrences(connection: sqlite3.Connection, name: str) -> None:
    """Make FTS5's view of where each term occurs known to this connection; it holds nothing itself."""
    connection.execute(f"CREATE VIRTUAL TABLE IF NOT EXISTS temp.{name}_at USING fts5vocab(main, {name}, instance)")


def _occurrences(connection: sqlite3.Connection, name: str, term: str) -> tuple[Ids, Counts]:
    """Give the projects that hold a term, by id, and how often each does."""
    [[listed]] = connection.execute(f"SELECT group_concat(doc) FROM temp.{name}_at WHERE term = ?", (term,)).fetchall()
    return np.unique(np.fromstring(listed or "", np.int64, sep=","), return_counts=True)


def _telling(connection: sqlite3.Connection, name: str, terms: Sequence[str], room: int) -> list[str]:
    """Give the terms that occur at all, the rarest first, as many as there is room for and at least one."""
    statement = f"SELECT count(*) FROM {name} WHERE {name} MATCH ?"
    # Quoted, so that no term is an operator.
    counted = [(connection.execute(statement, (f'"{term}"',)).fetchone()[0], term) for term in terms]
    telling: list[str] = []
    for count, term in sorted((count, term) for count, term in counted if count):
        if telling and count > room:
            break
        telling.append(term)
        room -= count
    return telling
