"""Curves are fitted to what was chosen, a model that is not better stays out, and a broken one is refused."""

import numpy as np
import pytest

from scoring.blend import PLAN
from scoring.errors import ModelInvalid, NotEvaluable
from scoring.models import DEFAULT, as_data, completed, from_data
from scoring.training.curves import Fitting, Lists, fit_curves, hats, knots_of
from scoring.training.judging import train_and_judge
from scoring.training.models import train
from scoring.weights import Signal
from tests.scoring.evaluation.test_replay import a_dataset, quiet


def lists(n: int = 400, size: int = 12, seed: int = 0) -> Lists:
    """In each list the one is chosen whose first value is nearest to 0.5; the second value says nothing."""
    rng = np.random.default_rng(seed)
    values = rng.random((n * size, 2)).astype(np.float32)
    best = np.abs(values[:, 0].reshape(n, size) - 0.5).argmin(axis=1) + np.arange(n) * size
    relevant = np.zeros(n * size, dtype=bool)
    relevant[best] = True
    return Lists(values, np.arange(n + 1) * size, relevant, np.ones(n * size, np.float32), np.arange(n))


def test_a_curve_finds_what_no_weight_could():
    model = train("bump", lists(), (Signal.POPULARITY, Signal.COLLABORATIVE))
    low, middle, high = model.curves[Signal.POPULARITY](np.array([0.02, 0.5, 0.98]))
    assert middle > max(low, high) + 0.4
    assert np.ptp(model.curves[Signal.COLLABORATIVE](np.linspace(0, 1, 50))) < 0.3


def test_no_evidence_contributes_nothing():
    model = train("bump", lists(), (Signal.POPULARITY, Signal.COLLABORATIVE))
    assert model.contributions(np.zeros((1, 2))).tolist() == [[0, 0]]


def test_a_signal_that_never_varies_gets_no_curve():
    fixed = lists()
    fixed.values[:, 1] = 0.3
    assert train("one", fixed, (Signal.POPULARITY, Signal.COLLABORATIVE)).signals == (Signal.POPULARITY,)


def test_a_thinned_out_row_stands_for_those_that_were_left_out():
    whole = lists(n=60)
    twice = Lists(
        np.repeat(whole.values, np.where(whole.relevant, 1, 2), axis=0),
        np.arange(61) * 23,
        np.repeat(whole.relevant, np.where(whole.relevant, 1, 2)),
        np.ones(60 * 23, np.float32),
        whole.viewers,
    )
    thinned = Lists(
        whole.values, whole.starts, whole.relevant, np.where(whole.relevant, 1, 2).astype(np.float32), whole.viewers
    )
    knots = [knots_of(whole.values[:, k], whole.relevant, 6) for k in range(2)]
    first, second = (np.concatenate(fit_curves(one, knots, Fitting(bend=0.1))) for one in (twice, thinned))
    assert first == pytest.approx(second, abs=0.02)


def test_hats_add_up_to_the_curve_between_its_knots():
    knots = [np.array([0.0, 1.0, 3.0])]
    design = hats(np.array([[0.5], [2.0], [9.0]], dtype=np.float32), knots).toarray()
    assert design.tolist() == [[0.5, 0.5, 0.0], [0.0, 0.5, 0.5], [0.0, 0.0, 1.0]]


def test_a_better_model_is_accepted_and_one_no_better_is_not():
    dataset = a_dataset(days=40)
    verdict = train_and_judge(dataset, "new", PLAN, 0.0, 1, 0, quiet)
    assert verdict.accepted, verdict.because
    again = train_and_judge(dataset, "again", verdict.model, 0.0, 1, 0, quiet)
    assert not again.accepted, again.because
    assert train_and_judge(dataset, "again", verdict.model, 8.0, 1, 0, quiet).accepted


def test_too_little_to_train_on_is_said_in_a_sentence():
    with pytest.raises(NotEvaluable, match="the model in service stays"):
        train_and_judge(a_dataset(days=6, people=3), "new", PLAN, 0.0, 1, 0, quiet)


def test_a_model_comes_back_from_its_data_as_it_was():
    for model in (PLAN, DEFAULT, completed(DEFAULT)):
        assert from_data(model.name, as_data(model)) == model


@pytest.mark.parametrize(
    ("curves", "said"),
    [
        ({"a_signal_of_old": {"xs": [0.0], "ys": [0.0]}}, "a_signal_of_old"),
        ({"age": {"xs": [0.0], "ys": [float("nan")]}}, "finite"),
        ({"age": {"ys": [1.0]}}, "numbers xs and ys"),
        ({}, "no curves"),
    ],
)
def test_a_model_that_cannot_serve_is_refused_in_a_sentence(curves: dict[str, object], said: str):
    with pytest.raises(ModelInvalid, match=said):
        from_data("broken", curves)
