"""The similarities to a history by text, and the matches with interests, with numbers worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest

from scoring.mathematics.history_texts import (
    NO_TEXTS,
    CatalogContents,
    Interests,
    similarity_to_history,
    similarity_to_interests,
)
from scoring.mathematics.signals import Incidence

EAST, NORTH, NORTHEAST, NOTHING = (1.0, 0.0), (0.0, 1.0), (0.6, 0.8), (0.0, 0.0)
TERMS = Incidence(5, np.array([0, 0, 1, 2, 3]), np.array([7, 8, 7, 9, 8]))
CATALOG = CatalogContents(np.array([EAST, NORTH, NORTHEAST, NOTHING, EAST], np.float32), TERMS)


def test_a_viewer_of_two_interests_is_near_to_each_of_them_and_not_to_their_mean_only():
    texts = CATALOG.texts(np.array([2, 3, 4]), np.array([0, 1]))  # the history: east and north, at right angles
    weights = np.ones(2)
    assert similarity_to_interests(texts, weights) == pytest.approx([0.8, 0.0, 1.0])
    assert similarity_to_history(texts, weights) == pytest.approx([1.4 / np.sqrt(2), 0.0, 1 / np.sqrt(2)])


def test_projects_of_the_same_direction_are_one_interest_weighted_by_recency():
    texts = CATALOG.texts(np.array([0]), np.array([1, 2]))  # a cosine of .8: one interest
    weights = np.array([1.0, 0.5])
    length = np.sqrt(1.0 + 0.25 + 2 * 0.5 * 0.8)
    assert similarity_to_interests(texts, weights) == pytest.approx([0.5 * 0.6 / length])
    assert similarity_to_interests(texts, weights) == pytest.approx(similarity_to_history(texts, weights))


def test_an_opposite_text_and_a_history_without_texts_have_no_similarity():
    opposite = CatalogContents(-CATALOG.vectors, TERMS)
    against = CatalogContents(
        np.concatenate([CATALOG.vectors[:1], opposite.vectors[:1]]), Incidence(2, *[np.empty(0, np.int64)] * 2)
    )
    texts = against.texts(np.array([1]), np.array([0]))
    assert texts.to_candidates.tolist() == [[-1.0]]
    silent = CATALOG.texts(np.array([0, 1]), np.array([3]))
    for value in (similarity_to_history(texts, np.ones(1)), similarity_to_interests(texts, np.ones(1))):
        assert value.tolist() == [0.0]
    for value in (similarity_to_history(silent, np.ones(1)), similarity_to_interests(silent, np.ones(1))):
        assert value.tolist() == [0.0, 0.0]
    assert CatalogContents.unknown(5).texts(np.array([1]), np.array([0])).to_candidates.tolist() == [[0.0]]
    assert NO_TEXTS.among.size == 0


def test_interests_count_from_their_time_on_and_for_their_actor_only():
    interests = Interests.ordered(
        np.array([1, 0, 1]), np.array([8, 7, 9]), np.array([0.5, 1.0, 0.75]), np.array([-np.inf, 0.0, 100.0])
    )
    contents = replace(CATALOG, interests=interests)
    everything = np.arange(5)
    assert contents.interest_matches(1, everything, 100.0).tolist() == [0.5, 0.0, 0.0, 0.5, 0.0]
    assert contents.interest_matches(1, everything, 101.0).tolist() == [0.5, 0.0, 0.75, 0.5, 0.0]
    assert contents.interest_matches(0, everything, 1.0).tolist() == [1.0, 1.0, 0.0, 0.0, 0.0]
    assert contents.interest_matches(2, everything, 1.0).tolist() == [0.0] * 5
