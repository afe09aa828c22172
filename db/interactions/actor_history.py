"""Reads of an actor's interactions: likes and saves of the projects of a page, impressions, and dismissals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import bindparam, func, literal, select, union_all

from db.actors.viewer_state import NEGATIVE_INTERACTIONS
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


def _projects_of(dislikes: Any) -> Any:
    """Return a query of the projects in a query of `project_id` and `at`, the latest first."""
    latest = (
        select(dislikes.c.project_id, func.max(dislikes.c.at).label("at")).group_by(dislikes.c.project_id).subquery()
    )
    return (
        select(Project.owner_id, TERMS.label("terms"))
        .join(latest, latest.c.project_id == Project.id)
        .order_by(latest.c.at.desc(), Project.id.desc())
        .limit(bindparam("limit"))
    )


_DISMISSALS = select(Dismissal.project_id, Dismissal.created_at.label("at")).where(Dismissal.actor_id == ACTOR_ID)
_DISMISSED_PROJECTS = _projects_of(_DISMISSALS.subquery("dislikes"))
_DISLIKED_PROJECTS = _projects_of(union_all(_DISMISSALS, NEGATIVE_INTERACTIONS).subquery("dislikes"))


async def marks_by_project(database: Database, actor_id: int, project_ids: Sequence[int]) -> dict[int, Marks]:
    """Read an actor's likes and saves of projects, in one statement. Projects without either are left out."""
    rows = await database.fetch(_MARKS, {"actor": actor_id, "ids": project_ids})
    marked = {(row.project_id, row.mark) for row in rows}
    return {id_: Marks((id_, "like") in marked, (id_, "save") in marked) for id_, _ in marked}


async def impression_counts(database: Database, actor_id: int, since: datetime) -> Mapping[int, int]:
    """Count the impressions of an actor since a time, by project."""
    rows = await database.fetch(_IMPRESSION_COUNTS, {"actor": actor_id, "since": since})
    return {row.project_id: row.times for row in rows}


async def last_disliked(
    database: Database, actor_id: int, limit: int, *, with_custom_types: bool
) -> list[DismissedProject]:
    """Read the latest projects that an actor dismissed, or disliked by an interaction of a custom type."""
    statement = _DISLIKED_PROJECTS if with_custom_types else _DISMISSED_PROJECTS
    return [DismissedProject(*row) for row in await database.fetch(statement, {"actor": actor_id, "limit": limit})]
