"""The log of what was served: noted without waiting, written in batches, kept for 7 days; and what came of it."""

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
_MOST = 2_000
"""Pages that may wait to be written; beyond that the oldest are lost, and counted: serving must not wait for a log."""

_LIVING = (
    select(Actor.id)
    .where(in_list(Actor.id, bindparam("ids", type_=IntegerList())))
    .order_by(Actor.id)
    .with_for_update(read=True, key_share=True)
)


async def _of_the_living(connection: AsyncConnection, pages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave out the pages of actors that were deleted while they waited: they would keep all others out."""
    ids = sorted({page["actor_id"] for page in pages if page["actor_id"] is not None})
    living = {None, *await connection.scalars(_LIVING, {"ids": ids})}
    return [page for page in pages if page["actor_id"] in living]


class ServedPageLog:
    """Collects served pages in memory until `flush` writes them; a crash loses what was not written yet.

    Attributes
    ----------
    lost
        Pages that were dropped because writing did not keep up.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: deque[dict[str, Any]] = deque()
        self.lost = 0

    def note(self, **page: Any) -> None:
        """Remember a page; the names are the columns of `ServedPage`."""
        if len(self._waiting) >= _MOST:
            self._waiting.popleft()
            self.lost += 1
        self._waiting.append(page)

    async def flush(self) -> int:
        """Write what has been noted since the last time, and give how many pages that were."""
        pages, self._waiting = self._waiting, deque()
        if not pages:
            return 0
        try:
            async with self._database.write() as connection:
                if known := await _of_the_living(connection, pages):
                    await connection.execute(insert(ServedPage), known)
        except BaseException:  # also when we are canceled: what was not written waits for the last flush
            self._waiting.extendleft(reversed(pages))
            raise
        return len(pages)

    async def expire(self) -> None:
        """Forget pages that were served more than `RETENTION` ago."""
        async with self._database.write() as connection:
            await connection.execute(delete(ServedPage).where(ServedPage.at < now() - RETENTION))


class LoggedPage(NamedTuple):
    """A page of a personal feed as it was served, with a sample of the ranking's other candidates.

    `values` and `sampled_values` are (n, signals) matrices of float32, little-endian, row by row; `sampled_share` is
    the chance with which each of the others was taken.
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
    """A client's word that a viewer saw a project in a ranking."""

    snapshot_id: str
    actor_id: int
    project_id: int


class EngagingInteraction(NamedTuple):
    """Something that an actor did with a project, however it was found."""

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
_SEEN = (
    select(Interaction.snapshot_id, Interaction.actor_id, Interaction.project_id)
    .where(Interaction.at >= _SINCE, Interaction.type == InteractionType.IMPRESSION)
    .where(Interaction.snapshot_id.is_not(None))
)
_DONE = select(Interaction.actor_id, Interaction.project_id, Interaction.at).where(
    Interaction.at >= _SINCE, Interaction.type.not_in((InteractionType.IMPRESSION, InteractionType.DISMISS))
)


async def personal_pages(database: Database, since: datetime, limit: int) -> list[LoggedPage]:
    """Read the pages of For You that were served since a moment and can be learned from, the latest first."""
    return [LoggedPage(*row) for row in await database.fetch(_PERSONAL, {"since": since, "limit": limit})]


async def impressions(database: Database, since: datetime) -> list[Impression]:
    """Read what viewers were shown of a ranking since a moment, as clients report it."""
    return [Impression(*row) for row in await database.fetch(_SEEN, {"since": since})]


async def engaging_interactions(database: Database, since: datetime) -> list[EngagingInteraction]:
    """Read all that was done with projects since a moment: every kind of engagement."""
    return [EngagingInteraction(*row) for row in await database.fetch(_DONE, {"since": since})]


class ShownProject(NamedTuple):
    """A project that an actor came to, and the ranking that the client says it was in."""

    project_id: int
    snapshot_id: str | None


_PAGES = select(ServedPage.snapshot_id, ServedPage.actor_id, ServedPage.projects).where(
    (ServedPage.actor_id == bindparam("actor", type_=BigIntId))
    | in_list(ServedPage.snapshot_id, bindparam("snapshots", type_=TextList()))
)


async def were_served(connection: AsyncConnection, actor_id: int, shown: Sequence[ShownProject]) -> list[bool]:
    """Tell for each project whether a page that was served held it, in one statement.

    The page is one of the actor's own, whatever the client says, or the one that it names, if that was served to the
    actor or to somebody who had no actor yet. Pages are known some `RETENTION`, from about a second after they were served.
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
