"""The mathematics of what is taking off: arrays in, arrays out, no I/O.

score = Σ share · log((people + b) / b) − g · log((age + o) / o): distinct people, each by the trust in them, decayed at
four half-lives, against the age of the project, all in the platform's busy hours. It is additive in the log, so it is
explained exactly: both parts are 0 for a brand-new project that nobody came to. A ratio of counts (the plan's) lets one
like after none beat thirty after twenty. Figures: docs/ranking.md, "Trending".
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from db.actors.actor_trust import TrustInputs
from db.interactions.decayed_counters import ACTIVE_HALF_LIVES_H

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

__all__ = [
    "ACTIVE_HALF_LIVES_H",
    "DEFAULT_TREND_CONSTANTS",
    "TrendConstants",
    "TrustInputs",
    "Window",
    "baseline_velocity",
    "bounded_boost",
    "effective_actors",
    "log_actors",
    "score_parts",
    "trust",
    "velocity_score",
]


class Window(StrEnum):
    """How far "now" reaches."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"


@dataclass(frozen=True, slots=True)
class TrendConstants:
    """What an installation can fit.

    Attributes
    ----------
    shares
        What the logarithm of people counts at each of `ACTIVE_HALF_LIVES_H`; not negative, together 1.
    gravity
        How fast age pulls down: the exponent of age.
    offset_h
        Busy hours for which age pulls little.
    background
        People added to each project, so that the logarithm of nobody is defined and few people say little.
    oldest_h
        Busy hours of age from which age pulls no further: an old project that is rediscovered may still take off.
    """

    shares: tuple[float, ...]
    gravity: float
    offset_h: float = 0.7
    background: float = 0.5
    oldest_h: float = 168.0


DEFAULT_TREND_CONSTANTS: dict[Window, TrendConstants] = {
    Window.HOUR: TrendConstants((0.45, 0.25, 0.3, 0.0), 0.75),
    Window.DAY: TrendConstants((0.5, 0.25, 0.25, 0.0), 0.6),
    Window.WEEK: TrendConstants((0.0, 0.35, 0.3, 0.35), 0.4),
}
"""What serves until an installation fits its own: what the first 60 % of deskdrop chose by the wall's clock for the
people of the next hour and day, rounded. For the next week it chose a share of .6 at 6 h; a week that forgets so fast
is a second day, so its shares are even (docs/ranking.md)."""


def log_actors(people: Floats, constants: TrendConstants) -> Floats:
    """Give the (n,) logarithms of what (n, 4) people are, at least 0."""
    logs: Floats = np.log1p(np.maximum(people, 0.0) / constants.background) @ np.array(constants.shares)
    return logs


def effective_actors(people: Floats, constants: TrendConstants) -> Floats:
    """Give the (n,) people who at every half-life would count as much as these (n, 4): a shifted geometric mean."""
    alike: Floats = constants.background * np.expm1(log_actors(people, constants))
    return alike


def score_parts(people: Floats, age_h: Floats, constants: TrendConstants) -> Floats:
    """Give the (n, 2) parts of the score: what the people add, at least 0, and what age takes off, at most 0.

    Parameters
    ----------
    people
        (n, 4) decayed people, a column for each of `ACTIVE_HALF_LIVES_H`.
    age_h
        (n,) busy hours since creation; a project from the future counts as new.
    """
    aged = -constants.gravity * np.log1p(np.clip(age_h, 0.0, constants.oldest_h) / constants.offset_h)
    return np.column_stack([log_actors(people, constants), aged])


def velocity_score(
    people: Floats, age_h: Floats, constants: TrendConstants = DEFAULT_TREND_CONSTANTS[Window.DAY]
) -> Floats:
    """Score n projects: (n, 4) decayed people and (n,) hours of age to (n,) scores; compare them at one moment only."""
    score: Floats = score_parts(people, age_h, constants).sum(axis=1)
    return score


def baseline_velocity(
    likes: Integers, likes_before: Integers, views: Integers, views_before: Integers, age_days: Floats
) -> Floats:
    """Score n projects by the plan's formula, for comparison: likes and views of the last 24 h, and of the 24 h before.

    0.7·(l − l')/max(l', 1) + 0.3·(v − v')/max(v', 1), times 1/(1 + 0.1·age in days), never below 0.
    """
    liked = (likes - likes_before) / np.maximum(likes_before, 1)
    viewed = (views - views_before) / np.maximum(views_before, 1)
    aged = 1.0 / (1.0 + 0.1 * np.maximum(age_days, 0.0))
    return np.maximum((0.7 * liked + 0.3 * viewed) * aged, 0.0)


# --- a boost that moves nobody far ---------------------------------------------------------------------------------


def bounded_boost(score: Integers, boost: Integers, max_boost_places: int) -> Integers:
    """Cut boosts so that nobody's rank moves more than `max_boost_places` up or down.

    A project may pass at most those `max_boost_places` − 1 above it, so at most as many pass any other. The score with the
    cut boost is still a plain sum.

    Parameters
    ----------
    score
        (n,) millionths, falling.
    boost
        (n,) millionths, not negative.
    """
    if max_boost_places <= 0:
        return np.zeros_like(boost)
    room = np.full(score.size, np.iinfo(np.int64).max)
    room[max_boost_places:] = np.maximum(score[:-max_boost_places] - score[max_boost_places:] - 1, 0)
    cut: Integers = np.minimum(boost, room)
    return cut


# --- whom to believe -----------------------------------------------------------------------------------------------

ANONYMOUS_TRUST = 0.25
"""Somebody who has not signed in: sessions cost nothing to make."""
NEW_TRUST = 0.3
"""A user on the first day here."""
TRUSTED_AFTER_DAYS = 7.0
"""Trust grows evenly until then."""
BUSY_PROJECTS = 60.0
"""New projects in an hour from which on somebody is too fast to be a reader: the more, the less each counts."""


def trust(standing: TrustInputs) -> float:
    """Give how much a person counts, above 0 and at most 1."""
    grown = NEW_TRUST + (1.0 - NEW_TRUST) * min(max(standing.age_days, 0.0) / TRUSTED_AFTER_DAYS, 1.0)
    known = grown if standing.signed_in else ANONYMOUS_TRUST * grown
    return known * min(1.0, BUSY_PROJECTS / max(standing.recent_projects, 1))
