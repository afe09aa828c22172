"""Writes of interests that nightly training learns from engagement."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import bindparam, select

from db.actors.interest_rows import changed_confidences, replace_interests
from db.actors.users import lock_actors, mark_profiles_changed
from db.database.column_types import BigIntId
from db.database.engine import Database
from db.models import TagSource, UserTag

MIN_CONFIDENCE_CHANGE = 0.02
"""Smaller changes are not written, because each written change computes a profile vector again."""


class LearnedInterest(NamedTuple):
    """An interest learned from an actor's engagement, with a confidence from 0 to 1."""

    actor_id: int
    term_id: int
    confidence: float


_STORED = select(UserTag.actor_id, UserTag.term_id, UserTag.confidence).where(
    UserTag.actor_id.between(bindparam("low", type_=BigIntId), bindparam("high", type_=BigIntId)),
    UserTag.source == TagSource.LEARNED.value,
)


async def replace_learned_interests(
    database: Database, first_actor_id: int, last_actor_id: int, learned: Sequence[LearnedInterest]
) -> int:
    """Replace the learned interests of the actors with ids in a range; return the number of changed actors.

    Only actors with a possible change are locked. Their other interests are read after the lock, so that an interest
    that a viewer removes meanwhile is not added again.
    """
    confidences = {(interest.actor_id, interest.term_id): interest.confidence for interest in learned}
    async with database.write() as connection:
        rows = await connection.execute(_STORED, {"low": first_actor_id, "high": last_actor_id})
        stored = {(row.actor_id, row.term_id): row.confidence for row in rows}
        differing = changed_confidences(confidences, stored, MIN_CONFIDENCE_CHANGE) | (
            stored.keys() - confidences.keys()
        )
        if not differing:
            return 0
        actors = await lock_actors(connection, {actor for actor, _ in differing})
        of_locked = {pair: confidence for pair, confidence in confidences.items() if pair[0] in actors}
        changed = await replace_interests(connection, TagSource.LEARNED, actors, of_locked, MIN_CONFIDENCE_CHANGE)
        await mark_profiles_changed(connection, changed)
        return len(changed)
