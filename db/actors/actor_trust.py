"""Inputs of the actor trust score."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from db.database.column_types import ACTOR_ID, SINCE, UtcDateTime
from db.database.engine import Database
from db.models import Actor, Engagement
from db.time_units import DAY_S

MAX_INTERACTION_AGE = timedelta(days=7)
"""Maximum age of events that clients may send. An older engagement was recorded earlier, or imported."""

RECENT = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class TrustInputs:
    """Properties of an actor from which the trust score is computed."""

    signed_in: bool  # whether the actor is a user, not a session
    # age of the actor; if greater, the age of its earliest engagement less the maximum age of events
    age_days: float
    recent_projects: int  # projects engaged with within `RECENT`


_EARLIEST = (
    select(Engagement.last_at)
    .where(Engagement.actor_id == ACTOR_ID)
    .order_by(Engagement.last_at)
    .limit(1)
    .scalar_subquery()
)
_RECENT_PROJECTS = (
    select(func.count()).where(Engagement.actor_id == ACTOR_ID, Engagement.last_at > SINCE).scalar_subquery()
)
_INPUTS = select(
    Actor.user_id.is_not(None).label("signed_in"),
    Actor.created_at,
    _EARLIEST.label("earliest"),
    _RECENT_PROJECTS.label("recent_projects"),
).where(Actor.id == ACTOR_ID)


async def read_trust_inputs(connection: AsyncConnection, actor_id: int, at: datetime) -> TrustInputs:
    """Read the trust inputs of an existing actor, in one statement."""
    row = (await connection.execute(_INPUTS, {"actor": actor_id, "since": at - RECENT})).one()
    known_since = row.created_at if row.earliest is None else min(row.created_at, row.earliest + MAX_INTERACTION_AGE)
    return TrustInputs(bool(row.signed_in), (at - known_since).total_seconds() / DAY_S, row.recent_projects)


SHARE_SAMPLE = 10_000
"""Number of first engagements of which the share of sessions is read."""
_LATEST = (
    select(Engagement.actor_id)
    .where(Engagement.first_at < bindparam("before", type_=UtcDateTime()))
    .order_by(Engagement.first_at.desc())
    .limit(SHARE_SAMPLE)
    .subquery("latest")
)
_SESSIONS = select(func.count().label("actors"), func.count(Actor.session_key).label("sessions")).select_from(
    _LATEST.join(Actor, Actor.id == _LATEST.c.actor_id)
)


async def session_share(database: Database, before: datetime, min_actors: int) -> float:
    """Return the share of sessions among the latest first engagements before a time; 0 if there are too few."""
    (row,) = await database.fetch(_SESSIONS, {"before": before})
    return row.sessions / row.actors if row.actors >= min_actors else 0.0
