"""What viewers let the ranking do with what it knows of them: a typed part of an actor's settings."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from db.database.column_types import BigIntId, Json
from db.models import Actor

_NAME = "preferences"
"""Where they stand in `Actor.settings`."""

BALANCED = 50


class Preferences(BaseModel):
    """A viewer's own settings. The defaults let the ranking do as it was fitted.

    Attributes
    ----------
    personalized
        Whether there is a profile at all. Without one For You is the popular feed.
    use_topics
        Whether interests count: those stated, answered, imported or learned.
    learn_from_views
        Whether anything is concluded from views and clicks.
    learn_from_likes
        Whether anything is concluded from likes, saves, comments and follows.
    social_signals
        Whether it counts what other people do.
    discovery
        From 0, what is familiar, to 100, what is new to the viewer.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    personalized: bool = True
    use_topics: bool = True
    learn_from_views: bool = True
    learn_from_likes: bool = True
    social_signals: bool = True
    discovery: int = Field(BALANCED, ge=0, le=100)


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
    """Change some of an actor's preferences and leave the rest; give whether anything is different now.

    Raises
    ------
    pydantic.ValidationError
        If a value is not one that the preference can have.
    """
    settings: dict[str, Any] = (await connection.execute(_LOCK, {"actor": actor_id})).scalar_one()
    there = preferences_in(settings)
    wanted = Preferences.model_validate(there.model_dump() | dict(changes))
    if wanted == there:
        return False
    changed = settings | {_NAME: wanted.model_dump()}
    await connection.execute(_WRITE, {"actor": actor_id, "changed": changed})
    return True
