"""The subscription to changes of feeds."""

from collections.abc import AsyncGenerator
from datetime import datetime
from typing import Annotated

import strawberry

from db.actors.actor_versions import ActorKeys, ActorVersion
from db.models import FeedKind
from resolvers.common.context import Info
from resolvers.common.descriptions import object_type
from resolvers.common.enums import register_enum
from resolvers.common.errors import InvalidArgument
from resolvers.common.field_costs import Cost, subscription
from resolvers.common.optional_arguments import unset_to_none
from scoring.feed_changes import WATCHABLE_FEEDS, FeedChangeReason

register_enum(
    FeedChangeReason,
    "FeedChangeReason",
    "Why a feed changed.",
    {
        "VIEWER": "You interacted, here or on another device, or the platform changed your data.",
        "MODEL": "Another ranking model became active.",
        "PEOPLE": "Interactions of other people changed the first ranks.",
        "CATALOG": "Projects were added or removed.",
    },
)


@object_type
class FeedChanged:
    """A change of a feed. Query its first page again to see it. Later pages of the old ranking stay valid."""

    feed: Annotated[FeedKind, "The feed."]
    reason: Annotated[FeedChangeReason, "The reason of the change; the latest of several."]
    version: Annotated[
        int,
        "The current `Viewer.version`. If the reason is VIEWER and a mutation already returned this version, the "
        "event reports that mutation.",
    ]
    at: Annotated[datetime, "When the change was noticed."]


@object_type
class Subscription:
    """Subscriptions, over a WebSocket (graphql-transport-ws) or server-sent events."""

    @subscription(Cost(200))
    async def feed_changed(
        self,
        info: Info,
        feeds: Annotated[
            list[FeedKind],
            strawberry.argument(
                description=(
                    "The feeds to report: FOR_YOU, TRENDING, POPULAR, NEWEST. Search results and similar projects "
                    "do not change by themselves."
                )
            ),
        ] = list(WATCHABLE_FEEDS),  # noqa: B006 (Strawberry writes it into the schema)
        since: Annotated[
            int | None,
            strawberry.argument(
                description=(
                    "The last known `Viewer.version`. If the current version differs, an event is sent at once, "
                    "so that no change is missed between a query and the subscription."
                )
            ),
        ] = strawberry.UNSET,
    ) -> AsyncGenerator[FeedChanged, None]:
        """Report changes of feeds within seconds.

        Changes in quick succession are reported once. Changes before the subscription are not reported; pass `since`
        for that.
        """
        wanted = frozenset(feeds)
        if not wanted or not wanted <= set(WATCHABLE_FEEDS):
            raise InvalidArgument(
                f"`feeds` must name one or more of {', '.join(kind.name for kind in WATCHABLE_FEEDS)}."
            )
        changes, caller = info.context.changes, info.context.caller
        if changes is None:
            raise InvalidArgument("Subscriptions are off (SUBSCRIPTIONS).")
        who = ActorKeys(caller.user_key, caller.session_key)
        since = unset_to_none(since)
        stood = await changes.version_of(who)
        with changes.notification_queue(
            who, wanted, stood if since is None else ActorVersion(stood.actor_id, since)
        ) as box:
            while told := await box.take():
                for change in told:
                    yield FeedChanged(feed=change.feed, reason=change.reason, version=change.version, at=change.at)
