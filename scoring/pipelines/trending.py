"""The trending ranking: many people for its age, now; the viewer's interests move nothing far."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import numpy as np

from db.activity.velocity import Formula, Mover, movers
from db.engine import Database
from db.models import FeedKind
from db.people.preferences import preferences_in
from db.people.profiles import tags
from db.people.users import Viewer
from db.projects import ProjectFilter
from scoring import signals, weights
from scoring.blend import order_by_score, scores
from scoring.features import incidences
from scoring.signals import Floats, Integers
from scoring.stored.ranking import Ranking, Strategy
from scoring.velocity import CONSTANTS, Constants, Window, bounded_boost, effective, parts
from scoring.viewers.profile import Profile
from scoring.weights import MILLIONTHS, Signal

PEOPLE_OF: dict[Window, Signal] = {
    Window.HOUR: Signal.PEOPLE_OF_HOUR,
    Window.DAY: Signal.PEOPLE_OF_DAY,
    Window.WEEK: Signal.PEOPLE_OF_WEEK,
}
LENGTH: dict[Window, timedelta] = {
    Window.HOUR: timedelta(hours=1),
    Window.DAY: timedelta(days=1),
    Window.WEEK: timedelta(days=7),
}
_FLOOR_HALF_LIFE = {Window.HOUR: 1, Window.DAY: 2, Window.WEEK: 3}
"""Index of the half-life at which the floor of people is counted: longer than the window, against flicker."""


def model_name(window: Window) -> str:
    """Name what ranks a window."""
    return f"trending-{window}"


def formula_of(constants: Constants) -> Formula:
    """Give the constants as the database takes them."""
    return Formula(constants.shares, constants.gravity, constants.offset_h, constants.background, constants.oldest_h)


async def rank(
    database: Database,
    window: Window,
    where: ProjectFilter,
    at: datetime,
    profile: Profile | None = None,
    *,
    constants: Mapping[Window, Constants] = CONSTANTS,
    most_places: int = weights.TRENDING_MOST_PLACES,
) -> Ranking:
    """Rank what people come to now, in one statement.

    Parameters
    ----------
    profile
        Whose interests add a little; None ranks for everybody.
    most_places
        The most that interests may move a project up or down.
    """
    chosen = constants[window]
    found, people = await movers(
        database,
        formula_of(chosen),
        at,
        floor=weights.TRENDING_FLOOR,
        floor_half_life=_FLOOR_HALF_LIFE[window],
        limit=weights.STORED_RANKS,
        where=where,
    )
    values, contributions, keys = _shared(found, people, chosen)
    base = order_by_score(scores(contributions), keys)
    order, values, contributions = base, values[base], contributions[base]
    if profile is not None and found:
        fits = _fits([found[index].terms for index in base], profile)
        boost = np.rint(weights.TRENDING_BOOST * fits * MILLIONTHS).astype(np.int64)
        bounded = bounded_boost(scores(contributions), boost, most_places)
        values = np.column_stack([values, fits])
        contributions = np.column_stack([contributions, bounded])
        again = order_by_score(scores(contributions), keys[base])
        order, values, contributions = base[again], values[again], contributions[again]
    return Ranking(
        kind=FeedKind.TRENDING,
        strategy=Strategy.VELOCITY,
        model=model_name(window),
        signals=(PEOPLE_OF[window], Signal.GRAVITY, *([Signal.EXPLICIT_PREFERENCES] if profile and found else [])),
        ids=np.array([mover.id for mover in found], dtype=np.int64)[order],
        values=values.astype(np.float32),
        contributions=contributions,
        adjustments={},
        generated_at=at,
    )


async def interests(database: Database, viewer: Viewer) -> Profile | None:
    """Read what may move a viewer's trends: stated interests, in one statement; None if none may."""
    preferences = preferences_in(viewer.settings)
    if viewer.actor_id is None or not (preferences.personalized and preferences.use_topics):
        return None
    found = await tags(database, viewer.actor_id)
    return Profile(viewer, tuple(found)) if found else None


def _shared(
    found: Sequence[Mover], people: Floats, constants: Constants
) -> tuple[Floats, Integers, np.ndarray[tuple[int], np.dtype[np.str_]]]:
    """Give (n, 2) values and contributions that are the same for everybody, and the (n,) keys."""
    ages_h = np.array([mover.age_h for mover in found], dtype=np.float64)
    contributions = np.rint(parts(people, ages_h, constants) * MILLIONTHS).astype(np.int64)
    keys = np.array([mover.key for mover in found], dtype=np.str_)
    return np.column_stack([effective(people, constants), ages_h]), contributions, keys


def _fits(terms: Sequence[str | None], profile: Profile) -> Floats:
    carried = signals.together(incidences(terms).values())
    return signals.explicit_preferences(carried, profile.tag_terms, profile.tag_worth)
