"""How a viewer's own settings change the ranking: a model's curves before it scores, so that every sum stays exact.

A signal that is switched off gets the curve that is 0 everywhere. The balance between familiar and new adds one more
signal, `Signal.NOVELTY`, whose weight rises with it: of two balances the larger one never shows less that is new among
the best by score, whatever the model.
"""

from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum

from db.actors.actor_preferences import BALANCED, Preferences
from db.models import EngagementKind
from scoring import weights
from scoring.mathematics.additive_model import Curve, Model
from scoring.weights import Signal


class PreferenceSwitch(StrEnum):
    """What a viewer can switch on and off: where knowledge comes from."""

    TOPICS = "topics"
    VIEWS = "views"
    LIKES = "likes"
    SOCIAL = "social"


_VIEWS = EngagementKind.VIEW | EngagementKind.CLICK
_LIKES = EngagementKind.LIKE | EngagementKind.SAVE | EngagementKind.COMMENT | EngagementKind.FOLLOW

Needs = tuple[frozenset[PreferenceSwitch], ...]

_ANY_ACT = frozenset({PreferenceSwitch.VIEWS, PreferenceSwitch.LIKES})
_SOCIAL = frozenset({PreferenceSwitch.SOCIAL})
_BY_PEOPLE: Needs = (_SOCIAL,)
_BY_PEOPLE_AND_ACTS: Needs = (_SOCIAL, _ANY_ACT)
_BY_TASTE: Needs = (_SOCIAL, frozenset({PreferenceSwitch.VIEWS}), frozenset({PreferenceSwitch.LIKES}))
"""A taste is built at night of views and likes together, so it goes when either of them shall not count."""

NEEDS: Mapping[Signal, Needs] = {
    Signal.VECTOR_SIMILARITY: (_ANY_ACT | {PreferenceSwitch.TOPICS},),
    Signal.EXPLICIT_PREFERENCES: (frozenset({PreferenceSwitch.TOPICS}),),
    Signal.ANSWER_MATCHES: (frozenset({PreferenceSwitch.TOPICS}),),
    Signal.BEHAVIORAL_SIGNALS: (_ANY_ACT,),
    Signal.SAME_OWNER: (_ANY_ACT,),
    Signal.COLLABORATIVE: (_SOCIAL, _ANY_ACT | {PreferenceSwitch.TOPICS}),
    Signal.POPULARITY: _BY_PEOPLE,
    Signal.LIKES: _BY_PEOPLE,
    Signal.RECENT_POPULARITY: _BY_PEOPLE,
    Signal.ACTORS_15M: _BY_PEOPLE,
    Signal.ACTORS_1H: _BY_PEOPLE,
    Signal.ACTORS_1D: _BY_PEOPLE,
    Signal.ACTORS_6H: _BY_PEOPLE,
    Signal.ACTORS_3D: _BY_PEOPLE,
    Signal.ACTORS_14D: _BY_PEOPLE,
    Signal.RECENT_ACTORS: _BY_PEOPLE,
    Signal.ACTOR_RATE: _BY_PEOPLE,
    Signal.SESSION_NEIGHBORS: _BY_PEOPLE_AND_ACTS,
    Signal.ITEM_NEIGHBORS: _BY_PEOPLE_AND_ACTS,
    Signal.ITEM_NEIGHBORS_MEAN: _BY_PEOPLE_AND_ACTS,
    Signal.USER_FACTORS_MEAN: _BY_TASTE,
    Signal.USER_FACTORS_SUM: _BY_TASTE,
    Signal.USER_FACTORS_RECENT: _BY_TASTE,
    Signal.ITEM_FACTORS: _BY_TASTE,
    Signal.OWNER_FACTORS: _BY_TASTE,
    Signal.TASTE_CLUSTER_MEAN: _BY_TASTE,
    Signal.TASTE_CLUSTER_SUM: _BY_TASTE,
    Signal.TASTE_CLUSTER_RECENT: _BY_TASTE,
    Signal.NEW_SINCE_VISIT: (_ANY_ACT,),
    Signal.IMPRESSION_FATIGUE: (frozenset({PreferenceSwitch.VIEWS}),),
    Signal.SIMILAR_TO_DISMISSED: (_ANY_ACT,),
}
"""What each signal rests on: of every set at least one must be on. A signal that is not named here
rests on nothing that has a switch, as a project's age does."""

_FLAT = Curve((0.0,), (0.0,))


def switched_on(preferences: Preferences) -> frozenset[PreferenceSwitch]:
    """Give the switches that are on."""
    switches = {
        PreferenceSwitch.TOPICS: preferences.use_topics,
        PreferenceSwitch.VIEWS: preferences.learn_from_views,
        PreferenceSwitch.LIKES: preferences.learn_from_likes,
        PreferenceSwitch.SOCIAL: preferences.social_signals,
    }
    return frozenset(switch for switch, is_on in switches.items() if is_on)


def learnable_kinds(preferences: Preferences) -> EngagementKind:
    """Give the kinds of engagement from which something may be concluded."""
    views = _VIEWS if preferences.learn_from_views else EngagementKind(0)
    return views | (_LIKES if preferences.learn_from_likes else EngagementKind(0))


def switched_off(model: Model, preferences: Preferences) -> frozenset[Signal]:
    """Give the signals of a model that the viewer has switched off."""
    on = switched_on(preferences)
    return frozenset(signal for signal in model.signals if not all(on & needed for needed in NEEDS.get(signal, ())))


def apply_preferences(model: Model, preferences: Preferences) -> Model:
    """Give the model as it ranks for a viewer with these settings: of the same name, and itself for the defaults.

    Parameters
    ----------
    model
        As it is at the viewer's stage (`Model.at`).
    """
    off = switched_off(model, preferences)
    curves = {signal: _FLAT if signal in off else curve for signal, curve in model.curves.items()}
    if preferences.discovery != BALANCED:
        curves[Signal.NOVELTY] = Curve.linear(novelty_weight(preferences.discovery))
    return replace(model, curves=curves) if curves != model.curves else model


def novelty_weight(discovery: int) -> float:
    """Give what being wholly new to the viewer adds to a score: −`weights.MAX_NOVELTY_WEIGHT` at 0, as much more at 100."""
    return weights.MAX_NOVELTY_WEIGHT * (discovery - BALANCED) / (100 - BALANCED)
