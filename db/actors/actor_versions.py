"""Versions of actors, read for many viewers at once to detect changes."""

from collections.abc import Iterable, Set
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Select, bindparam, func, select

from db.actors.users import is_accepted_session
from db.database.column_types import TextList, in_list
from db.database.engine import Database
from db.models import Actor, User, now


class ActorKeys(NamedTuple):
    """Identification of a viewer: the user key, otherwise the session key."""

    user_key: str | None
    session_key: str | None


class ActorVersion(NamedTuple):
    """An actor and its version.

    The actor of a claimed session is the actor of the account until the claim ends; then `UNKNOWN_VERSION`.
    """

    actor_id: int
    version: int


UNKNOWN_VERSION = ActorVersion(0, 0)
"""Version of a viewer without an actor."""

_KEYS = bindparam("keys", type_=TextList())
_ACCOUNT_ACTOR = Actor.__table__.alias("merged")
VERSIONS_BY_USER = (
    select(User.key, Actor.id, Actor.version).join(Actor, Actor.user_id == User.id).where(in_list(User.key, _KEYS))
)
VERSIONS_BY_SESSION = (
    select(Actor.session_key.label("key"), _ACCOUNT_ACTOR.c.id, _ACCOUNT_ACTOR.c.version)
    .join(_ACCOUNT_ACTOR, _ACCOUNT_ACTOR.c.id == func.coalesce(Actor.merged_into, Actor.id))
    .where(in_list(Actor.session_key, _KEYS), is_accepted_session())
)


async def versions_of(database: Database, viewers: Iterable[ActorKeys]) -> dict[ActorKeys, ActorVersion]:
    """Read the versions of viewers, in at most two statements."""
    keys = set(viewers)
    users = {key.user_key for key in keys if key.user_key is not None}
    sessions = {key.session_key for key in keys if key.user_key is None and key.session_key is not None}
    by_user = await _versions(database, VERSIONS_BY_USER, users)
    by_session = await _versions(database, VERSIONS_BY_SESSION, sessions, now=now())
    return {
        key: by_session.get(key.session_key, UNKNOWN_VERSION)
        if key.user_key is None
        else by_user.get(key.user_key, UNKNOWN_VERSION)
        for key in keys
    }


async def _versions(
    database: Database, statement: Select[str, int, int], keys: Set[str], **values: datetime
) -> dict[str | None, ActorVersion]:
    if not keys:
        return {}
    rows = await database.fetch(statement, {"keys": sorted(keys), **values})
    return {row.key: ActorVersion(row.id, row.version) for row in rows}
