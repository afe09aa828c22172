"""Inputs of the actor trust score."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from db.database.column_types import BigIntId, UtcDateTime
from db.models import Actor, Engagement
from db.time_units import DAY_S

MAX_INTERACTION_AGE = timedelta(days=7)
"""Older events of clients are refused, so an older engagement was recorded in time, or imported."""

RECENT = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class TrustInputs:
    """Inputs of the trust score of an actor."""

    signed_in: bool  # a user, not a session
    age_days: float  # since its creation, or an engagement too old for a client to have invented
    recent_projects: int  # engaged with in the last hour


_ACTOR = bindparam("actor", type_=BigIntId)
_EARLIEST = (
    select(Engagement.last_at)
    .where(Engagement.actor_id == _ACTOR)
    .order_by(Engagement.last_at)
    .limit(1)
    .scalar_subquery()
)
_LATELY = (
    select(func.count())
    .where(Engagement.actor_id == _ACTOR, Engagement.last_at > bindparam("since", type_=UtcDateTime()))
    .scalar_subquery()
)
_INPUTS = select(
    Actor.user_id.is_not(None).label("signed_in"),
    Actor.created_at,
    _EARLIEST.label("earliest"),
    _LATELY.label("lately"),
).where(Actor.id == _ACTOR)


async def read_trust_inputs(connection: AsyncConnection, actor_id: int, at: datetime) -> TrustInputs:
    """Read the trust inputs of an existing actor, in one statement."""
    row = (await connection.execute(_INPUTS, {"actor": actor_id, "since": at - RECENT})).one()
    known_since = row.created_at if row.earliest is None else min(row.created_at, row.earliest + MAX_INTERACTION_AGE)
    return TrustInputs(bool(row.signed_in), (at - known_since).total_seconds() / DAY_S, row.lately)
