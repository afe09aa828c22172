"""Writes of interests that a viewer sets, removes, or chooses in onboarding.

An actor has at most one row for a term. An onboarding answer does not change the source of an interest set by hand, so
the interest stays if a later answer drops the term. A removal adds a `RemovedInterest`, which prevents training and
imports from adding the interest again; the viewer can add it again.
"""

from collections.abc import Sequence

from sqlalchemy import case, delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from db.actors.interest_rows import UPSERT
from db.actors.users import lock_actors, mark_profiles_changed
from db.database.batches import insert_batch
from db.database.column_types import ACTOR_ID, IDS, in_list
from db.models import ActorInterest, InterestSource, RemovedInterest, now

STATED_CONFIDENCE = 1.0
"""Confidence of a stated interest, as in the specification."""

_STATED_SOURCES = (InterestSource.MANUAL.value, InterestSource.QUIZ.value)

_STATED = select(ActorInterest.term_id, ActorInterest.source).where(
    ActorInterest.actor_id == ACTOR_ID, ActorInterest.source.in_(_STATED_SOURCES)
)
_IS_ACTORS = ActorInterest.actor_id == ACTOR_ID
_DELETE = delete(ActorInterest).where(_IS_ACTORS, in_list(ActorInterest.term_id, IDS)).returning(ActorInterest.term_id)
_DELETE_ONBOARDING_INTERESTS = delete(ActorInterest).where(
    _IS_ACTORS, ActorInterest.source == InterestSource.QUIZ.value, in_list(ActorInterest.term_id, IDS)
)
_insert = insert_batch(ActorInterest, "actor_id", "term_id", "confidence", "source", "created_at", "updated_at")
_UPSERT_ONBOARDING_INTERESTS = _insert.on_conflict_do_update(
    index_elements=["actor_id", "term_id"],
    set_={
        "confidence": _insert.excluded.confidence,
        "source": case(
            (ActorInterest.source == InterestSource.MANUAL.value, ActorInterest.source), else_=_insert.excluded.source
        ),
        "updated_at": _insert.excluded.updated_at,
    },
)
_INSERT_REMOVED = insert_batch(RemovedInterest, "actor_id", "term_id", "removed_at").on_conflict_do_nothing()
_DELETE_REMOVED = delete(RemovedInterest).where(
    RemovedInterest.actor_id == ACTOR_ID, in_list(RemovedInterest.term_id, IDS)
)


async def store_stated_interests(connection: AsyncConnection, actor_id: int, term_ids: Sequence[int]) -> bool:
    """Replace the stated interests of an actor; return whether they changed.

    Stated interests that are not in `term_ids` are removed. Interests from onboarding become interests set by hand.
    """
    await lock_actors(connection, [actor_id])
    stored_sources = {row.term_id: row.source for row in await connection.execute(_STATED, {"actor": actor_id})}
    if stored_sources == dict.fromkeys(term_ids, InterestSource.MANUAL.value):
        return False
    await _remove(connection, actor_id, sorted(stored_sources.keys() - set(term_ids)))
    if term_ids:
        await connection.execute(UPSERT, {"rows": _rows(actor_id, term_ids, InterestSource.MANUAL)})
        await connection.execute(_DELETE_REMOVED, {"actor": actor_id, "ids": sorted(term_ids)})
    await mark_profiles_changed(connection, [actor_id])
    return True


async def remove_interest(connection: AsyncConnection, actor_id: int, term_id: int) -> bool:
    """Remove an interest regardless of its source; return whether it existed."""
    await lock_actors(connection, [actor_id])
    if not await _remove(connection, actor_id, [term_id]):
        return False
    await mark_profiles_changed(connection, [actor_id])
    return True


async def store_onboarding_interests(
    connection: AsyncConnection, actor_id: int, added_term_ids: Sequence[int], dropped_term_ids: Sequence[int]
) -> None:
    """Add interests with the source onboarding, and delete the interests `dropped_term_ids` of that source.

    The caller has locked the actor and raises its version. Interests set by hand are not changed.
    """
    if dropped_term_ids:
        await connection.execute(_DELETE_ONBOARDING_INTERESTS, {"actor": actor_id, "ids": sorted(dropped_term_ids)})
    if added_term_ids:
        await connection.execute(
            _UPSERT_ONBOARDING_INTERESTS, {"rows": _rows(actor_id, added_term_ids, InterestSource.QUIZ)}
        )
        await connection.execute(_DELETE_REMOVED, {"actor": actor_id, "ids": sorted(added_term_ids)})


async def _remove(connection: AsyncConnection, actor_id: int, term_ids: Sequence[int]) -> list[int]:
    """Delete interests regardless of their source and mark them as removed; return the deleted term ids."""
    if not term_ids:
        return []
    deleted_term_ids = sorted(await connection.scalars(_DELETE, {"actor": actor_id, "ids": list(term_ids)}))
    if deleted_term_ids:
        at = now()
        await connection.execute(_INSERT_REMOVED, {"rows": [(actor_id, term_id, at) for term_id in deleted_term_ids]})
    return deleted_term_ids


def _rows(actor_id: int, term_ids: Sequence[int], source: InterestSource) -> list[tuple[object, ...]]:
    at = now()
    return [(actor_id, term_id, STATED_CONFIDENCE, source.value, at, at) for term_id in sorted(set(term_ids))]
