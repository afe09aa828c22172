"""Interests that the nightly training learns from engagement."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import bindparam, select

from db.actors.interest_rows import moved_confidences, replace_interests
from db.actors.users import lock_actors, mark_profiles_changed
from db.database.column_types import BigIntId
from db.database.engine import Database
from db.models import TagSource, UserTag

MIN_CONFIDENCE_CHANGE = 0.02
"""A smaller change is not written: otherwise every profile would be embedded again each night."""


class LearnedInterest(NamedTuple):
    """An interest that follows from an actor's engagement."""

    actor_id: int
    term_id: int
    confidence: float


_STORED = select(UserTag.actor_id, UserTag.term_id, UserTag.confidence).where(
    UserTag.actor_id.between(bindparam("low", type_=BigIntId), bindparam("high", type_=BigIntId)),
    UserTag.source == TagSource.LEARNED.value,
)


async def replace_learned_interests(database: Database, low: int, high: int, learned: Sequence[LearnedInterest]) -> int:
    """Replace the learned interests of the actors with ids from `low` to `high`; return the number of changed actors.

    Only actors with a possible change are locked; their other interests are read under that lock, so that an interest
    that a viewer removes at the same moment does not come back.
    """
    wanted = {(one.actor_id, one.term_id): one.confidence for one in learned}
    async with database.write() as connection:
        rows = await connection.execute(_STORED, {"low": low, "high": high})
        stored = {(row.actor_id, row.term_id): row.confidence for row in rows}
        differing = moved_confidences(wanted, stored, MIN_CONFIDENCE_CHANGE) | (stored.keys() - wanted.keys())
        if not differing:
            return 0
        actors = await lock_actors(connection, {actor for actor, _ in differing})
        of_actors = {pair: confidence for pair, confidence in wanted.items() if pair[0] in actors}
        changed = await replace_interests(connection, TagSource.LEARNED, actors, of_actors, MIN_CONFIDENCE_CHANGE)
        await mark_profiles_changed(connection, changed)
        return len(changed)
