"""Likes and projects by tool and category, from which onboarding questions are generated."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import bindparam, func, select

from db.catalog.visibility import PUBLIC
from db.database.engine import Database
from db.models import Like, Project, ProjectTerm, Term, TermKind, Tool

LATEST_LIKES = 50_000
"""Maximum number of likes that are read, latest first."""


@dataclass(frozen=True, slots=True)
class CommonTerm:
    """A tool or category, with its texts and number of public projects."""

    id: int
    kind: TermKind
    key: str
    name: str
    description: str
    projects: int


@dataclass(frozen=True, slots=True)
class LikeTable:
    """Likes as (m,) arrays of actor, project and term ids: an entry for each like and term of the project."""

    actors: NDArray[np.int64]
    projects: NDArray[np.int64]
    terms: NDArray[np.int64]


_KINDS = (TermKind.TOOL.value, TermKind.CATEGORY.value)
_COMMON_TERMS = (
    select(
        Term.id, Term.kind, Term.key, Term.name,
        func.coalesce(Tool.tagline, Term.description).label("description"),
        func.count().label("projects"),
    )
    .join(ProjectTerm, ProjectTerm.term_id == Term.id)
    .join(Project, Project.id == ProjectTerm.project_id)
    .outerjoin(Tool, Tool.term_id == Term.id)
    .where(Term.kind.in_(_KINDS), PUBLIC)
    .group_by(Term.id, Term.kind, Term.key, Term.name, func.coalesce(Tool.tagline, Term.description))
    .having(func.count() >= bindparam("min_projects"))
    .order_by(func.count().desc(), Term.key)
)  # fmt: skip
_latest = (
    select(Like.actor_id, Like.project_id)
    .order_by(Like.created_at.desc(), Like.actor_id, Like.project_id)
    .limit(LATEST_LIKES)
    .subquery("latest")
)
_LIKES = (
    select(_latest.c.actor_id, _latest.c.project_id, ProjectTerm.term_id)
    .join(ProjectTerm, ProjectTerm.project_id == _latest.c.project_id)
    .join(Term, Term.id == ProjectTerm.term_id)
    .where(Term.kind.in_(_KINDS))
)
_COVERAGE = (
    select(ProjectTerm.project_id, ProjectTerm.term_id)
    .join(Project, Project.id == ProjectTerm.project_id)
    .join(Term, Term.id == ProjectTerm.term_id)
    .where(Term.kind.in_(_KINDS), PUBLIC)
    .order_by(Project.created_at.desc(), ProjectTerm.project_id)
    .limit(4 * LATEST_LIKES)
)


async def common_terms(database: Database, min_projects: int) -> list[CommonTerm]:
    """Read the tools and categories with at least `min_projects` public projects, the most common first."""
    rows = await database.fetch(_COMMON_TERMS, {"min_projects": min_projects})
    return [CommonTerm(row.id, TermKind(row.kind), *row[2:]) for row in rows]


async def latest_likes(database: Database) -> LikeTable:
    """Read the latest `LATEST_LIKES` likes with the tools and categories of the projects."""
    return LikeTable(*_columns(await database.fetch(_LIKES), 3))


async def coverage(database: Database) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Read pairs of public projects and their tools or categories: (m,) project ids and (m,) term ids."""
    projects, terms = _columns(await database.fetch(_COVERAGE), 2)
    return projects, terms


def _columns(rows: Sequence[Sequence[int]], n: int) -> list[NDArray[np.int64]]:
    return list(np.array(rows, dtype=np.int64).reshape(-1, n).T)
