"""Log of served pages: collected in memory, written in batches, kept for `RETENTION`, and read for training."""

from collections import OrderedDict, deque
from collections.abc import Hashable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import bindparam, delete, func, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from db.database.column_types import ACTOR_ID, IDS, SINCE, TextList, in_list
from db.database.engine import Database, Rows
from db.models import (
    ENGAGEMENT_BIT,
    Actor,
    CustomInteractionType,
    FeedKind,
    Interaction,
    InteractionType,
    ServedPage,
    now,
)

RETENTION = timedelta(days=7)
_MAX_WAITING = 2_000
"""Maximum number of pages waiting to be written. If there are more, the oldest are dropped and counted."""

_EXISTING_ACTORS = (
    select(Actor.id).where(in_list(Actor.id, IDS)).order_by(Actor.id).with_for_update(read=True, key_share=True)
)


class ServedPageLog:
    """Served pages that wait until `flush` writes them; a crash loses them. `lost` counts dropped pages."""

    def __init__(self, database: Database, max_recent: int = 10_000) -> None:
        self._database = database
        self._max_recent = max_recent
        self._waiting: deque[dict[str, Any]] = deque()
        self._recent: OrderedDict[Hashable, None] = OrderedDict()
        self.lost = 0

    def is_new(self, page: Hashable) -> bool:
        """Return whether this page is not among the last `max_recent` pages of this process.

        A page that a viewer reads again shows nothing new, so it is logged only once.
        """
        if page in self._recent:
            return False
        self._recent[page] = None
        if len(self._recent) > self._max_recent:
            self._recent.popitem(last=False)
        return True

    def add(self, **page: Any) -> None:
        """Add a page. The argument names are columns of `ServedPage`."""
        if len(self._waiting) >= _MAX_WAITING:
            self._waiting.popleft()
            self.lost += 1
        self._waiting.append(page)

    async def flush(self) -> int:
        """Write the waiting pages; return their number. Pages of actors deleted meanwhile are dropped."""
        pages, self._waiting = self._waiting, deque()
        if not pages:
            return 0
        try:
            async with self._database.write() as connection:
                ids = sorted({page["actor_id"] for page in pages if page["actor_id"] is not None})
                existing_actor_ids = {None, *await connection.scalars(_EXISTING_ACTORS, {"ids": ids})}
                if rows := [page for page in pages if page["actor_id"] in existing_actor_ids]:
                    await connection.execute(insert(ServedPage), rows)
        except BaseException:  # also after a cancellation, the pages wait for the next flush
            self._waiting.extendleft(reversed(pages))
            raise
        return len(pages)

    async def expire(self) -> None:
        """Delete the pages older than `RETENTION`."""
        async with self._database.write() as connection:
            await connection.execute(delete(ServedPage).where(ServedPage.at < now() - RETENTION))


class LoggedPage(NamedTuple):
    """A served page of For You, with a sample of other candidates of the ranking.

    The fields are columns of `ServedPage`. `values` and `sampled_values` are (n, signals) matrices of little-endian
    float32. `sampled_share` is the probability with which each other candidate was sampled.
    """

    snapshot_id: str
    actor_id: int
    at: datetime
    first_rank: int
    projects: list[int]
    signals: list[str]
    values: bytes
    sampled: list[int]
    sampled_values: bytes
    sampled_share: float


_PERSONAL_PAGES = (
    select(*(getattr(ServedPage, name) for name in LoggedPage._fields))
    .where(ServedPage.at >= SINCE, ServedPage.feed_kind == FeedKind.FOR_YOU, ServedPage.actor_id.is_not(None))
    .where(ServedPage.sampled_share > 0)
    .order_by(ServedPage.at.desc(), ServedPage.id.desc())
    .limit(bindparam("limit"))
)
_IMPRESSIONS = (
    select(Interaction.snapshot_id, Interaction.actor_id, Interaction.project_id)
    .where(Interaction.at >= SINCE, Interaction.type == InteractionType.IMPRESSION)
    .where(Interaction.snapshot_id.is_not(None))
)
_IS_POSITIVE = (
    select(CustomInteractionType.name)
    .where(CustomInteractionType.name == Interaction.type, CustomInteractionType.is_active)
    .where(func.coalesce(Interaction.value, 0.0) >= CustomInteractionType.positive_from)
    .exists()
)
_ENGAGING = select(Interaction.actor_id, Interaction.project_id, Interaction.at).where(
    Interaction.at >= SINCE, or_(Interaction.type.in_([*ENGAGEMENT_BIT]), _IS_POSITIVE)
)


async def personal_pages(database: Database, since: datetime, limit: int) -> list[LoggedPage]:
    """Read up to `limit` pages of For You with sampled candidates since a time, latest first."""
    return [LoggedPage(*row) for row in await database.fetch(_PERSONAL_PAGES, {"since": since, "limit": limit})]


async def impressions(database: Database, since: datetime) -> Rows:
    """Read `snapshot_id`, `actor_id` and `project_id` of the impressions since a time that have a ranking snapshot."""
    return await database.fetch(_IMPRESSIONS, {"since": since})


async def engaging_interactions(database: Database, since: datetime) -> Rows:
    """Read `actor_id`, `project_id` and `at` of the interactions since a time that count as engagement."""
    return await database.fetch(_ENGAGING, {"since": since})


class ShownProject(NamedTuple):
    """A project and the ranking snapshot of an interaction, as sent by the client."""

    project_id: int
    snapshot_id: str | None


_PAGES = select(ServedPage.snapshot_id, ServedPage.actor_id, ServedPage.projects).where(
    (ServedPage.actor_id == ACTOR_ID) | in_list(ServedPage.snapshot_id, bindparam("snapshots", type_=TextList()))
)


async def were_served(connection: AsyncConnection, actor_id: int, shown_projects: Sequence[ShownProject]) -> list[bool]:
    """Return for each project whether a logged page contains it, in one statement.

    Pages served to the actor are searched, and pages of the snapshot that were served to a viewer without an actor. A
    page is found from about a second after it was served until `RETENTION` has passed.
    """
    snapshot_ids = sorted({project.snapshot_id for project in shown_projects if project.snapshot_id is not None})
    projects_of_actor: set[int] = set()
    projects_by_snapshot: dict[str, set[int]] = {}
    for page in await connection.execute(_PAGES, {"actor": actor_id, "snapshots": snapshot_ids}):
        if page.actor_id == actor_id:
            projects_of_actor.update(page.projects)
        elif page.actor_id is None:
            projects_by_snapshot.setdefault(page.snapshot_id, set()).update(page.projects)
    return [
        project.project_id in projects_of_actor
        or project.project_id in projects_by_snapshot.get(project.snapshot_id or "", ())
        for project in shown_projects
    ]
