"""Scorers: rankings that are compared on replayed requests, by a model or by one signal alone."""

from collections.abc import Callable, Mapping

import numpy as np

from scoring.mathematics.additive_model import Model, scores
from scoring.mathematics.behavior_signals import BEHAVIOR_SIGNALS, EVALUATION_ONLY
from scoring.mathematics.signals import Floats
from scoring.mathematics.viewer_stages import ViewerStage
from scoring.replay.replayed_requests import ReplayedRequest
from scoring.weights import Signal

Score = Callable[[ReplayedRequest, Floats], Floats]
"""Scores the n candidates of a request; the (n, k) behavior signals are in the order of `BEHAVIOR_SIGNALS`."""

COLUMNS: Mapping[Signal, int] = {signal: column for column, signal in enumerate(BEHAVIOR_SIGNALS)}
"""The column of each behavior signal."""

SERVED_SIGNALS = tuple(signal for signal in BEHAVIOR_SIGNALS if signal not in EVALUATION_ONLY)
"""The signals of a timed feed; the others are computed for the static protocol only."""


def model_scorer(model: Model) -> Score:
    """Score by a model, at the viewer's stage; signals that a log cannot yield (texts, interests) are 0."""
    by_stage = {stage: model.for_stage(stage) for stage in ViewerStage}

    def score(one: ReplayedRequest, matrix: Floats) -> Floats:
        nothing = np.zeros(matrix.shape[0])
        columns = [matrix[:, COLUMNS[signal]] if signal in COLUMNS else nothing for signal in model.signals]
        return scores(by_stage[one.stage].contributions(np.column_stack(columns))).astype(np.float64)

    return score


def single(signal: Signal, sign: float = 1.0) -> Score:
    """Score by one behavior signal alone."""
    return lambda _one, matrix: sign * matrix[:, COLUMNS[signal]]


def single_signal_scorers(model: Model) -> dict[str, Score]:
    """Return a scorer for each behavior signal of a model; few events since creation score high, age is left out."""
    return {
        f"signal {signal}": single(signal, -1.0 if signal is Signal.EVENTS_SINCE_CREATION else 1.0)
        for signal in model.signals
        if signal in COLUMNS and signal is not Signal.AGE
    }
