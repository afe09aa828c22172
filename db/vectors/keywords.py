"""Keyword search in SQLite's FTS5: the table of texts, what is asked of it, and its BM25 scores.

BM25 here is k1 1.2 and b 0.75 over all columns together, a word's occurrences weighted by their column.
"""
# ruff: noqa: S608, SIM905 (tables are named in letters, digits and underscores; a list of 33 words takes 33 lines)

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
    "a an and are as at be but by for if in into is it no not of on or such that the their then there these they "
    "this to was will with".split()
)
"""Weaviate's English preset."""

MOST_WORDS = 64
"""Different words of a query that are looked for; the rest of a long one is left out."""

MOST_DOCUMENTS = 20_000
"""How many occurrences of a query's words are scored, at 1 us each. The rarest words come first: past that number,
words that tell little are left out. Six words of a text cost 9 ms at 100,000 projects (95th percentile 18; without
this bound 18 and 54), 64 words 35."""

FEW_PASS = 0.1
"""If a smaller share passes a filter, all that was found is fetched at once: the best few would hardly hold enough."""

TOKENISER = "porter unicode61 remove_diacritics 2"

SHORTEST_STEM = 3

_ENDINGS = "ations ation ings ing ers ions ies ion ed es er ly s e y".split()
_WORD = re.compile(r"[^\W_]+")

Mask = NDArray[np.bool_]


def words_of(query: str) -> list[str]:
    """Give the different words of a query in their order, split and folded as the index does, without stop words."""
    words = dict.fromkeys(word for word in _WORD.findall(query.lower()) if word not in STOP_WORDS)
    return list(words)[:MOST_WORDS]


def matched(query: str, text: str) -> list[str]:
    """Give the words of a query that a text holds, endings aside."""
    held = {stem(word) for word in _WORD.findall(text.lower())}
    return [word for word in words_of(query) if stem(word) in held]


def stem(word: str) -> str:
    """Cut an English ending off. Cruder than FTS5's Porter stemmer, which Python cannot ask.

    >>> [stem(word) for word in ("parsing", "parser", "parsed", "parse", "bus")]
    ['pars', 'pars', 'pars', 'pars', 'bus']
    """
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= SHORTEST_STEM:
            return word[: -len(ending)]
    return word


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
    connection: sqlite3.Connection,
    name: str,
    query: str,
    limit: int,
    share: float,
    passes: Callable[[Ids], Mask],
    most_documents: int = MOST_DOCUMENTS,
) -> Hits:
    """Find the best `limit` projects that pass, best first, ties by id.

    Parameters
    ----------
    share
        Of all projects, the share that passes: how many more to fetch than are wanted.
    """
    words = _telling(connection, name, words_of(query), most_documents)
    if limit <= 0 or share <= 0 or not words:
        return Hits()
    statement = f"""SELECT rowid, -bm25({name}, {", ".join(map(str, COLUMN_WEIGHTS.values()))}) AS score
        FROM {name} WHERE {name} MATCH ? ORDER BY score DESC, rowid LIMIT ?"""
    fetched = int(2 * limit / share) if share >= FEW_PASS else -1
    while True:
        rows = connection.execute(statement, (expression(words), fetched)).fetchall()
        ids = np.array([row[0] for row in rows], np.int64)
        scores = np.array([row[1] for row in rows], np.float32)
        passing = np.flatnonzero(passes(ids))[:limit]
        if len(passing) == limit or fetched < 0 or len(rows) < fetched:
            return Hits(ids[passing], scores[passing])
        fetched = -1  # what passes is rare among what was found: look at everything


def _telling(connection: sqlite3.Connection, name: str, words: Sequence[str], room: int) -> list[str]:
    """Give the words that occur at all, the rarest first, as many as there is room for and at least one."""
    statement = f"SELECT count(*) FROM {name} WHERE {name} MATCH ?"
    counted = [(connection.execute(statement, (expression([word]),)).fetchone()[0], word) for word in words]
    telling: list[str] = []
    for count, word in sorted((count, word) for count, word in counted if count):
        if telling and count > room:
            break
        telling.append(word)
        room -= count
    return telling


def _beyond(item: ProjectObject) -> str:
    """Give the combined text without what the other columns hold."""
    text = item.combined_text
    for part in (item.title, item.description, " ".join(item.topics), *item.tool_names, *item.category_names):
        if part:
            text = text.replace(part, " ", 1)
    return " ".join(text.split())
