"""The versions of many viewers, read at once: whether anything of theirs has changed since they were looked at."""

from collections.abc import Iterable, Set
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Select, bindparam, func, select

from db.actors.users import is_accepted_session
from db.database.column_types import TextList, in_list
from db.database.engine import Database
from db.models import Actor, User, now


class ActorKeys(NamedTuple):
    """Somebody as the edge knows them. A user's key comes before a session's."""

    user_key: str | None
    session_key: str | None


class ActorVersion(NamedTuple):
    """The actor of a viewer, and how often it has changed.

    A session that is claimed has its account's actor until the claim ends, and then none.
    """

    actor_id: int
    version: int


UNKNOWN_VERSION = ActorVersion(0, 0)
"""Of somebody who has not done anything yet."""

_KEYS = bindparam("keys", type_=TextList())
_MERGED = Actor.__table__.alias("merged")
VERSIONS_BY_USER = (
    select(User.key, Actor.id, Actor.version).join(Actor, Actor.user_id == User.id).where(in_list(User.key, _KEYS))
)
VERSIONS_BY_SESSION = (
    select(Actor.session_key.label("key"), _MERGED.c.id, _MERGED.c.version)
    .join(_MERGED, _MERGED.c.id == func.coalesce(Actor.merged_into, Actor.id))
    .where(in_list(Actor.session_key, _KEYS), is_accepted_session())
)


async def versions_of(database: Database, people: Iterable[ActorKeys]) -> dict[ActorKeys, ActorVersion]:
    """Read where these viewers stand, in two statements at most however many they are."""
    asked = set(people)
    users = {who.user_key for who in asked if who.user_key is not None}
    sessions = {who.session_key for who in asked if who.user_key is None and who.session_key is not None}
    by_user = await _versions(database, VERSIONS_BY_USER, users)
    by_session = await _versions(database, VERSIONS_BY_SESSION, sessions, now=now())
    return {
        who: by_session.get(who.session_key, UNKNOWN_VERSION)
        if who.user_key is None
        else by_user.get(who.user_key, UNKNOWN_VERSION)
        for who in asked
    }


async def _versions(
    database: Database, statement: Select[str, int, int], keys: Set[str], **values: datetime
) -> dict[str | None, ActorVersion]:
    if not keys:
        return {}
    rows = await database.fetch(statement, {"keys": sorted(keys), **values})
    return {row.key: ActorVersion(row.id, row.version) for row in rows}
