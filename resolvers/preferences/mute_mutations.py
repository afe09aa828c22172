"""How viewers mute what they do not want to see, and let it speak again."""

from typing import Annotated

import strawberry

from db.models import MuteKind
from resolvers.common.context import Info
from resolvers.common.field_costs import computed, mutation
from resolvers.common.user_errors import UserError, attempt
from resolvers.preferences.viewer import Viewer, current_viewer
from scoring.use_cases import change_preferences
from scoring.use_cases.change_preferences import MAX_MUTES

Kind = Annotated[MuteKind, strawberry.argument(description="What it is.")]
Key = Annotated[
    str, strawberry.argument(description="The platform's own id of it. A topic, category or tool may also be named.")
]


@strawberry.type(description="What became of `mute` and `unmute`.")
class MutePayload:
    """The answer to a mute."""

    changed: bool = strawberry.field(
        description="Whether anything is different now: false for what was muted already, and with an error."
    )
    user_errors: list[UserError] = strawberry.field(description="What was wrong with the input; empty if all is well.")

    @computed("You, as you are now; `mutes` lists what is muted. The next first page of each feed goes by it.")
    async def viewer(self, info: Info) -> Viewer:
        """Give the viewer as it is now."""
        return await current_viewer(info)


@strawberry.type
class MuteMutation:
    """What a viewer can mute."""

    @mutation(
        "Keep what is about a topic, in a category, made with a tool or made by somebody out of your feeds, or "
        f"conclude nothing from a project any more. Up to {MAX_MUTES:,} mutes; a second one changes nothing."
    )
    async def mute(self, info: Info, kind: Kind, key: Key) -> MutePayload | None:
        """Mute."""
        changed, errors = await attempt(change_preferences.mute(info.context, kind, key), False)
        return MutePayload(changed=changed, user_errors=errors)

    @mutation("Take a mute back. What is not muted is no fault: it changes nothing.")
    async def unmute(self, info: Info, kind: Kind, key: Key) -> MutePayload | None:
        """Take a mute back."""
        changed, errors = await attempt(change_preferences.unmute(info.context, kind, key), False)
        return MutePayload(changed=changed, user_errors=errors)
