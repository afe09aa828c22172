"""Preferences of viewers about their rankings: a typed part of `Actor.settings`."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from db.database.column_types import BigIntId, Json
from db.models import Actor

_NAME = "preferences"
"""Key in `Actor.settings`."""

BALANCED = 50


class Preferences(BaseModel):
    """A viewer's preferences."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    personalized: bool = True  # without a profile, For You is the popular feed
    use_topics: bool = True  # interests of any source
    learn_from_views: bool = True  # views and clicks
    learn_from_likes: bool = True  # likes, saves, comments and follows
    social_signals: bool = True  # signals of other users' behavior
    discovery: int = Field(BALANCED, ge=0, le=100)  # from familiar projects to new ones


def preferences_in(settings: Mapping[str, Any]) -> Preferences:
    """Read the preferences out of an actor's settings."""
    stored = settings.get(_NAME)
    return Preferences.model_validate(stored) if stored else _DEFAULT


_DEFAULT = Preferences()
_LOCK = select(Actor.settings).where(Actor.id == bindparam("actor", type_=BigIntId)).with_for_update(key_share=True)
_WRITE = (
    update(Actor)
    .where(Actor.id == bindparam("actor", type_=BigIntId))
    .values(settings=bindparam("changed", type_=Json), version=Actor.version + 1)
)


async def change_preferences(connection: AsyncConnection, actor_id: int, changes: Mapping[str, Any]) -> bool:
    """Change some preferences of an actor; return whether that changed anything.

    Raises `pydantic.ValidationError` if a value is not allowed.
    """
    settings: dict[str, Any] = (await connection.execute(_LOCK, {"actor": actor_id})).scalar_one()
    there = preferences_in(settings)
    wanted = Preferences.model_validate(there.model_dump() | dict(changes))
    if wanted == there:
        return False
    changed = settings | {_NAME: wanted.model_dump()}
    await connection.execute(_WRITE, {"actor": actor_id, "changed": changed})
    return True
