"""The counters that stand on a project, `like_count` and `view_count`: always as many as there are likes and views."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from db.database.batches import batch, columns_of
from db.database.column_types import IntegerList, in_list
from db.models import Interaction, InteractionType, Like, Project

_IDS = bindparam("ids", type_=IntegerList())
_LOCK = select(Project.id, Project.key).where(in_list(Project.id, _IDS)).order_by(Project.id)
_LOCK = _LOCK.with_for_update(key_share=True)

_LIKES = select(Like.project_id, func.count()).where(in_list(Like.actor_id, _IDS)).group_by(Like.project_id)
_VIEWS = (
    select(Interaction.project_id, func.count())
    .where(in_list(Interaction.actor_id, _IDS), Interaction.type == InteractionType.VIEW.value)
    .group_by(Interaction.project_id)
)
_moves = batch(columns_of(Project, "id", "like_count", "view_count")).subquery("moves")
_MOVE = (
    update(Project)
    .where(Project.id == _moves.c.id)
    .values(
        like_count=Project.like_count + _moves.c.like_count,
        view_count=Project.view_count + _moves.c.view_count,
        updated_at=Project.updated_at,  # a count is no change of the project
    )
)


class ProjectCounts(NamedTuple):
    """Likes and views of one project, or by how much they move."""

    likes: int = 0
    views: int = 0


async def lock_projects(connection: AsyncConnection, ids: Iterable[int]) -> dict[int, str]:
    """Lock these projects in the order of their ids until the transaction ends; give the keys of those that exist."""
    rows = await connection.execute(_LOCK, {"ids": sorted(set(ids))})
    return {row.id: row.key for row in rows}


async def counts_by_actors(connection: AsyncConnection, actor_ids: Sequence[int]) -> dict[int, ProjectCounts]:
    """Count what these actors together have added to each project's counters."""
    likes: dict[int, int] = defaultdict(int)
    views: dict[int, int] = defaultdict(int)
    for statement, counted in ((_LIKES, likes), (_VIEWS, views)):
        for project_id, count in await connection.execute(statement, {"ids": list(actor_ids)}):
            counted[project_id] = count
    return {
        project_id: ProjectCounts(likes[project_id], views[project_id]) for project_id in likes.keys() | views.keys()
    }


async def add_counts(connection: AsyncConnection, moves: Mapping[int, ProjectCounts]) -> None:
    """Add to the counters of projects that `lock_projects` has locked."""
    rows = [(project_id, move.likes, move.views) for project_id, move in sorted(moves.items()) if any(move)]
    if rows:
        await connection.execute(_MOVE, {"rows": rows})
