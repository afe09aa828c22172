"""Application of a viewer's ranking preferences to a model.

The curves change before the model scores, so the contributions still add up to the score. A signal that is switched off
gets a curve of zeros. The preference `discovery`, from 0 (familiar) to 100 (new), sets the weight of `Signal.NOVELTY`.
"""

from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum

from db.actors.actor_preferences import BALANCED, Preferences
from db.models import DELIBERATE_KINDS, PASSIVE_KINDS, EngagementKind
from scoring import tunables
from scoring.mathematics.additive_model import Curve, Model
from scoring.mathematics.signals import Signal


class PreferenceSwitch(StrEnum):
    """Sources of data that a viewer can switch off."""

    INTERESTS = "interests"
    VIEWS = "views"
    LIKES = "likes"
    SOCIAL = "social"


RequiredSwitches = tuple[frozenset[PreferenceSwitch], ...]

_INTERESTS, _SOCIAL = frozenset({PreferenceSwitch.INTERESTS}), frozenset({PreferenceSwitch.SOCIAL})
_VIEW_HISTORY, _LIKE_HISTORY = frozenset({PreferenceSwitch.VIEWS}), frozenset({PreferenceSwitch.LIKES})
HISTORY = _VIEW_HISTORY | _LIKE_HISTORY
_FACTOR_SWITCHES: RequiredSwitches = (_SOCIAL, _VIEW_HISTORY, _LIKE_HISTORY)
"""Switches of the signals from latent factors, which are trained on views and likes together."""

REQUIRED_SWITCHES: Mapping[Signal, RequiredSwitches] = {
    Signal.VECTOR_SIMILARITY: (HISTORY | _INTERESTS,),
    Signal.EXPLICIT_PREFERENCES: (_INTERESTS,),
    Signal.ANSWER_MATCHES: (_INTERESTS,),
    Signal.BEHAVIORAL_SIGNALS: (HISTORY,),
    Signal.SAME_OWNER: (HISTORY,),
    Signal.NEW_SINCE_VISIT: (HISTORY,),
    Signal.SIMILAR_TO_DISMISSED: (HISTORY,),
    Signal.IMPRESSION_FATIGUE: (_VIEW_HISTORY,),
    Signal.COLLABORATIVE: (_SOCIAL, HISTORY | _INTERESTS),
    Signal.SESSION_NEIGHBORS: (_SOCIAL, HISTORY),
    Signal.ITEM_NEIGHBORS: (_SOCIAL, HISTORY),
    Signal.ITEM_NEIGHBORS_MEAN: (_SOCIAL, HISTORY),
    Signal.POPULARITY: (_SOCIAL,),
    Signal.LIKES: (_SOCIAL,),
    Signal.RECENT_POPULARITY: (_SOCIAL,),
    Signal.ACTORS_15M: (_SOCIAL,),
    Signal.ACTORS_1H: (_SOCIAL,),
    Signal.ACTORS_6H: (_SOCIAL,),
    Signal.ACTORS_1D: (_SOCIAL,),
    Signal.ACTORS_3D: (_SOCIAL,),
    Signal.ACTORS_14D: (_SOCIAL,),
    Signal.RECENT_ACTORS: (_SOCIAL,),
    Signal.ACTOR_RATE: (_SOCIAL,),
    Signal.USER_FACTORS_MEAN: _FACTOR_SWITCHES,
    Signal.USER_FACTORS_SUM: _FACTOR_SWITCHES,
    Signal.USER_FACTORS_RECENT: _FACTOR_SWITCHES,
    Signal.ITEM_FACTORS: _FACTOR_SWITCHES,
    Signal.TASTE_CLUSTER_MEAN: _FACTOR_SWITCHES,
    Signal.TASTE_CLUSTER_SUM: _FACTOR_SWITCHES,
    Signal.TASTE_CLUSTER_RECENT: _FACTOR_SWITCHES,
}
"""Switches that each signal requires: at least one switch of each set must be on. A signal without an entry requires no
switch."""

_FLAT = Curve((0.0,), (0.0,))


def switched_on(preferences: Preferences) -> frozenset[PreferenceSwitch]:
    """Return the switches that are on."""
    switches = {
        PreferenceSwitch.INTERESTS: preferences.use_interests,
        PreferenceSwitch.VIEWS: preferences.learn_from_views,
        PreferenceSwitch.LIKES: preferences.learn_from_likes,
        PreferenceSwitch.SOCIAL: preferences.social_signals,
    }
    return frozenset(switch for switch, is_on in switches.items() if is_on)


def learnable_kinds(preferences: Preferences) -> EngagementKind:
    """Return the kinds of engagement that the ranking may learn from."""
    views = PASSIVE_KINDS if preferences.learn_from_views else EngagementKind(0)
    return views | (DELIBERATE_KINDS if preferences.learn_from_likes else EngagementKind(0))


def switched_off(model: Model, preferences: Preferences) -> frozenset[Signal]:
    """Return the signals of a model that the viewer has switched off."""
    active = switched_on(preferences)
    return frozenset(
        signal
        for signal in model.signals
        if not all(active & switches for switches in REQUIRED_SWITCHES.get(signal, ()))
    )


def apply_preferences(model: Model, preferences: Preferences) -> Model:
    """Return a model for the viewer's stage with adapted curves; with default preferences, the same object."""
    off = switched_off(model, preferences)
    curves = {signal: _FLAT if signal in off else curve for signal, curve in model.curves.items()}
    if preferences.discovery != BALANCED:
        curves[Signal.NOVELTY] = Curve.linear(novelty_weight(preferences.discovery))
    return replace(model, curves=curves) if curves != model.curves else model


def novelty_weight(discovery: int) -> float:
    """Return the weight of novelty, up to ± `tunables.MAX_NOVELTY_WEIGHT`, negative for a `discovery` below 50."""
    return tunables.MAX_NOVELTY_WEIGHT * (discovery - BALANCED) / (100 - BALANCED)
