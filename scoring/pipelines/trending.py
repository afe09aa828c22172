"""Trending: decayed actors relative to age, spread by owner and category, with a small boost for interests."""

from collections.abc import Mapping
from datetime import datetime, timedelta

import numpy as np

from db.actors.actor_preferences import preferences_in
from db.actors.profiles import interests_of
from db.actors.users import Viewer
from db.catalog.project_cards import ProjectFilter
from db.database.engine import Database
from db.interactions.velocity_queries import trending_projects
from db.models import FeedKind, TermKind
from db.trend_constants import TrendConstants
from scoring import tunables
from scoring.features import incidences
from scoring.mathematics import signals
from scoring.mathematics.additive_model import order_by_score, scores
from scoring.mathematics.diversity import DiversityAttributes
from scoring.mathematics.signals import MILLIONTHS, Signal
from scoring.mathematics.velocity import (
    DEFAULT_TREND_CONSTANTS,
    Window,
    bounded_boost,
    effective_actors,
    score_parts,
)
from scoring.profiles.viewer_profile import Profile
from scoring.ranking import Ranking, Strategy

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
"""Index of the half-life at which `tunables.MIN_TRENDING_ACTORS` applies. It is longer than the window, so that
projects do not alternate between trending and not trending."""


def model_name(window: Window) -> str:
    """Return the model name of a window."""
    return f"trending-{window}"


async def rank(
    database: Database,
    window: Window,
    where: ProjectFilter,
    at: datetime,
    profile: Profile | None = None,
    *,
    constants: Mapping[Window, TrendConstants] = DEFAULT_TREND_CONSTANTS,
    max_boost_places: int = tunables.MAX_BOOST_PLACES,
) -> Ranking:
    """Rank the projects of a window, in one statement.

    The interests of `profile` move a project by at most `max_boost_places` ranks; None makes the shared ranking.
    """
    window_constants = constants[window]
    projects, actors = await trending_projects(
        database,
        window_constants,
        at,
        floor=tunables.MIN_TRENDING_ACTORS,
        floor_half_life=_FLOOR_HALF_LIFE[window],
        limit=tunables.SNAPSHOT_RANKS,
        where=where,
    )
    ages_h = np.array([project.age_h for project in projects], dtype=np.float64)
    keys = np.array([project.key for project in projects], dtype=np.str_)
    values = np.column_stack([effective_actors(actors, window_constants), ages_h])
    contributions = np.rint(score_parts(actors, ages_h, window_constants) * MILLIONTHS).astype(np.int64)
    score_order = order_by_score(scores(contributions), keys)
    order, values, contributions = score_order, values[score_order], contributions[score_order]
    terms = incidences([project.terms for project in projects])
    if profile is not None and projects:
        project_terms = signals.union(terms.values()).take(score_order)
        interest_match = signals.explicit_preferences(project_terms, profile.interest_terms, profile.interest_values)
        boost = np.rint(tunables.TRENDING_BOOST * interest_match * MILLIONTHS).astype(np.int64)
        bounded_boosts = bounded_boost(scores(contributions), boost, max_boost_places)
        values = np.column_stack([values, interest_match])
        contributions = np.column_stack([contributions, bounded_boosts])
        boosted_order = order_by_score(scores(contributions), keys[score_order])
        order, values, contributions = score_order[boosted_order], values[boosted_order], contributions[boosted_order]
    owners = np.array([-1 if project.owner_id is None else project.owner_id for project in projects], dtype=np.int64)
    attributes = DiversityAttributes(owners, terms[TermKind.CATEGORY], terms[TermKind.TOOL]).take(order)
    ranking = Ranking(
        kind=FeedKind.TRENDING,
        strategy=Strategy.VELOCITY,
        model=model_name(window),
        signals=(SIGNAL_OF[window], Signal.GRAVITY, *([Signal.EXPLICIT_PREFERENCES] if profile and projects else [])),
        ids=np.array([project.id for project in projects], dtype=np.int64)[order],
        values=values.astype(np.float32),
        contributions=contributions,
        generated_at=at,
    )
    return ranking.spread(attributes)


async def interests(database: Database, viewer: Viewer) -> Profile | None:
    """Return the profile with the interests that boost projects, in one statement; None without interests."""
    preferences = preferences_in(viewer.settings)
    if viewer.actor_id is None or not (preferences.personalized and preferences.use_interests):
        return None
    stated = await interests_of(database, viewer.actor_id)
    return Profile(viewer, tuple(stated)) if stated else None
