"""Versions of projects. `Project.updated_at` changes with all data of a project's card except counters."""

from collections.abc import Iterable

from sqlalchemy import bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from db.database.column_types import IDS, UtcDateTime, in_list
from db.models import Project, ProjectTerm, now

_RAISE = update(Project).values(updated_at=bindparam("time", type_=UtcDateTime()))
_RAISE_BY_ID = _RAISE.where(in_list(Project.id, IDS))
_RAISE_BY_OWNER = _RAISE.where(in_list(Project.owner_id, IDS))
_RAISE_BY_TERM = _RAISE.where(Project.id.in_(select(ProjectTerm.project_id).where(in_list(ProjectTerm.term_id, IDS))))


async def raise_project_versions(
    connection: AsyncConnection,
    *,
    ids: Iterable[int] = (),
    owner_ids: Iterable[int] = (),
    term_ids: Iterable[int] = (),
) -> None:
    """Give a new version to projects, to all projects of owners, and to all projects with terms."""
    for statement, affected in (
        (_RAISE_BY_ID, sorted(ids)),
        (_RAISE_BY_OWNER, sorted(owner_ids)),
        (_RAISE_BY_TERM, sorted(term_ids)),
    ):
        if affected:
            await connection.execute(statement, {"ids": affected, "time": now()})
