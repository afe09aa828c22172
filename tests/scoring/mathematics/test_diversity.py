"""Diversity: a permutation that keeps its limits and tells of every move."""

import itertools
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring import tunables
from scoring.mathematics.diversity import DiversityAttributes, RankChange, diversify, similarity, spread
from scoring.mathematics.signals import Incidence


def incidence(terms_of_each: list[list[int]]) -> Incidence:
    rows = [row for row, terms in enumerate(terms_of_each) for _ in terms]
    return Incidence(
        len(terms_of_each), np.array(rows, dtype=np.int64), np.array(list(itertools.chain(*terms_of_each)), np.int64)
    )


def attributes(owners: list[int], categories: list[list[int]], tools: list[list[int]]) -> DiversityAttributes:
    return DiversityAttributes(np.array(owners, dtype=np.int64), incidence(categories), incidence(tools))


@st.composite
def rankings(draw: st.DrawFn) -> tuple[np.ndarray, DiversityAttributes]:
    n = draw(st.integers(0, 90))
    score = sorted(draw(st.lists(st.integers(-500_000, 900_000), min_size=n, max_size=n)), reverse=True)
    owners = draw(st.lists(st.integers(-1, 6), min_size=n, max_size=n))
    terms = st.lists(st.integers(1, 6), max_size=3, unique=True)
    categories, tools = (draw(st.lists(terms, min_size=n, max_size=n)) for _ in range(2))
    return np.array(score, dtype=np.int64), attributes(owners, categories, tools)


@settings(max_examples=60, deadline=None)
@given(rankings(), st.floats(0, 0.2))
def test_spreading_out_is_a_permutation_and_tells_of_every_move(ranking, strength: float):
    score, known = ranking
    order, moves = diversify(score, known, strength)
    assert sorted(order) == list(range(score.size))
    assert {index for rank, index in enumerate(order) if rank != index} <= set(moves)
    for index, move in moves.items():
        assert (move.from_rank, order[move.to_rank - 1]) == (index + 1, index)
        assert move.penalty >= 0


def fills(known: DiversityAttributes, page: list[int], candidate: int) -> bool:
    """Return whether the page has as many projects of the candidate's owner, or of one of its categories, as it may."""

    def categories(index: int) -> set[int]:
        return set(known.categories.terms[known.categories.rows == index].tolist())

    owner = known.owners[candidate]
    by_owner = owner >= 0 and sum(known.owners[page] == owner) >= tunables.MAX_SAME_OWNER
    return bool(by_owner) or any(
        sum(category in categories(other) for other in page) >= tunables.MAX_SAME_CATEGORY
        for category in categories(candidate)
    )


@settings(max_examples=30, deadline=None)
@given(rankings())
@pytest.mark.parametrize("rerank", [diversify, lambda _, known: spread(known)])
def test_no_page_shows_too_many_of_an_owner_or_category_while_others_are_left(rerank, ranking):
    score, known = ranking
    order, _ = rerank(score, known)
    for rank, index in enumerate(order):
        page = order[max(0, rank - tunables.DIVERSITY_WINDOW + 1) : rank]
        if fills(known, page, index):
            assert all(fills(known, page, left) for left in order[rank:])


@settings(max_examples=60, deadline=None)
@given(rankings(), st.integers(0, 90))
def test_spreading_by_limits_is_a_permutation_and_tells_of_every_move(ranking, ranks: int):
    score, known = ranking
    order, changes = spread(known, ranks)
    assert sorted(order) == list(range(score.size))
    assert {index for rank, index in enumerate(order) if rank != index} == set(changes)
    for index, change in changes.items():
        assert (change.from_rank, order[change.to_rank - 1], change.penalty) == (index + 1, index, 0)
        if change.blocker >= 0:
            assert order.index(change.blocker) < change.to_rank - 1
            assert change.to_rank > change.from_rank


def test_one_owner_gets_three_ranks_while_others_are_left():
    known = attributes([1] * 5 + [2, -1], [[]] * 7, [[]] * 7)
    order, changes = spread(known)
    assert order == [0, 1, 2, 5, 6, 3, 4]
    assert changes == {
        5: RankChange(6, 4, 0, -1),
        6: RankChange(7, 5, 0, -1),
        3: RankChange(4, 6, 0, 2),
        4: RankChange(5, 7, 0, 3),
    }


def test_projects_without_owner_and_category_are_not_moved():
    assert spread(attributes([-1] * 40, [[]] * 40, [[]] * 40)) == (list(range(40)), {})


def test_two_alike_projects_do_not_stand_together_when_another_is_nearly_as_good():
    score = np.array([500_000, 499_000, 490_000], dtype=np.int64)
    known = attributes([1, 1, 2], [[5], [5], [6]], [[], [], []])
    order, moves = diversify(score, known, strength=0.02)
    # likeness of the first two: owner 1.0 + category 0.5, so the second loses .03 and falls below .49
    assert order == [0, 2, 1]
    assert (moves[1].from_rank, moves[1].to_rank, moves[1].penalty, moves[1].blocker) == (2, 3, 30_000, 0)
    assert (moves[2].from_rank, moves[2].to_rank, moves[2].penalty) == (3, 2, 0)


@settings(max_examples=40, deadline=None)
@given(rankings(), st.floats(0, 0.2))
def test_score_minus_penalty_falls_along_a_page_that_no_limit_touches(ranking, strength: float):
    score, known = ranking
    alone = DiversityAttributes(
        np.full(known.owners.shape, -1), incidence([[] for _ in range(score.size)]), known.tools
    )
    order, moves = diversify(score, alone, strength)
    left = [int(score[index]) - (moves[index].penalty if index in moves else 0) for index in order]
    page = left[: tunables.DIVERSITY_WINDOW]
    assert all(above >= below - 1 for above, below in pairwise(page)), page


def test_with_no_strength_only_the_limits_move_anything():
    n = tunables.MAX_SAME_OWNER + 2
    score = np.arange(n, 0, -1, dtype=np.int64)
    known = attributes([1] * (n - 1) + [2], [[]] * n, [[]] * n)
    order, _ = diversify(score, known, strength=0.0)
    assert order == [0, 1, 2, 4, 3]


def test_likeness_adds_owner_categories_and_tools():
    known = attributes([3, 3, -1, -1], [[1, 2], [2], [1, 2], []], [[9], [9], [9], []])
    assert similarity(known)[0].tolist() == pytest.approx([1 + 2 * 0.5 + 0.25, 1 + 0.5 + 0.25, 2 * 0.5 + 0.25, 0.0])
    assert similarity(known)[3].tolist() == [0.0, 0.0, 0.0, 0.0]
