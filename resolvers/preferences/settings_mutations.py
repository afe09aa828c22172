"""The mutation of the personalization settings."""

from dataclasses import fields
from typing import Annotated

import strawberry

from resolvers.common.context import Info
from resolvers.common.descriptions import input_type, object_type
from resolvers.common.field_costs import computed, mutation
from resolvers.common.optional_arguments import unset_to_none
from resolvers.common.user_errors import UserError, attempt
from resolvers.preferences import personalization_settings
from resolvers.preferences.personalization_settings import PersonalizationSettings
from resolvers.preferences.viewer import Viewer, current_viewer
from scoring.use_cases.change_preferences import update_settings


def _setting(description: str) -> bool | None:
    return strawberry.field(default=strawberry.UNSET, description=description)  # type: ignore[no-any-return]


@input_type
class PersonalizationSettingsInput:
    """Settings to change. Omitted settings are kept."""

    personalized: bool | None = _setting(personalization_settings.PERSONALIZED)
    use_topics: bool | None = _setting(personalization_settings.USE_TOPICS)
    learn_from_views: bool | None = _setting(personalization_settings.LEARN_FROM_VIEWS)
    learn_from_likes: bool | None = _setting(personalization_settings.LEARN_FROM_LIKES)
    social_signals: bool | None = _setting(personalization_settings.SOCIAL_SIGNALS)
    discovery: Annotated[int | None, personalization_settings.DISCOVERY] = strawberry.UNSET


@object_type
class UpdatePersonalizationSettingsPayload:
    """The return value of `updatePersonalizationSettings`."""

    changed: Annotated[bool, "Whether the request changed anything; false on error."]
    user_errors: Annotated[list[UserError], "The errors in the input; empty on success."]

    @computed()
    async def settings(self, info: Info) -> PersonalizationSettings:
        """The settings after the change."""
        return (await current_viewer(info)).personalization_settings()

    @computed()
    async def viewer(self, info: Info) -> Viewer:
        """The viewer after the change."""
        return await current_viewer(info)


@strawberry.type
class SettingsMutation:
    @mutation()
    async def update_personalization_settings(
        self,
        info: Info,
        settings: Annotated[PersonalizationSettingsInput, strawberry.argument(description=("The settings to change."))],
    ) -> UpdatePersonalizationSettingsPayload | None:
        """Change your settings for personalization. Stores all changes, or none if one has an error."""
        values = {field.name: unset_to_none(getattr(settings, field.name)) for field in fields(settings)}
        changes = {name: value for name, value in values.items() if value is not None}
        changed, errors = await attempt(lambda: update_settings(info.context, changes), False)
        return UpdatePersonalizationSettingsPayload(changed=changed, user_errors=errors)
