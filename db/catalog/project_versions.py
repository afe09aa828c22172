"""Versions of projects. `Project.updated_at` changes with all data of a project's card except counters."""

from collections.abc import Iterable

from sqlalchemy import bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from db.database.column_types import IDS, UtcDateTime, in_list
from db.models import Project, ProjectTerm, now

_RENEW_VERSIONS = update(Project).values(updated_at=bindparam("time", type_=UtcDateTime()))
_RENEW_BY_ID = _RENEW_VERSIONS.where(in_list(Project.id, IDS))
_RENEW_BY_OWNER = _RENEW_VERSIONS.where(in_list(Project.owner_id, IDS))
_RENEW_BY_TERM = _RENEW_VERSIONS.where(
    Project.id.in_(select(ProjectTerm.project_id).where(in_list(ProjectTerm.term_id, IDS)))
)


async def renew_project_versions(
    connection: AsyncConnection,
    *,
    ids: Iterable[int] = (),
    owner_ids: Iterable[int] = (),
    term_ids: Iterable[int] = (),
) -> None:
    """Give a new version to projects, to all projects of owners, and to all projects with terms."""
    for statement, affected in (
        (_RENEW_BY_ID, sorted(ids)),
        (_RENEW_BY_OWNER, sorted(owner_ids)),
        (_RENEW_BY_TERM, sorted(term_ids)),
    ):
        if affected:
            await connection.execute(statement, {"ids": affected, "time": now()})
