"""Projects."""

import datetime as dt
from collections.abc import Hashable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import strawberry

from db.actors.users import Viewer
from db.catalog.project_cards import ProjectCard, ProjectFilter
from db.models import now
from db.page_projects import PageNeeds, PageProject
from resolvers.catalog.catalog_types import Category, Tool, Topic, User, user_by_id
from resolvers.common.context import Info
from resolvers.common.descriptions import object_type
from resolvers.common.errors import InvalidArgument
from resolvers.common.field_costs import READ_COST, Cost, Sharing, computed
from resolvers.common.global_ids import global_id
from resolvers.common.loaders import TermsOfProject
from resolvers.common.references import ProjectId, ProjectKey, key_of, keys_of
from resolvers.common.relay import FeedAfter, FeedFirst, Node
from resolvers.common.scalars import URL
from resolvers.common.views import NotRead, View, view_type
from resolvers.feeds.explanation import Explanation, ExplanationRow
from scoring.ranking import Page
from scoring.tunables import MAX_PAGE_SIZE

if TYPE_CHECKING:
    from resolvers.feeds.feed_connection import FeedConnection, ProjectFilterInput

LazyFeed = Annotated["FeedConnection", strawberry.lazy("resolvers.feeds.feed_connection")]
"""Lazy type, because feeds contain projects, and a project has a feed of similar projects."""

LazyFilter = Annotated["ProjectFilterInput", strawberry.lazy("resolvers.feeds.feed_connection")]
"""Lazy type, because the module of the filter imports this one."""

MAX_ACTIVITY_DAYS = 90
"""The maximum number of days of activity, a quarter."""

DEFAULT_ACTIVITY_DAYS = 14

MAX_KEYS = 100
"""Maximum number of projects in `projects`, as in the largest page of a feed."""

_TERMS_COST = Cost(12, default_size=3, points_once=100)
"""Cost of the terms of one kind: a project has 3 or fewer."""

Days = Annotated[int | None, f"The number of days: 1 to {MAX_ACTIVITY_DAYS}."]


@object_type
class DailyActivity:
    """The number of visitors on one day."""

    date: Annotated[dt.date, "The date (UTC)."]
    count: Annotated[int, "The number of first-time visitors."]


def _activity_needed(days: int | None) -> PageNeeds:
    days = DEFAULT_ACTIVITY_DAYS if days is None else days
    return PageNeeds(activity_days=days if 1 <= days <= MAX_ACTIVITY_DAYS else 0)


def _activity(project: PageProject, days: int | None) -> tuple[int, ...]:
    days = DEFAULT_ACTIVITY_DAYS if days is None else days
    if not 1 <= days <= len(project.activity):
        raise NotRead
    return project.activity[-days:]


def _velocity(project: PageProject) -> float:
    if project.velocity is None:
        raise NotRead
    return project.velocity


def _by_day(counts: Sequence[int]) -> list[DailyActivity]:
    today = now().date()
    return [
        DailyActivity(date=today - timedelta(days=age), count=count)
        for age, count in zip(reversed(range(len(counts))), counts, strict=True)
    ]


@view_type(
    id=lambda project: global_id("Project", project.content.key),
    **{name: f"content.{name}" for name in ("key", "title", "description", "type", "url", "image_url", "created_at")},
)
class Project(Node, View):
    """A project, such as a repository, a thread or an article."""

    row: strawberry.Private[PageProject | ProjectCard]
    live_fields = frozenset(
        {"like_count", "view_count", "viewer_has_liked", "viewer_has_saved", "engagement_velocity", "explanation"}
    )
    key: Annotated[str, "The platform's own id."]
    title: Annotated[str, "The title."]
    description: Annotated[str, "The description; may be empty."]
    type: Annotated[str, "The platform's own type of project, for example `github_repo`."]
    url: Annotated[URL | None, "The address of the project."]
    image_url: Annotated[URL | None, "The address of an image."]
    created_at: Annotated[datetime, "When the project was created."]
    like_count: Annotated[
        int,
        "The number of users who like the project. Likes of an anonymous session count once a user claims the session; "
        "`viewerHasLiked` changes at once.",
    ]
    view_count: Annotated[int, "The number of views."]

    @staticmethod
    def content_key(row: PageProject | ProjectCard) -> Hashable:
        """Return the id and the version of the project of a page."""
        return (row.content.id, row.content.version) if type(row) is PageProject else None

    @computed(sharing=Sharing.PUBLIC, read=_velocity, needs=lambda: PageNeeds(velocity=True))
    async def engagement_velocity(self, info: Info) -> float:
        """The current rate of visitors, for comparing projects.

        Recent visitors, weighted by the trust in their accounts, divided by a power of the project's age. 0 if there
        are no visitors.
        """
        return await info.context.loaders.velocity_by_project.load(self.row.content.id) or 0.0

    @computed(sharing=Sharing.PUBLIC, read="content.owner")
    async def owner(self, info: Info) -> User | None:
        """The owner; null if unknown."""
        return await user_by_id(info, self.row.owner_id) if isinstance(self.row, ProjectCard) else None

    @computed(_TERMS_COST, sharing=Sharing.PUBLIC, read="content.tools")
    async def tools(self, info: Info) -> list[Tool]:
        """The tools of the project, sorted by name."""
        return [Tool.of(term) for term in (await self._terms(info)).tools]

    @computed(_TERMS_COST, sharing=Sharing.PUBLIC, read="content.categories")
    async def categories(self, info: Info) -> list[Category]:
        """The categories of the project, sorted by name."""
        return [Category.of(term) for term in (await self._terms(info)).categories]

    @computed(_TERMS_COST, sharing=Sharing.PUBLIC, read="content.topics")
    async def topics(self, info: Info) -> list[Topic]:
        """The topics of the project, sorted by name."""
        return [Topic.of(term) for term in (await self._terms(info)).topics]

    @computed(sharing=Sharing.ANONYMOUS, read="liked")
    async def viewer_has_liked(self, info: Info) -> bool:
        """Whether the viewer likes the project."""
        marks = await info.context.loaders.marks_by_project.load(self.row.content.id)
        return marks is not None and marks.liked

    @computed(sharing=Sharing.ANONYMOUS, read="saved")
    async def viewer_has_saved(self, info: Info) -> bool:
        """Whether the viewer saved the project."""
        marks = await info.context.loaders.marks_by_project.load(self.row.content.id)
        return marks is not None and marks.saved

    @computed(
        Cost(20, 0.1, "days", MAX_ACTIVITY_DAYS, points_once=100),
        sharing=Sharing.PUBLIC,
        read=_activity,
        needs=_activity_needed,
    )
    async def activity(self, info: Info, days: Days = DEFAULT_ACTIVITY_DAYS) -> list[int]:
        """The number of first-time visitors on each of the last days (UTC), today last, for a sparkline."""
        return await self._load_activity(info, days)

    @computed(
        Cost(20, 0.5, "days", MAX_ACTIVITY_DAYS, points_once=100),
        sharing=Sharing.PUBLIC,
        read=lambda project, days: _by_day(_activity(project, days)),
        needs=_activity_needed,
    )
    async def activity_by_day(self, info: Info, days: Days = DEFAULT_ACTIVITY_DAYS) -> list[DailyActivity]:
        """The number of first-time visitors on each of the last days (UTC) with its date, today last."""
        return _by_day(await self._load_activity(info, days))

    @computed(Cost(30, points_once=3_000))
    async def explanation(self, info: Info) -> Explanation | None:
        """The current For You score of the project, for use outside of feeds, for example on a detail page.

        To explain a rank in a feed, use `FeedEdge.explanation`.
        """
        scored = await info.context.loaders.explanation_by_project.load(self.row.content.id)
        return None if scored is None else Explanation.of(ExplanationRow(scored, ProjectFilter()))

    @computed(Cost(250, 2, "first", MAX_PAGE_SIZE, is_prefetching=True))
    async def similar(
        self,
        info: Info,
        first: FeedFirst = 10,
        after: FeedAfter = None,
        where: Annotated[LazyFilter | None, "A filter of the feed."] = None,
    ) -> LazyFeed | None:
        """The most similar projects, best first. Null only on error."""
        from resolvers.feeds import feed_connection  # noqa: PLC0415 (the types of the two modules refer to each other)

        async def serve(viewer: Viewer, first: int, after: str | None, where: ProjectFilter, needs: PageNeeds) -> Page:
            return await info.context.feeds.similar(viewer, self.row.content.id, first, after, where, needs)

        return await feed_connection.serve_feed(info, serve, first, after, where, default=10)

    async def _load_activity(self, info: Info, days: int | None) -> list[int]:
        days = DEFAULT_ACTIVITY_DAYS if days is None else days
        if not 1 <= days <= MAX_ACTIVITY_DAYS:
            raise InvalidArgument(f"`days` is {days}; it must be from 1 to {MAX_ACTIVITY_DAYS}.")
        return await info.context.loaders.activity_by_project.load((self.row.content.id, days)) or [0] * days

    async def _terms(self, info: Info) -> TermsOfProject:
        return await info.context.loaders.terms_by_project.load(self.row.content.id) or TermsOfProject([], [], [])


@strawberry.type
class ProjectQuery:
    @computed(READ_COST)
    async def project(self, info: Info, key: ProjectKey = None, id: ProjectId = None) -> Project | None:
        """The project; null if it does not exist or you may not see it."""
        card = await info.context.loaders.cards_by_key.load(key_of("Project", key, id))
        return None if card is None else Project.of(card)

    @computed(Cost(20, 4, "keys", MAX_KEYS, alternative_argument="ids", points_once=150))
    async def projects(
        self,
        info: Info,
        keys: Annotated[
            list[str] | None, f"The `key`s of the projects, up to {MAX_KEYS}. Give either `keys` or `ids`."
        ] = None,
        ids: Annotated[list[strawberry.ID] | None, f"The `id`s of the projects, up to {MAX_KEYS}."] = None,
    ) -> list[Project | None]:
        """Projects in the order of `keys` or `ids`.

        An item is null if the project does not exist or you may not see it.
        """
        requested = keys_of("Project", keys, ids)
        if len(requested) > MAX_KEYS:
            raise InvalidArgument(f"Request at most {MAX_KEYS} projects; you requested more.")
        cards = await info.context.loaders.cards_by_key.load_many(requested)
        return [None if card is None else Project.of(card) for card in cards]
