"""Preferences that change a viewer's rankings, stored in `Actor.settings`."""

from collections.abc import Mapping
from typing import Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from db.actors.users import lock_settings, store_settings

_SETTINGS_KEY = "preferences"
"""Key in `Actor.settings`."""

BALANCED = 50


class Preferences(BaseModel):
    """Preferences that change a viewer's rankings."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    personalized: bool = True  # False replaces For You by the ranking of unknown viewers
    # interests of all kinds and sources; stored as `use_topics` by earlier versions
    use_interests: bool = Field(True, validation_alias=AliasChoices("use_interests", "use_topics"))
    learn_from_views: bool = True  # use views and clicks
    learn_from_likes: bool = True  # use likes, saves, comments and follows
    social_signals: bool = True  # use signals from other users' behavior
    show_read: bool = False  # show projects that the viewer has read like others
    discovery: int = Field(BALANCED, ge=0, le=100)  # 0 prefers familiar projects, 100 prefers new projects


def preferences_in(settings: Mapping[str, Any]) -> Preferences:
    """Return the preferences in an actor's settings."""
    values = settings.get(_SETTINGS_KEY)
    return Preferences.model_validate(values) if values else _DEFAULT


_DEFAULT = Preferences()


async def change_preferences(connection: AsyncConnection, actor_id: int, changes: Mapping[str, Any]) -> bool:
    """Change preferences of an actor; return whether a value changed.

    Raises `pydantic.ValidationError` if a value is invalid.
    """
    settings = await lock_settings(connection, actor_id)
    stored_preferences = preferences_in(settings)
    preferences = Preferences.model_validate(stored_preferences.model_dump() | dict(changes))
    if preferences == stored_preferences:
        return False
    await store_settings(connection, actor_id, settings | {_SETTINGS_KEY: preferences.model_dump()})
    return True
