"""Scorers for replayed requests: by a model, or by one signal alone."""

from collections.abc import Callable, Mapping

import numpy as np

from scoring.mathematics.additive_model import Model, scores
from scoring.mathematics.behavior_signals import BEHAVIOR_SIGNALS, EVALUATION_ONLY
from scoring.mathematics.signals import Floats, Signal
from scoring.mathematics.viewer_stages import ViewerStage
from scoring.replay.replayed_requests import ReplayedRequest

Score = Callable[[ReplayedRequest, Floats], Floats]
"""Function from a request and its (n, k) signal values, in the order of `BEHAVIOR_SIGNALS`, to the (n,) scores."""

COLUMNS: Mapping[Signal, int] = {signal: column for column, signal in enumerate(BEHAVIOR_SIGNALS)}
"""The column of each behavior signal."""

SERVED_SIGNALS = tuple(signal for signal in BEHAVIOR_SIGNALS if signal not in EVALUATION_ONLY)
"""The behavior signals that are computed when a feed is served; the others are for the protocol `random` only."""


def model_scorer(model: Model) -> Score:
    """Score by a model for the viewer's stage. Signals that a log does not hold (texts, interests) are 0."""
    by_stage = {stage: model.for_stage(stage) for stage in ViewerStage}

    def score(request: ReplayedRequest, matrix: Floats) -> Floats:
        zeros = np.zeros(matrix.shape[0])
        columns = [matrix[:, COLUMNS[signal]] if signal in COLUMNS else zeros for signal in model.signals]
        return scores(by_stage[request.stage].contributions(np.column_stack(columns))).astype(np.float64)

    return score


def signal_scorer(signal: Signal, sign: float = 1.0) -> Score:
    """Score by one behavior signal alone; with the sign −1, low values rank first."""
    return lambda _request, matrix: sign * matrix[:, COLUMNS[signal]]


def single_signal_scorers(model: Model) -> dict[str, Score]:
    """Return a scorer for each behavior signal of a model except age; few events since creation rank first."""
    return {
        f"signal {signal}": signal_scorer(signal, -1.0 if signal is Signal.EVENTS_SINCE_CREATION else 1.0)
        for signal in model.signals
        if signal in COLUMNS and signal is not Signal.AGE
    }
