"""Mutations of the viewer's interests, mutes and settings."""

from typing import Annotated

import strawberry

from db.models import MuteKind, TermKind
from resolvers.common.context import Info
from resolvers.common.descriptions import input_type, object_type
from resolvers.common.field_costs import Cost, computed, mutation
from resolvers.common.references import mute_subject_of, path_prefix, term_of
from resolvers.preferences import viewer
from resolvers.preferences.viewer import ChangePayload, Interest, PersonalizationSettings, current_viewer, interests_of
from scoring.use_cases import change_preferences
from scoring.use_cases.change_preferences import (
    MAX_INTERESTS,
    MAX_MUTES,  # noqa: F401 (a docstring names it)
)


@input_type
class InterestInput:
    """A tool, category or topic."""

    kind: Annotated[TermKind | None, "The kind. Give either `id`, or `kind` and `key`."] = None
    key: Annotated[str | None, "The `key`."] = None
    id: Annotated[strawberry.ID | None, "The `id` of a `Tool`, `Category` or `Topic`."] = None

    def to_term(self, *path: str | int) -> tuple[TermKind, str]:
        """Return the kind and the key; `path` is the position in the arguments, for errors."""
        with path_prefix(*path):
            return term_of(self.kind, self.key, self.id)


@object_type
class InterestsPayload(ChangePayload):
    """The return value of mutations on interests."""

    @computed(Cost(60, default_size=30))
    async def interests(self, info: Info) -> list[Interest]:
        """Your interests after the change, highest confidence first."""
        return await interests_of(info.context)


Kind = Annotated[MuteKind | None, "The kind. Give either `id`, or `kind` and `key`."]
Key = Annotated[str | None, "The `key`; for a topic, category or tool also its name."]
Id = Annotated[strawberry.ID | None, "The `id` of a topic, category, tool, user or project."]


@object_type
class MutePayload(ChangePayload):
    """The return value of `mute` and `unmute`."""


@input_type
class PersonalizationSettingsInput:
    """Settings to change. Omitted settings are kept."""

    personalized: Annotated[bool | None, viewer.PERSONALIZED] = None
    use_interests: Annotated[bool | None, viewer.USE_INTERESTS] = None
    learn_from_views: Annotated[bool | None, viewer.LEARN_FROM_VIEWS] = None
    learn_from_likes: Annotated[bool | None, viewer.LEARN_FROM_LIKES] = None
    social_signals: Annotated[bool | None, viewer.SOCIAL_SIGNALS] = None
    show_read: Annotated[bool | None, viewer.SHOW_READ] = None
    discovery: Annotated[int | None, viewer.DISCOVERY] = None


@object_type
class UpdatePersonalizationSettingsPayload(ChangePayload):
    """The return value of `updatePersonalizationSettings`."""

    @computed()
    async def settings(self, info: Info) -> PersonalizationSettings:
        """The settings after the change."""
        return (await current_viewer(info)).personalization_settings()


_CHANGE_COST = Cost(100, points_once=1_000)
"""Cost of a change of preferences: two small rows, and once a share of ranking the viewer's feed again."""


@strawberry.type
class PreferenceMutation:
    @mutation(Cost(100, 5, "interests", MAX_INTERESTS, points_once=1_000))
    async def set_interests(
        self,
        info: Info,
        interests: Annotated[list[InterestInput], f"The interests, up to {MAX_INTERESTS}; an empty list for none."],
    ) -> InterestsPayload | None:
        """Replace your stated interests.

        Stated interests that are not in the list are removed: neither nightly learning nor the platform's import adds
        them again, unless you state them again. Learned and imported interests are kept; remove them with
        `removeInterest`.
        """
        return await InterestsPayload.from_use_case(
            lambda: change_preferences.set_interests(
                info.context, [interest.to_term("interests", index) for index, interest in enumerate(interests)]
            )
        )

    @mutation(_CHANGE_COST)
    async def remove_interest(
        self, info: Info, interest: Annotated[InterestInput, "The interest to remove."]
    ) -> InterestsPayload | None:
        """Remove one interest of any source.

        Neither nightly learning nor the platform's import adds it again, unless you state it or choose it in
        onboarding.
        """
        return await InterestsPayload.from_use_case(
            lambda: change_preferences.remove_interest(info.context, interest.to_term("interest"))
        )

    @mutation(_CHANGE_COST)
    async def mute(self, info: Info, kind: Kind = None, key: Key = None, id: Id = None) -> MutePayload | None:
        """Mute a topic, category, tool, user or project.

        Projects of a muted topic, category, tool or user are removed from your feeds. A muted project is still shown,
        but your interactions with it no longer influence your feeds. Up to {MAX_MUTES:,} mutes.
        """
        return await MutePayload.from_use_case(
            lambda: change_preferences.mute(info.context, *mute_subject_of(kind, key, id))
        )

    @mutation(_CHANGE_COST)
    async def unmute(self, info: Info, kind: Kind = None, key: Key = None, id: Id = None) -> MutePayload | None:
        """Remove a mute. Does nothing if there is none."""
        return await MutePayload.from_use_case(
            lambda: change_preferences.unmute(info.context, *mute_subject_of(kind, key, id))
        )

    @mutation(_CHANGE_COST)
    async def update_personalization_settings(
        self, info: Info, settings: Annotated[PersonalizationSettingsInput, "The settings to change."]
    ) -> UpdatePersonalizationSettingsPayload | None:
        """Change your settings for personalization. Stores all changes, or none if one has an error."""
        changes = {name: value for name, value in vars(settings).items() if value is not None}
        return await UpdatePersonalizationSettingsPayload.from_use_case(
            lambda: change_preferences.update_settings(info.context, changes)
        )
