"""Keyword search in the embedded index: FTS5 finds the projects with a term, and this module computes BM25.

FTS5's `bm25` reads each document length from disk (1 us for each occurrence). This module keeps the lengths in memory
and reads the projects with a term as one string (0.2 us). The idf of FTS5 also differs: it is 0 for a term that more
than half of the projects contain.
"""
# ruff: noqa: S608 (table names consist of letters, digits and underscores)

import math
import sqlite3
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from db.vectors.base import Hits, Ids
from db.vectors.embedded.matrix import Mask, Matrix, best_hits
from db.vectors.text_analysis import BM25_B, BM25_K1, query_terms

MAX_POSTINGS = 20_000
"""Maximum number of scored (term, project) pairs of a query. The rarest terms are scored; further terms are ignored."""

MERGE_PAGES = 500
"""Pages of the full-text index that one call of `merge` writes, which holds the write lock for about 10 ms."""

Counts = NDArray[np.int64]


def table(name: str) -> str:
    """Return the statement that creates the full-text table. It stores the terms, which removing a row requires.

    The tokenizer `ascii` leaves terms of other characters as they are; `unicode61` splits and folds them differently.
    """
    return f"CREATE VIRTUAL TABLE {name} USING fts5(terms, columnsize = 0, tokenize = 'ascii')"


def write(connection: sqlite3.Connection, name: str, texts: Iterable[tuple[int, str]]) -> None:
    """Write or replace the terms of projects, as (id, `search_terms_of`)."""
    connection.executemany(f"INSERT OR REPLACE INTO {name} (rowid, terms) VALUES (?, ?)", texts)


def remove(connection: sqlite3.Connection, name: str, ids: Sequence[int]) -> None:
    """Remove the terms of projects by id."""
    connection.executemany(f"DELETE FROM {name} WHERE rowid = ?", [(id_,) for id_ in ids])


def merge(connection: sqlite3.Connection, name: str, *, first: bool) -> bool:
    """Merge a part of the full-text index, and return whether the merge is unfinished.

    FTS5 only marks a text as removed: its words remain in the file until a full merge. The `first` call starts a full
    merge, further calls continue it.
    """
    before = connection.total_changes
    pages = -MERGE_PAGES if first else MERGE_PAGES
    connection.execute(f"INSERT INTO {name} ({name}, rank) VALUES ('merge', {pages})")
    # FTS5 documentation: fewer than 2 changes mean that nothing was left to merge.
    return connection.total_changes - before >= 2


def search(
    connection: sqlite3.Connection,
    name: str,
    query: str,
    limit: int,
    matrix: Matrix,
    mask: Mask,
    max_postings: int = MAX_POSTINGS,
) -> Hits:
    """Return the `limit` projects that `mask` selects with the highest BM25 scores, best first, ties by id.

    The statistics of BM25 are those of all projects in the matrix, without any filter.
    """
    terms = _rarest_terms(connection, name, query_terms(query), max_postings) if limit > 0 else []
    if not terms:
        return Hits()
    _create_occurrence_table(connection, name)
    term_scores = [_score_term(*_term_occurrences(connection, name, term), matrix) for term in terms]
    ids, indices = np.unique(np.concatenate([ids for ids, _ in term_scores]), return_inverse=True)
    # The scores of the terms are summed in the same order for each project, so that equal texts have equal scores.
    scores = np.bincount(indices, np.concatenate([scores_of_term for _, scores_of_term in term_scores])).astype(
        np.float32
    )
    is_passing = matrix.are_selected(ids, mask)
    return best_hits(ids[is_passing], scores[is_passing], limit)


def idf(size: int, document_frequency: int) -> float:
    """Return the inverse document frequency of a term that `document_frequency` of `size` projects contain.

    >>> round(idf(100, 1), 3), round(idf(100, 60), 3)
    (4.21, 0.512)
    """
    return math.log(1 + (size - document_frequency + 0.5) / (document_frequency + 0.5))


def _score_term(ids: Ids, counts: Counts, matrix: Matrix) -> tuple[Ids, NDArray[np.float64]]:
    """Return the score of a term for each project: idf x f / (f + k1 (1 - b + b length / mean length))."""
    norm = BM25_K1 * (1 - BM25_B + BM25_B * matrix.lengths_of(ids) / matrix.mean_length)
    return ids, idf(int(matrix.alive.sum()), len(ids)) * counts / (counts + norm)


def _create_occurrence_table(connection: sqlite3.Connection, name: str) -> None:
    """Create the temporary FTS5 table of term occurrences, which is a view of the full-text table."""
    connection.execute(f"CREATE VIRTUAL TABLE IF NOT EXISTS temp.{name}_at USING fts5vocab(main, {name}, instance)")


def _term_occurrences(connection: sqlite3.Connection, name: str, term: str) -> tuple[Ids, Counts]:
    """Return the ids of the projects with a term, sorted, and the number of occurrences in each."""
    [[ids_text]] = connection.execute(
        f"SELECT group_concat(doc) FROM temp.{name}_at WHERE term = ?", (term,)
    ).fetchall()
    return np.unique(np.fromstring(ids_text or "", np.int64, sep=","), return_counts=True)


def _rarest_terms(connection: sqlite3.Connection, name: str, terms: Sequence[str], max_postings: int) -> list[str]:
    """Return the terms that occur, rarest first: at least one, and at most `max_postings` (term, project) pairs."""
    statement = f"SELECT count(*) FROM {name} WHERE {name} MATCH ?"
    # Terms are quoted, so that none is parsed as an operator.
    counts = [(connection.execute(statement, (f'"{term}"',)).fetchone()[0], term) for term in terms]
    selected: list[str] = []
    for count, term in sorted((count, term) for count, term in counts if count):
        if selected and count > max_postings:
            break
        selected.append(term)
        max_postings -= count
    return selected
