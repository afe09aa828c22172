"""Interests of one source of several actors, written beside those that the actors have stated or removed."""

from collections.abc import Collection, Mapping

from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

from db.database.batches import delete_batch, upsert_batch
from db.database.column_types import IntegerList, in_list
from db.models import RemovedInterest, TagSource, UserTag, now

Confidences = Mapping[tuple[int, int], float]
"""Confidence by the ids of actor and term."""

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
    connection: AsyncConnection, source: TagSource, actor_ids: Collection[int], wanted: Confidences, tolerance: float
) -> set[int]:
    """Replace the interests of a source of these actors, who must be locked; return the actors whose interests changed.

    Interests of other sources stay, and removed ones are not added. A confidence that moves by less than `tolerance`
    stays as it is.
    """
    ids = {"ids": sorted(actor_ids)}
    stored: dict[tuple[int, int], float] = {}
    reserved = {(row.actor_id, row.term_id) for row in await connection.execute(_REMOVED, ids)}
    for row in await connection.execute(_STORED, ids):
        if row.source == source:
            stored[row.actor_id, row.term_id] = row.confidence
        else:
            reserved.add((row.actor_id, row.term_id))
    allowed = {pair: confidence for pair, confidence in wanted.items() if pair not in reserved}
    if gone := sorted(stored.keys() - allowed.keys()):
        await connection.execute(_DELETE, {"rows": gone})
    if moved := sorted(moved_confidences(allowed, stored, tolerance)):
        at = now()
        await connection.execute(UPSERT, {"rows": [(*pair, allowed[pair], source.value, at, at) for pair in moved]})
    return {actor_id for actor_id, _ in (*gone, *moved)}


def moved_confidences(wanted: Confidences, stored: Confidences, tolerance: float) -> set[tuple[int, int]]:
    """Return the pairs that are new, or whose confidence differs by at least `tolerance`."""
    return {pair for pair, sure in wanted.items() if pair not in stored or abs(sure - stored[pair]) >= tolerance}
