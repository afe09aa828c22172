"""Mutations that add and remove mutes."""

from typing import Annotated

import strawberry

from db.models import MuteKind
from resolvers.common.context import Info
from resolvers.common.descriptions import object_type
from resolvers.common.field_costs import computed, mutation
from resolvers.common.references import mutable_of
from resolvers.common.user_errors import UserError, attempt
from resolvers.preferences.viewer import Viewer, current_viewer
from scoring.use_cases import change_preferences
from scoring.use_cases.change_preferences import MAX_MUTES  # noqa: F401 (a docstring names it)

Kind = Annotated[MuteKind | None, strawberry.argument(description="The kind. Give either `id`, or `kind` and `key`.")]
Key = Annotated[str | None, strawberry.argument(description="The `key`; for a topic, category or tool also its name.")]
Id = Annotated[
    strawberry.ID | None, strawberry.argument(description="The `id` of a topic, category, tool, user or project.")
]


@object_type
class MutePayload:
    """The return value of `mute` and `unmute`."""

    changed: Annotated[bool, "Whether the request changed anything; false if repeated, and on error."]
    user_errors: Annotated[list[UserError], "The errors in the input; empty on success."]

    @computed()
    async def viewer(self, info: Info) -> Viewer:
        """The viewer after the change."""
        return await current_viewer(info)


@strawberry.type
class MuteMutation:
    @mutation()
    async def mute(
        self, info: Info, kind: Kind = strawberry.UNSET, key: Key = strawberry.UNSET, id: Id = strawberry.UNSET
    ) -> MutePayload | None:
        """Mute a topic, category, tool, user or project.

        Projects of a muted topic, category, tool or user are removed from your feeds. A muted project is still shown,
        but your interactions with it no longer influence your feeds. Up to {MAX_MUTES:,} mutes.
        """
        changed, errors = await attempt(
            lambda: change_preferences.mute(info.context, *mutable_of(kind, key, id)), False
        )
        return MutePayload(changed=changed, user_errors=errors)

    @mutation()
    async def unmute(
        self, info: Info, kind: Kind = strawberry.UNSET, key: Key = strawberry.UNSET, id: Id = strawberry.UNSET
    ) -> MutePayload | None:
        """Remove a mute. Does nothing if there is none."""
        changed, errors = await attempt(
            lambda: change_preferences.unmute(info.context, *mutable_of(kind, key, id)), False
        )
        return MutePayload(changed=changed, user_errors=errors)
