"""Trending score: decayed distinct actors against the project's age, in active hours.

score = Σ share · log((actors + b) / b) − g · log((age + o) / o)

Actors are weighted by trust and decayed at four half-lives. Both parts are 0 for a new project without actors, so the
score is explained exactly. The specification's ratio of counts lets 1 like after 0 beat 30 after 20. Figures:
docs/ranking.md, "Trending".
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np

from scoring.mathematics.signals import Floats, Integers


class Window(StrEnum):
    """Time windows of trending."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"


@dataclass(frozen=True, slots=True)
class TrendConstants:
    """Constants of the trending score, which an installation can fit."""

    shares: tuple[float, ...]  # weights of the logarithm at each of `ACTIVE_HALF_LIVES_H`; not negative, sum 1
    gravity: float  # exponent of age
    offset_h: float = 0.7  # active hours for which age counts little
    background: float = 0.5  # actors added to each project, so that few actors count little
    oldest_h: float = 168.0  # active hours from which age counts no further, so that a rediscovered project can trend


DEFAULT_TREND_CONSTANTS: dict[Window, TrendConstants] = {
    Window.HOUR: TrendConstants((0.45, 0.25, 0.3, 0.0), 0.75),
    Window.DAY: TrendConstants((0.5, 0.25, 0.25, 0.0), 0.6),
    Window.WEEK: TrendConstants((0.0, 0.35, 0.3, 0.35), 0.4),
}
"""Shipped constants, fitted to the first 60 % of deskdrop for the next hour and day, and rounded. The fit for the week
gave a share of .6 to 6 h, which would make the week a second day, so its shares are even (docs/ranking.md)."""


def log_actors(actors: Floats, constants: TrendConstants) -> Floats:
    """Return the (n,) weighted sums of log-decayed actor counts, shape (n, 4); at least 0."""
    logs: Floats = np.log1p(np.maximum(actors, 0.0) / constants.background) @ np.array(constants.shares)
    return logs


def effective_actors(actors: Floats, constants: TrendConstants) -> Floats:
    """Return the (n,) counts that give the same score at every half-life: a shifted geometric mean."""
    mean: Floats = constants.background * np.expm1(log_actors(actors, constants))
    return mean


def score_parts(actors: Floats, age_h: Floats, constants: TrendConstants) -> Floats:
    """Return the (n, 2) parts of the score: of the (n, 4) decayed actors, at least 0, and of age, at most 0.

    `age_h` is (n,) active hours since creation; a negative age counts as 0.
    """
    aged = -constants.gravity * np.log1p(np.clip(age_h, 0.0, constants.oldest_h) / constants.offset_h)
    return np.column_stack([log_actors(actors, constants), aged])


def velocity_score(
    actors: Floats, age_h: Floats, constants: TrendConstants = DEFAULT_TREND_CONSTANTS[Window.DAY]
) -> Floats:
    """Return the (n,) scores, comparable at one moment only. Arguments as of `score_parts`."""
    score: Floats = score_parts(actors, age_h, constants).sum(axis=1)
    return score


def baseline_velocity(
    likes: Integers, likes_before: Integers, views: Integers, views_before: Integers, age_days: Floats
) -> Floats:
    """Return the (n,) scores of the specification: of the last 24 h and the 24 h before.

    0.7·(l − l')/max(l', 1) + 0.3·(v − v')/max(v', 1), times 1/(1 + 0.1·age in days), at least 0.
    """
    liked = (likes - likes_before) / np.maximum(likes_before, 1)
    viewed = (views - views_before) / np.maximum(views_before, 1)
    aged = 1.0 / (1.0 + 0.1 * np.maximum(age_days, 0.0))
    return np.maximum((0.7 * liked + 0.3 * viewed) * aged, 0.0)


def bounded_boost(score: Integers, boost: Integers, max_boost_places: int) -> Integers:
    """Reduce boosts so that no rank changes by more than `max_boost_places`.

    A project may pass at most the `max_boost_places` − 1 projects above it, so at most as many pass any other. The
    score with the reduced boost is still a plain sum. Both are (n,) millionths: `score` descends, `boost` is ≥ 0.
    """
    if max_boost_places <= 0:
        return np.zeros_like(boost)
    room = np.full(score.size, np.iinfo(np.int64).max)
    room[max_boost_places:] = np.maximum(score[:-max_boost_places] - score[max_boost_places:] - 1, 0)
    reduced: Integers = np.minimum(boost, room)
    return reduced


# --- actor trust ----------------------------------------------------------------------------------------------------

ANONYMOUS_TRUST = 0.25  # factor of an anonymous actor: sessions cost nothing to create
NEW_TRUST = 0.3  # trust of a user on the first day
TRUSTED_AFTER_DAYS = 7.0  # age at which trust has grown to 1, linearly
BUSY_PROJECTS = 60.0  # new projects per hour above which trust falls in proportion


class TrustInputs(Protocol):
    """Inputs of the actor trust score."""

    @property
    def signed_in(self) -> bool:
        """Whether the actor is a user."""

    @property
    def age_days(self) -> float:
        """Days since the actor was created."""

    @property
    def recent_projects(self) -> int:
        """Projects that the actor engaged with for the first time in the last hour."""


def trust(inputs: TrustInputs) -> float:
    """Return the weight of an actor in decayed counters, above 0 and at most 1."""
    grown = NEW_TRUST + (1.0 - NEW_TRUST) * min(max(inputs.age_days, 0.0) / TRUSTED_AFTER_DAYS, 1.0)
    known = grown if inputs.signed_in else ANONYMOUS_TRUST * grown
    return known * min(1.0, BUSY_PROJECTS / max(inputs.recent_projects, 1))
