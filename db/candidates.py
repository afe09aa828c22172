"""Where candidates come from in the truth: what everybody may like, what matches the tags, what people alike like."""

from collections.abc import Sequence

from sqlalchemy import bindparam, func, literal, select, union_all

from db.columns import Identity, IntegerList, among
from db.engine import Database
from db.models import Engagement, Like, Project, ProjectTerm, UserTag
from db.projects import PUBLIC, ProjectFilter, conditions

_ACTOR = bindparam("actor", type_=Identity)


async def shared_candidates(
    database: Database, *, trending: int, newest: int, popular: int, where: ProjectFilter
) -> dict[str, list[int]]:
    """Find the projects that are candidates for everybody, best first, in one statement.

    Returns
    -------
    Project ids under ``"trending"``, ``"newest"`` and ``"popular"``.
    """
    created, tie = Project.created_at.desc(), Project.id.desc()
    legs = {
        "trending": (trending, (Project.engagement_velocity.desc(), created, tie)),
        "newest": (newest, (created, tie)),
        "popular": (popular, (Project.like_count.desc(), created, tie)),
    }
    chosen = []
    for name, (limit, order) in legs.items():
        leg = select(Project.id).where(PUBLIC, *conditions(where)).order_by(*order).limit(limit).subquery(name)
        chosen.append(select(literal(name).label("source"), leg.c.id))
    found: dict[str, list[int]] = {name: [] for name in legs}
    for row in await database.fetch(union_all(*chosen)):
        found[row.source].append(row.id)
    return found


async def tag_matches(database: Database, terms: Sequence[int], limit: int, where: ProjectFilter) -> list[int]:
    """Find the public projects that carry most of these terms, then the newest of them."""
    statement = (
        select(ProjectTerm.project_id)
        .join(Project, Project.id == ProjectTerm.project_id)
        .where(among(ProjectTerm.term_id, bindparam("terms", type_=IntegerList())), PUBLIC, *conditions(where))
        .group_by(ProjectTerm.project_id, Project.created_at)
        .order_by(func.count().desc(), Project.created_at.desc(), ProjectTerm.project_id.desc())
        .limit(limit)
    )
    return [row.project_id for row in await database.fetch(statement, {"terms": terms})]


_PEOPLE = func.count().label("people")
_MY_TERMS = select(UserTag.term_id).where(UserTag.actor_id == _ACTOR).scalar_subquery()
_NEIGHBOURS_BY_TAGS = (
    select(UserTag.actor_id)
    .where(UserTag.term_id.in_(_MY_TERMS), UserTag.actor_id != _ACTOR)
    .group_by(UserTag.actor_id)
    .having(func.count() >= bindparam("shared"))
    .order_by(func.count().desc(), UserTag.actor_id)
    .limit(bindparam("neighbours"))
)
_NEIGHBOURS_BY_PROJECTS = (
    select(Engagement.actor_id)
    .where(among(Engagement.project_id, bindparam("projects", type_=IntegerList())), Engagement.actor_id != _ACTOR)
    .group_by(Engagement.actor_id)
    .having(func.count() >= bindparam("shared"))
    .order_by(func.count().desc(), Engagement.actor_id)
    .limit(bindparam("neighbours"))
)
_LIKED_BY_TAG_NEIGHBOURS, _LIKED_BY_PROJECT_NEIGHBOURS = (
    select(Like.project_id, _PEOPLE)
    .where(Like.actor_id.in_(select(neighbours.subquery("neighbours").c.actor_id)))
    .group_by(Like.project_id)
    .having(func.count() >= bindparam("floor"))
    .order_by(_PEOPLE.desc(), Like.project_id)
    for neighbours in (_NEIGHBOURS_BY_TAGS, _NEIGHBOURS_BY_PROJECTS)
)


async def liked_by_neighbours(
    database: Database, actor_id: int, touched: Sequence[int] | None, *, neighbours: int, shared: int, floor: int
) -> dict[int, int]:
    """Count, for each project, the likes of the people most like the actor.

    Parameters
    ----------
    touched
        Find people who touched these projects too; None finds people who share the actor's tags.
    neighbours
        How many people count, those with most in common first.
    shared
        The least they have in common.
    floor
        A project liked by fewer of them is left out.

    Returns
    -------
    People by project id, most first.
    """
    people = {"actor": actor_id, "neighbours": neighbours, "shared": shared, "floor": floor}
    if touched is None:
        rows = await database.fetch(_LIKED_BY_TAG_NEIGHBOURS, people)
    else:
        rows = await database.fetch(_LIKED_BY_PROJECT_NEIGHBOURS, people | {"projects": touched})
    return {row.project_id: row.people for row in rows}
