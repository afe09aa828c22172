"""Curves, contributions and the order they make."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from scoring.errors import InvalidModel
from scoring.mathematics.additive_model import BASELINE, Curve, Model, order_by_score, scores
from scoring.mathematics.signals import Signal
from scoring.mathematics.viewer_stages import ViewerStage
from scoring.models.model_presets import with_answers


def test_the_plan_is_five_straight_curves_that_give_its_own_score():
    matrix = np.array([[1.0, 1.0, 1.0, 1.0, 1.0], [0.5, 0.4, -0.3, 0.0, 0.12]])
    assert BASELINE.contributions(matrix).tolist() == [
        [300_000, 250_000, 250_000, 150_000, 50_000],
        [150_000, 100_000, -75_000, 0, 6_000],
    ]
    assert scores(BASELINE.contributions(matrix)).tolist() == [1_000_000, 181_000]


def test_a_curve_is_linear_between_its_knots_and_flat_beyond_them():
    curve = Curve((0.0, 1.0, 3.0), (0.0, 2.0, 1.0))
    assert curve(np.array([-1.0, 0.5, 2.0, 9.0])).tolist() == [0.0, 1.0, 1.5, 1.0]


@pytest.mark.parametrize(
    ("xs", "ys"),
    [((), ()), ((0.0, 1.0), (0.0,)), ((1.0, 0.0), (0.0, 1.0)), ((0.0, 0.0), (1.0, 2.0)), ((0.0,), (float("nan"),))],
)
def test_a_curve_that_cannot_serve_is_refused(xs: tuple[float, ...], ys: tuple[float, ...]):
    with pytest.raises(InvalidModel, match="finite"):
        Curve(xs, ys)


@given(arrays.arrays(np.float64, st.tuples(st.integers(0, 30), st.just(5)), elements=st.floats(-1, 1)))
def test_the_contributions_are_the_score_to_the_last_digit(matrix: np.ndarray):
    contributions = BASELINE.contributions(matrix)
    assert contributions.dtype == np.int64
    assert scores(contributions).tolist() == [sum(row) for row in contributions.tolist()]


@given(st.lists(st.tuples(st.integers(-3, 3), st.text("abc", min_size=1, max_size=3)), max_size=20))
def test_equal_scores_stand_in_the_order_of_their_keys(pairs: list[tuple[int, str]]):
    score = np.array([score for score, _ in pairs], dtype=np.int64)
    keys = np.array([key for _, key in pairs], dtype=np.str_)
    ordered = [pairs[index] for index in order_by_score(score, keys)]
    assert ordered == sorted(pairs, key=lambda pair: (-pair[0], pair[1]))


def test_a_model_reads_its_columns_in_the_order_of_its_signals():
    model = Model("two", {Signal.POPULARITY: Curve.linear(1.0), Signal.COLLABORATIVE: Curve.linear(0.1)})
    assert model.signals == (Signal.POPULARITY, Signal.COLLABORATIVE)
    assert model.contributions(np.array([[0.5, 0.5]])).tolist() == [[500_000, 50_000]]


KNOTS = st.lists(st.integers(-20, 20), min_size=1, max_size=6, unique=True).map(sorted)


@st.composite
def curves(draw: st.DrawFn) -> Curve:
    xs = draw(KNOTS)
    ys = draw(st.lists(st.floats(-2, 2), min_size=len(xs), max_size=len(xs)))
    return Curve(tuple(float(x) for x in xs), tuple(ys))


@given(curves(), curves(), st.lists(st.floats(-25, 25), min_size=1, max_size=20))
def test_the_sum_of_two_curves_is_their_sum_everywhere(first: Curve, second: Curve, at: list[float]):
    values = np.array(at)
    assert (first + second)(values) == pytest.approx(first(values) + second(values), abs=1e-9)


@given(
    curves(),
    curves(),
    arrays.arrays(np.float64, st.tuples(st.integers(0, 20), st.just(2)), elements=st.floats(-30, 30)),
)
def test_a_stages_offset_moves_one_contribution_and_they_stay_the_score(
    curve: Curve, offset: Curve, matrix: np.ndarray
):
    plain = Model("m", {Signal.AGE: curve, Signal.POPULARITY: curve})
    staged = Model(plain.name, plain.curves, {ViewerStage.LIGHT: {Signal.POPULARITY: offset}})
    light, heavy = staged.for_stage(ViewerStage.LIGHT), staged.for_stage(ViewerStage.HEAVY)
    assert light.signals == heavy.signals == staged.signals
    assert np.array_equal(heavy.contributions(matrix), plain.contributions(matrix))
    moved = light.contributions(matrix)
    assert scores(moved).tolist() == [sum(row) for row in moved.tolist()]
    assert moved[:, 0].tolist() == plain.contributions(matrix)[:, 0].tolist()
    both = (curve(matrix[:, 1]) + offset(matrix[:, 1])) * 1e6
    assert moved[:, 1] == pytest.approx(both, abs=0.51)


def test_an_offset_of_a_signal_that_the_model_does_not_use_is_refused():
    with pytest.raises(InvalidModel, match="offsets of age"):
        Model("m", {Signal.POPULARITY: Curve.linear(1.0)}, {ViewerStage.NEW: {Signal.AGE: Curve.linear(1.0)}})


def test_unknown_viewers_get_the_curves_of_the_stage_new_that_need_no_profile() -> None:
    weights = {Signal.AGE: -0.1, Signal.ACTORS_6H: 0.2, Signal.ITEM_FACTORS: 1.0}
    curves = {signal: Curve.linear(weight) for signal, weight in weights.items()}
    offsets = {
        ViewerStage.NEW: {Signal.AGE: Curve.linear(-0.3), Signal.ITEM_FACTORS: Curve.linear(1.0)},
        ViewerStage.HEAVY: {Signal.AGE: Curve.linear(9.0)},
    }
    unknown = Model("fitted", curves, offsets).for_unknown_viewers()
    assert (unknown.name, unknown.signals) == ("fitted", (Signal.AGE, Signal.ACTORS_6H))
    assert unknown.contributions(np.array([[1.0, 1.0]])).tolist() == [[-400_000, 200_000]]
    answered = with_answers(Model("fitted", curves, offsets))
    assert answered.signals == (Signal.AGE, Signal.ACTORS_6H, Signal.ANSWER_MATCHES, Signal.VECTOR_SIMILARITY)
    assert answered.contributions(np.array([[1.0, 1.0, 2.0, 0.5]])).tolist() == [[-400_000, 200_000, 450_000, 500_000]]
