"""Engagement of actors by tool, category and topic: the input of learned interests, read in slices of actors."""

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
from db.time_units import DAY_S

HALF_LIFE_S = 60 * DAY_S
"""The half-life of an actor's own history everywhere."""

DELIBERATE_WEIGHT = 2.0
"""A like, save, comment or follow counts as two views."""

ACTORS_PER_SLICE = 200
"""Actors in one statement: some tens of thousands of rows, well within a read's deadline on a busy machine."""

Ids = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class EngagementByTerm:
    """Engagement of the actors of a slice: (m,) arrays with one entry for each actor and term."""

    actors: Ids
    terms: Ids
    interactions: Floats  # weights of the engaged projects with the term, halved every `HALF_LIFE_S`
    projects: Ids  # number of those projects
    totals: Floats  # the same sum over all engaged projects of the actor


_REAL = Float(53)
_SLICE = Engagement.actor_id.between(bindparam("low", type_=BigIntId), bindparam("high", type_=BigIntId))
_AT_S = bindparam("at_s", type_=_REAL)
_PASSED_S = case((epoch(Engagement.last_at) < _AT_S, _AT_S - epoch(Engagement.last_at)), else_=0.0)

_VIEWS = int(EngagementKind.VIEW | EngagementKind.CLICK)
_DELIBERATE = int(EngagementKind.LIKE | EngagementKind.SAVE | EngagementKind.COMMENT | EngagementKind.FOLLOW)


def _allows(name: str) -> ColumnElement[bool]:
    """Read a preference of the actor (`db.actors.actor_preferences`), true by default."""
    return func.coalesce(Actor.settings["preferences"][name].as_boolean(), True)


def _learned_from(kinds: int, name: str) -> ColumnElement[bool]:
    return and_(Engagement.kinds.bitwise_and(kinds) > 0, _allows(name))


_WEIGHT = decay_factor(_PASSED_S, HALF_LIFE_S) * case(
    (_learned_from(_DELIBERATE, "learn_from_likes"), DELIBERATE_WEIGHT),
    (_learned_from(_VIEWS, "learn_from_views"), 1.0),
    else_=0.0,
)
_engaged = (
    select(Engagement.actor_id, Engagement.project_id, _WEIGHT.label("weight"))
    .join(Actor, Actor.id == Engagement.actor_id)
    .where(_SLICE, Engagement.kinds > 0, _allows("personalized"))
    .subquery("engaged")
)
_projects = func.sum(case((_engaged.c.weight > 0, 1), else_=0))
_BY_TERM = (
    select(_engaged.c.actor_id, ProjectTerm.term_id, func.sum(_engaged.c.weight).label("weight"))
    .add_columns(_projects.label("projects"))
    .join(ProjectTerm, ProjectTerm.project_id == _engaged.c.project_id)
    .group_by(_engaged.c.actor_id, ProjectTerm.term_id)
    .having(_projects >= bindparam("least"))
)
_TOTALS = select(_engaged.c.actor_id, func.sum(_engaged.c.weight).label("total")).group_by(_engaged.c.actor_id)
_LAST_ACTOR = select(func.max(Actor.id))
_PROJECTS_BY_TERM = (
    select(ProjectTerm.term_id, func.count().label("projects"))
    .join(Project, Project.id == ProjectTerm.project_id)
    .where(PUBLIC)
    .group_by(ProjectTerm.term_id)
)
_PUBLIC_PROJECTS = select(func.count()).select_from(Project).where(PUBLIC)


async def slices(database: Database) -> list[tuple[int, int]]:
    """Return the ranges of actor ids, first and last, that cover all actors."""
    last = (await database.fetch(_LAST_ACTOR))[0][0] or 0
    return [(low, low + ACTORS_PER_SLICE - 1) for low in range(1, last + 1, ACTORS_PER_SLICE)]


async def engagement_by_term(database: Database, low: int, high: int, at: datetime, least: int) -> EngagementByTerm:
    """Sum the engagement of a range of actors by term, as far as their preferences allow learning from it.

    `least`: the least number of engaged projects for a term to be included.
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
    """Return the share of all public projects that carries each term."""
    total = (await database.fetch(_PUBLIC_PROJECTS))[0][0]
    return {row.term_id: row.projects / total for row in await database.fetch(_PROJECTS_BY_TERM)} if total else {}


def _column(rows: Sequence[Any], n: int, type_: Any) -> NDArray[Any]:
    return np.array([row[n] for row in rows], dtype=type_)
