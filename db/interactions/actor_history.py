"""Reads of an actor's interactions: likes and saves of the projects of a page, impressions, and dismissals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import bindparam, func, literal, select, union_all

from db.catalog.project_cards import TERMS
from db.database.column_types import ACTOR_ID, IDS, SINCE, in_list
from db.database.engine import Database
from db.models import Dismissal, Interaction, InteractionType, Like, Project, Save


class Marks(NamedTuple):
    """Whether an actor has liked and saved a project."""

    liked: bool = False
    saved: bool = False


@dataclass(frozen=True, slots=True)
class DismissedProject:
    """Owner and terms of a dismissed project. `terms` has the format of `ProjectFeatures.terms`."""

    owner_id: int | None
    terms: str | None


_MARKS = union_all(
    *(
        select(model.project_id, literal(mark).label("mark")).where(
            model.actor_id == ACTOR_ID, in_list(model.project_id, IDS)
        )
        for mark, model in (("like", Like), ("save", Save))
    )
)
_IMPRESSION_COUNTS = (
    select(Interaction.project_id, func.count().label("times"))
    .where(
        Interaction.actor_id == ACTOR_ID,
        Interaction.type == InteractionType.IMPRESSION.value,
        Interaction.at >= SINCE,
    )
    .group_by(Interaction.project_id)
)
_DISMISSED_PROJECTS = (
    select(Project.owner_id, TERMS.label("terms"))
    .join(Dismissal, Dismissal.project_id == Project.id)
    .where(Dismissal.actor_id == ACTOR_ID)
    .order_by(Dismissal.created_at.desc(), Project.id.desc())
    .limit(bindparam("limit"))
)


async def marks_by_project(database: Database, actor_id: int, project_ids: Sequence[int]) -> dict[int, Marks]:
    """Read an actor's likes and saves of projects, in one statement. Projects without either are left out."""
    rows = await database.fetch(_MARKS, {"actor": actor_id, "ids": project_ids})
    marked = {(row.project_id, row.mark) for row in rows}
    return {id_: Marks((id_, "like") in marked, (id_, "save") in marked) for id_, _ in marked}


async def impression_counts(database: Database, actor_id: int, since: datetime) -> Mapping[int, int]:
    """Count the impressions of an actor since a time, by project."""
    rows = await database.fetch(_IMPRESSION_COUNTS, {"actor": actor_id, "since": since})
    return {row.project_id: row.times for row in rows}


async def last_dismissed(database: Database, actor_id: int, limit: int) -> list[DismissedProject]:
    """Read the latest dismissed projects of an actor."""
    return [
        DismissedProject(*row) for row in await database.fetch(_DISMISSED_PROJECTS, {"actor": actor_id, "limit": limit})
    ]
