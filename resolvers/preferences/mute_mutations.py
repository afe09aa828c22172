"""How viewers mute what they do not want to see, and let it speak again."""

from typing import Annotated

import strawberry

from db.actors import mutes
from db.actors.users import ensure_actor
from db.catalog.terms import known_term
from db.models import MuteKind, TermKind
from resolvers.common.context import Context, Info
from resolvers.common.field_costs import computed, mutation
from resolvers.common.global_ids import is_valid_key
from resolvers.common.user_errors import UserError, UserErrorCode, unknown_project_error, user_error
from resolvers.preferences.viewer import Viewer, current_viewer

MAX_MUTES = 1_000
"""Mutes of one viewer: who has more wants a filter, not mutes."""

_TERMS = {MuteKind.TOPIC: TermKind.TOPIC, MuteKind.CATEGORY: TermKind.CATEGORY, MuteKind.TOOL: TermKind.TOOL}

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
        subject_id = await _subject(info.context, kind, key)
        if subject_id is None:
            return _refused(_unknown(kind))
        viewer = await info.context.viewer()
        known = [] if viewer.actor_id is None else await mutes.mutes_of(info.context.stores.database, viewer.actor_id)
        if len(known) >= MAX_MUTES:
            return _refused(user_error(UserErrorCode.TOO_MANY, f"You have muted {MAX_MUTES:,} things: unmute some."))
        async with info.context.write() as connection:
            changed = await mutes.mute(connection, await ensure_actor(connection, viewer), kind, subject_id)
        return MutePayload(changed=changed, user_errors=[])

    @mutation("Take a mute back. What is not muted is no fault: it changes nothing.")
    async def unmute(self, info: Info, kind: Kind, key: Key) -> MutePayload | None:
        """Take a mute back."""
        viewer = await info.context.viewer()
        if viewer.actor_id is None:
            return MutePayload(changed=False, user_errors=[])
        # Among the viewer's own mutes, not in the catalog: what is muted may be private or renamed by now.
        known = await mutes.mutes_of(info.context.stores.database, viewer.actor_id)
        wanted = sorted(
            (one for one in known if one.kind is kind and key in (one.key, one.name)), key=lambda one: one.key != key
        )
        if not wanted:
            return MutePayload(changed=False, user_errors=[])
        async with info.context.write() as connection:
            changed = await mutes.unmute(connection, viewer.actor_id, kind, wanted[0].subject_id)
        return MutePayload(changed=changed, user_errors=[])


async def _subject(context: Context, kind: MuteKind, key: str) -> int | None:
    """Return the id of what a key names; None if nothing of that key exists for the viewer (`db.catalog.visibility`)."""
    if not is_valid_key(key):
        return None
    if kind is MuteKind.OWNER:
        user = await context.loaders.users_by_key.load(key)
        return None if user is None else user.id
    if kind is MuteKind.PROJECT:
        card = await context.loaders.cards_by_key.load(key)
        return None if card is None else card.id
    viewer = await context.viewer()
    return await known_term(
        context.stores.database, _TERMS[kind], key, user_id=viewer.user_id, actor_id=viewer.actor_id
    )


def _refused(error: UserError) -> MutePayload:
    return MutePayload(changed=False, user_errors=[error])


def _unknown(kind: MuteKind) -> UserError:
    if kind is MuteKind.PROJECT:
        return unknown_project_error("key")
    what = "person" if kind is MuteKind.OWNER else kind.value
    return user_error(UserErrorCode.UNKNOWN_REFERENCE, f"There is no {what} of this key.", "key")
