"""The subscription to changes of feeds."""

from collections.abc import AsyncGenerator
from datetime import datetime
from typing import Annotated

from db.actors.users import ActorVersion
from db.models import FeedKind
from resolvers.common.context import Info
from resolvers.common.descriptions import object_type
from resolvers.common.enums import register_enum
from resolvers.common.errors import InvalidArgument
from resolvers.common.field_costs import Cost, subscription
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
    """A change of a feed. Query the first page again to see the change. Cursors of the old ranking remain valid."""

    feed: Annotated[FeedKind, "The feed."]
    reason: Annotated[FeedChangeReason, "The reason of the change; the latest reason if there are several."]
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
            "The feeds to report: FOR_YOU, TRENDING, POPULAR, NEWEST. Search results and similar projects "
            "do not change by themselves.",
        ] = list(WATCHABLE_FEEDS),  # noqa: B006 (Strawberry writes it into the schema)
        since: Annotated[
            int | None,
            "The last known `Viewer.version`. If the current version differs, an event is sent at once, "
            "so that no change is missed between a query and the subscription.",
        ] = None,
    ) -> AsyncGenerator[FeedChanged, None]:
        """Report changes of feeds within seconds.

        Changes in quick succession are reported once. To be notified of a change before the subscription, pass `since`.
        """
        requested_feeds = frozenset(feeds)
        if not requested_feeds or not requested_feeds <= set(WATCHABLE_FEEDS):
            raise InvalidArgument(
                f"`feeds` must name one or more of {', '.join(kind.name for kind in WATCHABLE_FEEDS)}."
            )
        changes, caller = info.context.changes, info.context.caller
        if changes is None:
            raise InvalidArgument("Subscriptions are off (SUBSCRIPTIONS).")
        current_version = await changes.version_of(caller)
        known_version = current_version if since is None else ActorVersion(current_version.actor_id, since)
        with changes.notification_queue(caller, requested_feeds, known_version) as queue:
            while notifications := await queue.take():
                for change in notifications:
                    yield FeedChanged(feed=change.feed, reason=change.reason, version=change.version, at=change.at)
