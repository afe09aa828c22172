"""Keyword search in SQLite's FTS5: the table of texts, what is asked of it, and its BM25 scores.

BM25 here is k1 1.2 and b 0.75 over all columns together, a word's occurrences weighted by their column.
"""
# ruff: noqa: S608 (the names of tables consist of letters, digits and underscores; see `collection_name`)

import re
import sqlite3
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from db.vectors.base import Hits, Ids, ProjectObject

COLUMN_WEIGHTS = {
    "title": 3.0,
    "description": 2.0,
    "combined_text": 1.0,
    "tool_names": 2.0,
    "category_names": 2.0,
    "topics": 2.0,
}
"""What an occurrence counts. In Weaviate, where `combined_text` repeats the others and the title counts twice, a word
of the title counts 2 + 1 and one of the others 1 + 1; here `combined_text` holds only what the others do not."""

STOP_WORDS = frozenset(
    (
        "a an and are as at be but by for if in into is it no not of on or such "
        "that the their then there these they this to was will with"
    ).split()
)
"""Weaviate's English preset. Without them the leg costs 8 ms at 100,000 projects; with them, 31."""

MOST_WORDS = 64
"""Different words of a query that are looked for; the rest of a long one is left out."""

TOKENISER = "porter unicode61 remove_diacritics 2"

_WORD = re.compile(r"[^\W_]+")

Mask = NDArray[np.bool_]


def words_of(query: str) -> list[str]:
    """Give the different words of a query in their order, split and folded as the index does, without stop words."""
    words = dict.fromkeys(word for word in _WORD.findall(query.lower()) if word not in STOP_WORDS)
    return list(words)[:MOST_WORDS]


def expression(words: Iterable[str]) -> str:
    """Write words as an FTS5 query for any of them. Each is quoted, so that none is an operator."""
    return " OR ".join(f'"{word}"' for word in words)


def table(name: str) -> str:
    """Write the statement that makes the table. It keeps the texts as well: no other table does."""
    return f"CREATE VIRTUAL TABLE {name} USING fts5({', '.join(COLUMN_WEIGHTS)}, tokenize = '{TOKENISER}')"


def write(connection: sqlite3.Connection, name: str, objects: Sequence[ProjectObject]) -> None:
    """Write the texts of projects, in place of older ones."""
    connection.executemany(
        f"INSERT OR REPLACE INTO {name} (rowid, {', '.join(COLUMN_WEIGHTS)}) VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (
                item.id,
                item.title,
                item.description,
                _beyond(item),
                " ".join(item.tool_names),
                " ".join(item.category_names),
                " ".join(item.topics),
            )
            for item in objects
        ],
    )


def remove(connection: sqlite3.Connection, name: str, ids: Sequence[int]) -> None:
    """Remove the texts of projects."""
    connection.executemany(f"DELETE FROM {name} WHERE rowid = ?", [(id_,) for id_ in ids])


def search(
    connection: sqlite3.Connection, name: str, query: str, limit: int, share: float, passes: Callable[[Ids], Mask]
) -> Hits:
    """Find the best `limit` projects that pass, best first, ties by id.

    Parameters
    ----------
    share
        Of all projects, the share that passes: how many more to fetch than are wanted.
    """
    words = words_of(query)
    if limit <= 0 or share <= 0 or not words:
        return Hits()
    statement = f"""SELECT rowid, -bm25({name}, {", ".join(map(str, COLUMN_WEIGHTS.values()))}) AS score
        FROM {name} WHERE {name} MATCH ? ORDER BY score DESC, rowid LIMIT ?"""
    fetched = int(2 * limit / share)
    while True:
        rows = connection.execute(statement, (expression(words), fetched)).fetchall()
        ids = np.array([row[0] for row in rows], np.int64)
        scores = np.array([row[1] for row in rows], np.float32)
        passing = np.flatnonzero(passes(ids))[:limit]
        if len(passing) == limit or fetched < 0 or len(rows) < fetched:
            return Hits(ids[passing], scores[passing])
        fetched = -1  # what passes is rare among what was found: look at everything


def _beyond(item: ProjectObject) -> str:
    """Give the combined text without what the other columns hold."""
    text = item.combined_text
    for part in (item.title, item.description, " ".join(item.topics), *item.tool_names, *item.category_names):
        if part:
            text = text.replace(part, " ", 1)
    return " ".join(text.split())
