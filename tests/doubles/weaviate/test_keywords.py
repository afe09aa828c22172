"""The double's BM25F, against numbers worked out by hand."""

import pytest

from tests.doubles.weaviate.keywords import SearchedProperty, bm25f, words

TITLE = [SearchedProperty("title")]


def test_words_are_lower_case_letters_and_digits():
    assert words("Fine-tuning GPT-4, ÜBER_all!") == ["fine", "tuning", "gpt", "4", "über", "all"]
    assert words(["a b", "C"]) == ["a", "b", "c"]


def test_one_property_is_scored_as_by_hand():
    documents = {"a": {"title": "red fox"}, "b": {"title": "red red dog house"}, "c": {"title": "the cat"}}
    # Lengths 2, 4, 2: mean 8/3. idf = ln(1 + (3 - 2 + 0.5) / (2 + 0.5)) = ln 1.6 = 0.4700036.
    # a: 1 / (1 + 1.2 x (0.25 + 0.75 x 2 / (8/3))) = 1 / 1.975; b: 2 / (2 + 1.2 x (0.25 + 0.75 x 4 / (8/3))) = 2 / 3.65.
    scores = bm25f(documents, "RED", TITLE)
    assert scores == pytest.approx({"a": 0.4700036 / 1.975, "b": 0.4700036 * 2 / 3.65})


def test_properties_share_an_idf_and_a_mean_length_and_a_boost_multiplies():
    documents = {"a": {"title": "red fox", "body": "fox"}, "b": {"title": "dog", "body": "red dog dog"}}
    # Means 1.5 and 2: 1.75. "red" stands in one title and one body: n = (1 + 1) // 2 = 1, idf = ln(1 + 1.5 / 1.5).
    # a: 2 x ln 2 / (1 + 1.2 x (0.25 + 0.75 x 2 / 1.75)) = 2 x 0.6931472 / 2.3285714
    # b: ln 2 / (1 + 1.2 x (0.25 + 0.75 x 3 / 1.75)) = 0.6931472 / 2.8428571
    scores = bm25f(documents, "red", [SearchedProperty.parse("title^2"), SearchedProperty.parse("body")])
    assert scores == pytest.approx({"a": 2 * 0.6931472 / 2.3285714, "b": 0.6931472 / 2.8428571})


def test_a_word_asked_for_twice_counts_twice():
    documents = {"a": {"title": "red fox"}, "b": {"title": "dog"}}
    once, twice = bm25f(documents, "red", TITLE), bm25f(documents, "red RED", TITLE)
    assert twice["a"] == pytest.approx(2 * once["a"])


def test_stop_words_find_nothing():
    assert bm25f({"a": {"title": "the fox and the dog"}}, "the and", TITLE) == {}


def test_a_filter_does_not_change_the_scores_of_what_it_lets_pass():
    documents = {"a": {"title": "red fox"}, "b": {"title": "red red dog house"}}
    assert bm25f(documents, "red", TITLE, {"b"}) == {"b": bm25f(documents, "red", TITLE)["b"]}
