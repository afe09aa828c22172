"""Reading what is known about an actor: stated interests and recent engagement."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, select

from db.columns import Identity
from db.engine import Database
from db.models import Engagement, Mute, Project, Term, TermKind, UserTag
from db.projects import TERMS


@dataclass(frozen=True, slots=True)
class Tag:
    """An interest: a term of the taxonomy and how sure it is, from 0 to 1."""

    term_id: int
    kind: TermKind
    key: str
    name: str
    confidence: float
    source: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Touch:
    """A project that the actor has engaged with.

    Attributes
    ----------
    kinds
        `EngagementKind` bits.
    last_at
        When it was touched last.
    terms
        As `db.projects.Feature.terms`.
    """

    project_id: int
    kinds: int
    last_at: datetime
    terms: str | None


@dataclass(frozen=True, slots=True)
class Without:
    """What a profile leaves out, to see what would be without it: tags, by their terms, and touches, by project."""

    terms: frozenset[int] = frozenset()
    projects: frozenset[int] = frozenset()


WHOLE = Without()
"""A profile as it is."""

_ACTOR = bindparam("actor", type_=Identity)
TAGS = (
    select(UserTag.term_id, Term.kind, Term.key, Term.name, UserTag.confidence, UserTag.source, UserTag.created_at)
    .join(Term, Term.id == UserTag.term_id)
    .where(UserTag.actor_id == _ACTOR)
    .order_by(UserTag.confidence.desc(), UserTag.term_id)
)
_IS_NO_EVIDENCE = select(Mute.id).where(Mute.seed_id == Engagement.project_id, Mute.actor_id == _ACTOR).exists()
RECENT_TOUCHES = (
    select(Engagement.project_id, Engagement.kinds, Engagement.last_at, TERMS.label("terms"))
    .join(Project, Project.id == Engagement.project_id)
    .where(Engagement.actor_id == _ACTOR, ~_IS_NO_EVIDENCE)
    .order_by(Engagement.last_at.desc(), Engagement.project_id.desc())
    .limit(bindparam("limit"))
)


async def tags(database: Database, actor_id: int) -> list[Tag]:
    """Read an actor's tags, the surest first."""
    rows = await database.fetch(TAGS, {"actor": actor_id})
    return [Tag(row.term_id, TermKind(row.kind), row.key, row.name, *row[4:]) for row in rows]


async def recent_touches(database: Database, actor_id: int, limit: int) -> list[Touch]:
    """Read the projects an actor has engaged with, the latest first, without those muted as evidence."""
    return [Touch(*row) for row in await database.fetch(RECENT_TOUCHES, {"actor": actor_id, "limit": limit})]


_TOUCHED = select(Engagement.project_id).where(
    Engagement.actor_id == _ACTOR, Engagement.project_id == bindparam("project", type_=Identity), Engagement.kinds > 0
)


async def has_touched(database: Database, actor_id: int, project_id: int) -> bool:
    """Tell whether an actor has engaged with a project."""
    return bool(await database.fetch(_TOUCHED, {"actor": actor_id, "project": project_id}))
