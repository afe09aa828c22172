"""Candidate sources in the database: popular, new and recently active projects, matching interests, co-engagement."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Select, bindparam, func, literal, select, true, union_all

from db.catalog.project_cards import ProjectFilter, conditions
from db.catalog.visibility import PUBLIC, by_user
from db.database.column_types import ACTOR_ID, IDS, SINCE, BigIntId, IntegerList, UtcDateTime, in_list, micros
from db.database.engine import Database
from db.models import ActorInterest, Engagement, Like, Project, ProjectTerm

_ACTOR_COUNT = func.count().label("actors")
_NEWEST_FIRST = (Project.created_at.desc(), Project.id.desc())
_latest = (
    select(Engagement.project_id)
    .where(Engagement.kinds > 0, Engagement.first_at <= bindparam("at", type_=UtcDateTime()))
    .order_by(Engagement.first_at.desc(), Engagement.actor_id, Engagement.project_id)
    .limit(bindparam("latest"))
    .subquery("latest")
)
_active = select(_latest.c.project_id, _ACTOR_COUNT).group_by(_latest.c.project_id).subquery("active")


async def newest_projects(database: Database, limit: int, where: ProjectFilter) -> NDArray[np.int64]:
    """Find the newest public projects, in one statement.

    Returns (n, 3) integers, the newest project first: id, owner id (−1 for none), Unix microseconds of the creation.
    """
    statement = (
        select(Project.id, func.coalesce(Project.owner_id, -1), micros(Project.created_at))
        .where(PUBLIC, *conditions(where))
        .order_by(*_NEWEST_FIRST)
        .limit(bindparam("limit", type_=BigIntId))
    )
    rows = await database.fetch(statement, {"limit": limit})
    return np.array([tuple(row) for row in rows], dtype=np.int64).reshape(-1, 3)


async def shared_candidates(
    database: Database,
    *,
    trending: int,
    newest: int,
    popular: int,
    recently_active: int,
    recent_engagement_limit: int,
    at: datetime,
    where: ProjectFilter,
) -> dict[str, list[int]]:
    """Find the candidates that do not depend on the viewer, best first, in one statement.

    `trending`, `newest`, `popular` and `recently_active` are the maximum numbers of projects of the sources. A recently
    active project is one of those with the most actors among the latest `recent_engagement_limit` first engagements
    before `at`, so that the cost does not depend on the size of the platform.

    Returns project ids under ``"trending"``, ``"newest"``, ``"popular"`` and ``"lately"`` (recently active).
    """
    public = select(Project.id).where(PUBLIC, *conditions(where))
    active = public.join(_active, _active.c.project_id == Project.id)
    sources = {
        "trending": public.order_by(Project.engagement_velocity.desc(), *_NEWEST_FIRST).limit(trending),
        "newest": public.order_by(*_NEWEST_FIRST).limit(newest),
        "popular": public.order_by(Project.like_count.desc(), *_NEWEST_FIRST).limit(popular),
        "lately": active.order_by(_active.c.actors.desc(), *_NEWEST_FIRST).limit(recently_active),
    }
    return await _fetch_sources(database, sources, {"at": at, "latest": recent_engagement_limit})


async def _fetch_sources(
    database: Database, sources: Mapping[str, Select[Any]], values: Mapping[str, Any]
) -> dict[str, list[int]]:
    """Run several queries of project ids in one statement; return the ids of each in its order."""
    labeled_sources = [
        select(literal(name).label("source"), query.subquery(name).c.id) for name, query in sources.items()
    ]
    ids_by_source: dict[str, list[int]] = {name: [] for name in sources}
    for row in await database.fetch(union_all(*labeled_sources), values):
        ids_by_source[row.source].append(row.id)
    return ids_by_source


_co_engaged_actors = (
    select(Engagement.actor_id)
    .where(
        in_list(Engagement.project_id, bindparam("latest_engaged", type_=IntegerList())),
        Engagement.actor_id != ACTOR_ID,
        by_user(Engagement.actor_id),
    )
    .where(Engagement.last_at >= SINCE, Engagement.first_at >= SINCE, Engagement.kinds > 0)
    .group_by(Engagement.actor_id)
    .order_by(func.count().desc(), Engagement.actor_id)
    .limit(bindparam("max_actors"))
    .subquery("co_engaged_actors")
)
_ENGAGED_SINCE = bindparam("engaged_since", type_=UtcDateTime())
_co_engaged = (
    select(Engagement.project_id, _ACTOR_COUNT)
    .where(Engagement.actor_id.in_(select(_co_engaged_actors.c.actor_id)), Engagement.kinds > 0)
    .where(Engagement.last_at >= _ENGAGED_SINCE, Engagement.first_at >= _ENGAGED_SINCE)
    .group_by(Engagement.project_id)
    .having(func.count() >= bindparam("min_actors"))
    .subquery("co_engaged")
)
_ENGAGED = bindparam("engaged", type_=IntegerList())
_OWNERS = select(Project.owner_id).where(in_list(Project.id, _ENGAGED), Project.owner_id.is_not(None))


async def co_engaged_candidates(
    database: Database,
    actor_id: int,
    engaged: Sequence[int],
    *,
    latest_engaged: Sequence[int],
    since: datetime,
    interactions_since: datetime,
    max_actors: int,
    min_actors: int,
    session_neighbors: int,
    owners: int,
    where: ProjectFilter,
) -> dict[str, list[int]]:
    """Find projects of session neighbors, and projects of the owners of the `engaged` projects, in one statement.

    Session neighbors are the `max_actors` other actors that engaged with the most of the `latest_engaged` projects
    since `since`. Their projects need at least `min_actors` of them as actors since `interactions_since`.
    `session_neighbors` and `owners` are the maximum number of projects of each source.

    Returns project ids under ``"session_neighbors"``, most actors first, and ``"owners"``, newest first, without the
    `engaged` projects.
    """
    public = select(Project.id).where(PUBLIC, ~in_list(Project.id, _ENGAGED), *conditions(where))
    co_engaged = public.join(_co_engaged, _co_engaged.c.project_id == Project.id)
    sources = {
        "session_neighbors": co_engaged.order_by(_co_engaged.c.actors.desc(), *_NEWEST_FIRST).limit(session_neighbors),
        "owners": public.where(Project.owner_id.in_(_OWNERS)).order_by(*_NEWEST_FIRST).limit(owners),
    }
    values = {
        "actor": actor_id,
        "latest_engaged": latest_engaged,
        "since": since,
        "engaged_since": interactions_since,
        "max_actors": max_actors,
    }
    return await _fetch_sources(database, sources, values | {"min_actors": min_actors, "engaged": engaged})


async def projects_with_terms(database: Database, terms: Sequence[int], limit: int, where: ProjectFilter) -> list[int]:
    """Find the public projects with the most of these terms; ties go to the newest."""
    statement = (
        select(ProjectTerm.project_id)
        .join(Project, Project.id == ProjectTerm.project_id)
        .where(in_list(ProjectTerm.term_id, bindparam("terms", type_=IntegerList())), PUBLIC, *conditions(where))
        .group_by(ProjectTerm.project_id, Project.created_at)
        .order_by(func.count().desc(), Project.created_at.desc(), ProjectTerm.project_id.desc())
        .limit(limit)
    )
    return [row.project_id for row in await database.fetch(statement, {"terms": terms})]


_BATCH = bindparam("batch", type_=UtcDateTime())


def _liked_by_neighbors(actor_id: Any, shared_id: Any, is_counted: ColumnElement[bool]) -> Select[int, int]:
    """Return a query of the likes per project before a time, by the users with the most of the bound ids."""
    neighbors = (
        select(actor_id)
        .where(in_list(shared_id, IDS), actor_id != ACTOR_ID, by_user(actor_id), is_counted)
        .group_by(actor_id)
        .having(func.count() >= bindparam("min_shared"))
        .order_by(func.count().desc(), actor_id)
        .limit(bindparam("neighbors"))
        .subquery("neighbors")
    )
    return (
        select(Like.project_id, _ACTOR_COUNT)
        .where(Like.actor_id.in_(select(neighbors.c.actor_id)), Like.created_at < _BATCH)
        .group_by(Like.project_id)
        .having(func.count() >= bindparam("min_actors"))
        .order_by(_ACTOR_COUNT.desc(), Like.project_id)
    )


_LIKED_BY_TAG_NEIGHBORS = _liked_by_neighbors(ActorInterest.actor_id, ActorInterest.term_id, true())
_LIKED_BY_PROJECT_NEIGHBORS = _liked_by_neighbors(
    Engagement.actor_id, Engagement.project_id, Engagement.first_at < _BATCH
)


async def liked_by_neighbors(
    database: Database,
    actor_id: int,
    engaged: Sequence[int] | None,
    *,
    terms: Sequence[int] = (),
    neighbors: int,
    min_shared: int,
    min_actors: int,
    batch: datetime,
) -> dict[int, int]:
    """Count the likes by the actor's neighbors per project, most likes first, in multiples of `min_actors`.

    Only likes and engagement before the time `batch` count. Neighbors are up to `neighbors` users that engaged with at
    least `min_shared` of the `engaged` projects or, if `engaged` is None, have at least `min_shared` of the `terms` as
    interests. Projects with fewer than `min_actors` likes are left out.
    """
    bounds = {"neighbors": neighbors, "min_shared": min_shared, "min_actors": min_actors, "batch": batch}
    statement, ids = (_LIKED_BY_TAG_NEIGHBORS, terms) if engaged is None else (_LIKED_BY_PROJECT_NEIGHBORS, engaged)
    rows = await database.fetch(statement, bounds | {"actor": actor_id, "ids": ids})
    return {row.project_id: row.actors // min_actors * min_actors for row in rows}
