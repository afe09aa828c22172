"""Impressions and dismissals of an actor: the inputs of impression fatigue and negative feedback."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, func, select

from db.catalog.project_cards import TERMS
from db.database.column_types import BigIntId, UtcDateTime
from db.database.engine import Database
from db.models import Dismissal, Interaction, InteractionType, Project


@dataclass(frozen=True, slots=True)
class DismissedProject:
    """Owner and terms of a dismissed project. `terms` is as in `db.catalog.project_cards.ProjectFeatures`."""

    owner_id: int | None
    terms: str | None


_ACTOR = bindparam("actor", type_=BigIntId)
IMPRESSION_COUNTS = (
    select(Interaction.project_id, func.count().label("times"))
    .where(
        Interaction.actor_id == _ACTOR,
        Interaction.type == InteractionType.IMPRESSION.value,
        Interaction.at >= bindparam("since", type_=UtcDateTime()),
    )
    .group_by(Interaction.project_id)
)
DISMISSED_PROJECTS = (
    select(Project.owner_id, TERMS.label("terms"))
    .join(Dismissal, Dismissal.project_id == Project.id)
    .where(Dismissal.actor_id == _ACTOR)
    .order_by(Dismissal.created_at.desc(), Project.id.desc())
    .limit(bindparam("limit"))
)


async def impression_counts(database: Database, actor_id: int, since: datetime) -> Mapping[int, int]:
    """Count the impressions of an actor since a time, by project."""
    rows = await database.fetch(IMPRESSION_COUNTS, {"actor": actor_id, "since": since})
    return {row.project_id: row.times for row in rows}


async def last_dismissed(database: Database, actor_id: int, limit: int) -> list[DismissedProject]:
    """Read the latest dismissed projects of an actor."""
    return [
        DismissedProject(*row) for row in await database.fetch(DISMISSED_PROJECTS, {"actor": actor_id, "limit": limit})
    ]
