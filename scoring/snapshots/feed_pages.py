"""Pages cut from a ranking snapshot. The unranked projects follow its last rank, newest first.

Every page is checked in the database: projects that became private, archived or deleted, or were dismissed or muted,
are skipped, and the next ranks fill the page.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple, Self

from db.actors.users import Viewer
from db.catalog.project_cards import Keyset, ProjectFilter
from db.errors import Store
from db.models import FeedKind
from db.page_projects import NO_NEEDS, PageNeeds, PageProjects, PageRow
from scoring import tunables
from scoring.errors import FirstOutOfRange, ForeignPosition, SnapshotExpired, UnknownPosition
from scoring.mathematics.signals import MILLIONTHS, Signal
from scoring.ranking import Adjustment, Page, PageEntry, Ranking, Rule, ScoredProject, Strategy
from scoring.snapshots.feed_cursors import Cursor
from scoring.snapshots.snapshot_store import RankingSnapshot, new_id

_EXTRA_RANKS = 20  # ranks read beyond the page; if more are not visible, the page needs a second statement

_FEEDS_WITH_UNRANKED = (FeedKind.FOR_YOU, FeedKind.POPULAR, FeedKind.TRENDING)
"""Feeds that continue with unranked projects. Other feeds end with their last rank, as a search does."""

_BY_NAME = (FeedKind.SEARCH, FeedKind.SIMILAR)
"""Feeds that answer an explicit request. Mutes apply to them only if the snapshot is personal."""

_LAST_ID = 2**62  # above every project id, so that projects created at that time are included


class _Visible(NamedTuple):
    """Entry of a feed that the viewer may see, and the project as read for the page."""

    entry: PageEntry
    row: PageRow


RequestKey = tuple[FeedKind, str, int, Cursor | None, PageNeeds]
"""Request without its viewer, equal for all viewers of a shared page."""


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Validated request of a page."""

    kind: FeedKind
    viewer: Viewer
    where: ProjectFilter
    arguments: str  # digest of the filter and the other arguments, which a cursor must match
    first: int
    after: Cursor | None
    needs: PageNeeds = field(default=NO_NEEDS, compare=False)

    @classmethod
    def checked(
        cls,
        kind: FeedKind,
        viewer: Viewer,
        where: ProjectFilter,
        arguments: str,
        first: int,
        after: str | None,
        needs: PageNeeds = NO_NEEDS,
    ) -> Self:
        """Validate a page's size and parse its cursor.

        Raises `InvalidPageRequest` if `first` is negative or above `tunables.MAX_PAGE_SIZE`, or `after` is no cursor.
        """
        if not 0 <= first <= tunables.MAX_PAGE_SIZE:
            raise FirstOutOfRange(
                f"`first` is {first}; ask for 0 to {tunables.MAX_PAGE_SIZE} and follow endCursor for more"
            )
        return cls(kind, viewer, where, arguments, first, Cursor.decode(after) if after is not None else None, needs)

    @property
    def key(self) -> RequestKey:
        """The request without its viewer."""
        return self.kind, self.arguments, self.first, self.after, self.needs

    @property
    def hidden_owner(self) -> int | None:
        """Owner whose projects are left out: in For You, the viewer."""
        return self.viewer.user_id if self.kind is FeedKind.FOR_YOU else None

    @property
    def rank(self) -> int:
        """Rank after which the page starts."""
        return self.after.rank if self.after else 0

    @property
    def creation_position(self) -> Keyset | None:
        """Position by time of creation after which the page starts; None within the ranks."""
        return self.after.creation_position if self.after else None


async def cut(
    projects: PageProjects,
    snapshot: RankingSnapshot,
    request: PageRequest,
    at: datetime,
    referenced_ids: Sequence[int] = (),
) -> Page:
    """Cut a page from a snapshot.

    The same statement reads the versions of `referenced_ids`, the projects that the reasons of the ranking name.

    Raises `db.page_projects.ViewerChanged` if the viewer is remembered and has changed since.
    """
    entries: list[_Visible] = []
    referenced: dict[int, Any] = {}
    async for entry in _entries(projects, snapshot, request, referenced_ids, referenced):
        entries.append(entry)
        if len(entries) > request.first:
            break
    ranking = snapshot.ranking
    return await _page(
        projects,
        request,
        at,
        entries,
        ranking.strategy,
        ranking.model,
        snapshot.id,
        ranking.generated_at,
        ranking.degraded,
        ranking.ids.size,
        referenced,
    )


async def newest_page(projects: PageProjects, request: PageRequest, at: datetime) -> Page:
    """Cut a page of the newest projects. The cursor alone holds the position. Raises as `cut`."""
    snapshot_id = request.after.snapshot_id if request.after else new_id()
    rows = await projects.read_newest(
        request.first + 1, request.viewer, after=request.creation_position, where=request.where
    )
    entries = [
        _Visible(PageEntry(rank, Cursor(snapshot_id, rank, row.keyset).encode(), _by_creation(row.keyset)), row)
        for rank, row in enumerate(rows, start=request.rank + 1)
    ]
    return await _page(projects, request, at, entries, Strategy.NEWEST, "newest", snapshot_id, at)


def entry_at(kind: FeedKind, cursor: Cursor, snapshot: RankingSnapshot | None, viewer: Viewer) -> PageEntry:
    """Return the entry of a feed at a cursor.

    An unranked project has no contributions. An entry of `newest`, which stores no ranking, is read from its cursor
    alone. Raises `SnapshotExpired` if the snapshot has expired (`snapshot` is None), `ForeignPosition` if it belongs to
    another viewer, and `UnknownPosition` if it has no such rank.
    """
    if kind is FeedKind.NEWEST:
        scored = None if cursor.creation_position is None else _by_creation(cursor.creation_position)
    elif snapshot is None:
        raise SnapshotExpired("the ranking of this edge has expired; request the feed again")
    elif not snapshot.is_for(viewer):
        raise ForeignPosition("this edge belongs to another viewer's ranking; request the feed again")
    else:
        scored = _scored_at(kind, cursor, snapshot.ranking)
    if scored is None:
        raise UnknownPosition("the ranking has no such edge; pass the id of an edge unchanged")
    return PageEntry(cursor.rank, cursor.encode(), scored)


def _scored_at(kind: FeedKind, cursor: Cursor, ranking: Ranking) -> ScoredProject | None:
    if ranking.kind is not kind:
        return None
    if cursor.creation_position is None:
        return ranking.scored_project(cursor.rank - 1) if 1 <= cursor.rank <= ranking.ids.size else None
    is_unranked = (
        kind in _FEEDS_WITH_UNRANKED
        and cursor.rank > ranking.ids.size
        and cursor.creation_position.id not in ranking.ids
    )
    return _unranked(cursor.creation_position.id, cursor.rank) if is_unranked else None


async def _entries(
    projects: PageProjects,
    snapshot: RankingSnapshot,
    request: PageRequest,
    referenced_ids: Sequence[int],
    referenced: dict[int, Any],
) -> AsyncIterator[_Visible]:
    """Yield the visible ranked projects, then in feeds of `_FEEDS_WITH_UNRANKED` the unranked projects.

    Fills `referenced`.
    """
    ids, piece_size, hidden_owner = snapshot.ranking.ids, request.first + _EXTRA_RANKS, request.hidden_owner
    by_name = request.kind in _BY_NAME and snapshot.actor_id is None
    first_rank = request.rank if request.creation_position is None else ids.size
    for start in range(first_rank, ids.size, piece_size):
        piece = ids[start : start + piece_size].tolist()
        rows = await projects.read_listed([*piece, *referenced_ids], request.viewer, include_muted=by_name)
        referenced |= {id_: rows[id_].version for id_ in referenced_ids if id_ in rows}
        referenced_ids = ()
        for index, id_ in enumerate(piece, start):
            row = rows.get(id_)
            if row is not None and (hidden_owner is None or row.owner_id != hidden_owner):
                yield _Visible(snapshot.entry(index), row)
    if request.kind in _FEEDS_WITH_UNRANKED:
        async for visible in _unranked_entries(projects, snapshot, request):
            yield visible


async def _unranked_entries(
    projects: PageProjects, snapshot: RankingSnapshot, request: PageRequest
) -> AsyncIterator[_Visible]:
    """Yield the unranked projects that are not newer than the snapshot, newest first."""
    ranked, limit = snapshot.ranking.ids.tolist(), request.first + _EXTRA_RANKS
    rank, position = len(ranked), Keyset(snapshot.ranking.generated_at, _LAST_ID)
    if request.creation_position is not None:
        rank, position = request.rank, request.creation_position
    while True:
        rows = await projects.read_newest(
            limit, request.viewer, after=position, where=request.where, excluded_ids=ranked
        )
        for row in rows:
            position = row.keyset
            if request.hidden_owner is not None and row.owner_id == request.hidden_owner:
                continue
            rank += 1
            cursor = Cursor(snapshot.id, rank, position)
            yield _Visible(PageEntry(rank, cursor.encode(), _unranked(row.id, rank)), row)
        if len(rows) < limit:
            return


def _by_creation(position: Keyset) -> ScoredProject:
    seconds = position.created_at.timestamp()
    return ScoredProject(position.id, (Signal.CREATED_AT,), (seconds,), (round(seconds * MILLIONTHS),))


def _unranked(project_id: int, rank: int) -> ScoredProject:
    return ScoredProject(project_id, (), (), (), (Adjustment(Rule.UNRANKED, 0, None, rank, rank),))


async def _page(
    projects: PageProjects,
    request: PageRequest,
    at: datetime,
    entries: list[_Visible],
    strategy: Strategy,
    model: str,
    snapshot_id: str,
    generated_at: datetime,
    degraded: tuple[Store, ...] = (),
    ranked_count: int | None = None,
    referenced: Mapping[int, Any] = MappingProxyType({}),
) -> Page:
    shown = entries[: request.first]
    loaded = await projects.load([row for _, row in shown], request.needs, at)
    return Page(
        kind=request.kind,
        strategy=strategy,
        model=model,
        snapshot_id=snapshot_id,
        generated_at=generated_at,
        degraded=degraded,
        entries=tuple(entry for entry, row in shown if row.id in loaded),
        projects=loaded,
        has_next=len(entries) > request.first,
        has_previous=request.after is not None,
        ranked_count=ranked_count,
        referenced=referenced,
    )
