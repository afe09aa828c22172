"""Projects."""

import datetime as dt
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Self

import strawberry

from db.actors.users import Viewer
from db.catalog.project_cards import ProjectCard, ProjectFilter
from db.models import now
from db.page_projects import PageProject, ProjectContent
from resolvers.catalog.catalog_types import Category, Tool, Topic, User, user_by_id
from resolvers.common.context import Info
from resolvers.common.descriptions import object_type
from resolvers.common.errors import InvalidArgument
from resolvers.common.field_costs import READ_COST, Cost, computed
from resolvers.common.global_ids import global_id
from resolvers.common.loaders import TermsOfProject
from resolvers.common.references import ProjectId, ProjectKey, key_of, keys_of
from resolvers.common.relay import FeedAfter, FeedFirst, Node
from resolvers.common.scalars import URL
from resolvers.feeds.explanation import Explanation
from scoring.ranking import Page
from scoring.tunables import MAX_PAGE_SIZE

if TYPE_CHECKING:
    from resolvers.feeds.feed_connection import FeedConnection

LazyFeed = Annotated["FeedConnection", strawberry.lazy("resolvers.feeds.feed_connection")]
"""Lazy type: feeds contain projects, and a project has a feed of similar projects."""

MAX_ACTIVITY_DAYS = 90
"""The maximum number of days of activity, a quarter."""

DEFAULT_ACTIVITY_DAYS = 14

MAX_KEYS = 100
"""Maximum number of projects in `projects`, as in the largest page of a feed."""


Days = Annotated[int | None, f"The number of days: 1 to {MAX_ACTIVITY_DAYS}."]


@object_type
class DailyActivity:
    """The number of visitors on one day."""

    date: Annotated[dt.date, "The date (UTC)."]
    count: Annotated[int, "The number of first-time visitors."]


@object_type
class Project(Node):
    """A project, such as a repository, a thread or an article."""

    key: Annotated[str, "The platform's own id."]
    title: Annotated[str, "The title."]
    description: Annotated[str, "The description; may be empty."]
    type: Annotated[str, "The platform's own type of project, for example `github_repo`."]
    url: Annotated[URL | None, "The address of the project."]
    image_url: Annotated[URL | None, "The address of an image."]
    created_at: Annotated[datetime, "When the project was created."]
    like_count: Annotated[int, "The number of people who like the project."]
    view_count: Annotated[int, "The number of views."]
    project_id: strawberry.Private[int]
    owner_id: strawberry.Private[int | None]

    @classmethod
    def from_card(cls, card: ProjectCard) -> Self:
        """Convert a project card."""
        return cls._convert(card, card, card.owner_id)

    @classmethod
    def from_page(cls, project: PageProject) -> Self:
        """Convert a project of a page."""
        owner = project.content.owner
        return cls._convert(project.content, project, None if owner is None else owner.id)

    @classmethod
    def _convert(
        cls, content: ProjectCard | ProjectContent, counters: ProjectCard | PageProject, owner_id: int | None
    ) -> Self:
        return cls(
            id=global_id("Project", content.key),
            key=content.key,
            title=content.title,
            description=content.description,
            type=content.type,
            url=None if content.url is None else URL(content.url),
            image_url=None if content.image_url is None else URL(content.image_url),
            created_at=content.created_at,
            like_count=counters.like_count,
            view_count=counters.view_count,
            project_id=content.id,
            owner_id=owner_id,
        )

    @computed(shared=True)
    async def engagement_velocity(self, info: Info) -> float:
        """The current rate of visitors, for comparing projects.

        Recent visitors, weighted by the trust in their accounts, divided by a power of the project's age. 0 if there
        are no visitors.
        """
        return await info.context.loaders.velocity_by_project.load(self.project_id) or 0.0

    @computed(shared=True)
    async def owner(self, info: Info) -> User | None:
        """The owner; null if unknown."""
        return await user_by_id(info, self.owner_id)

    @computed(shared=True)
    async def tools(self, info: Info) -> list[Tool]:
        """The tools of the project, sorted by name."""
        return [Tool.from_term(term) for term in (await self._terms(info)).tools]

    @computed(shared=True)
    async def categories(self, info: Info) -> list[Category]:
        """The categories of the project, sorted by name."""
        return [Category.from_category(term) for term in (await self._terms(info)).categories]

    @computed(shared=True)
    async def topics(self, info: Info) -> list[Topic]:
        """The topics of the project, sorted by name."""
        return [Topic.from_term(term) for term in (await self._terms(info)).topics]

    @computed()
    async def viewer_has_liked(self, info: Info) -> bool:
        """Whether the viewer likes the project."""
        marks = await info.context.loaders.marks_by_project.load(self.project_id)
        return marks is not None and marks.liked

    @computed()
    async def viewer_has_saved(self, info: Info) -> bool:
        """Whether the viewer saved the project."""
        marks = await info.context.loaders.marks_by_project.load(self.project_id)
        return marks is not None and marks.saved

    @computed(Cost(6, 1, "days", MAX_ACTIVITY_DAYS), shared=True)
    async def activity(self, info: Info, days: Days = DEFAULT_ACTIVITY_DAYS) -> list[int]:
        """The number of first-time visitors on each of the last days (UTC), today last, for a sparkline."""
        days = DEFAULT_ACTIVITY_DAYS if days is None else days
        if not 1 <= days <= MAX_ACTIVITY_DAYS:
            raise InvalidArgument(f"`days` is {days}; it must be from 1 to {MAX_ACTIVITY_DAYS}.")
        return await info.context.loaders.activity_by_project.load((self.project_id, days)) or [0] * days

    @computed(Cost(8, 2, "days", MAX_ACTIVITY_DAYS), shared=True)
    async def activity_by_day(self, info: Info, days: Days = DEFAULT_ACTIVITY_DAYS) -> list[DailyActivity]:
        """The number of first-time visitors on each of the last days (UTC) with its date, today last."""
        counts = await self.activity(info, days)
        today = now().date()
        return [
            DailyActivity(date=today - timedelta(days=age), count=count)
            for age, count in zip(reversed(range(len(counts))), counts, strict=True)
        ]

    @computed(Cost(100))
    async def explanation(self, info: Info) -> Explanation | None:
        """The current For You score of the project, for use outside of feeds, for example on a detail page.

        To explain a rank in a feed, use `FeedEdge.explanation`.
        """
        scored = await info.context.loaders.explanation_by_project.load(self.project_id)
        return None if scored is None else Explanation.from_scored_project(scored, ProjectFilter())

    @computed(Cost(1_000, 5, "first", MAX_PAGE_SIZE))
    async def similar(self, info: Info, first: FeedFirst = 10, after: FeedAfter = None) -> LazyFeed | None:
        """The most similar projects, best first. Null only on error."""
        from resolvers.feeds import feed_connection  # noqa: PLC0415 (the types of the two modules refer to each other)

        async def serve(viewer: Viewer, first: int, after: str | None, where: ProjectFilter) -> Page:
            return await info.context.feeds.similar(viewer, self.project_id, first, after, where)

        return await feed_connection.serve_feed(info, serve, first, after, None, default=10)

    async def _terms(self, info: Info) -> TermsOfProject:
        return await info.context.loaders.terms_by_project.load(self.project_id) or TermsOfProject([], [], [])


@strawberry.type
class ProjectQuery:
    @computed(READ_COST)
    async def project(self, info: Info, key: ProjectKey = None, id: ProjectId = None) -> Project | None:
        """The project; null if it does not exist or you may not see it."""
        card = await info.context.loaders.cards_by_key.load(key_of("Project", key, id))
        return None if card is None else Project.from_card(card)

    @computed(Cost(50, 5, "keys", MAX_KEYS, alternative_argument="ids"))
    async def projects(
        self,
        info: Info,
        keys: Annotated[
            list[str] | None, f"The `key`s of the projects, up to {MAX_KEYS}. Give either `keys` or `ids`."
        ] = None,
        ids: Annotated[list[strawberry.ID] | None, f"The `id`s of the projects, up to {MAX_KEYS}."] = None,
    ) -> list[Project | None]:
        """Several projects, in the order of `keys` or `ids`.

        An item is null if the project does not exist or you may not see it.
        """
        requested = keys_of("Project", keys, ids)
        if len(requested) > MAX_KEYS:
            raise InvalidArgument(f"You requested {len(requested)} projects; request at most {MAX_KEYS}.")
        cards = await info.context.loaders.cards_by_key.load_many(requested)
        return [None if card is None else Project.from_card(card) for card in cards]
