"""The similarities to a history by text and by terms, with numbers worked out by hand."""

import numpy as np
import pytest

from scoring.mathematics.history_texts import (
    NO_TEXTS,
    CatalogContents,
    similarity_to_history,
    similarity_to_interests,
    similarity_to_nearest,
    term_affinity,
)
from scoring.mathematics.signals import Incidence

EAST, NORTH, NORTHEAST, NOTHING = (1.0, 0.0), (0.0, 1.0), (0.6, 0.8), (0.0, 0.0)
TERMS = Incidence(5, np.array([0, 0, 1, 2, 3]), np.array([7, 8, 7, 9, 8]))
CATALOG = CatalogContents(np.array([EAST, NORTH, NORTHEAST, NOTHING, EAST], np.float32), TERMS)


def test_a_viewer_of_two_interests_is_near_to_each_of_them_and_not_to_their_mean_only():
    texts = CATALOG.texts(np.array([2, 3, 4]), np.array([0, 1]))  # the history: east and north, at right angles
    weights = np.ones(2)
    assert similarity_to_nearest(texts) == pytest.approx([0.8, 0.0, 1.0])
    assert similarity_to_interests(texts, weights) == pytest.approx([0.8, 0.0, 1.0])
    assert similarity_to_history(texts, weights) == pytest.approx([1.4 / np.sqrt(2), 0.0, 1 / np.sqrt(2)])


def test_projects_of_the_same_direction_are_one_interest_weighted_by_recency():
    texts = CATALOG.texts(np.array([0]), np.array([1, 2]))  # a cosine of .8: one interest
    weights = np.array([1.0, 0.5])
    length = np.sqrt(1.0 + 0.25 + 2 * 0.5 * 0.8)
    assert similarity_to_interests(texts, weights) == pytest.approx([0.5 * 0.6 / length])
    assert similarity_to_interests(texts, weights) == pytest.approx(similarity_to_history(texts, weights))
    assert similarity_to_nearest(texts) == pytest.approx([0.6])


def test_an_opposite_text_and_a_history_without_texts_have_no_similarity():
    opposite = CatalogContents(-CATALOG.vectors, TERMS)
    against = CatalogContents(
        np.concatenate([CATALOG.vectors[:1], opposite.vectors[:1]]), Incidence(2, *[np.empty(0, np.int64)] * 2)
    )
    texts = against.texts(np.array([1]), np.array([0]))
    assert texts.to_candidates.tolist() == [[-1.0]]
    silent = CATALOG.texts(np.array([0, 1]), np.array([3]))
    for value in (similarity_to_nearest(texts), similarity_to_interests(texts, np.ones(1))):
        assert value.tolist() == [0.0]
    for value in (similarity_to_history(silent, np.ones(1)), similarity_to_interests(silent, np.ones(1))):
        assert value.tolist() == [0.0, 0.0]
    assert CatalogContents.unknown(5).texts(np.array([1]), np.array([0])).to_candidates.tolist() == [[0.0]]
    assert NO_TEXTS.among.size == 0


def test_the_affinity_to_terms_is_the_mean_share_of_the_history_that_has_them():
    history = TERMS.take(np.array([0, 2]))  # terms 7 and 8, then 9
    shares = term_affinity(TERMS, history, np.array([3.0, 1.0]))  # 7: .75, 8: .75, 9: .25
    assert shares == pytest.approx([0.75, 0.75, 0.25, 0.75, 0.0])
    assert term_affinity(TERMS, TERMS.take(np.empty(0, np.int64)), np.empty(0)).tolist() == [0.0] * 5
