"""Searching by words: any text is a query, a filter filters, and common words give way."""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.vectors import keywords
from tests.db.vectors.objects import project, unit

COLOURS = ("red", "green", "blue", "amber", "ivory")


def everything(ids: np.ndarray) -> np.ndarray:
    return np.ones(len(ids), np.bool_)


def indexed(texts: Sequence[str]) -> sqlite3.Connection:
    """Index descriptions under the ids 1, 2, …"""
    connection = sqlite3.connect(":memory:", check_same_thread=False)
    connection.execute(keywords.table("words"))
    empty = replace(project(1, unit(1)), title="", combined_text="", tool_names=(), category_names=(), topics=())
    objects = [replace(empty, id=id_, description=text) for id_, text in enumerate(texts, start=1)]
    keywords.write(connection, "words", objects)
    return connection


@pytest.fixture(scope="module")
def coloured() -> Iterator[sqlite3.Connection]:
    """Give 300 texts: colours at random, so that many score the same."""
    generator = np.random.default_rng(1)
    connection = indexed([" ".join(generator.choice(COLOURS, generator.integers(1, 6))) for _ in range(300)])
    yield connection
    connection.close()


def test_words_are_folded_split_and_counted_once_without_stop_words():
    assert keywords.words_of("The Kafka-Python client, for KAFKA") == ["kafka", "python", "client"]
    assert keywords.words_of("a\0b") == ["b"]
    assert keywords.words_of("שלום \N{GRINNING FACE} \ud800") == ["שלום"]


def test_no_more_words_are_looked_for_than_is_written_down():
    assert len(keywords.words_of(" ".join(f"w{number}" for number in range(500)))) == keywords.MOST_WORDS


@given(query=st.text(max_size=200) | st.text('"*-^:(){}+ NEAROT\0', max_size=30))
def test_any_text_is_a_query(coloured: sqlite3.Connection, query: str):
    keywords.search(coloured, "words", query, 10, 1.0, everything)


@given(
    query=st.lists(st.sampled_from(COLOURS), min_size=1, max_size=3).map(" ".join),
    limit=st.integers(1, 40),
    modulus=st.sampled_from([1, 2, 5, 30]),
    told=st.sampled_from([0.01, 0.2, 1.0]),
)
def test_a_filter_gives_what_is_left_of_everything(
    coloured: sqlite3.Connection, query: str, limit: int, modulus: int, told: float
):
    whole = keywords.search(coloured, "words", query, 300, 1.0, everything)
    kept = np.flatnonzero(whole.ids % modulus == 0)[:limit]
    hits = keywords.search(coloured, "words", query, limit, told, lambda ids: ids % modulus == 0)
    assert hits.ids.tolist() == whole.ids[kept].tolist()
    assert hits.scores.tolist() == whole.scores[kept].tolist()


def test_equal_scores_are_ordered_by_id(coloured: sqlite3.Connection):
    hits = keywords.search(coloured, "words", "red", 300, 1.0, everything)
    order = np.lexsort((hits.ids, -hits.scores))
    assert order.tolist() == list(range(len(hits.ids)))
    assert len(set(hits.scores.tolist())) < len(hits.ids)


def test_endings_do_not_matter():
    connection = indexed(["parse dates", "it was parsed", "a parsing library", "sparse"])
    assert sorted(keywords.search(connection, "words", "parsers", 9, 1.0, everything).ids.tolist()) == []
    assert sorted(keywords.search(connection, "words", "parses", 9, 1.0, everything).ids.tolist()) == [1, 2, 3]
    connection.close()


def test_words_that_are_too_common_give_way_to_rarer_ones_and_one_is_always_left():
    connection = indexed(["often"] * 30 + ["seldom", "often seldom"])

    def found(query: str, most: int) -> int:
        return len(keywords.search(connection, "words", query, 99, 1.0, everything, most).ids)

    assert found("often seldom", 100) == 32
    assert found("often seldom", 30) == 2
    assert found("often", 30) == 31
    assert found("often unheard", 30) == 31
    connection.close()


def test_the_combined_text_adds_only_what_no_other_column_holds():
    connection = indexed([])
    item = replace(project(1, unit(1)), combined_text="title 1 about it wood Tools: hammer Categories: craft a thread")
    keywords.write(connection, "words", [item])
    [[kept]] = connection.execute("SELECT combined_text FROM words").fetchall()
    assert kept == "Tools: Categories: a thread"
    connection.close()


def test_matched_words_are_those_that_a_text_holds_whatever_their_endings():
    assert keywords.matched("parsing the dates quickly", "A parser for any date") == ["parsing", "dates"]
    assert keywords.matched("", "text") == []
