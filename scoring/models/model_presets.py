"""Preset ranking models, and the stored form of a model."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from scoring import tunables
from scoring.errors import InvalidModel
from scoring.mathematics.additive_model import BASELINE, BASELINE_WEIGHTS, Curve, Model
from scoring.mathematics.behavior_signals import EVALUATION_ONLY
from scoring.mathematics.signals import Signal
from scoring.mathematics.viewer_stages import ViewerStage

_NEGATIVE_FEEDBACK: Mapping[Signal, Curve] = {
    Signal.IMPRESSION_FATIGUE: Curve.linear(-tunables.IMPRESSION_FATIGUE_STEP, 0.0, tunables.MAX_IMPRESSION_FATIGUE),
    Signal.SIMILAR_TO_DISMISSED: Curve.linear(-tunables.DISMISSED_PENALTY, 0.0, 1.0),
}

_LIKE_COUNTS = (0.0, 1.0, 3.0, 10.0, 30.0, 100.0, 1_000.0)
_ALL_TIME_LIKES = Curve(_LIKE_COUNTS, tuple(round(0.0025 * math.log2(1.0 + likes), 9) for likes in _LIKE_COUNTS))
"""Curve of all-time likes, which rank the projects of an installation whose interactions have no times."""

DEFAULT = Model(
    "default",
    {
        Signal.VECTOR_SIMILARITY: Curve.linear(2.0),
        Signal.EXPLICIT_PREFERENCES: Curve.linear(1.2),
        Signal.BEHAVIORAL_SIGNALS: Curve.linear(1.0),
        Signal.ITEM_NEIGHBORS_MEAN: Curve.linear(0.07),
        Signal.ITEM_FACTORS: Curve.linear(0.035),
        Signal.USER_FACTORS_RECENT: Curve.linear(0.0175, -10.0, 10.0),
        Signal.ACTORS_1H: Curve.linear(0.0175, 0.0, 10.0),
        Signal.ACTORS_6H: Curve.linear(0.035, 0.0, 10.0),
        Signal.ACTORS_14D: Curve.linear(0.005, 0.0, 10.0),
        Signal.AGE: Curve((0.0, 6.2), (0.0, -0.11)),  # the first three days: older projects count alike
        Signal.LIKES: _ALL_TIME_LIKES,
        **_NEGATIVE_FEEDBACK,
    },
)
"""Weights chosen by hand on the earlier parts of three logs and on the demo data. The viewer's interests and history
have the largest weights, as far as texts tell them from other projects (`scoring.mathematics.signals.discrimination`);
actors, age and factors decide otherwise. Age counts only in the first three days: on a platform of old projects, such
as films, it would rank what nobody visits.

This preset is active until a model trained on this installation's log is activated. On the demo data two viewers share
at most 10 of 30 projects."""

_ANSWERS: Mapping[Signal, Curve] = {
    Signal.ANSWER_MATCHES: Curve(
        tuple(float(n) for n in range(len(tunables.ANSWER_MATCH_SCORES))), tunables.ANSWER_MATCH_SCORES
    ),
    Signal.VECTOR_SIMILARITY: Curve.linear(tunables.ANSWER_SIMILARITY),
}


def with_answers(model: Model) -> Model:
    """Return the model for viewers with onboarding answers and no history: unknown viewers' curves and the answers."""
    return replace(model, curves={**model.for_unknown_viewers().curves, **_ANSWERS}, offsets={})


PRESETS: Mapping[str, Model] = {model.name: model for model in (BASELINE, DEFAULT)}

_UNTRAINED: Mapping[Signal, Curve] = {
    **{
        signal: Curve.linear(BASELINE_WEIGHTS[signal])
        for signal in (Signal.VECTOR_SIMILARITY, Signal.EXPLICIT_PREFERENCES, Signal.BEHAVIORAL_SIGNALS)
    },
    **_NEGATIVE_FEEDBACK,
}

UNTRAINED_SIGNALS = tuple(_UNTRAINED)
"""Signals that a log of interactions may not hold: texts, interests, tools of the last week and negative feedback. The
log of served pages holds their values."""


def with_untrained_signals(model: Model) -> Model:
    """Add the baseline's weights of signals that were not fitted, because the log does not hold them.

    These weights have the scale of a fitted score: a tenth of log odds (`scoring.mathematics.model_fitting.SCALE`).
    """
    missing_curves = {signal: curve for signal, curve in _UNTRAINED.items() if signal not in model.curves}
    return replace(model, curves={**model.curves, **missing_curves})


_STAGES = "stages"


def as_data(model: Model) -> dict[str, Any]:
    """Return a model's curves as plain data: by signal, and the offsets of each stage under ``"stages"``."""
    data: dict[str, Any] = _curves_as_data(model.curves)
    if model.offsets:
        data[_STAGES] = {stage.value: _curves_as_data(offset) for stage, offset in model.offsets.items()}
    return data


def _curves_as_data(curves: Mapping[Signal, Curve]) -> dict[str, Any]:
    return {signal.value: {"xs": list(curve.xs), "ys": list(curve.ys)} for signal, curve in curves.items()}


def from_data(name: str, data: Mapping[str, Any]) -> Model:
    """Read the result of `as_data`.

    Raises `InvalidModel` for an unknown stage, an unknown or evaluation-only signal, or an invalid curve.
    """
    curves = _read_curves(name, {key: curve for key, curve in data.items() if key != _STAGES})
    if not curves:
        raise InvalidModel(f"the model {name} has no curves")
    stages = data.get(_STAGES, {})
    unknown = sorted(set(stages) - {stage.value for stage in ViewerStage})
    if unknown:
        raise InvalidModel(f"the model {name} has offsets for unknown stages: {', '.join(unknown)}")
    return Model(name, curves, {ViewerStage(stage): _read_curves(name, offset) for stage, offset in stages.items()})


def _read_curves(name: str, data: Mapping[str, Any]) -> dict[Signal, Curve]:
    signals_not_served = sorted(set(data) - ({signal.value for signal in Signal} - EVALUATION_ONLY))
    if signals_not_served:
        raise InvalidModel(
            f"the model {name} uses signals that are not served: {', '.join(signals_not_served)}; train it anew"
        )
    try:
        return {Signal(key): Curve(tuple(curve["xs"]), tuple(curve["ys"])) for key, curve in data.items()}
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidModel(f"the model {name} cannot be read: each signal needs numbers xs and ys") from error
