"""A model fitted with positions learns what viewers like, and not the order of the feed that they saw."""

import numpy as np
import pytest

from scoring.mathematics.additive_model import Curve
from scoring.mathematics.curve_fitting import CandidateLists
from scoring.mathematics.model_fitting import (
    MIN_PROPENSITY,
    PositionBias,
    fit_model,
    fit_model_with_positions,
    position_columns,
    position_knots,
    unbiased_ndcg,
)
from scoring.mathematics.signals import Floats, Signal

LIKED, PUSHED = Signal.ITEM_FACTORS, Signal.POPULARITY
PREFERENCE = 3.0
"""What viewers truly think: log odds of `PREFERENCE` times the first signal; the second is worth nothing to them."""
TOP_SIZE, OTHERS = 12, 6


def a_feeds_log(n: int = 2_500, seed: int = 0) -> CandidateLists:
    """Lists ranked by the second signal alone, and looked at the less the further down: the k-th place 1 in k times.

    Under each stand some that were not shown, to which one viewer in twenty comes by another way.
    """
    rng = np.random.default_rng(seed)
    size = TOP_SIZE + OTHERS
    values = rng.random((n, size, 2)).astype(np.float32)
    order = np.argsort(-(values[:, :, 1] + 0.3 * rng.random((n, size))), axis=1)
    values = np.take_along_axis(values, order[:, :, None], axis=1)
    ranks = np.tile(np.concatenate([np.arange(1, TOP_SIZE + 1), np.zeros(OTHERS)]), (n, 1)).astype(np.float32)
    looked = np.where(ranks > 0, 1.0 / np.maximum(ranks, 1.0), 0.05)
    odds = np.exp(PREFERENCE * values[:, :, 0]) * looked
    chosen = (odds.cumsum(axis=1) > rng.random((n, 1)) * odds.sum(axis=1, keepdims=True)).argmax(axis=1)
    relevant = np.zeros((n, size), dtype=bool)
    relevant[np.arange(n), chosen] = True
    return CandidateLists(
        values.reshape(-1, 2),
        np.arange(n + 1) * size,
        relevant.ravel(),
        np.ones(n * size, np.float32),
        np.arange(n),
        np.full(n, 3),
        ranks.ravel(),
    )


def rise(curve: Curve) -> float:
    """How much higher a signal of .95 stands than one of .05, in log odds."""
    low, high = curve(np.array([0.05, 0.95]))
    return float(high - low) * 10.0


def test_the_correction_for_positions_recovers_the_preferences():
    log = a_feeds_log()
    plain = fit_model("plain", log, (LIKED, PUSHED))
    corrected, _ = fit_model_with_positions("corrected", log, (LIKED, PUSHED))
    assert rise(plain.curves[PUSHED]) > 1.0  # it has learned the feed's own order
    assert abs(rise(corrected.curves[PUSHED])) < 0.35
    assert rise(corrected.curves[LIKED]) == pytest.approx(PREFERENCE * 0.9, abs=0.35)
    truth = PREFERENCE * log.values[:, 0]

    def agreement(scores: Floats) -> float:
        return float(np.corrcoef(scores, truth)[0, 1])

    columns = log.values.astype(np.float64)
    assert agreement(corrected.contributions(columns).sum(axis=1)) > agreement(plain.contributions(columns).sum(axis=1))


def test_propensities_are_recovered_beside_the_preferences():
    _, bias = fit_model_with_positions("corrected", a_feeds_log(), (LIKED, PUSHED))
    ranks = np.array([1, 2, 4, 8, 12], dtype=np.float32)
    assert bias.propensities(ranks) == pytest.approx(1.0 / ranks, abs=0.12)
    assert bias.propensities(np.zeros(1, np.float32))[0] == pytest.approx(0.05, abs=0.04)


def test_positions_are_two_columns_with_bounded_propensities():
    assert position_columns(np.array([1, 8, 0], dtype=np.float32)).tolist() == [[0, 0], [3, 0], [0, 1]]
    assert position_knots(np.array([0, 1, 5], dtype=np.float32))[0] == pytest.approx(np.log2([1, 2, 3, 4, 5]))
    bias = PositionBias(Curve((0.0, 5.0), (2.0, -30.0)), -40.0)
    assert bias.propensities(np.array([1, 32, 0], dtype=np.float32)).tolist() == [1.0, MIN_PROPENSITY, MIN_PROPENSITY]


def test_a_choice_at_an_unlikely_position_counts_more():
    """By hand: two chosen, of chance 1 and 1/4, so gains 1 and 4; the row that stands for two takes two ranks."""
    lists = CandidateLists(
        np.zeros((3, 1), np.float32),
        np.array([0, 3]),
        np.array([True, False, True]),
        np.array([1, 2, 1], np.float32),
        np.array([0]),
        np.array([3]),
    )
    ideal = 4.0 + 1.0 / np.log2(3)
    first = unbiased_ndcg(lists, np.array([3.0, 2.0, 1.0]), np.array([1.0, 1.0, 0.25]), seed=0)
    assert first.tolist() == pytest.approx([(1.0 + 4.0 / np.log2(5)) / ideal])
    second = unbiased_ndcg(lists, np.array([2.0, 1.0, 3.0]), np.array([1.0, 1.0, 0.25]), seed=0)
    assert second.tolist() == pytest.approx([1.0])
