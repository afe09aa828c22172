"""Mutations that mute a subject or take a mute back."""

from typing import Annotated

import strawberry

from db.models import MuteKind
from resolvers.common.context import Info
from resolvers.common.field_costs import computed, mutation
from resolvers.common.references import mutable_of
from resolvers.common.user_errors import UserError, attempt
from resolvers.preferences.viewer import Viewer, current_viewer
from scoring.use_cases import change_preferences
from scoring.use_cases.change_preferences import MAX_MUTES

Kind = Annotated[MuteKind | None, strawberry.argument(description="The kind. Give either `id`, or `kind` and `key`.")]
Key = Annotated[str | None, strawberry.argument(description="The `key`; for a topic, category or tool also its name.")]
Id = Annotated[
    strawberry.ID | None, strawberry.argument(description="The `id` of a topic, category, tool, user or project.")
]


@strawberry.type(description="The return value of `mute` and `unmute`.")
class MutePayload:
    changed: bool = strawberry.field(
        description="Whether the request changed anything; false if repeated, and on error."
    )
    user_errors: list[UserError] = strawberry.field(description="The errors in the input; empty on success.")

    @computed("The viewer after the change.")
    async def viewer(self, info: Info) -> Viewer:
        return await current_viewer(info)


@strawberry.type
class MuteMutation:
    @mutation(
        "Mute a topic, category, tool or user to remove their projects from your feeds, or a project to ignore "
        f"your interactions with it. Up to {MAX_MUTES:,} mutes."
    )
    async def mute(
        self, info: Info, kind: Kind = strawberry.UNSET, key: Key = strawberry.UNSET, id: Id = strawberry.UNSET
    ) -> MutePayload | None:
        changed, errors = await attempt(
            lambda: change_preferences.mute(info.context, *mutable_of(kind, key, id)), False
        )
        return MutePayload(changed=changed, user_errors=errors)

    @mutation("Remove a mute. Does nothing if there is none.")
    async def unmute(
        self, info: Info, kind: Kind = strawberry.UNSET, key: Key = strawberry.UNSET, id: Id = strawberry.UNSET
    ) -> MutePayload | None:
        changed, errors = await attempt(
            lambda: change_preferences.unmute(info.context, *mutable_of(kind, key, id)), False
        )
        return MutePayload(changed=changed, user_errors=errors)
