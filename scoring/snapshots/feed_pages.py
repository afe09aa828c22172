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
from db.time_units import MICROSECONDS, microseconds, time_of
from scoring import tunables
from scoring.errors import FirstOutOfRange, ForeignPosition, SnapshotExpired, UnknownPosition
from scoring.mathematics.signals import Signal
from scoring.ranking import Adjustment, Page, PageEntry, Ranking, Rule, ScoredProject, Strategy
from scoring.snapshots.feed_cursors import Cursor
from scoring.snapshots.snapshot_store import RankingSnapshot

_EXTRA_RANKS = 20  # ranks read beyond the page; if more are not visible, the page needs a second statement

_FEEDS_WITH_UNRANKED = (FeedKind.FOR_YOU, FeedKind.POPULAR, FeedKind.TRENDING, FeedKind.NEWEST)
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
        None if ranking.kind is FeedKind.NEWEST else ranking.ids.size,
        referenced,
    )


def entry_at(kind: FeedKind, cursor: Cursor, snapshot: RankingSnapshot | None, viewer: Viewer) -> PageEntry:
    """Return the entry of a feed at a cursor.

    An unranked project has no contributions, except in `newest`. Raises `SnapshotExpired` if the snapshot has expired
    (`snapshot` is None), `ForeignPosition` if it belongs to another viewer, and `UnknownPosition` if it has no such
    rank.
    """
    if snapshot is None:
        raise SnapshotExpired("the ranking of this edge has expired; request the feed again")
    if not snapshot.is_for(viewer):
        raise ForeignPosition("this edge belongs to another viewer's ranking; request the feed again")
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
    return _unranked(kind, cursor.creation_position, cursor.rank) if is_unranked else None


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
    rank, position = len(ranked), _last_creation(snapshot.ranking)
    if request.creation_position is not None:
        rank, position = request.rank, request.creation_position
    while True:
        rows = await projects.read_newest(
            limit,
            request.viewer,
            after=position,
            where=request.where,
            excluded_ids=ranked,
            hidden=snapshot.ranking.hidden,
            at=snapshot.ranking.generated_at,
        )
        for row in rows:
            position = row.keyset
            if request.hidden_owner is not None and row.owner_id == request.hidden_owner:
                continue
            rank += 1
            cursor = Cursor(snapshot.id, rank, position)
            yield _Visible(PageEntry(rank, cursor.encode(), _unranked(request.kind, position, rank)), row)
        if len(rows) < limit:
            return


def _last_creation(ranking: Ranking) -> Keyset:
    """Return the position by time of creation after which the unranked projects start: in `newest`, the oldest rank."""
    if ranking.kind is not FeedKind.NEWEST or not ranking.ids.size:
        return Keyset(ranking.generated_at, _LAST_ID)
    created_us, id_ = min(zip(ranking.contributions[:, 0].tolist(), ranking.ids.tolist(), strict=True))
    return Keyset(time_of(created_us), id_)


def _unranked(kind: FeedKind, position: Keyset, rank: int) -> ScoredProject:
    """Return a project that follows the ranked ones. In `newest`, its score is the time of creation as theirs is."""
    if kind is FeedKind.NEWEST:
        created_us = microseconds(position.created_at)
        return ScoredProject(position.id, (Signal.CREATED_AT,), (created_us / MICROSECONDS,), (created_us,))
    return ScoredProject(position.id, (), (), (), (Adjustment(Rule.UNRANKED, 0, None, rank, rank),))


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
