"""Notification of viewers whose feed has changed.

A feed changes when its viewer interacts on another device, when a model is activated, or when other people or the
catalog change a shared feed. Each process has one watcher for all its subscribed viewers. The watcher reads their
versions after each notification of a write. It also reads them every few seconds, because a notification can be lost.
It reads the shared feeds every 30 seconds. The queue of a viewer holds only the latest change of each feed, so it
cannot grow.
"""

import asyncio
import random
import time
from collections.abc import Iterable, Iterator, Set
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from db.actors.users import ANONYMOUS_VIEWER, UNKNOWN_VERSION, ActorVersion, versions_by_session, versions_by_user
from db.catalog.project_cards import ProjectFilter
from db.database.engine import Database
from db.errors import StoreUnavailable
from db.feed_change_notifier import FeedChangeNotifier
from db.models import FeedKind, now
from scoring.feeds import Feeds
from scoring.mathematics.velocity import Window
from scoring.use_cases.unit_of_work import Caller

WATCHABLE_FEEDS = (FeedKind.FOR_YOU, FeedKind.TRENDING, FeedKind.POPULAR, FeedKind.NEWEST)
"""Feeds whose changes can be subscribed to."""

TOP_SIZE = 12  # a shared feed has changed when the set of its first 12 projects has changed


class FeedChangeReason(StrEnum):
    """Reasons for the change of a feed."""

    VIEWER = "viewer"
    MODEL = "model"
    PEOPLE = "people"
    CATALOG = "catalog"


class FeedChange(NamedTuple):
    """Change of a feed; `version` is the viewer's version and `at` the time when it was detected."""

    feed: FeedKind
    reason: FeedChangeReason
    version: int
    at: datetime


@dataclass(frozen=True, slots=True)
class NotificationTiming:
    """Intervals of checks and notifications, in seconds."""

    min_check_s: float = 0.5  # shortest time between two reads of the viewers' versions
    max_check_s: float = 3.0  # longest time between them, without notifications from other processes
    notified_s: float = 15.0  # longest time between them, with notifications
    shared_check_s: float = 30.0  # between two reads of the shared feeds
    min_notice_s: float = 1.0  # shortest time between two notifications of one viewer
    spread_s: float = 10.0  # a change for all viewers is announced within it, so that not all request at once


DEFAULT_TIMING = NotificationTiming()


class NotificationQueue:
    """Queue of pending changes for one viewer; `version` is the viewer's version at the last check."""

    def __init__(self, caller: Caller, feeds: Set[FeedKind], version: ActorVersion, min_notice_s: float) -> None:
        self.caller = caller
        self.feeds = feeds
        self.version = version
        self._min_notice_s = min_notice_s
        self._pending: dict[FeedKind, tuple[float, FeedChange]] = {}
        self._not_before = 0.0
        self._changed = asyncio.Event()
        self._is_closed = False

    def put(self, change: FeedChange, after_s: float = 0.0) -> None:
        """Add a change, due in `after_s` seconds. It replaces a pending change; an earlier due time is kept."""
        if change.feed in self.feeds:
            due = time.monotonic() + after_s
            pending_due, _ = self._pending.get(change.feed, (due, change))
            self._pending[change.feed] = min(due, pending_due), change
            self._changed.set()

    def close(self) -> None:
        """Close the queue; `take` then returns an empty list."""
        self._is_closed = True
        self._changed.set()

    async def take(self) -> list[FeedChange]:
        """Wait for changes and return them. The list is empty once the queue is closed."""
        while not self._is_closed:
            due, now_s = self._due(), time.monotonic()
            if due is not None and due <= now_s:
                self._not_before = now_s + self._min_notice_s
                ready = [feed for feed, (at, _) in self._pending.items() if at <= now_s]
                return [self._pending.pop(feed)[1] for feed in ready]
            self._changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(None if due is None else due - now_s):
                    await self._changed.wait()
        return []

    def _due(self) -> float | None:
        if not self._pending:
            return None
        return max(self._not_before, min(due for due, _ in self._pending.values()))


class FeedChangeWatcher:
    """Watcher that notifies all subscribed viewers of this process.

    `feeds` must have no log of served pages, because the watcher reads pages that nobody is shown.
    """

    def __init__(
        self,
        database: Database,
        feeds: Feeds,
        notifier: FeedChangeNotifier,
        timing: NotificationTiming = DEFAULT_TIMING,
    ) -> None:
        self._database = database
        self._feeds = feeds
        self._notifier = notifier
        self._timing = timing
        self._queues: set[NotificationQueue] = set()
        self._notified = asyncio.Event()
        self._tops: dict[FeedKind, frozenset[int]] = {}
        self._model: str | None = None
        self._is_closed = False
        notifier.subscribe(self._notified.set)

    @property
    def waiting(self) -> int:
        """Number of open queues."""
        return len(self._queues)

    async def version_of(self, caller: Caller) -> ActorVersion:
        """Return the current version of a viewer."""
        return (await self._versions([caller]))[caller]

    async def _versions(self, callers: Iterable[Caller]) -> dict[Caller, ActorVersion]:
        """Read the versions of viewers, in at most two statements. A user's token takes precedence over a session."""
        user_keys = {caller.user_key for caller in callers if caller.user_key is not None}
        session_keys = {
            caller.session_key for caller in callers if caller.user_key is None and caller.session_key is not None
        }
        by_user = await versions_by_user(self._database, user_keys)
        by_session = await versions_by_session(self._database, session_keys)
        return {
            caller: by_session.get(caller.session_key or "", UNKNOWN_VERSION)
            if caller.user_key is None
            else by_user.get(caller.user_key, UNKNOWN_VERSION)
            for caller in callers
        }

    @contextmanager
    def notification_queue(
        self, caller: Caller, feeds: Set[FeedKind], version: ActorVersion
    ) -> Iterator[NotificationQueue]:
        """Open a queue for a viewer; `version` is the last version that the client knows."""
        queue = NotificationQueue(caller, feeds, version, self._timing.min_notice_s)
        if self._is_closed:
            queue.close()
        self._queues.add(queue)
        self._notified.set()  # the version may have changed meanwhile
        try:
            yield queue
        finally:
            self._queues.discard(queue)

    def close(self) -> None:
        """Close all queues. A queue that is opened later is closed at once."""
        self._is_closed = True
        for queue in self._queues:
            queue.close()

    async def run(self, stop: asyncio.Event) -> None:
        """Watch until `stop` is set. While a store is unavailable, each check is tried again at the next interval."""
        async with asyncio.TaskGroup() as tasks:
            watching = [tasks.create_task(self._watch_viewers()), tasks.create_task(self._watch_shared())]
            await stop.wait()
            self.close()
            for task in watching:
                task.cancel()

    async def _watch_viewers(self) -> None:
        while True:
            max_wait_s = self._timing.notified_s if self._notifier.receives_remote else self._timing.max_check_s
            with suppress(TimeoutError):
                async with asyncio.timeout(max_wait_s):
                    await self._notified.wait()
            self._notified.clear()
            if self._queues:
                with suppress(StoreUnavailable):
                    await self._check_viewers()
            await asyncio.sleep(self._timing.min_check_s)

    async def _check_viewers(self) -> None:
        queues = list(self._queues)
        versions = await self._versions({queue.caller for queue in queues})
        for queue in queues:
            version = versions[queue.caller]
            if version != queue.version:
                queue.version = version
                queue.put(FeedChange(FeedKind.FOR_YOU, FeedChangeReason.VIEWER, version.version, now()))

    async def _watch_shared(self) -> None:
        while True:
            if self._queues:
                with suppress(StoreUnavailable):
                    await self._check_shared()
            else:
                self._tops.clear()  # the next subscriber has read the feeds as they are then
                self._model = None
            await asyncio.sleep(self._timing.shared_check_s)

    async def _check_shared(self) -> None:
        model = (await self._feeds.model()).name
        if self._model not in (None, model):
            self._notify_all(FeedKind.FOR_YOU, FeedChangeReason.MODEL)
        self._model = model
        shared_feeds = {feed for queue in self._queues for feed in queue.feeds} - {FeedKind.FOR_YOU}
        for feed in sorted(shared_feeds):
            top = await self._top(feed)
            if self._tops.get(feed, top) != top:
                reason = FeedChangeReason.CATALOG if feed is FeedKind.NEWEST else FeedChangeReason.PEOPLE
                self._notify_all(feed, reason)
            self._tops[feed] = top

    async def _top(self, feed: FeedKind) -> frozenset[int]:
        no_filter = ProjectFilter()
        if feed is FeedKind.TRENDING:
            page = await self._feeds.trending(ANONYMOUS_VIEWER, Window.DAY, TOP_SIZE, None, no_filter)
        else:
            shared_feed = self._feeds.popular if feed is FeedKind.POPULAR else self._feeds.newest
            page = await shared_feed(ANONYMOUS_VIEWER, TOP_SIZE, None, no_filter)
        return frozenset(entry.project_id for entry in page.entries)

    def _notify_all(self, feed: FeedKind, reason: FeedChangeReason) -> None:
        at = now()
        for queue in self._queues:
            queue.put(FeedChange(feed, reason, queue.version.version, at), random.uniform(0, self._timing.spread_s))  # noqa: S311
