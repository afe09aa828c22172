"""How far an actor can be relied on: what the truth knows of it when it comes to something new."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from db.database.column_types import BigIntId, UtcDateTime
from db.models import Actor, Engagement

MAX_INTERACTION_AGE = timedelta(days=7)
"""A client's events older than this are refused, so an engagement this old was lived through here, or imported."""

RECENT = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class TrustInputs:
    """What is known of an actor's reliability.

    Attributes
    ----------
    signed_in
        Whether it is a user, not a session.
    age_days
        Days since it is known here: since its row was made, or since an engagement that no client can have made up.
    recent_projects
        Projects it was at within the last hour.
    """

    signed_in: bool
    age_days: float
    recent_projects: int


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
_STANDING = select(
    Actor.user_id.is_not(None).label("signed_in"),
    Actor.created_at,
    _EARLIEST.label("earliest"),
    _LATELY.label("lately"),
).where(Actor.id == _ACTOR)


async def read_trust_inputs(connection: AsyncConnection, actor_id: int, at: datetime) -> TrustInputs:
    """Read how an actor that exists stands, in one statement."""
    row = (await connection.execute(_STANDING, {"actor": actor_id, "since": at - RECENT})).one()
    known_since = row.created_at if row.earliest is None else min(row.created_at, row.earliest + MAX_INTERACTION_AGE)
    return TrustInputs(bool(row.signed_in), (at - known_since).total_seconds() / 86_400, row.lately)
