"""The viewer of a request."""

from typing import Annotated, Any, Self

import strawberry

from db.actors import mutes, users
from db.actors.actor_preferences import preferences_in
from db.models import Role
from resolvers.catalog.user import User, user_by_id
from resolvers.common import enums  # noqa: F401 (publishes the enums that are named below)
from resolvers.common.context import Info
from resolvers.common.descriptions import object_type
from resolvers.common.enums import ViewerKind
from resolvers.common.field_costs import Cost, computed
from resolvers.common.global_ids import bad_cursor, decode_cursor, encode_cursor, viewer_global_id
from resolvers.common.optional_arguments import unset_to_none
from resolvers.common.relay import (
    DEFAULT_PAGE_SIZE,
    MAX_PAGE_SIZE,
    After,
    Connection,
    First,
    checked_first,
    connection_parts,
)
from resolvers.preferences.mute_type import Mute
from resolvers.preferences.personalization_settings import PersonalizationSettings
from resolvers.preferences.viewer_interests import Interest, interests_of


@object_type
class Viewer:
    """The viewer: the user or the session of the request."""

    id: Annotated[
        strawberry.ID,
        "The global id, opaque and stable, for client caches: the `viewer` in mutation results updates it. Not "
        "supported by `node`.",
    ]
    kind: Annotated[ViewerKind, "How the viewer is identified."]
    key: Annotated[str | None, "The platform's own id of the user; null without a token."]
    role: Annotated[Role, "The role."]
    version: Annotated[
        int, "The version, which rises with each change by the viewer. The first page of `forYou` is then ranked anew."
    ]
    user_id: strawberry.Private[int | None]
    actor_id: strawberry.Private[int | None]
    settings: strawberry.Private[dict[str, Any]]

    @classmethod
    def from_viewer(cls, viewer: users.Viewer, role: Role) -> Self:
        """Convert a viewer."""
        return cls(
            id=viewer_global_id("Viewer", viewer.user_key, viewer.session_key),
            kind=viewer_kind_of(viewer),
            key=viewer.user_key,
            role=role,
            version=viewer.version,
            user_id=viewer.user_id,
            actor_id=viewer.actor_id,
            settings=viewer.settings,
        )

    @computed()
    async def user(self, info: Info) -> User | None:
        """The public profile; null without a token, and before the first interaction of a new user."""
        return await user_by_id(info, self.user_id)

    @computed(Cost(50, entries=30))
    async def interests(self, info: Info) -> list[Interest]:
        """The viewer's interests, highest confidence first."""
        return await interests_of(info.context)

    @computed()
    def personalization_settings(self) -> PersonalizationSettings:
        """The viewer's settings for personalization."""
        return PersonalizationSettings.from_preferences(preferences_in(self.settings))

    @computed(Cost(50, 2, "first", MAX_PAGE_SIZE))
    async def mutes(
        self, info: Info, first: First = DEFAULT_PAGE_SIZE, after: After = strawberry.UNSET
    ) -> Connection[Mute]:
        """The viewer's mutes, latest first."""
        first, after = checked_first(first), unset_to_none(after)
        before_id = None if after is None else _mute_id(after)
        muted_page = await mutes.mutes_of(info.context.stores.database, self.actor_id, first + 1, before_id)
        items = [(encode_cursor("mute", muted.id), Mute.from_muted(muted)) for muted in muted_page]
        return Connection(**connection_parts(items, first, has_previous=before_id is not None))


def _mute_id(cursor: str) -> int:
    match decode_cursor(cursor):
        case ["mute", int(id_)] if type(id_) is int and 0 <= id_ < 2**63:
            return id_
    raise bad_cursor()


async def current_viewer(info: Info) -> Viewer:
    """Return the current viewer."""
    return Viewer.from_viewer(await info.context.viewer(), await info.context.role())


def viewer_kind_of(viewer: users.Viewer) -> ViewerKind:
    """Return how a viewer is identified."""
    if viewer.user_key is not None:
        return ViewerKind.USER
    return ViewerKind.ANONYMOUS if viewer.session_key is None else ViewerKind.SESSION


@strawberry.type
class ViewerQuery:
    @computed()
    async def viewer(self, info: Info) -> Viewer:
        """The current viewer: the user or the session of the request."""
        return await current_viewer(info)
