"""Folded texts of rows that have none, because a version before migration 0018 wrote them."""

from sqlalchemy import bindparam, exists, select
from sqlalchemy.ext.asyncio import AsyncConnection

from db.database.batches import batch, columns_of, insert_batch, table_of
from db.database.column_types import IDS, BigIntId, in_list
from db.database.engine import Database
from db.models import Project, ProjectSearchText, Term
from db.vectors.text_analysis import fold

BATCH = 1_000
"""Rows of one transaction, which locks them against other writers."""

_AFTER = bindparam("after", type_=BigIntId)
_PROJECTS_WITHOUT = (
    select(Project.id)
    .where(Project.id > _AFTER, ~exists().where(ProjectSearchText.project_id == Project.id))
    .order_by(Project.id)
    .limit(BATCH)
)
_TERMS_WITHOUT = select(Term.id).where(Term.id > _AFTER, Term.folded_name == "").order_by(Term.id).limit(BATCH)
_PROJECTS = select(Project.id, Project.title, Project.description).where(in_list(Project.id, IDS)).order_by(Project.id)
_PROJECTS = _PROJECTS.with_for_update(read=True, key_share=True)
_TERMS = select(Term.id, Term.name).where(in_list(Term.id, IDS), Term.folded_name == "").order_by(Term.id)
_TERMS = _TERMS.with_for_update(key_share=True)
_INSERT = insert_batch(ProjectSearchText, "project_id", "title", "description").on_conflict_do_nothing()
_FOLDED = batch(columns_of(Term, "id", "folded_name")).subquery("folded")
_UPDATE = table_of(Term).update().where(Term.id == _FOLDED.c.id).values(folded_name=_FOLDED.c.folded_name)


async def fill_search_texts(database: Database) -> int:
    """Fold the texts of projects and terms without folded texts; return the number of written rows.

    Each batch has its own transaction. Until then, search without the index does not find these rows.
    """
    written = 0
    for unfilled, write in ((_PROJECTS_WITHOUT, _write_projects), (_TERMS_WITHOUT, _write_terms)):
        after = 0
        while ids := [row.id for row in await database.fetch(unfilled, {"after": after})]:
            async with database.write() as connection:
                written += await write(connection, ids)
            after = ids[-1]
    return written


async def _write_projects(connection: AsyncConnection, ids: list[int]) -> int:
    rows = [
        (row.id, fold(row.title), fold(row.description)) for row in await connection.execute(_PROJECTS, {"ids": ids})
    ]
    return (await connection.execute(_INSERT, {"rows": rows})).rowcount


async def _write_terms(connection: AsyncConnection, ids: list[int]) -> int:
    names = [(row.id, fold(row.name)) for row in await connection.execute(_TERMS, {"ids": ids})]
    rows = [(id_, name) for id_, name in names if name]  # an accent alone folds to ""
    return (await connection.execute(_UPDATE, {"rows": rows})).rowcount
