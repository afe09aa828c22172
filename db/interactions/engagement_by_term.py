"""What actors did, gathered by tool, category and topic: what interests are learned from. Set-based, in slices."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Float, and_, bindparam, case, func, select
from sqlalchemy.sql import ColumnElement

from db.catalog.visibility import PUBLIC
from db.database.column_types import BigIntId
from db.database.engine import Database
from db.interactions.decayed_counters import decay_factor, epoch
from db.models import Actor, Engagement, EngagementKind, Project, ProjectTerm

HALF_LIFE_S = 60 * 86_400.0
"""What somebody did two months ago counts half: the half-life of a viewer's own history everywhere."""

DELIBERATE_WEIGHT = 2.0
"""A like, save, comment or follow counts as two views."""

ACTORS_PER_SLICE = 200
"""Actors in one statement: some tens of thousands of touches, well within a read's deadline on a busy machine."""

Ids = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class EngagementByTerm:
    """What the actors of a slice did, one entry for each actor and term.

    Attributes
    ----------
    actors, terms
        (m,) ids.
    interactions
        (m,) touched projects that carry the term, each by its worth and halved every `HALF_LIFE_S`.
    projects
        (m,) how many projects that are.
    totals
        (m,) the same sum as `interactions` over all that the actor touched.
    """

    actors: Ids
    terms: Ids
    interactions: Floats
    projects: Ids
    totals: Floats


_REAL = Float(53)
_SLICE = Engagement.actor_id.between(bindparam("low", type_=BigIntId), bindparam("high", type_=BigIntId))
_AT_S = bindparam("at_s", type_=_REAL)
_PASSED_S = case((epoch(Engagement.last_at) < _AT_S, _AT_S - epoch(Engagement.last_at)), else_=0.0)
_LEFT = decay_factor(_PASSED_S, HALF_LIFE_S)

_VIEWS = int(EngagementKind.VIEW | EngagementKind.CLICK)
_DELIBERATE = int(EngagementKind.LIKE | EngagementKind.SAVE | EngagementKind.COMMENT | EngagementKind.FOLLOW)


def _lets(name: str) -> ColumnElement[bool]:
    """Whether the actor's own settings (`db.actors.actor_preferences`) allow something; they do unless they say otherwise."""
    return func.coalesce(Actor.settings["preferences"][name].as_boolean(), True)


def _learned_from(kinds: int, name: str) -> ColumnElement[bool]:
    return and_(Engagement.kinds.bitwise_and(kinds) > 0, _lets(name))


_WORTH = _LEFT * case(
    (_learned_from(_DELIBERATE, "learn_from_likes"), DELIBERATE_WEIGHT),
    (_learned_from(_VIEWS, "learn_from_views"), 1.0),
    else_=0.0,
)

_engagement = (
    select(Engagement.actor_id, Engagement.project_id, _WORTH.label("worth"))
    .join(Actor, Actor.id == Engagement.actor_id)
    .where(_SLICE, Engagement.kinds > 0, _lets("personalized"))
    .subquery("engaged")
)
_BY_TERM = (
    select(
        _engagement.c.actor_id,
        ProjectTerm.term_id,
        func.sum(_engagement.c.worth).label("deeds"),
        func.sum(case((_engagement.c.worth > 0, 1), else_=0)).label("projects"),
    )
    .join(ProjectTerm, ProjectTerm.project_id == _engagement.c.project_id)
    .group_by(_engagement.c.actor_id, ProjectTerm.term_id)
    .having(func.sum(case((_engagement.c.worth > 0, 1), else_=0)) >= bindparam("least"))
)
_TOTALS = select(_engagement.c.actor_id, func.sum(_engagement.c.worth).label("total")).group_by(_engagement.c.actor_id)
_LAST_ACTOR = select(func.max(Actor.id))
_CARRIED = (
    select(ProjectTerm.term_id, func.count().label("projects"))
    .join(Project, Project.id == ProjectTerm.project_id)
    .where(PUBLIC)
    .group_by(ProjectTerm.term_id)
)
_PUBLIC_PROJECTS = select(func.count()).select_from(Project).where(PUBLIC)


async def slices(database: Database) -> list[tuple[int, int]]:
    """Give the ranges of actor ids, first and last, that cover everybody."""
    last = (await database.fetch(_LAST_ACTOR))[0][0] or 0
    return [(low, low + ACTORS_PER_SLICE - 1) for low in range(1, last + 1, ACTORS_PER_SLICE)]


async def engagement_by_term(database: Database, low: int, high: int, at: datetime, least: int) -> EngagementByTerm:
    """Gather what the actors of a range did, by term, as far as their own settings let it be learned from.

    Parameters
    ----------
    least
        Projects that an actor must have touched of a term for it to be told.
    """
    given = {"low": low, "high": high, "at_s": at.timestamp()}
    totals = {row.actor_id: row.total for row in await database.fetch(_TOTALS, given)}
    rows = await database.fetch(_BY_TERM, given | {"least": least})
    return EngagementByTerm(
        actors=_column(rows, 0, np.int64),
        terms=_column(rows, 1, np.int64),
        interactions=_column(rows, 2, np.float64),
        projects=_column(rows, 3, np.int64),
        totals=np.array([totals.get(row.actor_id, 0.0) for row in rows], dtype=np.float64),
    )


async def term_shares(database: Database) -> dict[int, float]:
    """Give the share of all public projects that carries each term."""
    total = (await database.fetch(_PUBLIC_PROJECTS))[0][0]
    return {row.term_id: row.projects / total for row in await database.fetch(_CARRIED)} if total else {}


def _column(rows: Sequence[Any], n: int, type_: Any) -> NDArray[Any]:
    return np.array([row[n] for row in rows], dtype=type_)
