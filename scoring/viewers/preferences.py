"""How a viewer's own settings change the ranking: a model's curves before it scores, so that every sum stays exact.

A signal that is switched off gets the curve that is 0 everywhere. The balance between familiar and new adds one more
signal, `Signal.NOVELTY`, whose weight rises with it: of two balances the larger one never shows less that is new among
the best by score, whatever the model.
"""

from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum

from db.models import EngagementKind
from db.people.preferences import BALANCED, Preferences
from scoring import weights
from scoring.blend import Curve, Model
from scoring.weights import Signal


class Switch(StrEnum):
    """What a viewer can switch on and off: where knowledge comes from."""

    TOPICS = "topics"
    VIEWS = "views"
    LIKES = "likes"
    SOCIAL = "social"


_VIEWS = EngagementKind.VIEW | EngagementKind.CLICK
_LIKES = EngagementKind.LIKE | EngagementKind.BOOKMARK | EngagementKind.COMMENT | EngagementKind.FOLLOW

Needs = tuple[frozenset[Switch], ...]

_ANY_ACT = frozenset({Switch.VIEWS, Switch.LIKES})
_SOCIAL = frozenset({Switch.SOCIAL})
_BY_PEOPLE: Needs = (_SOCIAL,)
_BY_PEOPLE_AND_ACTS: Needs = (_SOCIAL, _ANY_ACT)
_BY_TASTE: Needs = (_SOCIAL, frozenset({Switch.VIEWS}), frozenset({Switch.LIKES}))
"""A taste is built at night of views and likes together, so it goes when either of them shall not count."""

NEEDS: Mapping[Signal, Needs] = {
    Signal.VECTOR_SIMILARITY: (_ANY_ACT | {Switch.TOPICS},),
    Signal.EXPLICIT_PREFERENCES: (frozenset({Switch.TOPICS}),),
    Signal.ANSWER_MATCHES: (frozenset({Switch.TOPICS}),),
    Signal.BEHAVIORAL_SIGNALS: (_ANY_ACT,),
    Signal.SAME_OWNER: (_ANY_ACT,),
    Signal.COLLABORATIVE: (_SOCIAL, _ANY_ACT | {Switch.TOPICS}),
    Signal.POPULARITY: _BY_PEOPLE,
    Signal.LIKES: _BY_PEOPLE,
    Signal.PEOPLE_LATELY: _BY_PEOPLE,
    Signal.PEOPLE_15M: _BY_PEOPLE,
    Signal.PEOPLE_1H: _BY_PEOPLE,
    Signal.PEOPLE_1D: _BY_PEOPLE,
    Signal.PEOPLE_6H: _BY_PEOPLE,
    Signal.PEOPLE_3D: _BY_PEOPLE,
    Signal.PEOPLE_14D: _BY_PEOPLE,
    Signal.PEOPLE_LATELY_ALL: _BY_PEOPLE,
    Signal.PEOPLE_RATE: _BY_PEOPLE,
    Signal.COMPANY: _BY_PEOPLE_AND_ACTS,
    Signal.NEIGHBOURS: _BY_PEOPLE_AND_ACTS,
    Signal.NEIGHBOURS_SHARE: _BY_PEOPLE_AND_ACTS,
    Signal.WALK: _BY_PEOPLE_AND_ACTS,
    Signal.EASE: _BY_PEOPLE_AND_ACTS,
    Signal.TASTE_OF_PEOPLE: _BY_TASTE,
    Signal.TASTE_OF_CROWD: _BY_TASTE,
    Signal.TASTE_NOW: _BY_TASTE,
    Signal.TASTE_OF_PROJECT: _BY_TASTE,
    Signal.TASTE_OF_OWNER: _BY_TASTE,
    Signal.PEOPLE_LIKE_YOU: _BY_TASTE,
    Signal.CIRCLE_OF_PEOPLE: _BY_TASTE,
    Signal.CIRCLE_OF_CROWD: _BY_TASTE,
    Signal.CIRCLE_NOW: _BY_TASTE,
    Signal.NEW_SINCE_VISIT: (_ANY_ACT,),
    Signal.FATIGUE: (frozenset({Switch.VIEWS}),),
    Signal.LIKE_DISMISSED: (_ANY_ACT,),
}
"""What each signal rests on: of every set at least one must be on. A signal that is not named here
rests on nothing that has a switch, as a project's age does."""

_FLAT = Curve((0.0,), (0.0,))


def switched_on(preferences: Preferences) -> frozenset[Switch]:
    """Give the switches that are on."""
    switches = {
        Switch.TOPICS: preferences.use_topics,
        Switch.VIEWS: preferences.learn_from_views,
        Switch.LIKES: preferences.learn_from_likes,
        Switch.SOCIAL: preferences.social_signals,
    }
    return frozenset(switch for switch, is_on in switches.items() if is_on)


def telling_kinds(preferences: Preferences) -> EngagementKind:
    """Give the kinds of engagement from which something may be concluded."""
    views = _VIEWS if preferences.learn_from_views else EngagementKind(0)
    return views | (_LIKES if preferences.learn_from_likes else EngagementKind(0))


def switched_off(model: Model, preferences: Preferences) -> frozenset[Signal]:
    """Give the signals of a model that the viewer has switched off."""
    on = switched_on(preferences)
    return frozenset(signal for signal in model.signals if not all(on & needed for needed in NEEDS.get(signal, ())))


def tuned(model: Model, preferences: Preferences) -> Model:
    """Give the model as it ranks for a viewer with these settings: of the same name, and itself for the defaults.

    Parameters
    ----------
    model
        As it is at the viewer's stage (`Model.at`).
    """
    off = switched_off(model, preferences)
    curves = {signal: _FLAT if signal in off else curve for signal, curve in model.curves.items()}
    if preferences.discovery != BALANCED:
        curves[Signal.NOVELTY] = Curve.straight(novelty_weight(preferences.discovery))
    return replace(model, curves=curves) if curves != model.curves else model


def novelty_weight(discovery: int) -> float:
    """Give what being wholly new to the viewer adds to a score: −`weights.NOVELTY_MOST` at 0, as much more at 100."""
    return weights.NOVELTY_MOST * (discovery - BALANCED) / (100 - BALANCED)
