"""Where candidates come from in the truth: what everybody may like, what matches the tags, what people alike like."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, bindparam, func, literal, select, union_all

from db.catalog.project_cards import ProjectFilter, conditions
from db.catalog.visibility import PUBLIC
from db.database.column_types import BigIntId, IntegerList, UtcDateTime, in_list
from db.database.engine import Database
from db.models import Engagement, Like, Project, ProjectTerm, UserTag

_ACTOR = bindparam("actor", type_=BigIntId)
_SINCE = bindparam("since", type_=UtcDateTime())
_PEOPLE = func.count().label("people")
_LATEST = (
    select(Engagement.project_id)
    .where(Engagement.kinds > 0, Engagement.first_at <= bindparam("at", type_=UtcDateTime()))
    .order_by(Engagement.first_at.desc(), Engagement.actor_id, Engagement.project_id)
    .limit(bindparam("arrivals"))
    .subquery("latest")
)
_LIVELY = select(_LATEST.c.project_id, _PEOPLE).group_by(_LATEST.c.project_id).subquery("lively")


async def shared_candidates(
    database: Database,
    *,
    trending: int,
    newest: int,
    popular: int,
    lately: int,
    platform_activity: int,
    at: datetime,
    where: ProjectFilter,
) -> dict[str, list[int]]:
    """Find the projects that are candidates for everybody, best first, in one statement.

    Parameters
    ----------
    lately, platform_activity
        How many projects of those that most people came to among so many last first touches of anything before `at`.
        However large the platform is, this costs the same, and it is live.

    Returns
    -------
    Project ids under ``"trending"``, ``"newest"``, ``"popular"`` and ``"lately"``.
    """
    created, tie = Project.created_at.desc(), Project.id.desc()
    legs = {
        "trending": (trending, (Project.engagement_velocity.desc(), created, tie)),
        "newest": (newest, (created, tie)),
        "popular": (popular, (Project.like_count.desc(), created, tie)),
    }
    public = select(Project.id).where(PUBLIC, *conditions(where))
    chosen = {name: public.order_by(*order).limit(limit) for name, (limit, order) in legs.items()}
    lively = public.join(_LIVELY, _LIVELY.c.project_id == Project.id)
    chosen["lately"] = lively.order_by(_LIVELY.c.people.desc(), created, tie).limit(lately)
    return await _legs(database, chosen, {"at": at, "arrivals": platform_activity})


async def _legs(database: Database, legs: Mapping[str, Select[Any]], values: Mapping[str, Any]) -> dict[str, list[int]]:
    """Ask several selections of project ids in one statement; each keeps its order."""
    named = [select(literal(name).label("source"), leg.subquery(name).c.id) for name, leg in legs.items()]
    found: dict[str, list[int]] = {name: [] for name in legs}
    for row in await database.fetch(union_all(*named), values):
        found[row.source].append(row.id)
    return found


_MET = (
    select(Engagement.actor_id)
    .where(in_list(Engagement.project_id, bindparam("last", type_=IntegerList())), Engagement.actor_id != _ACTOR)
    .where(Engagement.last_at >= _SINCE, Engagement.first_at >= _SINCE, Engagement.kinds > 0)
    .group_by(Engagement.actor_id)
    .order_by(func.count().desc(), Engagement.actor_id)
    .limit(bindparam("most"))
    .subquery("met")
)
_DEEDS_SINCE = bindparam("deeds_since", type_=UtcDateTime())
_OF_COMPANY = (
    select(Engagement.project_id, _PEOPLE)
    .where(Engagement.actor_id.in_(select(_MET.c.actor_id)), Engagement.kinds > 0)
    .where(Engagement.last_at >= _DEEDS_SINCE, Engagement.first_at >= _DEEDS_SINCE)
    .group_by(Engagement.project_id)
    .having(func.count() >= bindparam("floor"))
    .subquery("of_company")
)
_TOUCHED = bindparam("touched", type_=IntegerList())
_MAKERS = select(Project.owner_id).where(in_list(Project.id, _TOUCHED), Project.owner_id.is_not(None))


async def co_engaged_candidates(
    database: Database,
    actor_id: int,
    engaged: Sequence[int],
    *,
    last: Sequence[int],
    since: datetime,
    interactions_since: datetime,
    most: int,
    floor: int,
    company: int,
    owners: int,
    where: ProjectFilter,
) -> dict[str, list[int]]:
    """Find what those who touched the actor's last projects touched, and what the owners of the touched made.

    One statement. Parameters as the signals of the same names read them (see `scoring.collaborative.evidence_loader`).

    Parameters
    ----------
    last, since
        The actor's last projects, and the moment since which others came to them.
    interactions_since
        What these others came to before it is left out.
    most
        How many of these people count, those with most in common first.
    floor
        What fewer of them came to is left out.
    company, owners
        How many projects each source brings.

    Returns
    -------
    Project ids under ``"company"``, most people first, and ``"owners"``, the newest first.
    """
    public = select(Project.id).where(PUBLIC, ~in_list(Project.id, _TOUCHED), *conditions(where))
    created, tie = Project.created_at.desc(), Project.id.desc()
    met = public.join(_OF_COMPANY, _OF_COMPANY.c.project_id == Project.id)
    legs = {
        "company": met.order_by(_OF_COMPANY.c.people.desc(), created, tie).limit(company),
        "owners": public.where(Project.owner_id.in_(_MAKERS)).order_by(created, tie).limit(owners),
    }
    values = {"actor": actor_id, "last": last, "since": since, "deeds_since": interactions_since, "most": most}
    return await _legs(database, legs, values | {"floor": floor, "touched": engaged})


async def tag_matches(database: Database, terms: Sequence[int], limit: int, where: ProjectFilter) -> list[int]:
    """Find the public projects that carry most of these terms, then the newest of them."""
    statement = (
        select(ProjectTerm.project_id)
        .join(Project, Project.id == ProjectTerm.project_id)
        .where(in_list(ProjectTerm.term_id, bindparam("terms", type_=IntegerList())), PUBLIC, *conditions(where))
        .group_by(ProjectTerm.project_id, Project.created_at)
        .order_by(func.count().desc(), Project.created_at.desc(), ProjectTerm.project_id.desc())
        .limit(limit)
    )
    return [row.project_id for row in await database.fetch(statement, {"terms": terms})]


_NEIGHBOURS_BY_TAGS = (
    select(UserTag.actor_id)
    .where(in_list(UserTag.term_id, bindparam("terms", type_=IntegerList())), UserTag.actor_id != _ACTOR)
    .group_by(UserTag.actor_id)
    .having(func.count() >= bindparam("shared"))
    .order_by(func.count().desc(), UserTag.actor_id)
    .limit(bindparam("neighbors"))
)
_NEIGHBOURS_BY_PROJECTS = (
    select(Engagement.actor_id)
    .where(in_list(Engagement.project_id, bindparam("projects", type_=IntegerList())), Engagement.actor_id != _ACTOR)
    .group_by(Engagement.actor_id)
    .having(func.count() >= bindparam("shared"))
    .order_by(func.count().desc(), Engagement.actor_id)
    .limit(bindparam("neighbors"))
)
_LIKED_BY_TAG_NEIGHBOURS, _LIKED_BY_PROJECT_NEIGHBOURS = (
    select(Like.project_id, _PEOPLE)
    .where(Like.actor_id.in_(select(neighbors.subquery("neighbors").c.actor_id)))
    .group_by(Like.project_id)
    .having(func.count() >= bindparam("floor"))
    .order_by(_PEOPLE.desc(), Like.project_id)
    for neighbors in (_NEIGHBOURS_BY_TAGS, _NEIGHBOURS_BY_PROJECTS)
)


async def liked_by_neighbors(
    database: Database,
    actor_id: int,
    engaged: Sequence[int] | None,
    *,
    terms: Sequence[int] = (),
    neighbors: int,
    shared: int,
    floor: int,
) -> dict[int, int]:
    """Count, for each project, the likes of the people most like the actor.

    Parameters
    ----------
    engaged
        Find people who touched these projects too; None finds people who share tags.
    terms
        The terms of the tags to share.
    neighbors
        How many people count, those with most in common first.
    shared
        The least they have in common.
    floor
        A project liked by fewer of them is left out.

    Returns
    -------
    People by project id, most first.
    """
    people = {"actor": actor_id, "neighbors": neighbors, "shared": shared, "floor": floor}
    if engaged is None:
        rows = await database.fetch(_LIKED_BY_TAG_NEIGHBOURS, people | {"terms": terms})
    else:
        rows = await database.fetch(_LIKED_BY_PROJECT_NEIGHBOURS, people | {"projects": engaged})
    return {row.project_id: row.people for row in rows}
