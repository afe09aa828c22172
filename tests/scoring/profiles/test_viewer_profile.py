"""The profile: one vector out of what is said and what is done."""

import numpy as np
import pytest

from scoring.mathematics.signals import similarities_to_rest
from scoring.profiles.viewer_profile import blend_vectors


def test_two_vectors_of_any_length_count_half_each():
    mixed = blend_vectors(np.array([2.0, 0.0], np.float32), np.array([0.0, 0.1], np.float32))
    assert mixed == pytest.approx(np.array([0.5, 0.5]) / np.sqrt(0.5))


def test_one_that_says_nothing_leaves_the_other():
    only = np.array([0.0, 3.0], np.float32)
    for silent in (None, np.zeros(2, np.float32)):
        assert blend_vectors(silent, only) == pytest.approx([0.0, 1.0])
        assert blend_vectors(only, silent) == pytest.approx([0.0, 1.0])


def test_nothing_said_and_nothing_done_is_no_vector():
    assert blend_vectors(None, np.zeros(2, np.float32)) is None
    opposite = np.array([1.0, 0.0], np.float32)
    assert blend_vectors(opposite, -opposite) is None


def test_each_project_of_the_history_is_compared_with_the_rest_of_it():
    rows = np.array([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]], np.float32)
    weighted = rows * np.array([[2.0], [1.0], [0.0]], np.float32)
    assert similarities_to_rest(rows, weighted) == pytest.approx([0.6, 0.6, 0.8 / np.sqrt(2.6**2 + 0.8**2)])
    assert similarities_to_rest(rows[:1], weighted[:1]).size == 0
    assert similarities_to_rest(rows[:2], rows[:2] * 0).tolist() == [0.0, 0.0]
