"""The viewer of a request, with their interests, mutes and settings."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Self

import strawberry

from db.actors import mutes, profiles, users
from db.actors.actor_preferences import preferences_in
from db.models import InterestSource, MuteKind, Role, TermKind
from resolvers.catalog.catalog_types import User, user_by_id
from resolvers.common.context import Context, Info
from resolvers.common.descriptions import object_type
from resolvers.common.enums import ViewerKind, register_enum
from resolvers.common.field_costs import Cost, computed
from resolvers.common.global_ids import bad_cursor, decode_cursor, encode_cursor, viewer_global_id
from resolvers.common.relay import DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE, After, Connection, First, validate_first
from resolvers.common.user_errors import UserError, attempt
from scoring.tunables import READ_HIDDEN_DAYS

PERSONALIZED = "Whether feeds use your profile. If not, `forYou` is the same for everybody; mutes still apply."
USE_INTERESTS = "Whether interests influence the ranking: stated interests, onboarding answers and learned interests."
LEARN_FROM_VIEWS = "Whether views and clicks influence the ranking."
LEARN_FROM_LIKES = "Whether likes, saves, comments and follows influence the ranking."
SOCIAL_SIGNALS = (
    "Whether interactions of other people influence the ranking: visitors, and likes of people with similar taste."
)
SHOW_READ = (
    "Whether `forYou` shows projects that you have read like others. If not, it hides a project for "
    f"{READ_HIDDEN_DAYS} days after your last interaction, unless the operator has set another time "
    "(READ_HIDDEN_DAYS), and ranks it behind a page of unread projects afterwards. If `learnFromViews` is off, views "
    "and clicks do not hide a project."
)
DISCOVERY = (
    "The preference between familiar (0) and new (100) tools, categories and topics. 50 is neutral. Explanations "
    "show it as the signal `novelty`."
)


@object_type
class PersonalizationSettings:
    """Your settings for personalization.

    Signals that are switched off contribute nothing to scores; see `Contribution.switchedOff`.
    """

    personalized: Annotated[bool, PERSONALIZED]
    use_interests: Annotated[bool, USE_INTERESTS]
    learn_from_views: Annotated[bool, LEARN_FROM_VIEWS]
    learn_from_likes: Annotated[bool, LEARN_FROM_LIKES]
    social_signals: Annotated[bool, SOCIAL_SIGNALS]
    show_read: Annotated[bool, SHOW_READ]
    discovery: Annotated[int, DISCOVERY]


class PublicInterestSource(StrEnum):
    """Sources of interests in the graph."""

    MANUAL = "manual"
    IMPORTED = "imported"
    LEARNED = "learned"


register_enum(
    PublicInterestSource,
    "InterestSource",
    "The source of an interest.",
    {
        "MANUAL": "Stated by the viewer, in settings or onboarding. The confidence is 1.",
        "IMPORTED": "Sent by the platform.",
        "LEARNED": (
            "Learned from interactions. The confidence rises with their number, falls with time and stays below 1."
        ),
    },
)


@object_type
class Interest:
    """A tool, category or topic that a viewer is interested in."""

    key: Annotated[str, "The platform's own id of the tool, category or topic."]
    name: Annotated[str, "The name."]
    kind: Annotated[TermKind, "The kind."]
    confidence: Annotated[float, "The confidence, 0 to 1."]
    source: Annotated[PublicInterestSource, "The source."]
    from_onboarding: Annotated[
        bool, "Whether the interest came from an onboarding answer, and is removed if the answer is deleted."
    ]
    since: Annotated[datetime, "When the interest was added."]


async def interests_of(context: Context) -> list[Interest]:
    """Return the viewer's interests, highest confidence first."""
    viewer = await context.viewer()
    interests = []
    if viewer.actor_id is not None:
        interests = await profiles.interests_of(context.stores.database, viewer.actor_id)
    return [
        Interest(
            key=interest.key,
            name=interest.name,
            kind=interest.kind,
            confidence=interest.confidence,
            source=PublicInterestSource.MANUAL
            if interest.source == InterestSource.QUIZ
            else PublicInterestSource(interest.source),
            from_onboarding=interest.source == InterestSource.QUIZ,
            since=interest.since,
        )
        for interest in interests
    ]


@object_type
class Mute:
    """Something that you muted. Applies to all feeds except `similar` and a `search` that is not personalized."""

    kind: Annotated[MuteKind, "The kind."]
    key: Annotated[str, "The platform's own id, for `unmute`."]
    name: Annotated[str, "The name or title."]
    since: Annotated[datetime, "When you muted it."]

    @classmethod
    def from_muted(cls, muted: mutes.Muted) -> Self:
        """Convert a mute."""
        return cls(kind=muted.kind, key=muted.key, name=muted.name, since=muted.since)


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
    record: strawberry.Private[users.Viewer]

    @computed()
    async def user(self, info: Info) -> User | None:
        """The public profile; null without a token, and before the first interaction of a new user."""
        return await user_by_id(info, self.record.user_id)

    @computed(Cost(60, default_size=30))
    async def interests(self, info: Info) -> list[Interest]:
        """The viewer's interests, highest confidence first."""
        return await interests_of(info.context)

    @computed()
    def personalization_settings(self) -> PersonalizationSettings:
        """The viewer's settings for personalization."""
        return PersonalizationSettings(**preferences_in(self.record.settings).model_dump())

    @computed(Cost(60, 2, "first", MAX_PAGE_SIZE))
    async def mutes(self, info: Info, first: First = DEFAULT_PAGE_SIZE, after: After = None) -> Connection[Mute]:
        """The viewer's mutes, latest first."""
        first = validate_first(first)
        before_id = None if after is None else _mute_id(after)
        database = info.context.stores.database
        muted_page = await mutes.mutes_of(database, self.record.actor_id, first + 1, before_id)
        items = [(encode_cursor("mute", muted.id), Mute.from_muted(muted)) for muted in muted_page]
        return Connection.from_items(items, first, has_previous=before_id is not None)


def _mute_id(cursor: str) -> int:
    match decode_cursor(cursor):
        case ["mute", int(id_)] if type(id_) is int and 0 <= id_ < 2**63:
            return id_
    raise bad_cursor()


async def current_viewer(info: Info) -> Viewer:
    """Return the current viewer."""
    viewer = await info.context.viewer()
    return Viewer(
        id=viewer_global_id("Viewer", viewer.user_key, viewer.session_key),
        kind=viewer_kind_of(viewer),
        key=viewer.user_key,
        role=await info.context.role(),
        version=viewer.version,
        record=viewer,
    )


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


@object_type
class ViewerPayload:
    """The return value of a mutation that changes data of the viewer."""

    user_errors: Annotated[list[UserError], "The errors in the input; empty on success."]

    @computed()
    async def viewer(self, info: Info) -> Viewer:
        """The viewer after the change."""
        return await current_viewer(info)


@object_type
class ChangePayload(ViewerPayload):
    """The return value of a mutation that changes data of the viewer. A repeated mutation changes nothing."""

    changed: Annotated[bool, "Whether the request changed anything; false if repeated, and on error."]

    @classmethod
    async def from_use_case(cls, use_case: Callable[[], Awaitable[bool]]) -> Self:
        """Run a use case that returns whether anything changed."""
        changed, errors = await attempt(use_case, False)
        return cls(changed=changed, user_errors=errors)
