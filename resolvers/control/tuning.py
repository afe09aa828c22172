"""How viewers set what the ranking may do with what it knows of them."""

from dataclasses import fields
from typing import Annotated

import strawberry
from pydantic import ValidationError

from db.people.preferences import change_preferences
from db.people.users import ensure_actor
from resolvers.control import preferences
from resolvers.control.preferences import PersonalizationSettings
from resolvers.foundations.context import Info
from resolvers.foundations.fields import computed, mutation
from resolvers.foundations.inputs import given
from resolvers.foundations.user_errors import UserError, nobody, of_validation
from resolvers.viewer import Viewer, current_viewer


def _setting(description: str) -> bool | None:
    return strawberry.field(default=strawberry.UNSET, description=description)  # type: ignore[no-any-return]


@strawberry.input(description="The settings to change; one that is left out stays as it is.")
class PersonalizationSettingsInput:
    """Settings as a client sends them."""

    personalized: bool | None = _setting(preferences.PERSONALIZED)
    use_topics: bool | None = _setting(preferences.USE_TOPICS)
    learn_from_views: bool | None = _setting(preferences.LEARN_FROM_VIEWS)
    learn_from_likes: bool | None = _setting(preferences.LEARN_FROM_LIKES)
    social_signals: bool | None = _setting(preferences.SOCIAL_SIGNALS)
    discovery: int | None = strawberry.field(default=strawberry.UNSET, description=preferences.DISCOVERY)


@strawberry.type(description="What became of the settings.")
class UpdatePersonalizationSettingsPayload:
    """The answer to a change of settings."""

    changed: bool = strawberry.field(description="Whether anything is different now; false with an error.")
    user_errors: list[UserError] = strawberry.field(description="What was wrong with the input; empty if all is well.")

    @computed("The settings as they are now.")
    async def settings(self, info: Info) -> PersonalizationSettings:
        """Give the settings."""
        return (await current_viewer(info)).personalization_settings()

    @computed("You, as you are now. The next first page of each feed goes by the settings.")
    async def viewer(self, info: Info) -> Viewer:
        """Give the viewer as it is now."""
        return await current_viewer(info)


@strawberry.type
class TuningMutation:
    """What a viewer can set."""

    @mutation("Set what the ranking may do with what it knows of you. All that is given is taken, or nothing of it.")
    async def update_personalization_settings(
        self,
        info: Info,
        settings: Annotated[PersonalizationSettingsInput, strawberry.argument(description="What to change.")],
    ) -> UpdatePersonalizationSettingsPayload | None:
        """Change settings."""
        if not info.context.asker.is_somebody:
            return UpdatePersonalizationSettingsPayload(changed=False, user_errors=[nobody()])
        asked = {field.name: given(getattr(settings, field.name)) for field in fields(settings)}
        changes = {name: value for name, value in asked.items() if value is not None}
        viewer = await info.context.viewer()
        try:
            async with info.context.write() as connection:
                changed = await change_preferences(connection, await ensure_actor(connection, viewer), changes)
        except ValidationError as error:
            return UpdatePersonalizationSettingsPayload(changed=False, user_errors=of_validation(error, "settings"))
        return UpdatePersonalizationSettingsPayload(changed=changed, user_errors=[])
