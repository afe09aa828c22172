"""Reads of projects: cards, features for rankings, and the conditions of a filter."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import and_, bindparam, case, cast, func, or_, select
from sqlalchemy.sql import ColumnElement

from db.catalog.visibility import MUTED, PUBLIC, PUBLIC_TERM, VISIBLE_PROJECT
from db.database.column_types import ACTOR_ID, IDS, KEYS, IntegerList, in_list
from db.database.engine import Database
from db.models import Dismissal, Engagement, Project, ProjectTerm, Term, TermKind


@dataclass(frozen=True, slots=True)
class ProjectCard:
    """Columns of a project that pages show."""

    id: int
    key: str
    title: str
    description: str
    type: str
    url: str | None
    image_url: str | None
    owner_id: int | None
    like_count: int
    view_count: int
    engagement_velocity: float
    created_at: datetime

    @property
    def content(self) -> "ProjectCard":
        """The card itself, which has the key, the texts and the addresses of `db.page_projects.ProjectContent`."""
        return self


@dataclass(frozen=True, slots=True)
class ProjectFeatures:
    """Columns of a project that rankings use, with the viewer's engagement."""

    id: int
    key: str
    type: str
    owner_id: int | None
    private: bool
    archived: bool
    like_count: int
    engagement_velocity: float
    created_at: datetime
    terms: str | None  # three letters of the kind, then the id, of each term: "too12,cat3"
    kinds: int | None  # `Engagement.kinds` of the viewer
    last_at: datetime | None
    dismissed: bool
    muted: bool  # the viewer muted the owner or a term


@dataclass(frozen=True, slots=True)
class ProjectFilter:
    """Conditions on the projects of a feed. All must hold. An empty field is not a condition."""

    types: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()  # keys; the project needs at least one tool, category and topic of the filter
    categories: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    created_after: datetime | None = None  # inclusive
    created_before: datetime | None = None
    owner_id: int | None = None
    exclude_keys: tuple[str, ...] = ()
    # ids of `exclude_keys`, and in a search for candidates the ids of hidden projects
    excluded_ids: tuple[int, ...] = field(default=(), compare=False)

    @property
    def terms_by_kind(self) -> tuple[tuple[TermKind, tuple[str, ...]], ...]:
        """The kinds of terms with a condition, and the keys."""
        keys_by_kind = (
            (TermKind.TOOL, self.tools),
            (TermKind.CATEGORY, self.categories),
            (TermKind.TOPIC, self.topics),
        )
        return tuple((kind, keys) for kind, keys in keys_by_kind if keys)


class HiddenReads(NamedTuple):
    """Condition of the projects that a viewer has read and that a feed hides."""

    since: datetime  # earliest last engagement
    kinds: int  # `EngagementKind` bits, of which the engagement has one

    def hides(self, feature: ProjectFeatures) -> bool:
        """Return whether a project is hidden."""
        return bool(feature.last_at and (feature.kinds or 0) & self.kinds and feature.last_at >= self.since)


_CARD_COLUMNS = [getattr(Project, field.name) for field in fields(ProjectCard)]

CARDS_BY_KEY = select(*_CARD_COLUMNS).where(in_list(Project.key, KEYS), VISIBLE_PROJECT)
CARDS_BY_ID = select(*_CARD_COLUMNS).where(in_list(Project.id, IDS), VISIBLE_PROJECT)

TERMS = (
    select(func.aggregate_strings(func.substr(Term.kind, 1, 3).concat(cast(Term.id, Term.key.type)), ","))
    .join(ProjectTerm, ProjectTerm.term_id == Term.id)
    .where(ProjectTerm.project_id == Project.id)
    .scalar_subquery()
)
"""Subquery of `ProjectFeatures.terms`."""

FEATURE_COLUMNS = [getattr(Project, field.name) for field in fields(ProjectFeatures)[:9]]
FEATURES = (
    select(
        *FEATURE_COLUMNS,
        TERMS.label("terms"),
        Engagement.kinds,
        Engagement.last_at,
        case((Dismissal.project_id.is_(None), False), else_=True).label("dismissed"),
        MUTED.label("muted"),
    )
    .outerjoin(Engagement, and_(Engagement.project_id == Project.id, Engagement.actor_id == ACTOR_ID))
    .outerjoin(Dismissal, and_(Dismissal.project_id == Project.id, Dismissal.actor_id == ACTOR_ID))
    .where(in_list(Project.id, IDS))
)


async def cards_by_key(database: Database, keys: Sequence[str], user_id: int | None) -> dict[str, ProjectCard]:
    """Read the cards of the projects that this user may see (public or own), by key."""
    rows = await database.fetch(CARDS_BY_KEY, {"keys": keys, "user": user_id})
    return {row.key: ProjectCard(*row) for row in rows}


async def cards_by_id(database: Database, ids: Sequence[int], user_id: int | None) -> dict[int, ProjectCard]:
    """Read the cards of the projects that this user may see (public or own), by id."""
    rows = await database.fetch(CARDS_BY_ID, {"ids": ids, "user": user_id})
    return {row.id: ProjectCard(*row) for row in rows}


async def read_features(database: Database, ids: Sequence[int], actor_id: int | None) -> list[ProjectFeatures]:
    """Read the features of projects in one statement. Deleted projects are left out."""
    rows = await database.fetch(FEATURES, {"ids": ids, "actor": actor_id, "muter": actor_id})
    return [ProjectFeatures(*row) for row in rows]


@dataclass(frozen=True, slots=True)
class Keyset:
    """The position of a project in the list of the newest projects."""

    created_at: datetime
    id: int


def conditions(where: ProjectFilter) -> list[ColumnElement[bool]]:
    """Convert a filter to SQL conditions on `Project`."""
    clauses: list[ColumnElement[bool]] = []
    if where.types:
        clauses.append(Project.type.in_(where.types))
    if where.created_after is not None:
        clauses.append(Project.created_at >= where.created_after)
    if where.created_before is not None:
        clauses.append(Project.created_at < where.created_before)
    if where.owner_id is not None:
        clauses.append(Project.owner_id == where.owner_id)
    if where.excluded_ids:
        excluded = bindparam("excluded", list(where.excluded_ids), type_=IntegerList(), unique=True)
        clauses.append(~in_list(Project.id, excluded))
    for kind, keys in where.terms_by_kind:
        with_term = select(ProjectTerm.project_id).join(Term, Term.id == ProjectTerm.term_id)
        clauses.append(Project.id.in_(with_term.where(Term.kind == kind.value, Term.key.in_(keys))))
    return clauses


async def terms_of(database: Database, project_id: int) -> list[int]:
    """Read the term ids of a project."""
    rows = await database.fetch(select(ProjectTerm.term_id).where(ProjectTerm.project_id == project_id))
    return [row.term_id for row in rows]


async def is_public(database: Database, project_id: int) -> bool:
    """Return whether a project is public, so that the index holds it or will hold it soon."""
    return bool(await database.fetch(select(Project.id).where(Project.id == project_id, PUBLIC)))


async def term_ids(database: Database, where: ProjectFilter) -> tuple[frozenset[int], ...]:
    """Read the ids of the public terms of a filter, one set per filtered kind; the set is empty if no term exists."""
    if not where.terms_by_kind:
        return ()
    is_named = or_(*(and_(Term.kind == kind.value, Term.key.in_(keys)) for kind, keys in where.terms_by_kind))
    rows = await database.fetch(select(Term.kind, Term.id).where(is_named, PUBLIC_TERM))
    return tuple(frozenset(row.id for row in rows if row.kind == kind.value) for kind, _ in where.terms_by_kind)
