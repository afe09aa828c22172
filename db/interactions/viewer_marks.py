"""Likes and saves of an actor for the projects of a page."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import bindparam, literal, select, union_all

from db.database.column_types import BigIntId, IntegerList, in_list
from db.database.engine import Database
from db.models import Like, Save


class Marks(NamedTuple):
    """Whether an actor has liked and saved a project."""

    liked: bool = False
    saved: bool = False


_ACTOR = bindparam("actor", type_=BigIntId)
_IDS = bindparam("ids", type_=IntegerList())
MARKS = union_all(
    *(
        select(model.project_id, literal(mark).label("mark")).where(
            model.actor_id == _ACTOR, in_list(model.project_id, _IDS)
        )
        for mark, model in (("like", Like), ("save", Save))
    )
)


async def marks_by_project(database: Database, actor_id: int, project_ids: Sequence[int]) -> dict[int, Marks]:
    """Read an actor's likes and saves of projects, in one statement. Projects without either are left out."""
    rows = await database.fetch(MARKS, {"actor": actor_id, "ids": project_ids})
    marked = {(row.project_id, row.mark) for row in rows}
    return {id_: Marks((id_, "like") in marked, (id_, "save") in marked) for id_, _ in marked}
