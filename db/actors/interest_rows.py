"""Writes of interests of one source for many actors. Interests of other sources are not changed."""

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from db.catalog.terms import terms_by_key_or_name
from db.database.batches import delete_batch, upsert_batch
from db.database.column_types import IDS, in_list
from db.models import ActorInterest, InterestSource, RemovedInterest, now
from db.records import InterestRecord

Confidences = Mapping[tuple[int, int], float]
"""Confidence by (actor id, term id)."""

_STORED = select(ActorInterest.actor_id, ActorInterest.term_id, ActorInterest.confidence, ActorInterest.source).where(
    in_list(ActorInterest.actor_id, IDS)
)
_ROUNDING_ERROR = 1e-9
"""Maximum rounding error of SQLite when it reads a number from JSON."""
_REMOVED = select(RemovedInterest.actor_id, RemovedInterest.term_id).where(in_list(RemovedInterest.actor_id, IDS))
_DELETE = delete_batch(ActorInterest, "actor_id", "term_id")
UPSERT = upsert_batch(
    ActorInterest, "actor_id", "term_id", "confidence", "source", "created_at", "updated_at",
    key=["actor_id", "term_id"], keep=["created_at"],
)  # fmt: skip


async def replace_interests(
    connection: AsyncConnection,
    source: InterestSource,
    actor_ids: Collection[int],
    confidences: Confidences,
    tolerance: float,
) -> set[int]:
    """Replace the interests of a source; return the ids of the actors whose interests changed.

    The caller has locked the actors. Interests of other sources are not changed, and removed interests are not added.
    A confidence is updated if it changes by at least `tolerance`.
    """
    ids = {"ids": sorted(actor_ids)}
    stored_confidences: dict[tuple[int, int], float] = {}
    excluded_pairs = {(row.actor_id, row.term_id) for row in await connection.execute(_REMOVED, ids)}
    for row in await connection.execute(_STORED, ids):
        if row.source == source:
            stored_confidences[row.actor_id, row.term_id] = row.confidence
        else:
            excluded_pairs.add((row.actor_id, row.term_id))
    new_confidences = {pair: confidence for pair, confidence in confidences.items() if pair not in excluded_pairs}
    if deleted_pairs := sorted(stored_confidences.keys() - new_confidences.keys()):
        await connection.execute(_DELETE, {"rows": deleted_pairs})
    if changed_pairs := sorted(changed_confidences(new_confidences, stored_confidences, tolerance)):
        at = now()
        await connection.execute(
            UPSERT, {"rows": [(*pair, new_confidences[pair], source.value, at, at) for pair in changed_pairs]}
        )
    return {actor_id for actor_id, _ in (*deleted_pairs, *changed_pairs)}


def changed_confidences(
    confidences: Confidences, stored_confidences: Confidences, tolerance: float
) -> set[tuple[int, int]]:
    """Return the pairs that are not stored, or whose confidence differs by at least `tolerance`."""
    return {
        pair
        for pair, confidence in confidences.items()
        if pair not in stored_confidences or abs(confidence - stored_confidences[pair]) >= tolerance
    }


async def replace_imported_interests(
    connection: AsyncConnection, interests: Mapping[int, Sequence[InterestRecord]]
) -> set[int]:
    """Replace the imported interests of actors; return the ids of the actors whose interests changed.

    The caller has locked the actors. If several interests of an actor refer to one term, the last one is stored.
    """
    terms = await terms_by_key_or_name(
        connection, {(interest.kind, interest.name) for records in interests.values() for interest in records}
    )
    confidences = {
        (actor, terms[interest.kind, interest.name]): interest.confidence
        for actor, records in interests.items()
        for interest in records
    }
    return await replace_interests(connection, InterestSource.IMPORTED, interests.keys(), confidences, _ROUNDING_ERROR)
