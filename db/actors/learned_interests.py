"""Writes of interests that nightly training learns from engagement."""

from sqlalchemy import select

from db.actors.interest_rows import Confidences, changed_confidences, replace_interests
from db.actors.users import lock_actors, mark_profiles_changed
from db.database.column_types import ID_RANGE
from db.database.engine import Database
from db.models import ActorInterest, InterestSource

MIN_CONFIDENCE_CHANGE = 0.02
"""Smallest change of a confidence that is written, because each written change computes a profile vector again."""


_STORED = select(ActorInterest.actor_id, ActorInterest.term_id, ActorInterest.confidence).where(
    ActorInterest.actor_id.between(*ID_RANGE),
    ActorInterest.source == InterestSource.LEARNED.value,
)


async def replace_learned_interests(
    database: Database, first_actor_id: int, last_actor_id: int, confidences: Confidences
) -> int:
    """Replace the learned interests of the actors with ids in a range; return the number of changed actors.

    Only actors with a possible change are locked. Their other interests are read after the lock, so that an interest
    that a viewer removes meanwhile is not added again.
    """
    async with database.write() as connection:
        rows = await connection.execute(_STORED, {"first_id": first_actor_id, "last_id": last_actor_id})
        stored_confidences = {(row.actor_id, row.term_id): row.confidence for row in rows}
        dropped_pairs = stored_confidences.keys() - confidences.keys()
        changed_pairs = changed_confidences(confidences, stored_confidences, MIN_CONFIDENCE_CHANGE) | dropped_pairs
        if not changed_pairs:
            return 0
        locked_actor_ids = set(await lock_actors(connection, {actor for actor, _ in changed_pairs}))
        locked_confidences = {
            pair: confidence for pair, confidence in confidences.items() if pair[0] in locked_actor_ids
        }
        changed_actor_ids = await replace_interests(
            connection, InterestSource.LEARNED, locked_actor_ids, locked_confidences, MIN_CONFIDENCE_CHANGE
        )
        await mark_profiles_changed(connection, changed_actor_ids)
        return len(changed_actor_ids)
