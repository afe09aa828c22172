"""Mutes: terms and owners whose projects the actor's feeds exclude, and projects that are not used as evidence."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, case, delete, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.dml import Delete, Insert

from db.actors.users import increment_versions, lock_actors
from db.catalog.visibility import PUBLIC, PUBLIC_USER
from db.database.column_types import ACTOR_ID, BigIntId
from db.database.engine import Database
from db.models import Actor, Mute, MuteKind, Project, Term, User, now

_SUBJECTS = {
    MuteKind.TOPIC: Mute.term_id,
    MuteKind.CATEGORY: Mute.term_id,
    MuteKind.TOOL: Mute.term_id,
    MuteKind.OWNER: Mute.owner_id,
    MuteKind.PROJECT: Mute.seed_id,
}
"""Column of the muted subject, by kind."""


@dataclass(frozen=True, slots=True)
class Muted:
    """A muted term, owner or project."""

    kind: MuteKind
    subject_id: int  # id of a term, user or project, depending on `kind`
    key: str
    name: str  # the key if the subject is not visible to the actor
    since: datetime
    dismissed_id: int | None  # the project whose dismissal created the mute
    id: int  # increases with time, and is the position of a cursor


_MUTES = (
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
    .where(Mute.actor_id == ACTOR_ID, Mute.id < bindparam("before", type_=BigIntId))
    .order_by(Mute.id.desc())
    .limit(bindparam("first", type_=BigIntId))
)
_MAX_ID = 2**62
"""A number greater than the id of every row and than the number of rows."""


async def mute(
    connection: AsyncConnection, actor_id: int, kind: MuteKind, subject_id: int, *, dismissed_id: int | None = None
) -> bool:
    """Mute a term, user or project; return False if it is already muted.

    `dismissed_id` is the project whose dismissal creates the mute. `unmute_dismissed` removes such mutes.
    """
    values = {
        "actor_id": actor_id,
        _SUBJECTS[kind].key: subject_id,
        "dismissed_id": dismissed_id,
        "created_at": now(),
    }
    return await _change(connection, actor_id, insert(Mute).values(values).on_conflict_do_nothing())


async def unmute(connection: AsyncConnection, actor_id: int, kind: MuteKind, subject_id: int) -> bool:
    """Remove a mute; return whether it existed."""
    statement = delete(Mute).where(Mute.actor_id == actor_id, _SUBJECTS[kind] == subject_id)
    return await _change(connection, actor_id, statement)


async def unmute_dismissed(connection: AsyncConnection, actor_id: int, project_id: int) -> bool:
    """Remove the mutes that the dismissal of a project created; return whether there were any."""
    statement = delete(Mute).where(Mute.actor_id == actor_id, Mute.dismissed_id == project_id)
    return await _change(connection, actor_id, statement)


async def _change(connection: AsyncConnection, actor_id: int, statement: Insert | Delete) -> bool:
    """Lock the actor, add or delete mutes, and raise the version if any mute changed."""
    await lock_actors(connection, [actor_id])
    if (await connection.execute(statement.returning(Mute.id))).first() is None:
        return False
    await increment_versions(connection, [actor_id])
    return True


async def mutes_of(
    database: Database, actor_id: int | None, first: int = _MAX_ID, before_id: int | None = None
) -> list[Muted]:
    """Read up to `first` mutes of an actor with ids less than `before_id`, latest first."""
    if actor_id is None:
        return []
    parameters = {"actor": actor_id, "first": first, "before": _MAX_ID if before_id is None else before_id}
    return [Muted(MuteKind(row.kind), *row[1:]) for row in await database.fetch(_MUTES, parameters)]
