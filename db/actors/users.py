"""Users and actors: identification of the viewer, and the platform's user records."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, bindparam, func, literal, or_, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from db.actors.imported_interests import replace_imported_tags
from db.catalog.visibility import KNOWN_USER
from db.database.batches import insert_batch, upsert_batch
from db.database.column_types import IntegerList, TextList, UtcDateTime, in_list
from db.database.engine import Database
from db.errors import InvalidRecord, ProtectedUser
from db.models import Actor, OutboxKind, Role, User, now
from db.outbox import enqueue
from db.records import UserRecord
from db.upsert_results import Refusal, UpsertResult, last_record_by_key, upsert_result


@dataclass(frozen=True, slots=True)
class Viewer:
    """The actor of a request."""

    actor_id: int | None  # None until the first write
    user_id: int | None
    user_key: str | None  # alone while the user of the token has no row
    session_key: str | None
    username: str | None
    role: Role  # VIEWER for a session
    version: int  # rises with every write of the actor; 0 without an actor
    settings: dict[str, Any]
    opted_out: bool = False  # no view and no impression of this request is stored


ANONYMOUS_VIEWER = Viewer(None, None, None, None, None, Role.VIEWER, 0, {})
"""A viewer without any identity, for whom nothing is stored."""


@dataclass(frozen=True, slots=True)
class UserCard:
    """A user for a page."""

    id: int
    key: str
    username: str
    bio: str
    tier: str
    points: int
    role: Role


_KEYS = bindparam("keys", type_=TextList())
_IDS = bindparam("ids", type_=IntegerList())
_NOW = bindparam("now", type_=UtcDateTime())

_MERGED = Actor.__table__.alias("merged")


def is_accepted_session() -> ColumnElement[bool]:
    """Return the condition that a session id is accepted: unclaimed, or claimed for a time that has not ended."""
    return or_(Actor.merged_into.is_(None), and_(Actor.claim_ends_at.is_not(None), Actor.claim_ends_at > _NOW))


VIEWER_BY_USER = (
    select(
        Actor.id.label("actor_id"), User.id.label("user_id"), User.key, User.username, User.role, Actor.version,
        Actor.settings, literal(True).label("is_accepted_session"),
    )
    .select_from(User)
    .outerjoin(Actor, Actor.user_id == User.id)
    .where(User.key == bindparam("key"))
)  # fmt: skip
VIEWER_BY_SESSION = (
    select(
        _MERGED.c.id.label("actor_id"), User.id.label("user_id"), User.key, User.username,
        literal(Role.VIEWER.value).label("role"), _MERGED.c.version, _MERGED.c.settings,
        is_accepted_session().label("is_accepted_session"),
    )
    .select_from(Actor)
    .join(_MERGED, _MERGED.c.id == func.coalesce(Actor.merged_into, Actor.id))
    .outerjoin(User, User.id == _MERGED.c.user_id)
    .where(Actor.session_key == bindparam("key"))
)  # fmt: skip

_CARD = [getattr(User, field.name) for field in fields(UserCard)]
USERS_BY_ID = select(*_CARD).where(in_list(User.id, _IDS))
USERS_BY_KEY = select(*_CARD).where(in_list(User.key, _KEYS), KNOWN_USER)

_INSERT_USER = insert_batch(User, "key", "username", "created_at", "updated_at").on_conflict_do_nothing(
    index_elements=["key"]
)
_INSERT_USERS_ACTORS = (
    postgresql.insert(Actor)
    .from_select(
        ["user_id", "created_at"],
        select(User.id, _NOW)
        .outerjoin(Actor, Actor.user_id == User.id)
        .where(in_list(User.key, _KEYS), Actor.id.is_(None))
        .order_by(User.id),
        include_defaults=False,
    )
    .on_conflict_do_nothing(index_elements=["user_id"])
)
_INSERT_SESSION = insert_batch(Actor, "session_key", "created_at").on_conflict_do_nothing(
    index_elements=["session_key"]
)
_ACTOR_OF_USER = select(Actor.id).join(User, User.id == Actor.user_id).where(User.key == bindparam("key"))
_SESSION = select(Actor.id).where(Actor.session_key == bindparam("key"))
_ACTOR_OF_SESSION = select(func.coalesce(Actor.merged_into, Actor.id)).where(Actor.session_key == bindparam("key"))

# Every transaction locks rows in one order: users, actors, projects, dependent rows, the outbox; each by id.
# (SQLite needs no row locks: `Database.write` takes the write lock of the file first.)
_STORED = select(*_CARD).where(in_list(User.key, _KEYS)).order_by(User.id).with_for_update(key_share=True)
_UPSERT = upsert_batch(
    User, "key", "username", "bio", "tier", "points", "role", "created_at", "updated_at",
    key=["key"], keep=["created_at"],
)  # fmt: skip
_ACTORS = (
    select(Actor.id, User.key)
    .join(User, User.id == Actor.user_id)
    .where(in_list(User.key, _KEYS))
    .order_by(Actor.id)
    .with_for_update(key_share=True, of=Actor)
)
_LOCK_ACTORS = select(Actor.id).where(in_list(Actor.id, _IDS)).order_by(Actor.id).with_for_update(key_share=True)
_RAISE_VERSIONS = update(Actor).where(in_list(Actor.id, _IDS)).values(version=Actor.version + 1)


async def find_viewer(database: Database, *, user_key: str | None = None, session_key: str | None = None) -> Viewer:
    """Identify the viewer, in one statement; a user's key comes before a session's.

    A session that was merged into a user's actor yields that actor until the claim ends, then `ANONYMOUS_VIEWER`. An
    unknown viewer has no ids and version 0.
    """
    unknown = Viewer(None, None, user_key, session_key, None, Role.VIEWER, 0, {})
    if user_key is not None:
        rows = await database.fetch(VIEWER_BY_USER, {"key": user_key})
    elif session_key is not None:
        rows = await database.fetch(VIEWER_BY_SESSION, {"key": session_key, "now": now()})
    else:
        return unknown
    if not rows:
        return unknown
    return _viewer(rows[0], session_key) if rows[0].is_accepted_session else ANONYMOUS_VIEWER


def _viewer(row: Row[Any], session_key: str | None) -> Viewer:
    role, version, settings = Role(row.role), row.version or 0, row.settings or {}
    return Viewer(row.actor_id, row.user_id, row.key, session_key, row.username, role, version, settings)


async def ensure_actor(connection: AsyncConnection, viewer: Viewer) -> int:
    """Return the id of the viewer's actor, and create it at the viewer's first write.

    An unknown token subject gets a user named like its key. Concurrent requests get one actor.

    Raises `InvalidRecord` if the viewer has neither a token nor a session.
    """
    if viewer.actor_id is not None:
        return viewer.actor_id
    if viewer.user_key is not None:
        key = viewer.user_key
        at = now()
        await connection.execute(_INSERT_USER, {"rows": [(key, key, at, at)]})
        await connection.execute(_INSERT_USERS_ACTORS, {"keys": [key], "now": at})
        found = await connection.execute(_ACTOR_OF_USER, {"key": key})
    elif viewer.session_key is not None:
        await connection.execute(_INSERT_SESSION, {"rows": [(viewer.session_key, now())]})
        found = await connection.execute(_ACTOR_OF_SESSION, {"key": viewer.session_key})
    else:
        raise InvalidRecord("this needs a viewer: send a bearer token, or the X-Session-Id of an earlier response")
    actor_id: int = found.scalar_one()
    return actor_id


async def ensure_session(connection: AsyncConnection, session_key: str) -> int:
    """Return the id of a session's own actor, claimed or not, and create it if there is none."""
    await connection.execute(_INSERT_SESSION, {"rows": [(session_key, now())]})
    actor_id: int = (await connection.execute(_SESSION, {"key": session_key})).scalar_one()
    return actor_id


async def users_by_id(database: Database, ids: Sequence[int]) -> dict[int, UserCard]:
    """Read the cards of users."""
    return {row.id: _card(row) for row in await database.fetch(USERS_BY_ID, {"ids": ids})}


async def users_by_key(database: Database, keys: Sequence[str], user_id: int | None) -> dict[str, UserCard]:
    """Read the cards of users with these keys who own a public project, and of the given user."""
    rows = await database.fetch(USERS_BY_KEY, {"keys": keys, "user": user_id})
    return {row.key: _card(row) for row in rows}


def _card(row: Any) -> UserCard:
    return UserCard(row.id, row.key, row.username, row.bio, row.tier, row.points, Role(row.role))


async def lock_actors(connection: AsyncConnection, ids: Iterable[int]) -> set[int]:
    """Lock actors in the order of their ids until the transaction ends; return those that exist."""
    return set(await connection.scalars(_LOCK_ACTORS, {"ids": sorted(set(ids))}))


async def raise_versions(connection: AsyncConnection, actor_ids: Iterable[int]) -> None:
    """Raise the version of each actor by one, so that ranking snapshots made before are known to be old."""
    if ids := sorted(set(actor_ids)):
        await connection.execute(_RAISE_VERSIONS, {"ids": ids})


async def mark_profiles_changed(connection: AsyncConnection, actor_ids: Collection[int]) -> None:
    """Raise the versions of these actors, and enqueue their index documents."""
    await raise_versions(connection, actor_ids)
    await enqueue(connection, OutboxKind.PROFILE, [str(actor_id) for actor_id in actor_ids])


async def upsert_users(
    connection: AsyncConnection, records: Sequence[UserRecord], *, protected: bool = False
) -> UpsertResult:
    """Add users, or change those that differ; each has an actor afterwards.

    With `protected`, a record that would take an administrator's role away is refused.

    A record's tags replace the imported interests; interests of other sources stay. A tag names its term by key or
    name; an unknown term is created.
    """
    stored = await _lock_stored(connection, records)
    refused = _demotions(records, stored) if protected else []
    wanted = last_record_by_key(
        [record for index, record in enumerate(records) if index not in {one.index for one in refused}]
    )
    if not wanted:
        return upsert_result(len(records), refused=refused)
    keys = {"keys": [record.key for record in wanted]}
    roles = {key: card.role for key, card in stored.items()}
    await _write([record for record in wanted if _differs(record, stored.get(record.key))], roles, connection)
    await connection.execute(_INSERT_USERS_ACTORS, keys | {"now": now()})
    actors = {row.key: row.id for row in await connection.execute(_ACTORS, keys)}
    retagged = await replace_imported_tags(connection, {actors[record.key]: record.tags for record in wanted})
    added = {record.key for record in wanted if record.key not in stored}
    changed = {
        record.key for record in wanted if actors[record.key] in retagged or _differs(record, stored.get(record.key))
    } - added
    await raise_versions(connection, [actors[key] for key in changed])
    await enqueue(connection, OutboxKind.PROFILE, [str(actors[key]) for key in added | changed])
    return upsert_result(len(records), added, changed, refused)


async def _lock_stored(connection: AsyncConnection, records: Sequence[UserRecord]) -> dict[str, UserCard]:
    if not records:
        return {}
    rows = await connection.execute(_STORED, {"keys": sorted({record.key for record in records})})
    return {row.key: _card(row) for row in rows}


def _demotions(records: Sequence[UserRecord], stored: Mapping[str, UserCard]) -> list[Refusal]:
    """Return refusals of the records that take an administrator's role away."""
    error = ProtectedUser("only an administrator may take an administrator's role away", ("role",))
    administrators = {key for key, card in stored.items() if card.role is Role.ADMINISTRATOR}
    return [
        Refusal(index, error)
        for index, record in enumerate(records)
        if record.key in administrators and record.role not in (None, Role.ADMINISTRATOR)
    ]


def _differs(record: UserRecord, stored: UserCard | None) -> bool:
    if stored is None:
        return True
    present = (stored.username, stored.bio, stored.tier, stored.points, stored.role)
    return present != (record.username, record.bio, record.tier, record.points, record.role or stored.role)


async def _write(records: Sequence[UserRecord], roles: Mapping[str, Role], connection: AsyncConnection) -> None:
    """Write users; a record without a role keeps the stored one."""
    at = now()
    rows = [
        (r.key, r.username, r.bio, r.tier, r.points, (r.role or roles.get(r.key, Role.VIEWER)).value, at, at)
        for r in records
    ]
    if rows:
        await connection.execute(_UPSERT, {"rows": rows})
