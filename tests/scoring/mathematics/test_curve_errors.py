"""The errors of curves are those that repeated fits show."""

import numpy as np

from scoring.mathematics.curve_errors import curve_errors
from scoring.mathematics.model_fitting import fit_model
from scoring.mathematics.signals import Signal
from tests.scoring.mathematics.test_model_fitting import lists

SIGNALS = (Signal.POPULARITY, Signal.COLLABORATIVE)


def test_errors_are_about_the_deviation_between_fits_to_other_lists():
    at = np.array([0.25, 0.75])
    heights, errors = [], []
    for seed in range(8):
        data = lists(n=300, seed=seed)
        model = fit_model("fitted", data, SIGNALS, shapes={})
        of_signal = curve_errors(model, data, SIGNALS)[Signal.COLLABORATIVE]
        heights.append(model.curves[Signal.COLLABORATIVE](at))
        errors.append(np.interp(at, model.curves[Signal.COLLABORATIVE].xs, of_signal))
    ratio = np.std(heights, axis=0, ddof=1) / np.mean(errors, axis=0)
    assert (ratio > 0.2).all()
    assert (ratio < 2.0).all()


def test_more_lists_give_smaller_errors_and_no_evidence_gives_none():
    few, many = lists(n=150), lists(n=1_200)
    model = fit_model("fitted", many, SIGNALS)
    ends = [float(curve_errors(model, data, SIGNALS)[Signal.POPULARITY][-1]) for data in (few, many)]
    assert 0 < ends[1] < ends[0]
    assert curve_errors(model, many, SIGNALS)[Signal.POPULARITY][0] < ends[1] / 10
