"""Engagement by actor and term, from which interests are learned; read in slices of actors."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Float, and_, bindparam, case, func, select
from sqlalchemy.sql import ColumnElement

from db.catalog.visibility import PUBLIC
from db.custom_types import LIKE_WEIGHT, VIEW_WEIGHT
from db.database.column_types import ID_RANGE, greatest
from db.database.engine import Database
from db.interactions.decayed_counters import decay_factor, epoch
from db.models import (
    CUSTOM_TYPES_OF_EACH_KIND,
    DELIBERATE_KINDS,
    FIRST_CUSTOM_BIT,
    PASSIVE_KINDS,
    Actor,
    CustomInteractionType,
    Engagement,
    Project,
    ProjectTerm,
)
from db.time_units import DAY_S

HALF_LIFE_S = 60 * DAY_S
"""Half-life of an actor's history. Rankings use the same half-life."""

ACTORS_PER_SLICE = 200
"""Number of actors per statement. The statement returns some tens of thousands of rows, within the read deadline."""

Ids = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class EngagementByTerm:
    """Engagement of a slice of actors: (m,) arrays with one entry for each actor and term."""

    actors: Ids
    terms: Ids
    interactions: Floats  # sum of the decayed weights of the actor's projects with the term
    projects: Ids  # number of the actor's projects with the term
    totals: Floats  # sum of the decayed weights of all projects of the actor


_REAL = Float(53)
_AT_S = bindparam("at_s", type_=_REAL)


def _allows(name: str) -> ColumnElement[bool]:
    """Return the condition that a preference of the actor (`db.actors.actor_preferences`) is true, as by default."""
    return func.coalesce(Actor.settings["preferences"][name].as_boolean(), True)


def _learned_from(kinds: int, name: str) -> ColumnElement[bool]:
    return and_(Engagement.kinds.bitwise_and(kinds) > 0, _allows(name))


_BUILT_IN = 2**FIRST_CUSTOM_BIT - 1
_BUILT_IN_WEIGHT = case(
    (_learned_from(int(DELIBERATE_KINDS) & _BUILT_IN, "learn_from_likes"), LIKE_WEIGHT),
    (_learned_from(int(PASSIVE_KINDS) & _BUILT_IN, "learn_from_views"), VIEW_WEIGHT),
    else_=0.0,
)
_FIRST_DELIBERATE_BIT = FIRST_CUSTOM_BIT + CUSTOM_TYPES_OF_EACH_KIND
_CUSTOM_WEIGHT = (
    select(func.max(CustomInteractionType.weight))
    .where(Engagement.kinds.bitwise_rshift(CustomInteractionType.bit).bitwise_and(1) > 0)
    .where(
        case(
            (CustomInteractionType.bit >= _FIRST_DELIBERATE_BIT, _allows("learn_from_likes")),
            else_=_allows("learn_from_views"),
        )
    )
    .correlate(Engagement, Actor)
    .scalar_subquery()
)
_WEIGHT = decay_factor(_AT_S - epoch(Engagement.last_at), HALF_LIFE_S) * case(
    (Engagement.kinds > _BUILT_IN, greatest(_BUILT_IN_WEIGHT, func.coalesce(_CUSTOM_WEIGHT, 0.0))),
    else_=_BUILT_IN_WEIGHT,
)
_engaged = (
    select(Engagement.actor_id, Engagement.project_id, _WEIGHT.label("weight"))
    .join(Actor, Actor.id == Engagement.actor_id)
    .where(Engagement.actor_id.between(*ID_RANGE), Engagement.kinds > 0, _allows("personalized"))
    .subquery("engaged")
)
_projects = func.sum(case((_engaged.c.weight > 0, 1), else_=0))
_BY_TERM = (
    select(_engaged.c.actor_id, ProjectTerm.term_id, func.sum(_engaged.c.weight).label("weight"))
    .add_columns(_projects.label("projects"))
    .join(ProjectTerm, ProjectTerm.project_id == _engaged.c.project_id)
    .group_by(_engaged.c.actor_id, ProjectTerm.term_id)
    .having(_projects >= bindparam("min_projects"))
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
    """Return ranges (first id, last id) that cover all actors."""
    last_actor_id = (await database.fetch(_LAST_ACTOR))[0][0] or 0
    return [(first_id, first_id + ACTORS_PER_SLICE - 1) for first_id in range(1, last_actor_id + 1, ACTORS_PER_SLICE)]


async def engagement_by_term(
    database: Database, first_actor_id: int, last_actor_id: int, at: datetime, min_projects: int
) -> EngagementByTerm:
    """Sum the engagement of a range of actors by term, without engagement that preferences exclude from learning.

    Terms with fewer than `min_projects` engaged projects of the actor are left out.
    """
    parameters = {"first_id": first_actor_id, "last_id": last_actor_id, "at_s": at.timestamp()}
    totals = {row.actor_id: row.total for row in await database.fetch(_TOTALS, parameters)}
    rows = await database.fetch(_BY_TERM, parameters | {"min_projects": min_projects})
    return EngagementByTerm(
        actors=_column(rows, 0, np.int64),
        terms=_column(rows, 1, np.int64),
        interactions=_column(rows, 2, np.float64),
        projects=_column(rows, 3, np.int64),
        totals=np.array([totals.get(row.actor_id, 0.0) for row in rows], dtype=np.float64),
    )


async def term_shares(database: Database) -> dict[int, float]:
    """Return the share of public projects that have a term, by term id."""
    total = (await database.fetch(_PUBLIC_PROJECTS))[0][0]
    return {row.term_id: row.projects / total for row in await database.fetch(_PROJECTS_BY_TERM)} if total else {}


def _column(rows: Sequence[Any], n: int, type_: Any) -> NDArray[Any]:
    return np.array([row[n] for row in rows], dtype=type_)
