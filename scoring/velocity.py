"""The mathematics of what is taking off: arrays in, arrays out, no I/O.

score = log((people + b) / b) − g · log((age + o) / o), where `people` is a mixture of distinct people, each by the
trust in them, decayed at four half-lives. It is additive in the log, so it is explained exactly: both parts are 0 for a
brand-new project that nobody came to. A ratio of counts (the plan's) lets one like after none beat thirty after
twenty; on deskdrop it ranks at NDCG@10 .58, this at .74 to .75.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import product

import numpy as np
from numpy.typing import NDArray

from db.pulse import HALF_LIVES_S, decayed
from db.standing import Standing

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

__all__ = [
    "CONSTANTS",
    "HALF_LIVES_S",
    "PEOPLE_BACKGROUND",
    "Constants",
    "Standing",
    "Window",
    "bounded_boost",
    "decayed",
    "fit",
    "mixed",
    "ours",
    "parts",
    "plans",
    "trust",
]

PEOPLE_BACKGROUND = 0.1
"""People added to each project, so that the logarithm of nobody is defined; fitted among .001, .1 and .5."""


class Window(StrEnum):
    """How far "now" reaches."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"


@dataclass(frozen=True, slots=True)
class Constants:
    """What an installation can fit.

    Attributes
    ----------
    mixture
        What a person counts at each of `HALF_LIVES_S`; not negative.
    gravity
        How fast age pulls down: the exponent of age.
    offset_h
        Hours for which age pulls little.
    background
        People added to each project.
    oldest_h
        Hours of age from which age pulls no further: an old project that is rediscovered may still take off.
    """

    mixture: tuple[float, ...]
    gravity: float
    offset_h: float = 2.0
    background: float = PEOPLE_BACKGROUND
    oldest_h: float = 168.0


CONSTANTS: dict[Window, Constants] = {
    Window.HOUR: Constants((3.0, 1.0, 0.05, 0.0), 0.8),
    Window.DAY: Constants((0.3, 1.0, 0.05, 0.0), 0.8),
    Window.WEEK: Constants((0.0, 1.0, 1.0, 0.05), 0.8),
}
"""What serves until an installation fits its own. The mixtures are those that the first 60 % of deskdrop chose for the
people of the next hour, day and week. It chose a gravity of 1 too; .8 lets an old project that a crowd discovers stand
among the first beside those of today, and costs .008 of NDCG there (bench/README.md)."""


def mixed(pulses: Floats, constants: Constants) -> Floats:
    """Give the (n,) people of now from (n, 4) decayed people."""
    people: Floats = pulses @ np.array(constants.mixture)
    return people


def parts(people: Floats, age_h: Floats, constants: Constants) -> Floats:
    """Give the (n, 2) parts of the score: what the people add, at least 0, and what age takes off, at most 0.

    Parameters
    ----------
    people
        (n,) as `mixed` gives them.
    age_h
        (n,) hours since creation; a project from the future counts as new.
    """
    come = np.log1p(np.maximum(people, 0.0) / constants.background)
    aged = -constants.gravity * np.log1p(np.clip(age_h, 0.0, constants.oldest_h) / constants.offset_h)
    return np.column_stack([come, aged])


def ours(pulses: Floats, age_h: Floats, constants: Constants = CONSTANTS[Window.DAY]) -> Floats:
    """Score n projects: (n, 4) decayed people and (n,) hours of age to (n,) scores; compare them at one moment only."""
    score: Floats = parts(mixed(pulses, constants), age_h, constants).sum(axis=1)
    return score


def plans(likes: Integers, likes_before: Integers, views: Integers, views_before: Integers, age_days: Floats) -> Floats:
    """Score n projects by the plan's formula, for comparison: likes and views of the last 24 h, and of the 24 h before.

    0.7·(l − l')/max(l', 1) + 0.3·(v − v')/max(v', 1), times 1/(1 + 0.1·age in days), never below 0.
    """
    liked = (likes - likes_before) / np.maximum(likes_before, 1)
    viewed = (views - views_before) / np.maximum(views_before, 1)
    aged = 1.0 / (1.0 + 0.1 * np.maximum(age_days, 0.0))
    return np.maximum((0.7 * liked + 0.3 * viewed) * aged, 0.0)


def fit(
    moments: Sequence[tuple[Floats, Floats, Floats]], start: Constants = CONSTANTS[Window.DAY], most: int = 10
) -> Constants:
    """Fit the constants to what happened: the grid point with the best mean NDCG, the first of equals.

    Parameters
    ----------
    moments
        For each moment (n, 4) pulses, (n,) hours of age, and (n,) people who came next.
    start
        Gives the constants that are not fitted.
    most
        The rank that NDCG looks down to.
    """
    grid = product((0.0, 0.3, 1.0, 3.0), (0.0, 1.0), (0.0, 0.05, 0.3, 1.0), (0.0, 0.05), (0.6, 0.8, 1.0, 1.2))
    tried = [replace(start, mixture=tuple(mixture), gravity=g) for *mixture, g in grid if any(mixture)]
    return max(tried, key=lambda constants: float(np.mean([_ndcg(one, constants, most) for one in moments])))


def _ndcg(moment: tuple[Floats, Floats, Floats], constants: Constants, most: int) -> float:
    pulses, age_h, came = moment
    best = np.sort(came)[::-1][:most]
    if not best.size or best[0] <= 0:
        return 0.0
    top = np.argsort(-ours(pulses, age_h, constants), kind="stable")[:most]
    discount = 1.0 / np.log2(np.arange(2, most + 2))
    return float((came[top] @ discount[: top.size]) / (best @ discount[: best.size]))


# --- a boost that moves nobody far ---------------------------------------------------------------------------------


def bounded_boost(score: Integers, boost: Integers, most_places: int) -> Integers:
    """Cut boosts so that nobody's rank moves more than `most_places` up or down.

    A project may pass at most those `most_places` − 1 above it, so at most as many pass any other. The score with the
    cut boost is still a plain sum.

    Parameters
    ----------
    score
        (n,) millionths, falling.
    boost
        (n,) millionths, not negative.
    """
    if most_places <= 0:
        return np.zeros_like(boost)
    room = np.full(score.size, np.iinfo(np.int64).max)
    room[most_places:] = np.maximum(score[:-most_places] - score[most_places:] - 1, 0)
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


def trust(standing: Standing) -> float:
    """Give how much a person counts, above 0 and at most 1."""
    grown = NEW_TRUST + (1.0 - NEW_TRUST) * min(max(standing.age_days, 0.0) / TRUSTED_AFTER_DAYS, 1.0)
    known = grown if standing.signed_in else ANONYMOUS_TRUST * grown
    return known * min(1.0, BUSY_PROJECTS / max(standing.recent_projects, 1))
