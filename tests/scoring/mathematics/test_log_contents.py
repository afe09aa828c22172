"""The similarities to a history by text, and the matches with interests, with numbers worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest

from scoring import tunables
from scoring.mathematics.log_contents import CatalogContents, Interests
from scoring.mathematics.signals import Incidence, discrimination

EAST, NORTH, NORTHEAST, NOTHING = (1.0, 0.0), (0.0, 1.0), (0.6, 0.8), (0.0, 0.0)
NONE = np.empty(0, np.int64)
TERMS = Incidence(5, np.array([0, 0, 1, 2, 3]), np.array([7, 8, 7, 9, 8]))
CATALOG = CatalogContents(np.array([EAST, NORTH, NORTHEAST, NOTHING, EAST], np.float32), TERMS)


def test_the_similarity_to_a_history_is_the_cosine_with_the_weighted_sum_of_its_vectors():
    history, weights = np.array([0, 1]), np.array([1.0, 0.5])  # east, and north with half of its weight
    length = np.sqrt(1.25)
    similarity = CATALOG.similarity_to_history(np.array([2, 3, 4]), history, weights, NONE)
    prior = tunables.DISCRIMINATION_PRIOR
    assert similarity / prior == pytest.approx([(0.6 + 0.5 * 0.8) / length, 0.0, 1 / length])


def test_the_similarity_counts_as_far_as_it_tells_the_history_from_the_newest_projects():
    vectors = np.array([EAST, EAST, EAST, NORTH, NOTHING], np.float32)
    history, weights = np.array([0, 1]), np.ones(2)
    similarity = replace(CATALOG, vectors=vectors).similarity_to_history(
        np.array([2]),
        history,
        weights,
        np.array([1, 3, 4]),  # a project of the history and one without text do not count
    )
    assert similarity == pytest.approx([discrimination(np.ones(2), np.zeros(1, np.float32))])


def test_opposite_texts_and_a_history_without_texts_or_projects_have_no_similarity():
    opposite = replace(CATALOG, vectors=np.array([EAST, NORTH, (-1.0, 0.0), NOTHING, EAST], np.float32))
    assert opposite.similarity_to_history(np.array([2]), np.array([0]), np.ones(1), NONE).tolist() == [0.0]
    for contents, history in ((CATALOG, [3]), (CATALOG, []), (CatalogContents.unknown(5), [0])):
        known = np.array(history, dtype=np.int64)
        assert contents.similarity_to_history(np.array([0, 1]), known, np.ones(known.size), NONE).tolist() == [0.0, 0.0]


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
