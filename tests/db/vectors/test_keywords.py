"""Keyword search in the embedded index: filters, BM25 scores, and the omission of common terms."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.vectors.base import Hits
from db.vectors.embedded import keywords
from db.vectors.embedded.matrix import Matrix, Rows
from tests.doubles.weaviate.keywords import SearchedProperty, bm25f

COLOURS = ("red", "green", "blue", "amber", "pink")


def everything(ids: np.ndarray) -> np.ndarray:
    return np.ones(len(ids), np.bool_)


def matrix_of(lengths: list[int]) -> Matrix:
    """Make projects with the ids 1, 2, … and texts of these lengths."""
    count = len(lengths)
    zeros = np.zeros(count, np.int64)
    rows = Rows(
        ids=np.arange(1, count + 1),
        owners=zeros,
        created=zeros,
        types=["article"] * count,
        keys=[""] * count,
        terms=np.empty(0, np.int64),
        term_counts=zeros,
        vectors=np.zeros((count, 1), np.float32),
        lengths=np.array(lengths, np.int32),
    )
    return Matrix.from_chunks(1, [rows])


class Texts:
    """Texts of stems, indexed under the ids 1, 2, …"""

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = texts
        self.matrix = matrix_of([len(text.split()) for text in texts])
        self.connection = sqlite3.connect(":memory:", check_same_thread=False)
        self.connection.execute(keywords.table("words"))
        keywords.write(self.connection, "words", enumerate(texts, start=1))

    def search(
        self, query: str, limit: int = 99, passes: Callable[[np.ndarray], np.ndarray] = everything, **arguments: int
    ) -> Hits:
        passing = passes(self.matrix.ids)
        return keywords.search(self.connection, "words", query, limit, self.matrix, passing, **arguments)


@pytest.fixture(scope="module")
def coloured() -> Iterator[Texts]:
    """Return 300 texts: colors at random, so that many score the same."""
    generator = np.random.default_rng(1)
    texts = Texts([" ".join(generator.choice(COLOURS, generator.integers(1, 6))) for _ in range(300)])
    yield texts
    texts.connection.close()


@given(query=st.text(max_size=200) | st.text('"*-^:(){}+ NEAROT\0', max_size=30))
def test_any_text_is_a_query(coloured: Texts, query: str):
    coloured.search(query, 10)


@given(
    query=st.lists(st.sampled_from(COLOURS), min_size=1, max_size=3).map(" ".join),
    limit=st.integers(1, 40),
    modulus=st.sampled_from([1, 2, 5, 30]),
)
def test_a_filter_gives_what_is_left_of_everything(coloured: Texts, query: str, limit: int, modulus: int):
    whole = coloured.search(query, 300)
    kept = np.flatnonzero(whole.ids % modulus == 0)[:limit]
    hits = coloured.search(query, limit, lambda ids: ids % modulus == 0)
    assert hits.ids.tolist() == whole.ids[kept].tolist()
    assert hits.scores.tolist() == whole.scores[kept].tolist()


@given(query=st.lists(st.sampled_from(COLOURS), min_size=1, max_size=4, unique=True).map(" ".join))
def test_scores_are_those_that_weaviate_gives(coloured: Texts, query: str):
    documents = {str(id_): {"terms": text} for id_, text in enumerate(coloured.texts, start=1)}
    expected = bm25f(documents, query, [SearchedProperty("terms")])
    hits = coloured.search(query, 300)
    assert dict(zip(map(str, hits.ids.tolist()), hits.scores.tolist(), strict=True)) == pytest.approx(expected)


def test_equal_scores_are_ordered_by_id(coloured: Texts):
    hits = coloured.search("red", 300)
    order = np.lexsort((hits.ids, -hits.scores))
    assert order.tolist() == list(range(len(hits.ids)))
    assert len(set(hits.scores.tolist())) < len(hits.ids)


def test_words_that_are_too_common_give_way_to_rarer_ones_and_one_is_always_left():
    texts = Texts(["often"] * 30 + ["seldom", "often seldom"])

    def found(query: str, most: int) -> int:
        return len(texts.search(query, max_postings=most).ids)

    assert found("often seldom", 100) == 32
    assert found("often seldom", 30) == 2
    assert found("often", 30) == 31
    assert found("often unheard", 30) == 31
    texts.connection.close()


def test_what_was_removed_is_not_found():
    texts = Texts(["red", "red barn"])
    keywords.remove(texts.connection, "words", [1])
    assert texts.search("red").ids.tolist() == [2]
    texts.connection.close()
