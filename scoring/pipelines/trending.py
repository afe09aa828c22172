"""Trending: decayed actors against age, with a small bounded boost for the viewer's interests."""

from collections.abc import Mapping
from datetime import datetime, timedelta

import numpy as np

from db.actors.actor_preferences import preferences_in
from db.actors.profiles import tags
from db.actors.users import Viewer
from db.catalog.project_cards import ProjectFilter
from db.database.engine import Database
from db.interactions.velocity_queries import VelocityParameters, trending_projects
from db.models import FeedKind
from scoring import weights
from scoring.features import incidences
from scoring.mathematics import signals
from scoring.mathematics.additive_model import order_by_score, scores
from scoring.mathematics.velocity import (
    DEFAULT_TREND_CONSTANTS,
    TrendConstants,
    Window,
    bounded_boost,
    effective_actors,
    score_parts,
)
from scoring.profiles.viewer_profile import Profile
from scoring.ranking import Ranking, Strategy
from scoring.weights import MILLIONTHS, Signal

SIGNAL_OF: dict[Window, Signal] = {
    Window.HOUR: Signal.TRENDING_HOUR,
    Window.DAY: Signal.TRENDING_DAY,
    Window.WEEK: Signal.TRENDING_WEEK,
}
LENGTH: dict[Window, timedelta] = {
    Window.HOUR: timedelta(hours=1),
    Window.DAY: timedelta(days=1),
    Window.WEEK: timedelta(days=7),
}
_FLOOR_HALF_LIFE = {Window.HOUR: 1, Window.DAY: 2, Window.WEEK: 3}
"""Index of the half-life at which the fewest actors are counted: longer than the window, against flicker."""


def model_name(window: Window) -> str:
    """Return the model name of a window."""
    return f"trending-{window}"


def formula_of(constants: TrendConstants) -> VelocityParameters:
    """Return the constants as the database takes them."""
    return VelocityParameters(
        constants.shares, constants.gravity, constants.offset_h, constants.background, constants.oldest_h
    )


async def rank(
    database: Database,
    window: Window,
    where: ProjectFilter,
    at: datetime,
    profile: Profile | None = None,
    *,
    constants: Mapping[Window, TrendConstants] = DEFAULT_TREND_CONSTANTS,
    max_boost_places: int = weights.MAX_BOOST_PLACES,
) -> Ranking:
    """Rank the projects of a window, in one statement.

    The interests of `profile` boost projects by `max_boost_places` at most; None ranks for everybody.
    """
    chosen = constants[window]
    found, actors = await trending_projects(
        database,
        formula_of(chosen),
        at,
        floor=weights.MIN_TRENDING_ACTORS,
        floor_half_life=_FLOOR_HALF_LIFE[window],
        limit=weights.SNAPSHOT_RANKS,
        where=where,
    )
    ages_h = np.array([one.age_h for one in found], dtype=np.float64)
    keys = np.array([one.key for one in found], dtype=np.str_)
    values = np.column_stack([effective_actors(actors, chosen), ages_h])
    contributions = np.rint(score_parts(actors, ages_h, chosen) * MILLIONTHS).astype(np.int64)
    base = order_by_score(scores(contributions), keys)
    order, values, contributions = base, values[base], contributions[base]
    if profile is not None and found:
        carried = signals.union(incidences([found[index].terms for index in base]).values())
        fits = signals.explicit_preferences(carried, profile.tag_terms, profile.tag_worth)
        boost = np.rint(weights.TRENDING_BOOST * fits * MILLIONTHS).astype(np.int64)
        bounded = bounded_boost(scores(contributions), boost, max_boost_places)
        values = np.column_stack([values, fits])
        contributions = np.column_stack([contributions, bounded])
        again = order_by_score(scores(contributions), keys[base])
        order, values, contributions = base[again], values[again], contributions[again]
    return Ranking(
        kind=FeedKind.TRENDING,
        strategy=Strategy.VELOCITY,
        model=model_name(window),
        signals=(SIGNAL_OF[window], Signal.GRAVITY, *([Signal.EXPLICIT_PREFERENCES] if profile and found else [])),
        ids=np.array([one.id for one in found], dtype=np.int64)[order],
        values=values.astype(np.float32),
        contributions=contributions,
        adjustments={},
        generated_at=at,
    )


async def interests(database: Database, viewer: Viewer) -> Profile | None:
    """Read the interests that boost a viewer's trends, in one statement; None without any."""
    preferences = preferences_in(viewer.settings)
    if viewer.actor_id is None or not (preferences.personalized and preferences.use_topics):
        return None
    found = await tags(database, viewer.actor_id)
    return Profile(viewer, tuple(found)) if found else None
