"""Feeds as Relay connections."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from types import MappingProxyType
from typing import Annotated, NamedTuple

import strawberry

from db.actors.users import Viewer
from db.catalog.project_cards import ProjectCard, ProjectFilter
from db.errors import Store
from db.models import FeedKind
from db.page_projects import PageNeeds, PageProject, ViewerChanged
from resolvers.common.compat import graphql_info
from resolvers.common.context import Context, Info
from resolvers.common.descriptions import input_type
from resolvers.common.errors import InvalidArgument, InvalidPage, as_sentence
from resolvers.common.field_costs import Cost, Sharing, computed
from resolvers.common.global_ids import edge_global_id, parse_edge_key
from resolvers.common.relay import FeedAfter, FeedFirst, Node, PageInfo, page_info
from resolvers.common.views import View, view_type
from resolvers.feeds.explanation import Explanation, ExplanationRow
from resolvers.feeds.project import Project
from scoring.errors import BadRequest, InvalidPageRequest
from scoring.explanation.reasons import Reason
from scoring.mathematics.velocity import Window
from scoring.pipelines.search import SearchQuery
from scoring.ranking import Page, PageEntry, Strategy, as_float
from scoring.snapshots.feed_pages import entry_at
from scoring.tunables import (
    MAX_BOOST_PLACES,  # noqa: F401 a docstring names it
    MAX_PAGE_SIZE,
    MAX_QUERY_LENGTH,
    MAX_SAME_CATEGORY,  # noqa: F401 as MAX_BOOST_PLACES
    MAX_SAME_OWNER,  # noqa: F401
    SEARCH_ALPHA,
)
from scoring.use_cases.platform_keys import is_valid_key

DEFAULT_PAGE_SIZE = 30
MAX_FILTER_VALUES = 100
"""The maximum number of values in one field of a filter."""

NO_USER_ID = -1
"""An id that no user has. The vector index uses 0 for a project without an owner."""

Serve = Callable[[Viewer, int, str | None, ProjectFilter, PageNeeds], Awaitable[Page]]


@partial(input_type, name="ProjectFilter")
class ProjectFilterInput:
    """A filter of a feed.

    A project must match all given fields, and at least one value of each list. A list has up to {MAX_FILTER_VALUES}
    values; an empty list matches all projects.
    """

    types: Annotated[list[str] | None, "The types of projects (`Project.type`)."] = None
    tools: Annotated[list[str] | None, "The keys of tools."] = None
    categories: Annotated[list[str] | None, "The keys of categories."] = None
    topics: Annotated[list[str] | None, "The keys of topics."] = None
    owner: Annotated[str | None, "The key of the owner."] = None
    exclude_keys: Annotated[list[str] | None, "The keys of projects to leave out."] = None
    created_after: Annotated[datetime | None, "The earliest creation time."] = None
    created_before: Annotated[datetime | None, "The time before which projects were created."] = None

    async def to_project_filter(self, context: Context) -> ProjectFilter:
        """Convert the filter for the ranking. An owner whom the viewer may not see matches no project.

        Raises `InvalidArgument` if a list is too long or a key is invalid.
        """
        excluded = _distinct_values("excludeKeys", self.exclude_keys)
        owner_id = None
        if self.owner is not None:
            owner = await context.loaders.users_by_key.load(*_distinct_values("owner", [self.owner]))
            owner_id = NO_USER_ID if owner is None else owner.id
        cards = await context.loaders.cards_by_key.load_many(list(excluded))
        return ProjectFilter(
            types=_distinct_values("types", self.types),
            tools=_distinct_values("tools", self.tools),
            categories=_distinct_values("categories", self.categories),
            topics=_distinct_values("topics", self.topics),
            created_after=self.created_after,
            created_before=self.created_before,
            owner_id=owner_id,
            exclude_keys=excluded,
            excluded_ids=tuple(card.id for card in cards if card is not None),
        )


def _distinct_values(name: str, argument: list[str] | None) -> tuple[str, ...]:
    values = argument or []
    if len(values) > MAX_FILTER_VALUES:
        raise InvalidArgument(f"`where.{name}` has {len(values)} values; give at most {MAX_FILTER_VALUES}.")
    if not all(is_valid_key(value) for value in values):
        raise InvalidArgument(
            f"`where.{name}` contains an invalid key. A key has 1 to 200 characters, none of them NUL."
        )
    return tuple(dict.fromkeys(values))


class EdgeRow(NamedTuple):
    """A rank of a feed."""

    feed: FeedKind
    entry: PageEntry
    node: PageProject | ProjectCard
    where: ProjectFilter  # the filter of the feed
    reasons: Sequence[Reason] | None = None  # None if they have not been read
    projects: Mapping[int, PageProject] = MappingProxyType({})  # of the page, by id

    @property
    def explanation(self) -> ExplanationRow:
        """The score to explain."""
        where = self.where if self.feed is FeedKind.FOR_YOU else None
        return ExplanationRow(self.entry.scored, where, self.reasons, self.projects)


@view_type(
    id=lambda edge: edge_global_id(edge.feed, edge.entry.cursor),
    cursor="entry.cursor",
    rank="entry.rank",
    score=lambda edge: as_float(edge.entry.scored.score),
)
class FeedEdge(Node, View):
    """A project at its rank in a feed."""

    row: strawberry.Private[EdgeRow]
    id: Annotated[
        strawberry.ID,
        "The global id of this rank in this ranking. `node(id:)` returns the edge with the numbers of this ranking. "
        "The ranking expires half an hour after its last use; the error is then SNAPSHOT_EXPIRED. For an edge of "
        "another viewer's personal ranking, the error is FOREIGN_ID.",
    ]
    cursor: Annotated[str, "The cursor of the edge, to pass as `after`."]
    rank: Annotated[int, "The rank in the whole feed, from 1."]
    score: Annotated[float, "The score before adjustments. Comparable within one feed only."]
    node: Annotated[Project, "The project."]

    @computed(read="explanation")
    async def explanation(self, info: Info) -> Explanation | None:
        """The parts of the score, as used in this ranking."""
        return Explanation.of(self.row.explanation)


class ConnectionRow(NamedTuple):
    """A page of a feed."""

    page: Page
    where: ProjectFilter

    @property
    def edges(self) -> list[EdgeRow]:
        """The ranks of the page."""
        page, where, projects = self.page, self.where, self.page.projects
        reasons = page.reasons
        return [
            EdgeRow(page.kind, entry, projects[id_], where, reasons.get(id_, ()) if reasons else None, projects)
            for entry in page.entries
            for id_ in [entry.scored.project_id]
        ]

    @property
    def nodes(self) -> list[PageProject]:
        """The projects of the page."""
        return [self.page.projects[entry.scored.project_id] for entry in self.page.entries]

    @property
    def page_info(self) -> PageInfo:
        """The position of the page."""
        cursors = [entry.cursor for entry in self.page.entries]
        return page_info(cursors, has_next=self.page.has_next, has_previous=self.page.has_previous)


@view_type(
    **{name: f"page.{name}" for name in ("ranked_count", "kind", "strategy", "degraded", "snapshot_id", "generated_at")}
)
class FeedConnection(View):
    """A page of a feed.

    Consecutive pages come from one ranking, so that no project is repeated or left out, even if data changes between
    the requests.
    """

    row: strawberry.Private[ConnectionRow]
    edges: Annotated[list[FeedEdge], "The projects of this page with their ranks, best first."]
    nodes: Annotated[list[Project], "The projects of this page, best first."]
    page_info: Annotated[PageInfo, "The position of this page in the feed."]
    ranked_count: Annotated[
        int | None,
        "The number of ranked projects. `forYou`, `popular` and `trending` continue with all other projects, "
        "newest first. Null for `newest`, which is ordered by time.",
    ]
    kind: Annotated[FeedKind, "The feed."]
    strategy: Annotated[
        Strategy,
        "How the feed was ranked. `forYou` is POPULAR if nothing is known about the viewer.",
    ]
    degraded: Annotated[
        list[Store],
        "The stores that were unavailable; query again soon for a complete feed. If DATABASE is listed, the page "
        "is up to half an hour old and not personal. Empty in the normal case.",
    ]
    snapshot_id: Annotated[strawberry.ID, "The id of the ranking, to send with interactions."]
    generated_at: Annotated[datetime, "When the ranking was made."]


Where = Annotated[ProjectFilterInput | None, "A filter of the feed."]


@strawberry.type
class FeedQuery:
    """The feeds. Each is nullable, so that an error in one feed does not affect the others."""

    @computed(Cost(300, 2, "first", MAX_PAGE_SIZE, is_prefetching=True))
    async def for_you(
        self, info: Info, first: FeedFirst = DEFAULT_PAGE_SIZE, after: FeedAfter = None, where: Where = None
    ) -> FeedConnection | None:
        """Projects ranked for you by your interests and interactions.

        If nothing is known about you, ranks by visitors, likes and age. Excludes your own projects, dismissed projects,
        projects with a muted owner, tool, category or topic, and projects that you have read in the last days, unless
        you have read all others too (see `PersonalizationSettings.showRead`). Null only on error.
        """
        return await serve_feed(info, info.context.feeds.for_you, first, after, where, personal=True)

    @computed(Cost(150, 2, "first", MAX_PAGE_SIZE, is_prefetching=True), sharing=Sharing.PUBLIC)
    async def popular(
        self, info: Info, first: FeedFirst = DEFAULT_PAGE_SIZE, after: FeedAfter = None, where: Where = None
    ) -> FeedConnection | None:
        """Popular projects, the same for everybody.

        The score is a weighted sum of the logarithms of the number of recent visitors and of the number of likes. A
        page has at most {MAX_SAME_OWNER} projects of one owner and {MAX_SAME_CATEGORY} of one category while others are
        left. Null only on error.
        """
        return await serve_feed(info, info.context.feeds.popular, first, after, where)

    @computed(Cost(150, 2, "first", MAX_PAGE_SIZE, is_prefetching=True), sharing=Sharing.PUBLIC)
    async def trending(
        self,
        info: Info,
        first: FeedFirst = DEFAULT_PAGE_SIZE,
        after: FeedAfter = None,
        window: Annotated[Window | None, "The period in which visitors count."] = Window.DAY,
        where: Where = None,
    ) -> FeedConnection | None:
        """Projects with many recent visitors for their age. A visit changes the feed within two seconds.

        Your interests move a project by at most {MAX_BOOST_PLACES} ranks, unless the operator has set another maximum
        (TRENDING_MAX_SHIFT). After that, the feed is spread: a page has at most {MAX_SAME_OWNER} projects of one owner
        and {MAX_SAME_CATEGORY} of one category while others are left. What you have read is not hidden. Projects
        without visitors follow, newest first. Null only on error.
        """

        async def serve(viewer: Viewer, first: int, after: str | None, where: ProjectFilter, needs: PageNeeds) -> Page:
            return await info.context.feeds.trending(viewer, window or Window.DAY, first, after, where, needs)

        return await serve_feed(info, serve, first, after, where)

    @computed(Cost(300, 2, "first", MAX_PAGE_SIZE, is_prefetching=True), sharing=Sharing.PUBLIC)
    async def newest(
        self, info: Info, first: FeedFirst = DEFAULT_PAGE_SIZE, after: FeedAfter = None, where: Where = None
    ) -> FeedConnection | None:
        """All projects, latest first, with at most {MAX_SAME_OWNER} of one owner on a page while others are left.

        Explanations show which projects were moved. Null only on error.
        """
        return await serve_feed(info, info.context.feeds.newest, first, after, where)

    @computed(Cost(430, 2, "first", MAX_PAGE_SIZE, is_prefetching=True))
    async def search(
        self,
        info: Info,
        query: Annotated[str, f"The query, up to {MAX_QUERY_LENGTH} characters."],
        alpha: Annotated[
            float | None,
            "The weight of vector similarity: 0 uses only keywords, 1 only vectors. In between, the weight "
            "of keywords is higher if some project contains all words of the query, and lower if none does.",
        ] = SEARCH_ALPHA,
        personalized: Annotated[bool | None, "Whether similarity to your profile contributes to the score."] = False,
        first: FeedFirst = DEFAULT_PAGE_SIZE,
        after: FeedAfter = None,
        where: Where = None,
    ) -> FeedConnection | None:
        """Projects that match a query by meaning and keywords, best first.

        If the embedding model is unavailable, only keywords are used (strategy KEYWORD). Null only on error.
        """

        async def serve(viewer: Viewer, first: int, after: str | None, where: ProjectFilter, needs: PageNeeds) -> Page:
            search_query = SearchQuery.checked(query, SEARCH_ALPHA if alpha is None else alpha, bool(personalized))
            return await info.context.feeds.search(viewer, search_query, first, after, where, needs)

        return await serve_feed(info, serve, first, after, where)


async def serve_feed(
    info: Info,
    serve: Serve,
    first: int | None,
    after: str | None,
    where: ProjectFilterInput | None,
    default: int = DEFAULT_PAGE_SIZE,
    *,
    personal: bool = False,
) -> FeedConnection:
    """Return a page of a feed; `serve` is a method of `scoring.feeds.Feeds`.

    If the database is unavailable, a `personal` feed raises `StoreUnavailable`; other feeds serve the last known data
    to an anonymous viewer.

    Raises `RequestError` if an argument is invalid.
    """
    context = info.context
    project_filter = await read_filter(context, where)
    size = default if first is None else first
    needs = _merged(context.needs_below(graphql_info(info)))
    try:
        try:
            viewer = await (context.remembered_viewer() if personal else context.viewer_or_anonymous(remembered=True))
            page = await serve(viewer, size, after, project_filter, needs)
        except ViewerChanged:
            page = await serve(await context.viewer(), size, after, project_filter, needs)
    except BadRequest as error:
        raise InvalidPage(as_sentence(str(error)), error.code) from None
    context.is_complete = context.is_complete and not page.degraded
    return FeedConnection.of(ConnectionRow(page, project_filter))


def _merged(needs: Sequence[PageNeeds]) -> PageNeeds:
    """Return the union of the needs of several fields of a page."""
    return PageNeeds(
        activity_days=max((need.activity_days for need in needs), default=0),
        velocity=any(need.velocity for need in needs),
        reasons=any(need.reasons for need in needs),
    )


async def read_filter(context: Context, where: ProjectFilterInput | None) -> ProjectFilter:
    """Convert an optional filter; None matches all projects."""
    return ProjectFilter() if where is None else await where.to_project_filter(context)


async def edge_by_key(info: Info, key: str) -> FeedEdge | None:
    """Return the edge with this key as it was ranked; None if its project is no longer visible.

    Raises `RequestError` if the key is invalid, belongs to another viewer, or its ranking has expired.
    """
    feed, cursor = parse_edge_key(key)
    loaders = info.context.loaders
    snapshot = await loaders.snapshots_by_id.load(cursor.snapshot_id)
    try:
        entry = entry_at(feed, cursor, snapshot, await info.context.viewer())
    except InvalidPageRequest as error:
        raise InvalidPage(as_sentence(str(error)), error.code) from None
    card = await loaders.cards_by_id.load(entry.project_id)
    if card is None:
        return None
    return FeedEdge.of(EdgeRow(feed, entry, card, ProjectFilter() if snapshot is None else snapshot.where))
