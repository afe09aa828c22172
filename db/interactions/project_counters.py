"""Like and view counters of projects.

Like counters count users: likes of a session count when a user claims it. View counters include views that retention
has deleted.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from db.database.batches import batch, columns_of
from db.database.column_types import IDS, in_list
from db.models import Actor, Interaction, InteractionType, Like, Project

_LOCK = select(Project.id, Project.key).where(in_list(Project.id, IDS)).order_by(Project.id)
_LOCK = _LOCK.with_for_update(key_share=True)

_LIKES = (
    select(Like.project_id, func.count())
    .join(Actor, Actor.id == Like.actor_id)
    .where(in_list(Like.actor_id, IDS), Actor.user_id.is_not(None))
    .group_by(Like.project_id)
)
_VIEWS = (
    select(Interaction.project_id, func.count())
    .where(in_list(Interaction.actor_id, IDS), Interaction.type == InteractionType.VIEW.value)
    .group_by(Interaction.project_id)
)
_changes = batch(columns_of(Project, "id", "like_count", "view_count")).subquery("changes")
_ADD = (
    update(Project)
    .where(Project.id == _changes.c.id)
    .values(
        like_count=Project.like_count + _changes.c.like_count,
        view_count=Project.view_count + _changes.c.view_count,
        updated_at=Project.updated_at,  # counters do not change the time of the last update
    )
)


class ProjectCounts(NamedTuple):
    """Numbers of likes and views of a project, or changes of these numbers."""

    likes: int = 0
    views: int = 0


async def lock_projects(connection: AsyncConnection, ids: Iterable[int]) -> dict[int, str]:
    """Lock projects in the order of their ids until the transaction ends; return the existing keys, by id."""
    rows = await connection.execute(_LOCK, {"ids": sorted(set(ids))})
    return {row.id: row.key for row in rows}


async def counts_by_actors(connection: AsyncConnection, actor_ids: Sequence[int]) -> dict[int, ProjectCounts]:
    """Count the counted likes and the views by these actors, by project id."""
    ids = {"ids": list(actor_ids)}
    likes: dict[int, int] = {row[0]: row[1] for row in await connection.execute(_LIKES, ids)}
    views: dict[int, int] = {row[0]: row[1] for row in await connection.execute(_VIEWS, ids)}
    return {id_: ProjectCounts(likes.get(id_, 0), views.get(id_, 0)) for id_ in likes.keys() | views.keys()}


async def add_counts(connection: AsyncConnection, changes: Mapping[int, ProjectCounts]) -> None:
    """Add changes to the counters of projects. The caller has locked them with `lock_projects`."""
    rows = [(project_id, change.likes, change.views) for project_id, change in sorted(changes.items()) if any(change)]
    if rows:
        await connection.execute(_ADD, {"rows": rows})
