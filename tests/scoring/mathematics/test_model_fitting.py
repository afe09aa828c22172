"""Curves fit the choices, a model that is not better is not accepted, and an invalid one is refused."""

from dataclasses import replace

import numpy as np
import pytest

from scoring.errors import InsufficientData, InvalidModel
from scoring.mathematics.additive_model import BASELINE, Curve, Model
from scoring.mathematics.curve_fitting import (
    CandidateLists,
    FitOptions,
    Shape,
    choose_knots,
    fit_curves,
    hat_basis,
    monotone_basis,
)
from scoring.mathematics.model_fitting import MIN_STAGE_LISTS, fit_model, score_lists
from scoring.mathematics.signals import Signal
from scoring.mathematics.viewer_stages import ViewerStage
from scoring.models.model_presets import DEFAULT, as_data, from_data, with_untrained_signals
from scoring.training.model_training import Trial, decide, fit_and_judge_model
from tests.scoring.evaluation.test_replay import a_dataset, quiet


def lists(n: int = 400, size: int = 12, seed: int = 0) -> CandidateLists:
    """In each list the one is chosen whose first value is nearest to 0.5; the second value says nothing."""
    rng = np.random.default_rng(seed)
    values = rng.random((n * size, 2)).astype(np.float32)
    best = np.abs(values[:, 0].reshape(n, size) - 0.5).argmin(axis=1) + np.arange(n) * size
    relevant = np.zeros(n * size, dtype=bool)
    relevant[best] = True
    return CandidateLists(
        values, np.arange(n + 1) * size, relevant, np.ones(n * size, np.float32), np.arange(n), np.zeros(n, np.int64)
    )


def test_a_curve_fits_what_no_weight_could():
    model = fit_model("bump", lists(), (Signal.POPULARITY, Signal.COLLABORATIVE))
    low, middle, high = model.curves[Signal.POPULARITY](np.array([0.02, 0.5, 0.98]))
    assert middle > max(low, high) + 0.4
    assert np.ptp(model.curves[Signal.COLLABORATIVE](np.linspace(0, 1, 50))) < 0.3


def test_no_evidence_contributes_nothing():
    model = fit_model("bump", lists(), (Signal.POPULARITY, Signal.COLLABORATIVE))
    assert model.contributions(np.zeros((1, 2))).tolist() == [[0, 0]]


def test_a_signal_that_never_varies_gets_no_curve():
    fixed = lists()
    fixed.values[:, 1] = 0.3
    assert fit_model("one", fixed, (Signal.POPULARITY, Signal.COLLABORATIVE)).signals == (Signal.POPULARITY,)


def test_a_thinned_out_row_weighs_as_much_as_the_rows_it_stands_for():
    whole = lists(n=60)
    twice = CandidateLists(
        np.repeat(whole.values, np.where(whole.relevant, 1, 2), axis=0),
        np.arange(61) * 23,
        np.repeat(whole.relevant, np.where(whole.relevant, 1, 2)),
        np.ones(60 * 23, np.float32),
        whole.viewers,
        whole.stages,
    )
    thinned = replace(whole, weight=np.where(whole.relevant, 1, 2).astype(np.float32))
    knots = [choose_knots(whole.values[:, k], whole.relevant, 6) for k in range(2)]
    first, second = (
        np.concatenate(fit_curves(one, knots, FitOptions(curvature_penalty=0.1))) for one in (twice, thinned)
    )
    assert first == pytest.approx(second, abs=0.02)


def test_hats_add_up_to_the_curve_between_its_knots():
    knots = [np.array([0.0, 1.0, 3.0])]
    design = hat_basis(np.array([[0.5], [2.0], [9.0]], dtype=np.float32), knots).toarray()
    assert design.tolist() == [[0.5, 0.5, 0.0], [0.0, 0.5, 0.5], [0.0, 0.0, 1.0]]


def test_a_better_model_is_accepted_and_one_no_better_is_not():
    dataset = a_dataset(days=40)
    verdict = fit_and_judge_model(dataset, "new", BASELINE, 0.0, 1, 0, quiet)
    assert verdict.accepted, verdict.because
    again = fit_and_judge_model(dataset, "again", verdict.model, 0.0, 1, 0, quiet)
    assert not again.accepted, again.because
    assert fit_and_judge_model(dataset, "again", verdict.model, 8.0, 1, 0, quiet).accepted


def test_too_little_data_is_refused():
    with pytest.raises(InsufficientData, match="the active model stays"):
        fit_and_judge_model(a_dataset(days=6, people=3), "new", BASELINE, 0.0, 1, 0, quiet)


def test_a_model_survives_its_stored_form():
    staged = replace(DEFAULT, offsets={ViewerStage.LIGHT: {Signal.AGE: Curve((0.0, 1.0), (0.0, -0.1))}})
    for model in (BASELINE, DEFAULT, with_untrained_signals(DEFAULT), staged):
        assert from_data(model.name, as_data(model)) == model


@pytest.mark.parametrize(
    ("curves", "said"),
    [
        ({"a_signal_of_old": {"xs": [0.0], "ys": [0.0]}}, "a_signal_of_old"),
        ({"age": {"xs": [0.0], "ys": [float("nan")]}}, "finite"),
        ({"age": {"ys": [1.0]}}, "numbers xs and ys"),
        ({}, "no curves"),
        ({"age": {"xs": [0.0], "ys": [0.0]}, "stages": {"expert": {}}}, "unknown stages: expert"),
        ({"age": {"xs": [0.0], "ys": [0.0]}, "stages": {"new": {"likes": {"xs": [0.0], "ys": [0.0]}}}}, "no curve"),
    ],
)
def test_an_invalid_model_is_refused(curves: dict[str, object], said: str):
    with pytest.raises(InvalidModel, match=said):
        from_data("broken", curves)


def staged_lists(per_stage: int, light: int) -> CandidateLists:
    """Viewers of the last stage choose the highest value; `light` more lists, of the stage LIGHT, choose the lowest."""
    both, size = lists(n=per_stage + light), 12
    values = both.values[:, 0].reshape(-1, size)
    is_light = np.zeros(per_stage + light, dtype=bool)
    is_light[np.linspace(0, is_light.size - 1, light).astype(int)] = True
    best = np.where(is_light, values.argmin(axis=1), values.argmax(axis=1)) + np.arange(is_light.size) * size
    relevant = np.zeros(both.relevant.size, dtype=bool)
    relevant[best] = True
    return replace(both, relevant=relevant, stages=np.where(is_light, 2, 3).astype(np.int64))


def test_a_stage_that_differs_gets_its_own_curves_if_it_has_enough_lists():
    ends = np.array([0.05, 0.95])
    for light in (2 * MIN_STAGE_LISTS, 600):
        model = fit_model("staged", staged_lists(600, light), (Signal.POPULARITY, Signal.COLLABORATIVE))
        assert (ViewerStage.LIGHT in model.offsets) is (light == 600)
    curves = [
        model.for_stage(stage).curves[Signal.POPULARITY](ends) for stage in (ViewerStage.LIGHT, ViewerStage.HEAVY)
    ]
    rises = [float(curve[1] - curve[0]) for curve in curves]
    assert rises[0] < 0 < rises[1]
    for model_stage in ViewerStage:
        assert model.for_stage(model_stage).contributions(np.zeros((1, 2))).tolist() == [[0, 0]]


def test_a_stage_that_chooses_as_all_others_gets_no_curves():
    accepted = []
    for seed in range(5):
        alike = replace(lists(n=300, seed=seed), stages=np.arange(300) % 2 + 2)
        accepted += fit_model("alike", alike, (Signal.POPULARITY, Signal.COLLABORATIVE)).offsets
    assert len(accepted) <= 2, "one in ten may be accepted by chance"


def test_lists_that_say_nothing_leave_the_shipped_curves():
    shipped = Model("shipped", {Signal.POPULARITY: Curve.linear(0.05), Signal.COLLABORATIVE: Curve.linear(0.02)})
    like_shipped, size = lists(n=200), 12
    odds = score_lists(shipped, like_shipped, shipped.signals).reshape(-1, size) / 1e5
    draws = np.random.default_rng(1).gumbel(size=odds.shape)
    relevant = np.zeros(like_shipped.relevant.size, dtype=bool)
    relevant[(odds + draws).argmax(axis=1) + np.arange(200) * size] = True
    model = fit_model("fitted", replace(like_shipped, relevant=relevant), shipped.signals, shipped=shipped)
    at = np.linspace(0.05, 0.95, 10)
    for signal, curve in shipped.curves.items():
        assert model.curves[signal](at) == pytest.approx(curve(at), abs=0.05)


def test_a_model_that_loses_to_the_shipped_weights_is_not_accepted():
    values = np.random.default_rng(0).random(400)
    better, worse = values + 0.1, values
    trial = Trial(
        BASELINE,
        {"new": better, "active": worse, "default": better + 0.1, "signal age": worse},
        np.arange(400),
        "made up",
        {},
        np.zeros(2),
        np.zeros(2),
    )
    assert not decide(trial, "baseline", 0.0, 0).accepted
    assert decide(trial._replace(values={**trial.values, "default": worse}), "baseline", 0.0, 0).accepted


def test_a_constrained_curve_is_monotone_at_every_stage():
    against = staged_lists(300, 300)
    for shape, sign in ((Shape.INCREASING, 1), (Shape.DECREASING, -1)):
        model = fit_model("held", against, (Signal.POPULARITY, Signal.COLLABORATIVE), shapes={Signal.POPULARITY: shape})
        for stage in ViewerStage:
            steps = np.diff(model.for_stage(stage).curves[Signal.POPULARITY].ys)
            assert (sign * steps >= -1e-8).all()
    free = fit_model("free", against, (Signal.POPULARITY, Signal.COLLABORATIVE), shapes={})
    assert (np.diff(free.for_stage(ViewerStage.LIGHT).curves[Signal.POPULARITY].ys) < 0).any()


def test_the_monotone_basis_turns_steps_into_heights():
    basis, bounded = monotone_basis([4, 3, 2], [Shape.INCREASING, Shape.FREE, Shape.DECREASING])
    steps = np.array([-1.0, 1.5, 0.0, 1.5, 3.0, -3.0, 1.0, 4.0, 2.5])
    assert (basis @ steps).tolist() == [-1.0, 0.5, 0.5, 2.0, 3.0, -3.0, 1.0, 4.0, 1.5]
    assert np.flatnonzero(bounded).tolist() == [1, 2, 3, 8]
