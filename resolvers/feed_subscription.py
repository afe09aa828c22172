"""What a client is told as it happens: that a feed is not what it was."""

from collections.abc import AsyncGenerator
from datetime import datetime
from typing import Annotated

import strawberry

from db.actors.actor_versions import ActorKeys, ActorVersion
from db.models import FeedKind
from resolvers.common.context import Info
from resolvers.common.enums import register_enum
from resolvers.common.errors import InvalidArgument
from resolvers.common.field_costs import Cost, subscription
from resolvers.common.optional_arguments import unset_to_none
from scoring.feed_changes import WATCHABLE_FEEDS, FeedChangeReason

register_enum(
    FeedChangeReason,
    "FeedChangeReason",
    "Why a feed is not what it was.",
    {
        "VIEWER": "You did or said something, here or on another device, or the platform changed what it says of you.",
        "MODEL": "Another ranking model came into service.",
        "PEOPLE": "Other people's doing brought other projects to the top.",
        "CATALOG": "Projects came, or went.",
    },
)


@strawberry.type(
    description="A feed is not what it was: ask for its first page again, at once or when the reader wants it. "
    "Pages that are being walked through stay as they are."
)
class FeedChanged:
    """A change of a feed."""

    feed: FeedKind = strawberry.field(description="Which feed.")
    reason: FeedChangeReason = strawberry.field(
        description="Why it changed, as far as is known; of several the latest."
    )
    version: int = strawberry.field(
        description="Your `Viewer.version` by now. An event of the reason VIEWER whose version a mutation's own answer "
        "has told you already is about that mutation."
    )
    at: datetime = strawberry.field(description="When the change was noticed.")


@strawberry.type(description="What you can be told as it happens: over a WebSocket (graphql-transport-ws) or SSE.")
class Subscription:
    """Every subscription."""

    @subscription(
        "Be told that a feed of yours is not what it was, within seconds. Changes that come fast are told as one. "
        "Nothing is told of how a feed looked before you began: give `since` for that.",
        Cost(200),
    )
    async def feed_changed(
        self,
        info: Info,
        feeds: Annotated[
            list[FeedKind],
            strawberry.argument(
                description="The feeds you want to be told of: FOR_YOU, TRENDING, POPULAR, NEWEST. A search and what "
                "is similar do not change by themselves."
            ),
        ] = list(WATCHABLE_FEEDS),  # noqa: B006 (Strawberry writes it into the schema)
        since: Annotated[
            int | None,
            strawberry.argument(
                description="The `Viewer.version` you know of. If yours is another by now you are told at once, so "
                "that nothing is missed between a page and this, or while you were not connected."
            ),
        ] = strawberry.UNSET,
    ) -> AsyncGenerator[FeedChanged, None]:
        """Tell of changes until the client goes."""
        wanted = frozenset(feeds)
        if not wanted or not wanted <= set(WATCHABLE_FEEDS):
            raise InvalidArgument(
                f"`feeds` must name one or more of {', '.join(kind.name for kind in WATCHABLE_FEEDS)}."
            )
        changes, caller = info.context.changes, info.context.caller
        if changes is None:
            raise InvalidArgument("This gateway tells nothing as it happens: SUBSCRIPTIONS is off.")
        who = ActorKeys(caller.user_key, caller.session_key)
        since = unset_to_none(since)
        stood = await changes.version_of(who)
        with changes.notification_queue(
            who, wanted, stood if since is None else ActorVersion(stood.actor_id, since)
        ) as box:
            while told := await box.take():
                for change in told:
                    yield FeedChanged(feed=change.feed, reason=change.reason, version=change.version, at=change.at)
