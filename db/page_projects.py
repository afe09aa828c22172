"""Projects of a page. One statement reads the data that changes often; other data is cached by the version of the row.

`Project.updated_at` is the version of a row. Each change of the cached data sets it: a change of the project, of its
terms, of the name of a term, and of the owner. A change of a counter does not.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple

from sqlalchemy import String, bindparam, false, func, null, or_, select, tuple_, type_coerce
from sqlalchemy.sql import ColumnElement, Select

from db.actors.users import IS_ACCEPTED_SESSION, UserCard, Viewer
from db.cache.lru_cache import LruCache
from db.catalog.catalog_entries import CatalogTerm
from db.catalog.project_cards import HiddenReads, Keyset, ProjectFilter, conditions
from db.catalog.visibility import MUTED, PUBLIC
from db.database.column_types import ACTOR_ID, IDS, SINCE, UNTIL, BigIntId, in_list
from db.database.engine import Database
from db.interactions.velocity_queries import activity_by_day
from db.models import (
    Actor,
    DecayedCounters,
    Dismissal,
    Engagement,
    Like,
    Mute,
    Project,
    ProjectTerm,
    Role,
    Save,
    Term,
    TermKind,
    User,
    now,
)

MAX_CONTENT_BYTES = 20 * 2**20
"""Size of the contents that a process keeps: 10,000 projects with short descriptions."""

_SMALL_CONTENT_BYTES = 1_500
"""Size of a content without title, description and biography, each of which may have up to 100,000 characters."""

MAX_ACTIVITIES = 10_000
"""Maximum number of projects whose activity a process keeps."""

ACTIVITY_FRESH_S = 60.0
"""Time after which activity is read again although no counter has changed. A visitor of weight 0 changes no counter."""

_TERM_KINDS = (TermKind.TOOL, TermKind.CATEGORY, TermKind.TOPIC)


@dataclass(frozen=True, slots=True)
class ProjectContent:
    """The part of a project's card that changes only with the version of the row."""

    id: int
    version: Any  # `Project.updated_at` as the driver returns it; only compared
    key: str
    title: str
    description: str
    type: str
    url: str | None
    image_url: str | None
    created_at: datetime
    owner: UserCard | None
    tools: tuple[CatalogTerm, ...]  # by name, as the other terms
    categories: tuple[CatalogTerm, ...]
    topics: tuple[CatalogTerm, ...]

    @property
    def size(self) -> int:
        """Approximate size in memory, in bytes."""
        biography = "" if self.owner is None else self.owner.bio
        return _SMALL_CONTENT_BYTES + len(self.title) + len(self.description) + len(biography)


@dataclass(frozen=True, slots=True)
class PageProject:
    """One project on the page of one viewer."""

    content: ProjectContent
    like_count: int
    view_count: int
    liked: bool  # by the viewer
    saved: bool
    velocity: float | None = None  # None unless needed
    activity: tuple[int, ...] = ()  # first engagements of the last days (UTC), today last; empty unless needed


@dataclass(frozen=True, slots=True)
class PageNeeds:
    """The data that a page needs in addition to content, counters and marks."""

    activity_days: int = 0  # number of days of `PageProject.activity`
    velocity: bool = False
    reasons: bool = False  # the reasons of all entries


NO_NEEDS = PageNeeds()


class PageRow(NamedTuple):
    """The columns of a project that the statement of a page reads."""

    id: int
    version: Any
    owner_id: int | None
    like_count: int
    view_count: int
    liked: bool
    saved: bool
    counters_as_of_s: float | None  # changes with each first engagement, as the next
    actors_14d: float | None
    viewer_version: int | None
    created_at: datetime | None  # None in `read_listed`

    @property
    def keyset(self) -> Keyset:
        """Position of the project in the list of the newest projects."""
        assert self.created_at is not None  # noqa: S101 (tells the type checker)
        return Keyset(self.created_at, self.id)


class ViewerChanged(Exception):
    """The viewer for whom a page was read has another version in the database."""


# --- the statement of a page ---------------------------------------------------------------------------------------


_KEY: Any = bindparam("key")
_HAS_MUTES = select(Mute.id).where(Mute.actor_id == bindparam("muter", type_=BigIntId)).exists()
_ACCOUNT = Actor.__table__.alias("account")


def _of_viewer(model: Any) -> ColumnElement[bool]:
    """Return whether the table of (actor, project) has a row of the viewer for the project."""
    return select(model.project_id).where(model.actor_id == ACTOR_ID, model.project_id == Project.id).exists()


_SHOWABLE = (PUBLIC, ~_of_viewer(Dismissal), or_(~_HAS_MUTES, ~MUTED))
_IS_HIDDEN = (
    select(Engagement.project_id)
    .where(Engagement.actor_id == ACTOR_ID, Engagement.project_id == Project.id)
    .where(Engagement.kinds.bitwise_and(bindparam("hiding_kinds", type_=BigIntId)) > 0)
    .where(Engagement.last_at >= SINCE, Engagement.first_at <= UNTIL)
    .exists()
)
_OWN_VERSION: Mapping[str, Any] = {
    "user": select(Actor.version).join(User, User.id == Actor.user_id).where(User.key == _KEY, Actor.id == ACTOR_ID),
    "session": select(_ACCOUNT.c.version)
    .select_from(Actor)
    .join(_ACCOUNT, _ACCOUNT.c.id == func.coalesce(Actor.merged_into, Actor.id))
    .where(Actor.session_key == _KEY, _ACCOUNT.c.id == ACTOR_ID, IS_ACCEPTED_SESSION),
}
"""Subqueries of the version of the viewer's actor; null if the key now belongs to another actor."""
_ANY_ACTOR: Mapping[str, Any] = {
    "user": select(Actor.id).join(User, User.id == Actor.user_id).where(User.key == _KEY),
    "session": select(Actor.id).where(Actor.session_key == _KEY),
}
"""Subqueries of the actor's id, for a viewer who had no actor; null if that is still so."""


@cache
def page_statement(identity: str | None, *, has_actor: bool, is_listed: bool) -> Select[Any]:
    """Return the statement of a page for a kind of identity ("user", "session", None: not verified).

    With `is_listed`, it reads the projects with the bound ids; otherwise all projects.
    """
    if identity is None:
        version: Any = null()
    elif has_actor:
        version = _OWN_VERSION[identity].scalar_subquery()
    else:
        version = _ANY_ACTOR[identity].scalar_subquery()
    columns: Sequence[Any] = (
        Project.id,
        type_coerce(Project.updated_at, String).label("version"),
        Project.owner_id,
        Project.like_count,
        Project.view_count,
        (_of_viewer(Like) if has_actor else false()).label("liked"),
        (_of_viewer(Save) if has_actor else false()).label("saved"),
        DecayedCounters.as_of_s,
        DecayedCounters.actors_14d,
        version.label("viewer_version"),
        (null() if is_listed else Project.created_at).label("created_at"),
    )
    statement = (
        select(*columns)
        .outerjoin(DecayedCounters, DecayedCounters.project_id == Project.id)
        .where(*(_SHOWABLE if has_actor else (PUBLIC,)))
    )
    return statement.where(in_list(Project.id, IDS)) if is_listed else statement


def _statement(viewer: Viewer, *, is_listed: bool) -> Select[Any]:
    identity = None if viewer.verified_by is None else viewer.verified_by[0]
    return page_statement(identity, has_actor=viewer.actor_id is not None, is_listed=is_listed)


def _bound(viewer: Viewer, *, include_muted: bool = False) -> dict[str, Any]:
    bound = {"actor": viewer.actor_id, "muter": None if include_muted else viewer.actor_id}
    return bound if viewer.verified_by is None else bound | {"key": viewer.verified_by[1], "now": now()}


def _verified(viewer: Viewer, rows: Iterable[Any]) -> list[PageRow]:
    read = [PageRow._make(row) for row in rows]
    if viewer.verified_by is not None and read:
        expected = None if viewer.actor_id is None else viewer.version
        if read[0].viewer_version != expected:
            raise ViewerChanged
    return read


# --- content by version --------------------------------------------------------------------------------------------

_CONTENTS = (
    select(
        Project.id,
        type_coerce(Project.updated_at, String).label("version"),
        Project.key,
        Project.title,
        Project.description,
        Project.type,
        Project.url,
        Project.image_url,
        Project.created_at,
        User.id.label("owner_id"),
        User.key.label("owner_key"),
        User.username,
        User.bio,
        User.tier,
        User.points,
        User.role,
        Term.id.label("term_id"),
        Term.kind.label("term_kind"),
        Term.key.label("term_key"),
        Term.name.label("term_name"),
    )
    .outerjoin(User, User.id == Project.owner_id)
    .outerjoin(ProjectTerm, ProjectTerm.project_id == Project.id)
    .outerjoin(Term, Term.id == ProjectTerm.term_id)
    .where(in_list(Project.id, IDS))
    .order_by(Project.id, Term.kind, Term.name, Term.id)
)


_VERSIONS = select(Project.id, type_coerce(Project.updated_at, String)).where(in_list(Project.id, IDS))


class PageProjects:
    """The projects of pages, with the contents and the activity that this process has read."""

    def __init__(self, database: Database, max_content_bytes: int = MAX_CONTENT_BYTES) -> None:
        self._database = database
        self._contents: LruCache[int, ProjectContent] = LruCache(max_content_bytes)
        self._activity: LruCache[int, tuple[tuple[Any, ...], tuple[int, ...]]] = LruCache(MAX_ACTIVITIES)

    async def read_listed(
        self, ids: Sequence[int], viewer: Viewer, *, include_muted: bool = False
    ) -> dict[int, PageRow]:
        """Read the projects that the viewer's feeds may show (public, not dismissed, not muted), by id.

        `include_muted` ignores mutes, for feeds of a topic or owner that the viewer asks for.

        Raises `ViewerChanged` if the viewer is remembered and has changed since.
        """
        bound = _bound(viewer, include_muted=include_muted) | {"ids": ids}
        rows = await self._database.fetch_short(_statement(viewer, is_listed=True), bound)
        return {row.id: row for row in _verified(viewer, rows)}

    async def read_newest(
        self,
        limit: int,
        viewer: Viewer,
        *,
        after: Keyset | None,
        where: ProjectFilter,
        excluded_ids: Sequence[int] = (),
        hidden: HiddenReads | None = None,
        at: datetime | None = None,
    ) -> list[PageRow]:
        """Read public projects that the viewer has not dismissed or muted, newest first.

        The list starts after the position `after`; None starts at the newest project. Projects in `excluded_ids` are
        left out, and those that `hidden` hides and that the viewer had read at the time `at`, so that what the viewer
        reads while paging does not change later pages. Raises as `read_listed`.
        """
        statement = (
            _statement(viewer, is_listed=False)
            .where(*conditions(where))
            .order_by(Project.created_at.desc(), Project.id.desc())
            .limit(bindparam("limit", type_=BigIntId))
        )
        if after is not None:
            statement = statement.where(tuple_(Project.created_at, Project.id) < (after.created_at, after.id))
        if excluded_ids:
            statement = statement.where(~in_list(Project.id, IDS))
        bound = _bound(viewer) | {"limit": limit, "ids": excluded_ids}
        if hidden is not None:
            statement = statement.where(~_IS_HIDDEN)
            bound |= {"since": hidden.since, "hiding_kinds": hidden.kinds, "until": at}
        return _verified(viewer, await self._database.fetch(statement, bound))

    async def versions(self, ids: Sequence[int]) -> dict[int, Any]:
        """Read the versions of projects, by id."""
        if not ids:
            return {}
        return {row[0]: row[1] for row in await self._database.fetch_short(_VERSIONS, {"ids": ids})}

    async def load(self, rows: Iterable[PageRow], needs: PageNeeds, at: datetime) -> dict[int, PageProject]:
        """Complete the rows of a page. Reads contents and activity that are not known, one statement each.

        Projects that were deleted after the rows were read are left out.
        """
        rows = list(rows)
        contents = await self._load_contents(rows)
        activity = await self._load_activity(rows, needs.activity_days, at) if needs.activity_days else {}
        return {
            row.id: PageProject(
                contents[row.id],
                row.like_count,
                row.view_count,
                bool(row.liked),
                bool(row.saved),
                activity=activity.get(row.id, ()),
            )
            for row in rows
            if row.id in contents
        }

    async def _load_contents(self, rows: Sequence[PageRow]) -> dict[int, ProjectContent]:
        contents: dict[int, ProjectContent] = {}
        for row in rows:
            content = self._contents.get(row.id)
            if content is not None and content.version == row.version:
                contents[row.id] = content
        missing = [row.id for row in rows if row.id not in contents]
        if missing:
            read = _read_contents(await self._database.fetch(_CONTENTS, {"ids": missing}))
            contents |= read
            for id_, content in read.items():
                self._contents.put(id_, content, content.size)
        return contents

    async def _load_activity(self, rows: Sequence[PageRow], days: int, at: datetime) -> dict[int, tuple[int, ...]]:
        today = at.astimezone(UTC).date()
        activity: dict[int, tuple[int, ...]] = {}
        period = at.timestamp() // ACTIVITY_FRESH_S
        versions = {row.id: (today, period, days, row.counters_as_of_s, row.actors_14d) for row in rows}
        for id_, version in versions.items():
            known = self._activity.get(id_)
            if known is not None and known[0] == version:
                activity[id_] = known[1]
        missing = [row.id for row in rows if row.id not in activity]
        if missing:
            counts = await activity_by_day(self._database, missing, days, at)
            activity |= {id_: tuple(by_day) for id_, by_day in counts.items()}
            for id_ in missing:
                self._activity.put(id_, (versions[id_], activity[id_]), 1)
        return activity


def _read_contents(rows: Iterable[Any]) -> dict[int, ProjectContent]:
    """Return the contents by project id; each row has one term of one project."""
    contents: dict[int, ProjectContent] = {}
    for _, group in groupby(rows, key=attrgetter("id")):
        rows_of_project = list(group)
        row = rows_of_project[0]
        owner = None
        if row.owner_id is not None:
            owner = UserCard(row.owner_id, row.owner_key, row.username, row.bio, row.tier, row.points, Role(row.role))
        terms: dict[str, list[CatalogTerm]] = {kind.value: [] for kind in _TERM_KINDS}
        for term in rows_of_project:
            if term.term_id is not None:
                terms[term.term_kind].append(
                    CatalogTerm(term.term_id, TermKind(term.term_kind), term.term_key, term.term_name)
                )
        tools, categories, topics = (tuple(terms[kind.value]) for kind in _TERM_KINDS)
        contents[row.id] = ProjectContent(*row[:9], owner, tools, categories, topics)  # type: ignore[call-arg]  # mypy counts an Any slice wrongly
    return contents
