"""Trending score: the decayed number of distinct actors, less a term of the project's age in active hours.

score = Σ share · log((actors + b) / b) − g · log((age + o) / o)

b (background), g (gravity), o (offset) and the shares are `db.trend_constants.TrendConstants`. Actors are weighted by
trust and decayed at four half-lives. Both terms are 0 for a new project without actors, so together they explain the
score exactly. The specification's formula is a ratio of counts: there, a project whose likes rise from 0 to 1 beats a
project whose likes rise from 20 to 30. Figures: docs/ranking.md, "Quality of Trending".
"""

from enum import StrEnum

import numpy as np

from db.trend_constants import TrendConstants
from scoring.mathematics.signals import Floats, Integers


class Window(StrEnum):
    """Time windows of trending."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"


DEFAULT_TREND_CONSTANTS: dict[Window, TrendConstants] = {
    Window.HOUR: TrendConstants((0.45, 0.25, 0.3, 0.0), 0.75),
    Window.DAY: TrendConstants((0.5, 0.25, 0.25, 0.0), 0.6),
    Window.WEEK: TrendConstants((0.0, 0.35, 0.3, 0.35), 0.4),
}
"""Default constants: fitted to the first 60 % of the deskdrop data for the next hour and the next day, and rounded. The
fit for the next week gave the half-life of 6 h a share of .6, which would rank the week like the day, so the shares of
the week are about equal instead (docs/ranking.md)."""


def log_actors(actors: Floats, constants: TrendConstants) -> Floats:
    """Return the (n,) weighted sums of the logarithms of (n, 4) decayed actor counts; at least 0."""
    return np.log1p(np.maximum(actors, 0.0) / constants.background) @ np.array(constants.shares)


def effective_actors(actors: Floats, constants: TrendConstants) -> Floats:
    """Return the (n,) shifted geometric means of (n, 4) decayed counts.

    A project with this count at every half-life would have the same score.
    """
    return constants.background * np.expm1(log_actors(actors, constants))


def score_parts(actors: Floats, age_h: Floats, constants: TrendConstants) -> Floats:
    """Return the (n, 2) terms of the score: of (n, 4) decayed actors (at least 0) and of the age (at most 0).

    `age_h` is (n,) active hours since creation. A negative age counts as 0.
    """
    age_term = -constants.gravity * np.log1p(np.clip(age_h, 0.0, constants.oldest_h) / constants.offset_h)
    return np.column_stack([log_actors(actors, constants), age_term])


def velocity_score(
    actors: Floats, age_h: Floats, constants: TrendConstants = DEFAULT_TREND_CONSTANTS[Window.DAY]
) -> Floats:
    """Return the (n,) scores at one moment (see `score_parts`). Scores of different moments are not comparable."""
    return score_parts(actors, age_h, constants).sum(axis=1)


def baseline_velocity(
    likes: Integers, likes_before: Integers, views: Integers, views_before: Integers, age_days: Floats
) -> Floats:
    """Return the (n,) scores by the specification's formula.

    (0.7·(l − l')/max(l', 1) + 0.3·(v − v')/max(v', 1)) / (1 + 0.1·age in days), at least 0. l and v are the likes and
    views of the last 24 h, l' and v' of the 24 h before.
    """
    like_growth = (likes - likes_before) / np.maximum(likes_before, 1)
    view_growth = (views - views_before) / np.maximum(views_before, 1)
    age_factor = 1.0 / (1.0 + 0.1 * np.maximum(age_days, 0.0))
    return np.maximum((0.7 * like_growth + 0.3 * view_growth) * age_factor, 0.0)


def bounded_boost(score: Integers, boost: Integers, max_boost_places: int) -> Integers:
    """Reduce boosts so that no rank changes by more than `max_boost_places`.

    A project can pass at most the `max_boost_places` − 1 projects directly above it. Therefore at most
    `max_boost_places` − 1 projects pass any project. The final score is still a plain sum of score and reduced boost.
    Both arguments are (n,) millionths: `score` is descending, `boost` is at least 0.
    """
    if max_boost_places <= 0:
        return np.zeros_like(boost)
    max_boost = np.full(score.size, np.iinfo(np.int64).max)
    max_boost[max_boost_places:] = np.maximum(score[:-max_boost_places] - score[max_boost_places:] - 1, 0)
    return np.minimum(boost, max_boost)


# --- actor trust ----------------------------------------------------------------------------------------------------

ANONYMOUS_TRUST = 0.25  # factor of an anonymous actor: sessions cost nothing to create
MOSTLY_ANONYMOUS = 0.5
"""Share of sessions in an installation's engagement from which its audience is mostly anonymous. Sessions then have
this share as their factor and no common cap. Otherwise trending would stay empty."""
NEW_TRUST = 0.3  # trust of a user on the first day
TRUSTED_AFTER_DAYS = 7.0  # age of full trust, up to which trust grows linearly
BUSY_PROJECTS = 60.0  # new projects per hour; above it, trust falls in inverse proportion


def trust(signed_in: bool, age_days: float, recent_projects: int, session_share: float = 0.0) -> float:
    """Return the weight of an actor in decayed counters, above 0 and at most 1.

    Parameters
    ----------
    signed_in
        Whether the actor is a user.
    age_days
        Days since the actor was created.
    recent_projects
        Number of projects that the actor engaged with for the first time in the last hour.
    session_share
        Share of sessions in the installation's earlier engagement.
    """
    by_age = NEW_TRUST + (1.0 - NEW_TRUST) * min(max(age_days, 0.0) / TRUSTED_AFTER_DAYS, 1.0)
    by_session = session_share if session_share >= MOSTLY_ANONYMOUS else ANONYMOUS_TRUST
    by_sign_in = 1.0 if signed_in else by_session
    return by_age * by_sign_in * min(1.0, BUSY_PROJECTS / max(recent_projects, 1))
