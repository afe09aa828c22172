"""Log of served pages: collected in memory, written in batches, kept for 7 days, and read for training."""

from collections import deque
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import bindparam, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from db.database.column_types import BigIntId, IntegerList, TextList, UtcDateTime, in_list
from db.database.engine import Database
from db.models import Actor, FeedKind, Interaction, InteractionType, ServedPage, now

RETENTION = timedelta(days=7)
_MAX_WAITING = 2_000
"""Pages waiting to be written; beyond that the oldest are dropped and counted, so that serving never waits."""

_EXISTING_ACTORS = (
    select(Actor.id)
    .where(in_list(Actor.id, bindparam("ids", type_=IntegerList())))
    .order_by(Actor.id)
    .with_for_update(read=True, key_share=True)
)


class ServedPageLog:
    """Collects served pages until `flush` writes them; a crash loses the waiting ones. `lost` counts dropped pages."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: deque[dict[str, Any]] = deque()
        self.lost = 0

    def note(self, **page: Any) -> None:
        """Add a page; the names are the columns of `ServedPage`."""
        if len(self._waiting) >= _MAX_WAITING:
            self._waiting.popleft()
            self.lost += 1
        self._waiting.append(page)

    async def flush(self) -> int:
        """Write the waiting pages; return their number. Pages of actors deleted in between are left out."""
        pages, self._waiting = self._waiting, deque()
        if not pages:
            return 0
        try:
            async with self._database.write() as connection:
                ids = sorted({page["actor_id"] for page in pages if page["actor_id"] is not None})
                existing = {None, *await connection.scalars(_EXISTING_ACTORS, {"ids": ids})}
                if rows := [page for page in pages if page["actor_id"] in existing]:
                    await connection.execute(insert(ServedPage), rows)
        except BaseException:  # after a cancellation too, the pages wait for the last flush
            self._waiting.extendleft(reversed(pages))
            raise
        return len(pages)

    async def expire(self) -> None:
        """Delete the pages older than `RETENTION`."""
        async with self._database.write() as connection:
            await connection.execute(delete(ServedPage).where(ServedPage.at < now() - RETENTION))


class LoggedPage(NamedTuple):
    """A served page of For You, with a sample of the ranking's other candidates.

    `values` and `sampled_values` are (n, signals) matrices of float32, little-endian, row by row; `sampled_share` is
    the probability with which each other candidate was sampled.
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


class Impression(NamedTuple):
    """An impression of a project in a ranking, as the client reported it."""

    snapshot_id: str
    actor_id: int
    project_id: int


class EngagingInteraction(NamedTuple):
    """An interaction that counts as engagement."""

    actor_id: int
    project_id: int
    at: datetime


_SINCE = bindparam("since", type_=UtcDateTime())
_PERSONAL = (
    select(*(getattr(ServedPage, name) for name in LoggedPage._fields))
    .where(ServedPage.at >= _SINCE, ServedPage.feed_kind == FeedKind.FOR_YOU, ServedPage.actor_id.is_not(None))
    .where(ServedPage.sampled_share > 0)
    .order_by(ServedPage.at.desc(), ServedPage.id.desc())
    .limit(bindparam("limit"))
)
_IMPRESSIONS = (
    select(Interaction.snapshot_id, Interaction.actor_id, Interaction.project_id)
    .where(Interaction.at >= _SINCE, Interaction.type == InteractionType.IMPRESSION)
    .where(Interaction.snapshot_id.is_not(None))
)
_ENGAGING = select(Interaction.actor_id, Interaction.project_id, Interaction.at).where(
    Interaction.at >= _SINCE, Interaction.type.not_in((InteractionType.IMPRESSION, InteractionType.DISMISS))
)


async def personal_pages(database: Database, since: datetime, limit: int) -> list[LoggedPage]:
    """Read the pages of For You since a time that have a sample of candidates, latest first."""
    return [LoggedPage(*row) for row in await database.fetch(_PERSONAL, {"since": since, "limit": limit})]


async def impressions(database: Database, since: datetime) -> list[Impression]:
    """Read the impressions in rankings since a time."""
    return [Impression(*row) for row in await database.fetch(_IMPRESSIONS, {"since": since})]


async def engaging_interactions(database: Database, since: datetime) -> list[EngagingInteraction]:
    """Read the interactions of every kind of engagement since a time."""
    return [EngagingInteraction(*row) for row in await database.fetch(_ENGAGING, {"since": since})]


class ShownProject(NamedTuple):
    """A project of an interaction, and the ranking snapshot that the client names."""

    project_id: int
    snapshot_id: str | None


_PAGES = select(ServedPage.snapshot_id, ServedPage.actor_id, ServedPage.projects).where(
    (ServedPage.actor_id == bindparam("actor", type_=BigIntId))
    | in_list(ServedPage.snapshot_id, bindparam("snapshots", type_=TextList()))
)


async def were_served(connection: AsyncConnection, actor_id: int, shown: Sequence[ShownProject]) -> list[bool]:
    """Tell for each project whether a logged page held it, in one statement.

    The page is any of the actor's own, or the named one if it was served to no actor. Pages are known for about
    `RETENTION`, from about a second after they were served.
    """
    named = sorted({one.snapshot_id for one in shown if one.snapshot_id is not None})
    own: set[int] = set()
    by_snapshot: dict[str, set[int]] = {}
    for page in await connection.execute(_PAGES, {"actor": actor_id, "snapshots": named}):
        if page.actor_id == actor_id:
            own.update(page.projects)
        elif page.actor_id is None:
            by_snapshot.setdefault(page.snapshot_id, set()).update(page.projects)
    return [one.project_id in own or one.project_id in by_snapshot.get(one.snapshot_id or "", ()) for one in shown]
