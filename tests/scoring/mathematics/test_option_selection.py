"""Options that separate an audience, by numbers worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from scoring.mathematics.option_selection import (
    category_shares,
    choose_options,
    coverage_gain,
    information_gain,
    option_audience,
    option_incidence,
    total_gain,
)
from scoring.mathematics.signals import Integers


def ids(*values: int) -> Integers:
    return np.array(values, dtype=np.int64)


def test_an_option_that_separates_two_tastes_gains_one_bit_and_an_independent_one_none() -> None:
    liked = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    bits = np.array([[True, True, False], [True, False, False], [False, True, False], [False, False, False]])
    assert information_gain(bits, liked)(np.ones(4)).tolist() == pytest.approx([1.0, 0.0, 0.0])


def test_separating_a_quarter_gains_its_entropy() -> None:
    liked = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0], [0.0, 1.0]])
    bits = np.array([[True], [False], [False], [False]])
    entropy = -(0.25 * np.log2(0.25) + 0.75 * np.log2(0.75))
    assert information_gain(bits, liked)(np.ones(4))[0] == pytest.approx(entropy)


def test_the_second_option_reaches_people_whom_the_first_did_not() -> None:
    # Three crowds; the first option and its twin tell one crowd apart, the third tells another.
    liked = np.repeat(np.eye(3), 4, axis=0)
    music = np.repeat([True, False, False], 4)
    code = np.repeat([False, True, False], 4)
    bits = np.column_stack([music, music, code])
    assert choose_options(bits, information_gain(bits, liked), 2) == [0, 2]
    assert choose_options(bits, coverage_gain(bits), 2) == [0, 2]


def test_coverage_prefers_the_wider_option_and_leaves_out_empty_ones() -> None:
    bits = np.array([[True, True, False], [True, False, False], [True, False, False]])
    assert choose_options(bits, coverage_gain(bits), 3) == [0, 1]
    assert coverage_gain(bits)(np.ones(3)).tolist() == pytest.approx([1.0, 1 / 3, 0.0])


def test_people_with_two_likes_and_more_than_the_average_would_choose_an_option() -> None:
    # Actor 1 likes projects 1-3 (two with term 10), actor 2 projects 4-6 (one with it), actor 3 has too few likes.
    actors = ids(1, 1, 1, 2, 2, 2, 3, 3)
    projects = ids(1, 2, 3, 4, 5, 6, 1, 2)
    terms = ids(10, 10, 20, 10, 20, 20, 10, 10)
    people, bits = option_audience(actors, projects, terms, ids(20, 10))
    assert people.tolist() == [1, 2]
    assert bits.tolist() == [[False, True], [True, False]]
    assert category_shares(actors, terms, people, ids(10, 20)).tolist() == pytest.approx(np.array([[2, 1], [1, 2]]) / 3)


def test_incidence_lists_the_options_of_each_project() -> None:
    assert option_incidence(ids(7, 7, 8, 9), ids(1, 2, 2, 3), ids(2, 1)).tolist() == [[True, True], [True, False]]
    assert option_incidence(ids(), ids(), ids(1)).shape == (0, 1)


tables = st.integers(1, 12).flatmap(
    lambda n: st.tuples(arrays(np.bool_, (n, 5)), arrays(np.float64, (n, 3), elements=st.floats(0, 1)))
)


@given(tables)
def test_chosen_options_are_distinct_and_gain_something(table) -> None:  # type: ignore[no-untyped-def]
    bits, liked = table
    for gain in (information_gain(bits, liked), coverage_gain(bits)):
        assert (gain(np.ones(bits.shape[0])) >= 0).all()
        chosen = choose_options(bits, gain, 4)
        assert len(set(chosen)) == len(chosen) <= 4
        assert total_gain(bits, gain, chosen) >= total_gain(bits, gain, chosen[:1]) >= 0
