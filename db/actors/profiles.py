"""Reads of an actor's profile: interests and recent engagement."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, select

from db.catalog.project_cards import TERMS
from db.database.column_types import ACTOR_ID, BigIntId
from db.database.engine import Database
from db.models import ActorInterest, Engagement, Mute, Project, Term, TermKind


@dataclass(frozen=True, slots=True)
class StoredInterest:
    """An interest of an actor, with a confidence from 0 to 1."""

    term_id: int
    kind: TermKind
    key: str
    name: str
    confidence: float
    source: str
    since: datetime


@dataclass(frozen=True, slots=True)
class EngagedProject:
    """A project that an actor has engaged with.

    `kinds` holds `EngagementKind` bits. `terms` has the format of `ProjectFeatures.terms`.
    """

    project_id: int
    kinds: int
    last_at: datetime
    terms: str | None


@dataclass(frozen=True, slots=True)
class ProfileExclusions:
    """Interests (term ids) and engagements (project ids) that a counterfactual profile leaves out."""

    terms: frozenset[int] = frozenset()
    projects: frozenset[int] = frozenset()


NO_EXCLUSIONS = ProfileExclusions()

TAGS = (
    select(
        ActorInterest.term_id,
        Term.kind,
        Term.key,
        Term.name,
        ActorInterest.confidence,
        ActorInterest.source,
        ActorInterest.created_at,
    )
    .join(Term, Term.id == ActorInterest.term_id)
    .where(ActorInterest.actor_id == ACTOR_ID)
    .order_by(ActorInterest.confidence.desc(), ActorInterest.term_id)
)
_IS_MUTED_PROJECT = select(Mute.id).where(Mute.seed_id == Engagement.project_id, Mute.actor_id == ACTOR_ID).exists()
RECENT_ENGAGEMENTS = (
    select(Engagement.project_id, Engagement.kinds, Engagement.last_at, TERMS.label("terms"))
    .join(Project, Project.id == Engagement.project_id)
    .where(Engagement.actor_id == ACTOR_ID, ~_IS_MUTED_PROJECT)
    .order_by(Engagement.last_at.desc(), Engagement.project_id.desc())
    .limit(bindparam("limit"))
)


async def interests_of(database: Database, actor_id: int) -> list[StoredInterest]:
    """Read an actor's interests, highest confidence first."""
    rows = await database.fetch(TAGS, {"actor": actor_id})
    return [StoredInterest(row.term_id, TermKind(row.kind), row.key, row.name, *row[4:]) for row in rows]


async def recent_engagements(database: Database, actor_id: int, limit: int) -> list[EngagedProject]:
    """Read up to `limit` latest engagements of an actor, without muted projects."""
    return [
        EngagedProject(*row) for row in await database.fetch(RECENT_ENGAGEMENTS, {"actor": actor_id, "limit": limit})
    ]


_ENGAGED = select(Engagement.project_id).where(
    Engagement.actor_id == ACTOR_ID, Engagement.project_id == bindparam("project", type_=BigIntId), Engagement.kinds > 0
)


async def has_engaged(database: Database, actor_id: int, project_id: int) -> bool:
    """Return whether an actor has engaged with a project."""
    return bool(await database.fetch(_ENGAGED, {"actor": actor_id, "project": project_id}))
