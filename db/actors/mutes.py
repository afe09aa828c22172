"""What actors have muted: terms and owners, whose projects leave their feeds, and projects that are no evidence."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, case, delete, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from db.actors.users import raise_versions
from db.catalog.visibility import PUBLIC, PUBLIC_USER
from db.database.column_types import BigIntId
from db.database.engine import Database
from db.models import Actor, Mute, MuteKind, Project, ProjectTerm, Term, User, now

_SUBJECTS = {
    MuteKind.TOPIC: Mute.term_id,
    MuteKind.CATEGORY: Mute.term_id,
    MuteKind.TOOL: Mute.term_id,
    MuteKind.OWNER: Mute.owner_id,
    MuteKind.PROJECT: Mute.seed_id,
}
"""Where each kind of subject stands: the id of a term, of a user, or of a project."""

_ACTOR = bindparam("actor", type_=BigIntId)
_MUTER = bindparam("muter", type_=BigIntId)
_SUBJECT = bindparam("subject", type_=BigIntId)
_DISMISSED = bindparam("dismissed", type_=BigIntId)

MUTED = or_(
    select(Mute.id)
    .join(ProjectTerm, ProjectTerm.term_id == Mute.term_id)
    .where(ProjectTerm.project_id == Project.id, Mute.actor_id == _MUTER)
    .exists(),
    select(Mute.id).where(Mute.owner_id == Project.owner_id, Mute.actor_id == _MUTER).exists(),
)
"""A condition on `Project`: the actor bound to ``muter`` has muted its owner or a term that it carries; None has not.

Looked up from the project's own terms, so that it costs the same however much is muted."""


@dataclass(frozen=True, slots=True)
class Muted:
    """Something that an actor has muted.

    Attributes
    ----------
    subject_id
        A term, a user or a project, as `kind` says.
    key, name
        The platform's key of it, and its name or title; the key again for what exists for the actor no more.
    since
        When it was muted.
    dismissed_id
        The project whose dismissal it came with, if it came with one.
    id
        Rises with time; the place of a cursor.
    """

    kind: MuteKind
    subject_id: int
    key: str
    name: str
    since: datetime
    dismissed_id: int | None
    id: int


_LOCK = select(Actor.id).where(Actor.id == _ACTOR).with_for_update(key_share=True)
_INSERT = {
    column.key: insert(Mute)
    .values({"actor_id": _ACTOR, column.key: _SUBJECT, "dismissed_id": _DISMISSED, "created_at": bindparam("at")})
    .on_conflict_do_nothing()
    .returning(Mute.id)
    for column in set(_SUBJECTS.values())
}
_DELETE = {
    column.key: delete(Mute).where(Mute.actor_id == _ACTOR, column == _SUBJECT).returning(Mute.id)
    for column in set(_SUBJECTS.values())
}
_DELETE_DISMISSED = delete(Mute).where(Mute.actor_id == _ACTOR, Mute.dismissed_id == _DISMISSED).returning(Mute.id)
MUTES = (
    select(
        case(
            (Mute.owner_id.is_not(None), MuteKind.OWNER.value),
            (Mute.seed_id.is_not(None), MuteKind.PROJECT.value),
            else_=Term.kind,
        ).label("kind"),
        func.coalesce(Mute.term_id, Mute.owner_id, Mute.seed_id).label("subject_id"),
        func.coalesce(Term.key, User.key, Project.key).label("key"),
        func.coalesce(
            Term.name,
            case((PUBLIC_USER, User.username)),
            case((or_(PUBLIC, Project.owner_id == Actor.user_id), Project.title)),
            User.key,
            Project.key,
        ).label("name"),
        Mute.created_at,
        Mute.dismissed_id,
        Mute.id,
    )
    .join(Actor, Actor.id == Mute.actor_id)
    .outerjoin(Term, Term.id == Mute.term_id)
    .outerjoin(User, User.id == Mute.owner_id)
    .outerjoin(Project, Project.id == Mute.seed_id)
    .where(Mute.actor_id == _ACTOR)
    .order_by(Mute.id.desc())
)
MUTES_PAGE = MUTES.where(Mute.id < bindparam("before", type_=BigIntId)).limit(bindparam("first", type_=BigIntId))
LAST_ID = 2**62
"""Above every id of a row."""


async def mute(
    connection: AsyncConnection, actor_id: int, kind: MuteKind, subject_id: int, *, dismissed_id: int | None = None
) -> bool:
    """Let an actor mute something; give whether that changed anything.

    Parameters
    ----------
    subject_id
        The id of a term, for the three kinds of them; of a user, for an owner; of a project, for evidence.
    dismissed_id
        The project whose dismissal the mute comes with; `unmute_dismissed` finds it again.
    """
    given = {"actor": actor_id, "subject": subject_id, "dismissed": dismissed_id, "at": now()}
    await connection.execute(_LOCK, {"actor": actor_id})
    made = await connection.execute(_INSERT[_SUBJECTS[kind].key], given)
    return await _changed(connection, actor_id, made.first() is not None)


async def unmute(connection: AsyncConnection, actor_id: int, kind: MuteKind, subject_id: int) -> bool:
    """Take a mute back; give whether there was one."""
    await connection.execute(_LOCK, {"actor": actor_id})
    gone = await connection.execute(_DELETE[_SUBJECTS[kind].key], {"actor": actor_id, "subject": subject_id})
    return await _changed(connection, actor_id, gone.first() is not None)


async def unmute_dismissed(connection: AsyncConnection, actor_id: int, project_id: int) -> bool:
    """Take back the mutes that came with the dismissal of a project; give whether there were any."""
    await connection.execute(_LOCK, {"actor": actor_id})
    gone = await connection.execute(_DELETE_DISMISSED, {"actor": actor_id, "dismissed": project_id})
    return await _changed(connection, actor_id, gone.first() is not None)


async def mutes_page(database: Database, actor_id: int, first: int, before_id: int | None = None) -> list[Muted]:
    """Read up to `first` mutes of an actor that are older than `before_id`, the latest first."""
    parameters = {"actor": actor_id, "first": first, "before": LAST_ID if before_id is None else before_id}
    rows = await database.fetch(MUTES_PAGE, parameters)
    return [Muted(MuteKind(row.kind), *row[1:]) for row in rows]


async def mutes_of(database: Database, actor_id: int) -> list[Muted]:
    """Read what an actor has muted, the latest first."""
    rows = await database.fetch(MUTES, {"actor": actor_id})
    return [Muted(MuteKind(row.kind), *row[1:]) for row in rows]


async def _changed(connection: AsyncConnection, actor_id: int, changed: bool) -> bool:
    if changed:
        await raise_versions(connection, [actor_id])
    return changed
