"""The models that serve without any training, and how fitted ones are completed and stored."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from scoring import weights
from scoring.errors import InvalidModel
from scoring.mathematics.additive_model import BASELINE, Curve, Model
from scoring.mathematics.behavior_signals import EVALUATION_ONLY
from scoring.mathematics.viewer_stages import ViewerStage
from scoring.weights import BASELINE_WEIGHTS, Signal

_AGAINST: Mapping[Signal, Curve] = {
    Signal.IMPRESSION_FATIGUE: Curve.linear(-weights.IMPRESSION_FATIGUE_STEP, 0.0, weights.MAX_IMPRESSION_FATIGUE),
    Signal.SIMILAR_TO_DISMISSED: Curve.linear(-weights.DISMISSED_PENALTY, 0.0, 1.0),
}
"""What the viewer has passed by speaks against a project."""

DEFAULT = Model(
    "default",
    {
        Signal.VECTOR_SIMILARITY: Curve.linear(1.0),
        Signal.EXPLICIT_PREFERENCES: Curve.linear(0.60),
        Signal.BEHAVIORAL_SIGNALS: Curve.linear(1.0),
        Signal.ITEM_NEIGHBORS_MEAN: Curve.linear(0.075),
        Signal.ITEM_FACTORS: Curve.linear(0.045),
        Signal.USER_FACTORS_SUM: Curve.linear(0.015, -5.0, 5.0),
        Signal.ACTORS_6H: Curve.linear(0.015, 0.0, 10.0),
        Signal.ACTORS_3D: Curve.linear(0.0045, 0.0, 10.0),
        Signal.AGE: Curve.linear(-0.0045, 0.0, 20.0),
        **_AGAINST,
    },
)
"""Straight weights, fitted to no data set: what the viewer says and does comes first; taste, people and age, of one
another's size, decide among what suits. It serves until a model trained on this installation's own log is accepted.

Two viewers of the demo share 6 of 30 places at most; with the last six signals seven times as heavy, as a platform of
news would want them, 22. Where no text and no interest is known their common size makes no difference."""

PRESETS: Mapping[str, Model] = {model.name: model for model in (BASELINE, DEFAULT)}

_UNTAUGHT: Mapping[Signal, Curve] = {
    **{
        signal: Curve.linear(BASELINE_WEIGHTS[signal])
        for signal in (Signal.VECTOR_SIMILARITY, Signal.EXPLICIT_PREFERENCES, Signal.BEHAVIORAL_SIGNALS)
    },
    **_AGAINST,
}

UNTRAINED_SIGNALS = tuple(_UNTAUGHT)
"""What a replay of touches cannot compute; the log of what was served has it."""


def with_untrained_signals(model: Model) -> Model:
    """Add the shipped weights for what a log of touches cannot teach: texts, stated interests, what was passed by.

    A fitted score is a tenth of log odds, so that these weights have their size (see `scoring.mathematics.model_fitting.SCALE`).
    """
    added = {signal: curve for signal, curve in _UNTAUGHT.items() if signal not in model.curves}
    return replace(model, curves={**model.curves, **added})


def as_data(model: Model) -> dict[str, Any]:
    """Write a model's curves as plain data: by signal, and the offsets of each stage under ``"stages"``."""
    data: dict[str, Any] = _curves_as_data(model.curves)
    if model.offsets:
        data[_STAGES] = {stage.value: _curves_as_data(offset) for stage, offset in model.offsets.items()}
    return data


_STAGES = "stages"


def _curves_as_data(curves: Mapping[Signal, Curve]) -> dict[str, Any]:
    return {signal.value: {"xs": list(curve.xs), "ys": list(curve.ys)} for signal, curve in curves.items()}


def from_data(name: str, data: Mapping[str, Any]) -> Model:
    """Read what `as_data` wrote.

    Raises
    ------
    InvalidModel
        If it names an unknown stage, or a signal that is unknown or only evaluated, or holds an invalid curve.
    """
    curves = _read_curves(name, {key: one for key, one in data.items() if key != _STAGES})
    if not curves:
        raise InvalidModel(f"the model {name} has no curves")
    stages = data.get(_STAGES, {})
    gone = sorted(set(stages) - {stage.value for stage in ViewerStage})
    if gone:
        raise InvalidModel(f"the model {name} has offsets for {', '.join(gone)}, a stage that this version has not")
    return Model(name, curves, {ViewerStage(stage): _read_curves(name, offset) for stage, offset in stages.items()})


def _read_curves(name: str, data: Mapping[str, Any]) -> dict[Signal, Curve]:
    gone = sorted(set(data) - {signal.value for signal in Signal})
    if gone:
        raise InvalidModel(f"the model {name} uses {', '.join(gone)}, which this version has not; train it anew")
    unserved = sorted(EVALUATION_ONLY.intersection(data))
    if unserved:
        raise InvalidModel(
            f"the model {name} uses {', '.join(unserved)}, which only evaluation computes; train it anew"
        )
    try:
        return {Signal(key): Curve(tuple(one["xs"]), tuple(one["ys"])) for key, one in data.items()}
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidModel(f"the model {name} cannot be read: each signal needs numbers xs and ys") from error
