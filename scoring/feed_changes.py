"""Telling viewers that a feed of theirs is not what it was: their own acts elsewhere, another model, the crowd.

One watcher in each process looks for all who wait there: at the versions of the viewers after each write (or every few
seconds, for writes that nobody hinted at), and now and then at what everybody is shown. Each viewer has a mailbox that
holds one change of each feed, the latest: somebody who reads slowly, or acts fast, makes no queue.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterator, Set
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from db.actors.actor_versions import ActorKeys, ActorVersion, versions_of
from db.actors.users import ANONYMOUS_VIEWER
from db.catalog.project_cards import ProjectFilter
from db.database.engine import Database
from db.errors import StoreUnavailable
from db.feed_change_notifier import FeedChangeNotifier
from db.models import FeedKind, now
from scoring.feeds import Feeds
from scoring.mathematics.velocity import Window

WATCHABLE_FEEDS = (FeedKind.FOR_YOU, FeedKind.TRENDING, FeedKind.POPULAR, FeedKind.NEWEST)
"""The feeds whose changes can be waited for; a search or a likeness is asked for once."""

TOP_SIZE = 12
"""Projects at the top of a shared feed: it has changed when others are among them. What moves further down, or trades
places, is not worth anybody's attention."""


class FeedChangeReason(StrEnum):
    """Why a feed is not what it was."""

    VIEWER = "viewer"
    MODEL = "model"
    PEOPLE = "people"
    CATALOG = "catalog"


@dataclass(frozen=True, slots=True)
class FeedChange:
    """A feed is not what it was.

    Attributes
    ----------
    version
        The viewer's, when this was found out.
    at
        When it was found out.
    """

    feed: FeedKind
    reason: FeedChangeReason
    version: int
    at: datetime


@dataclass(frozen=True, slots=True)
class NotificationTiming:
    """How often is looked and told, in seconds.

    Attributes
    ----------
    min_check_s
        The least time between two looks at the viewers' versions, however much is written.
    max_check_s, notified_s
        The most time between two, while the hints of other processes do not arrive, and while they do.
    shared_check_s
        Between two looks at what everybody is shown.
    min_notice_s
        The least time between two changes that one viewer is told of.
    spread_s
        What concerns everybody is told within this time, to each at a moment of their own: they all come back for it.
    """

    min_check_s: float = 0.5
    max_check_s: float = 3.0
    notified_s: float = 15.0
    shared_check_s: float = 30.0
    min_notice_s: float = 1.0
    spread_s: float = 10.0


DEFAULT_TIMING = NotificationTiming()

Top = Callable[[FeedKind], Awaitable[frozenset[int]]]
"""Gives the projects at the top of a feed that everybody shares."""


class NotificationQueue:
    """What one viewer is still to be told.

    Parameters
    ----------
    who, feeds
        Whose it is, and what they want to be told of.
    version
        Where they stood when they were looked at last.
    """

    def __init__(self, who: ActorKeys, feeds: Set[FeedKind], version: ActorVersion, min_notice_s: float) -> None:
        self.who = who
        self.feeds = feeds
        self.version = version
        self._quiet_s = min_notice_s
        self._waiting: dict[FeedKind, tuple[float, FeedChange]] = {}
        self._not_before = 0.0
        self._changed = asyncio.Event()
        self._is_closed = False

    def put(self, change: FeedChange, after_s: float = 0.0) -> None:
        """Tell of a change, in `after_s` seconds; an earlier one of the same feed that was not told yet is dropped."""
        if change.feed not in self.feeds:
            return
        due = time.monotonic() + after_s
        if change.feed in self._waiting:
            due = min(due, self._waiting[change.feed][0])
        self._waiting[change.feed] = due, change
        self._changed.set()

    def close(self) -> None:
        """Tell nothing more."""
        self._is_closed = True
        self._changed.set()

    async def take(self) -> list[FeedChange]:
        """Wait for changes and take them; none at all when the mailbox is closed."""
        while not self._is_closed:
            due = self._due()
            present = time.monotonic()
            if due is not None and due <= present:
                self._not_before = present + self._quiet_s
                ready = [feed for feed, (at, _) in self._waiting.items() if at <= present]
                return [self._waiting.pop(feed)[1] for feed in ready]
            self._changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(None if due is None else due - present):
                    await self._changed.wait()
        return []

    def _due(self) -> float | None:
        if not self._waiting:
            return None
        return max(self._not_before, min(due for due, _ in self._waiting.values()))


class FeedChangeWatcher:
    """Watches for all viewers who wait in this process.

    Parameters
    ----------
    database
        Where versions are read.
    feeds
        What everybody is shown. What is read here is seen by nobody: give one that notes nothing as served.
    notifier
        Who says that something was written.
    """

    def __init__(
        self, database: Database, feeds: Feeds, notifier: FeedChangeNotifier, pace: NotificationTiming = DEFAULT_TIMING
    ) -> None:
        self._database = database
        self._feeds = feeds
        self._notifier = notifier
        self._pace = pace
        self._boxes: set[NotificationQueue] = set()
        self._notified = asyncio.Event()
        self._tops: dict[FeedKind, frozenset[int]] = {}
        self._model: str | None = None
        self._is_closed = False
        notifier.subscribe(self._notified.set)

    @property
    def waiting(self) -> int:
        """How many mailboxes there are."""
        return len(self._boxes)

    async def version_of(self, who: ActorKeys) -> ActorVersion:
        """Read where a viewer stands."""
        return (await versions_of(self._database, [who]))[who]

    @contextmanager
    def notification_queue(
        self, who: ActorKeys, feeds: Set[FeedKind], version: ActorVersion
    ) -> Iterator[NotificationQueue]:
        """Lend a mailbox to a viewer who stood there when they looked last."""
        box = NotificationQueue(who, feeds, version, self._pace.min_notice_s)
        if self._is_closed:
            box.close()
        self._boxes.add(box)
        self._notified.set()  # something may have changed since they looked
        try:
            yield box
        finally:
            self._boxes.discard(box)

    def close(self) -> None:
        """Tell nobody anything more: every mailbox closes, and so does each that is opened later."""
        self._is_closed = True
        for box in self._boxes:
            box.close()

    async def run(self, stop: asyncio.Event) -> None:
        """Watch until told to stop. A store that is away is asked again at the next look."""
        async with asyncio.TaskGroup() as tasks:
            watching = [tasks.create_task(self._watch_viewers()), tasks.create_task(self._watch_shared())]
            await stop.wait()
            self.close()
            for task in watching:
                task.cancel()

    async def _watch_viewers(self) -> None:
        while True:
            longest = self._pace.notified_s if self._notifier.receives_remote else self._pace.max_check_s
            with suppress(TimeoutError):
                async with asyncio.timeout(longest):
                    await self._notified.wait()
            self._notified.clear()
            if self._boxes:
                with suppress(StoreUnavailable):
                    await self._look_at_viewers()
            await asyncio.sleep(self._pace.min_check_s)

    async def _look_at_viewers(self) -> None:
        boxes = list(self._boxes)
        found = await versions_of(self._database, {box.who for box in boxes})
        for box in boxes:
            version = found[box.who]
            if version != box.version:
                box.version = version
                box.put(FeedChange(FeedKind.FOR_YOU, FeedChangeReason.VIEWER, version.version, now()))

    async def _watch_shared(self) -> None:
        while True:
            if self._boxes:
                with suppress(StoreUnavailable):
                    await self._look_at_shared()
            else:
                self._tops.clear()  # whoever comes next has looked at newer ones
                self._model = None
            await asyncio.sleep(self._pace.shared_check_s)

    async def _look_at_shared(self) -> None:
        model = (await self._feeds.model()).name
        if self._model not in (None, model):
            self._tell_all(FeedKind.FOR_YOU, FeedChangeReason.MODEL)
        self._model = model
        wanted = {feed for box in self._boxes for feed in box.feeds} - {FeedKind.FOR_YOU}
        for feed in sorted(wanted):
            top = await self._top(feed)
            if self._tops.get(feed, top) != top:
                reason = FeedChangeReason.CATALOG if feed is FeedKind.NEWEST else FeedChangeReason.PEOPLE
                self._tell_all(feed, reason)
            self._tops[feed] = top

    async def _top(self, feed: FeedKind) -> frozenset[int]:
        everything = ProjectFilter()
        match feed:
            case FeedKind.TRENDING:
                page = await self._feeds.trending(ANONYMOUS_VIEWER, Window.DAY, TOP_SIZE, None, everything)
            case FeedKind.POPULAR:
                page = await self._feeds.popular(ANONYMOUS_VIEWER, TOP_SIZE, None, everything)
            case _:
                page = await self._feeds.newest(ANONYMOUS_VIEWER, TOP_SIZE, None, everything)
        return frozenset(entry.project_id for entry in page.entries)

    def _tell_all(self, feed: FeedKind, reason: FeedChangeReason) -> None:
        at = now()
        for box in self._boxes:
            box.put(FeedChange(feed, reason, box.version.version, at), random.uniform(0, self._pace.spread_s))  # noqa: S311
