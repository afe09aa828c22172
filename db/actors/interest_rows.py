"""Writes of interests of one source for many actors. Interests of other sources are not changed."""

from collections.abc import Collection, Mapping

from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

from db.database.batches import delete_batch, upsert_batch
from db.database.column_types import IntegerList, in_list
from db.models import RemovedInterest, TagSource, UserTag, now

Confidences = Mapping[tuple[int, int], float]
"""Confidence by (actor id, term id)."""

_IDS = bindparam("ids", type_=IntegerList())
_STORED = select(UserTag.actor_id, UserTag.term_id, UserTag.confidence, UserTag.source).where(
    in_list(UserTag.actor_id, _IDS)
)
_REMOVED = select(RemovedInterest.actor_id, RemovedInterest.term_id).where(in_list(RemovedInterest.actor_id, _IDS))
_DELETE = delete_batch(UserTag, "actor_id", "term_id")
UPSERT = upsert_batch(
    UserTag, "actor_id", "term_id", "confidence", "source", "created_at", "updated_at",
    key=["actor_id", "term_id"], keep=["created_at"],
)  # fmt: skip


async def replace_interests(
    connection: AsyncConnection,
    source: TagSource,
    actor_ids: Collection[int],
    confidences: Confidences,
    tolerance: float,
) -> set[int]:
    """Replace the interests of a source; return the ids of the actors whose interests changed.

    The caller has locked the actors. Interests of other sources are not changed, and removed interests are not added.
    A confidence is updated if it changes by at least `tolerance`.
    """
    ids = {"ids": sorted(actor_ids)}
    stored: dict[tuple[int, int], float] = {}
    reserved = {(row.actor_id, row.term_id) for row in await connection.execute(_REMOVED, ids)}
    for row in await connection.execute(_STORED, ids):
        if row.source == source:
            stored[row.actor_id, row.term_id] = row.confidence
        else:
            reserved.add((row.actor_id, row.term_id))
    allowed = {pair: confidence for pair, confidence in confidences.items() if pair not in reserved}
    if deleted := sorted(stored.keys() - allowed.keys()):
        await connection.execute(_DELETE, {"rows": deleted})
    if changed := sorted(changed_confidences(allowed, stored, tolerance)):
        at = now()
        await connection.execute(UPSERT, {"rows": [(*pair, allowed[pair], source.value, at, at) for pair in changed]})
    return {actor_id for actor_id, _ in (*deleted, *changed)}


def changed_confidences(confidences: Confidences, stored: Confidences, tolerance: float) -> set[tuple[int, int]]:
    """Return the pairs that are not stored, or whose confidence differs by at least `tolerance`."""
    return {
        pair
        for pair, confidence in confidences.items()
        if pair not in stored or abs(confidence - stored[pair]) >= tolerance
    }
