"""Users and actors: identification of viewers, locks and versions of actors, and upserts of user records."""

from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

from sqlalchemy import Row, Select, bindparam, func, literal, or_, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from db.actors.interest_rows import replace_imported_interests
from db.catalog.project_versions import renew_project_versions
from db.catalog.visibility import KNOWN_USER
from db.database.batches import insert_batch, upsert_batch
from db.database.column_types import ACTOR_ID, IDS, KEYS, Json, UtcDateTime, in_list
from db.database.engine import Database
from db.errors import InvalidRecord, ProtectedUser
from db.models import Actor, OutboxKind, Role, User, now
from db.outbox import enqueue
from db.records import UserRecord
from db.upsert_results import Refusal, UpsertResult, accepted, last_record_by_key, upsert_result


@dataclass(frozen=True, slots=True)
class Viewer:
    """The user or session for whom a request is answered."""

    actor_id: int | None  # None until the first write
    user_id: int | None
    user_key: str | None  # set without `user_id` if the user of the token has no row
    session_key: str | None
    username: str | None
    role: Role  # VIEWER for a session
    version: int  # increases with every write for the actor; 0 without an actor
    settings: dict[str, Any]
    opted_out: bool = False  # views and impressions of this request are not stored
    # Kind ("user" or "session") and key by which the next statement verifies a viewer that was remembered, not read.
    verified_by: tuple[str, str] | None = None


ANONYMOUS_VIEWER = Viewer(None, None, None, None, None, Role.VIEWER, 0, {})
"""A viewer without identity. Nothing is stored for this viewer."""


class ActorVersion(NamedTuple):
    """An actor and its version."""

    actor_id: int
    version: int


UNKNOWN_VERSION = ActorVersion(0, 0)
"""Version of a viewer without an actor."""


@dataclass(frozen=True, slots=True)
class UserCard:
    """Columns of a user that pages show."""

    id: int
    key: str
    username: str
    bio: str
    tier: str
    points: int
    role: Role


_NOW = bindparam("now", type_=UtcDateTime())

_ACCOUNT_ACTOR = Actor.__table__.alias("merged")


IS_ACCEPTED_SESSION = or_(Actor.merged_into.is_(None), Actor.claim_ends_at > _NOW)
"""The condition that a session id is accepted: the session is not claimed, or the claim has not ended."""
_ACTOR_OF_SESSION_ID = func.coalesce(Actor.merged_into, Actor.id)

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
        _ACCOUNT_ACTOR.c.id.label("actor_id"), User.id.label("user_id"), User.key, User.username,
        literal(Role.VIEWER.value).label("role"), _ACCOUNT_ACTOR.c.version, _ACCOUNT_ACTOR.c.settings,
        IS_ACCEPTED_SESSION.label("is_accepted_session"),
    )
    .select_from(Actor)
    .join(_ACCOUNT_ACTOR, _ACCOUNT_ACTOR.c.id == _ACTOR_OF_SESSION_ID)
    .outerjoin(User, User.id == _ACCOUNT_ACTOR.c.user_id)
    .where(Actor.session_key == bindparam("key"))
)  # fmt: skip
VERSIONS_BY_USER = (
    select(User.key, Actor.id, Actor.version).join(Actor, Actor.user_id == User.id).where(in_list(User.key, KEYS))
)
VERSIONS_BY_SESSION = (
    select(Actor.session_key.label("key"), _ACCOUNT_ACTOR.c.id, _ACCOUNT_ACTOR.c.version)
    .join(_ACCOUNT_ACTOR, _ACCOUNT_ACTOR.c.id == _ACTOR_OF_SESSION_ID)
    .where(in_list(Actor.session_key, KEYS), IS_ACCEPTED_SESSION)
)

_CARD = [getattr(User, field.name) for field in fields(UserCard)]
USERS_BY_ID = select(*_CARD).where(in_list(User.id, IDS))
USERS_BY_KEY = select(*_CARD).where(in_list(User.key, KEYS), KNOWN_USER)

_INSERT_USER = insert_batch(User, "key", "username", "created_at", "updated_at").on_conflict_do_nothing(
    index_elements=["key"]
)
_INSERT_USERS_ACTORS = (
    postgresql.insert(Actor)
    .from_select(
        ["user_id", "created_at"],
        select(User.id, _NOW)
        .outerjoin(Actor, Actor.user_id == User.id)
        .where(in_list(User.key, KEYS), Actor.id.is_(None))
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
_ACTOR_OF_SESSION = select(_ACTOR_OF_SESSION_ID).where(Actor.session_key == bindparam("key"))

# Lock order of all transactions: users, actors, projects, dependent rows, outbox rows; by id within a table.
# (SQLite needs no row locks: `Database.write` locks the file.)
_STORED = select(*_CARD).where(in_list(User.key, KEYS)).order_by(User.id).with_for_update(key_share=True)
_UPSERT = upsert_batch(
    User, "key", "username", "bio", "tier", "points", "role", "created_at", "updated_at",
    key=["key"], keep=["created_at"],
)  # fmt: skip
_ACTORS = (
    select(Actor.id, User.key)
    .join(User, User.id == Actor.user_id)
    .where(in_list(User.key, KEYS))
    .order_by(Actor.id)
    .with_for_update(key_share=True, of=Actor)
)
_LOCK_ACTORS = (
    select(Actor.id, Actor.user_id).where(in_list(Actor.id, IDS)).order_by(Actor.id).with_for_update(key_share=True)
)
_LOCK_SETTINGS = select(Actor.settings).where(Actor.id == ACTOR_ID).with_for_update(key_share=True)
_STORE_SETTINGS = (
    update(Actor)
    .where(Actor.id == ACTOR_ID)
    .values(settings=bindparam("new_settings", type_=Json), version=Actor.version + 1)
)
_INCREMENT_VERSIONS = update(Actor).where(in_list(Actor.id, IDS)).values(version=Actor.version + 1)


async def find_viewer(database: Database, *, user_key: str | None = None, session_key: str | None = None) -> Viewer:
    """Identify a viewer in one statement, by the user key if there is one, otherwise by the session key.

    A claimed session is identified as the actor of the account until the claim ends, then as `ANONYMOUS_VIEWER`. An
    unknown key returns a viewer without ids and with version 0.
    """
    unknown_viewer = Viewer(None, None, user_key, session_key, None, Role.VIEWER, 0, {})
    if user_key is not None:
        rows = await database.fetch(VIEWER_BY_USER, {"key": user_key})
    elif session_key is not None:
        rows = await database.fetch(VIEWER_BY_SESSION, {"key": session_key, "now": now()})
    else:
        return unknown_viewer
    if not rows:
        return unknown_viewer
    return _viewer(rows[0], session_key) if rows[0].is_accepted_session else ANONYMOUS_VIEWER


def _viewer(row: Row[Any], session_key: str | None) -> Viewer:
    role, version, settings = Role(row.role), row.version or 0, row.settings or {}
    return Viewer(row.actor_id, row.user_id, row.key, session_key, row.username, role, version, settings)


async def versions_by_user(database: Database, user_keys: Set[str]) -> dict[str, ActorVersion]:
    """Read the versions of the actors of users, by user key. Users without an actor are left out."""
    return await _versions(database, VERSIONS_BY_USER, {"keys": sorted(user_keys)})


async def versions_by_session(database: Database, session_keys: Set[str]) -> dict[str, ActorVersion]:
    """Read the versions of the actors of sessions, by session key.

    A claimed session acts as the actor of the account until the claim ends. After that, the session is left out.
    """
    return await _versions(database, VERSIONS_BY_SESSION, {"keys": sorted(session_keys), "now": now()})


async def _versions(
    database: Database, statement: Select[str, int, int], parameters: Mapping[str, Any]
) -> dict[str, ActorVersion]:
    rows = await database.fetch(statement, parameters) if parameters["keys"] else ()
    return {row.key: ActorVersion(row.id, row.version) for row in rows}


async def ensure_actor(connection: AsyncConnection, viewer: Viewer) -> int:
    """Return the id of the viewer's actor. Creates the actor at the first write.

    For an unknown token subject, also creates a user with the key as name. Concurrent requests create one actor.

    Raises `InvalidRecord` if the viewer has neither a token nor a session.
    """
    if viewer.actor_id is not None:
        return viewer.actor_id
    if viewer.user_key is not None:
        key = viewer.user_key
        at = now()
        await connection.execute(_INSERT_USER, {"rows": [(key, key, at, at)]})
        await connection.execute(_INSERT_USERS_ACTORS, {"keys": [key], "now": at})
        result = await connection.execute(_ACTOR_OF_USER, {"key": key})
    elif viewer.session_key is not None:
        await connection.execute(_INSERT_SESSION, {"rows": [(viewer.session_key, now())]})
        result = await connection.execute(_ACTOR_OF_SESSION, {"key": viewer.session_key})
    else:
        raise InvalidRecord("this needs a viewer: send a bearer token, or the X-Session-Id of an earlier response")
    actor_id: int = result.scalar_one()
    return actor_id


async def ensure_session(connection: AsyncConnection, session_key: str) -> int:
    """Return the id of the actor of a session itself, even if it is claimed. Creates a missing actor."""
    await connection.execute(_INSERT_SESSION, {"rows": [(session_key, now())]})
    actor_id: int = (await connection.execute(_SESSION, {"key": session_key})).scalar_one()
    return actor_id


async def users_by_id(database: Database, ids: Sequence[int]) -> dict[int, UserCard]:
    """Read the cards of users, by id."""
    return {row.id: _card(row) for row in await database.fetch(USERS_BY_ID, {"ids": ids})}


async def users_by_key(database: Database, keys: Sequence[str], user_id: int | None) -> dict[str, UserCard]:
    """Read the cards of the users with these keys that the user `user_id` may see (`KNOWN_USER`), by key."""
    rows = await database.fetch(USERS_BY_KEY, {"keys": keys, "user": user_id})
    return {row.key: _card(row) for row in rows}


def _card(row: Any) -> UserCard:
    return UserCard(row.id, row.key, row.username, row.bio, row.tier, row.points, Role(row.role))


async def lock_actors(connection: AsyncConnection, actor_ids: Iterable[int]) -> dict[int, bool]:
    """Lock actors in the order of their ids until the transaction ends.

    Returns the existing actors, and whether each is a user.
    """
    rows = await connection.execute(_LOCK_ACTORS, {"ids": sorted(set(actor_ids))})
    return {row.id: row.user_id is not None for row in rows}


async def lock_settings(connection: AsyncConnection, actor_id: int) -> dict[str, Any]:
    """Lock an existing actor until the transaction ends; return its settings."""
    settings: dict[str, Any] = (await connection.execute(_LOCK_SETTINGS, {"actor": actor_id})).scalar_one()
    return settings


async def store_settings(connection: AsyncConnection, actor_id: int, settings: Mapping[str, Any]) -> None:
    """Replace the settings of an actor, and increase its version."""
    await connection.execute(_STORE_SETTINGS, {"actor": actor_id, "new_settings": settings})


async def increment_versions(connection: AsyncConnection, actor_ids: Iterable[int]) -> None:
    """Increase the version of each actor by one, which marks earlier ranking snapshots as outdated."""
    if ids := sorted(set(actor_ids)):
        await connection.execute(_INCREMENT_VERSIONS, {"ids": ids})


async def mark_profiles_changed(connection: AsyncConnection, actor_ids: Collection[int]) -> None:
    """Increase the versions of actors and enqueue their index documents."""
    await increment_versions(connection, actor_ids)
    await enqueue(connection, OutboxKind.PROFILE, [str(actor_id) for actor_id in actor_ids])


async def upsert_users(
    connection: AsyncConnection, records: Sequence[UserRecord], *, protected: bool = False
) -> UpsertResult:
    """Add users and their actors, and change existing users that differ.

    With `protected`, records that would demote an administrator are refused.

    The interests of a record replace the imported interests of the user; interests of other sources are not changed. An
    interest refers to its term by key or name. Unknown terms are created.
    """
    stored_users = await _lock_stored(connection, records)
    refusals = _refuse_demotions(records, stored_users) if protected else []
    latest_records = last_record_by_key(accepted(records, refusals))
    if not latest_records:
        return upsert_result(len(records), refused=refusals)
    keys = {"keys": [record.key for record in latest_records]}
    differing_keys = {record.key for record in latest_records if _differs(record, stored_users.get(record.key))}
    await _write(connection, [record for record in latest_records if record.key in differing_keys], stored_users)
    await connection.execute(_INSERT_USERS_ACTORS, keys | {"now": now()})
    actor_ids = {row.key: row.id for row in await connection.execute(_ACTORS, keys)}
    changed_actor_ids = await replace_imported_interests(
        connection, {actor_ids[record.key]: record.interests for record in latest_records}
    )
    added_keys = differing_keys - stored_users.keys()
    changed_keys = differing_keys | {
        record.key for record in latest_records if actor_ids[record.key] in changed_actor_ids
    }
    changed_keys -= added_keys
    await increment_versions(connection, [actor_ids[key] for key in changed_keys])
    renamed_ids = [stored_users[key].id for key in differing_keys & stored_users.keys()]
    await renew_project_versions(connection, owner_ids=renamed_ids)
    await enqueue(connection, OutboxKind.PROFILE, [str(actor_ids[key]) for key in added_keys | changed_keys])
    return upsert_result(len(records), added_keys, changed_keys, refusals)


async def _lock_stored(connection: AsyncConnection, records: Sequence[UserRecord]) -> dict[str, UserCard]:
    if not records:
        return {}
    rows = await connection.execute(_STORED, {"keys": sorted({record.key for record in records})})
    return {row.key: _card(row) for row in rows}


def _refuse_demotions(records: Sequence[UserRecord], stored_users: Mapping[str, UserCard]) -> list[Refusal]:
    error = ProtectedUser("only an administrator may change an administrator's role", ("role",))
    administrators = {key for key, card in stored_users.items() if card.role is Role.ADMINISTRATOR}
    return [
        Refusal(index, error)
        for index, record in enumerate(records)
        if record.key in administrators and record.role not in (None, Role.ADMINISTRATOR)
    ]


def _differs(record: UserRecord, stored_user: UserCard | None) -> bool:
    if stored_user is None:
        return True
    stored_values = (stored_user.username, stored_user.bio, stored_user.tier, stored_user.points, stored_user.role)
    return stored_values != (record.username, record.bio, record.tier, record.points, record.role or stored_user.role)


async def _write(
    connection: AsyncConnection, records: Sequence[UserRecord], stored_users: Mapping[str, UserCard]
) -> None:
    """Write users. A record without a role keeps the stored role."""
    at = now()
    roles = {key: card.role for key, card in stored_users.items()}
    rows = [
        (r.key, r.username, r.bio, r.tier, r.points, (r.role or roles.get(r.key, Role.VIEWER)).value, at, at)
        for r in records
    ]
    if rows:
        await connection.execute(_UPSERT, {"rows": rows})
