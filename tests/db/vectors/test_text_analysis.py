"""Text analysis: the same terms for both engines, in any script."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.vectors import text_analysis
from db.vectors.text_analysis import fold, join_pairs, matched_words, query_terms, query_words, search_terms_of, stem_of
from tests.db.vectors.objects import project, unit
from tests.doubles.weaviate.keywords import STOP_WORDS, words


def test_words_are_split_lowered_and_counted_once_without_stop_words():
    assert query_words("The Kafka-Python client, for KAFKA") == ["kafka", "python", "client"]
    assert query_words("a\0b") == ["b"]
    assert query_words("שלום \N{GRINNING FACE} \ud800") == ["שלום", "\N{GRINNING FACE}"]


def test_no_more_words_are_looked_for_than_is_written_down():
    assert len(query_words(" ".join(f"w{number}" for number in range(500)))) == text_analysis.MAX_QUERY_WORDS


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("parses", "parsing"),
        ("cafés", "cafe"),
        ("cafe\u0301", "café"),
        ("ﬁle", "files"),
        ("Ｒust", "rust"),
        ("Ё", "е"),
        ("ΟΔΥΣΣΕΥΣ", "Ὀδυσσεύς"),
        ("IŞIK", "ışık"),
        ("İstanbul", "istanbul"),
        ("straße", "STRASSE"),
        ("Đường", "duong"),
        ("שָׁלוֹם", "שלום"),
        ("بِنَاءُ", "بناء"),
        ("كتـــاب", "كتاب"),
        ("पढ़ना", "पढ़ना"),
        ("ｶﾒﾗ", "カメラ"),
        ("co\u00adde", "code"),
    ],
)
def test_forms_of_a_word_are_one_term(one: str, other: str):
    assert query_terms(one) == query_terms(other) != []


def test_different_words_stay_different_terms():
    words = ("parse", "sparse", "parsley", "часть", "שלום", "日本", "कमल", "कमाल", "かき", "かぎ", "กา", "กำ")
    assert len({stem_of(word) for word in words}) == len(words)


def test_scripts_without_spaces_are_pairs_of_letters_and_a_query_of_one_letter_finds_them():
    assert query_words("AI模型 3D打印机a") == ["ai", "模型", "3d", "打印", "印机"]
    assert query_words("มือถือ") == ["มือ", "อถื", "ถือ"]  # vowels above a letter stay with it
    assert matched_words("猫", "黒猫の写真") == ["猫"]
    assert matched_words("語言", "言語") == []
    assert join_pairs(query_words("東京の夜景 rust")) == ["東京の夜景", "rust"]


def test_a_word_without_end_is_cut():
    assert stem_of("x" * 10_000) == "x" * text_analysis.MAX_TERM_LENGTH


@given(text=st.text(max_size=60))
def test_the_terms_of_a_text_are_terms_to_the_server_too(text: str):
    """The server splits the terms as they were sent, and none is a stop word to it."""
    for term in query_terms(text):
        assert words(term, "whitespace") == [term]
        assert fold(term) == term
        assert term not in STOP_WORDS


@given(query=st.text(max_size=40), before=st.text(max_size=20))
def test_a_text_is_found_by_all_its_words(query: str, before: str):
    item = replace(project(1, unit(1)), title="", description="", combined_text=f"{before} {query}")
    assert set(query_terms(query)) <= set(search_terms_of(item).split(" "))
    assert matched_words(query, f"{before} {query}") == query_words(query)


def test_a_title_counts_three_times_and_a_description_and_names_twice():
    parts = {"title": "Rust", "description": "Safe rust", "tool_names": ("gcc",), "category_names": (), "topics": ()}
    item = replace(project(1, unit(1)), **parts, combined_text="Rust Safe rust Tools: gcc")
    assert sorted(search_terms_of(item).split(" ")) == ["gcc"] * 2 + ["rust"] * 5 + ["safe"] * 2 + ["tool"]


def test_matched_words_are_those_that_a_text_holds_whatever_their_endings():
    assert matched_words("parsing the dates quickly", "It parses any date") == ["parsing", "dates"]
    assert matched_words("", "text") == []


@given(
    text=st.text(max_size=40)
    | st.text("aİıΣςßé\u0301\u200d\u00ad\u1100\u1161\u0958\u093c\u0e33\u0e01\u3099か\u05d0\u05b0ﷺ")
)
def test_a_folded_text_contains_its_folded_words_and_stays_when_folded_again(text: str):
    folded = fold(text)
    assert all(fold(word) in folded for word in query_words(text))
    assert fold(folded) == folded
