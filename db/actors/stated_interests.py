"""The interests that a viewer states, takes away, or gives by answering the quiz; and those that are learned.

One row an actor and term, whatever its source. What the viewer said stays: an answer of the quiz does not turn an
interest made by hand into one of the quiz, and so it outlives another answer. What the viewer took away leaves a mark
(`RemovedInterest`), which only the viewer takes back.
"""

from collections.abc import Sequence

from sqlalchemy import bindparam, case, delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from db.actors.users import raise_versions
from db.database.batches import insert_batch, upsert_batch
from db.database.column_types import BigIntId, IntegerList, in_list
from db.interactions.interactions import lock_actors
from db.models import OutboxKind, RemovedInterest, TagSource, UserTag, now
from db.outbox import enqueue

STATED_CONFIDENCE = 1.0
"""Confidence of what the viewer says: the plan's."""

_ACTOR = bindparam("actor", type_=BigIntId)
_IDS = bindparam("ids", type_=IntegerList())
_STATED_SOURCES = (TagSource.MANUAL.value, TagSource.QUIZ.value)

_STATED = select(UserTag.term_id, UserTag.source).where(UserTag.actor_id == _ACTOR, UserTag.source.in_(_STATED_SOURCES))
_MINE = UserTag.actor_id == _ACTOR
_DELETE = delete(UserTag).where(_MINE, in_list(UserTag.term_id, _IDS)).returning(UserTag.term_id)
_DELETE_ANSWERED = delete(UserTag).where(_MINE, UserTag.source == TagSource.QUIZ.value, in_list(UserTag.term_id, _IDS))
_UPSERT = upsert_batch(
    UserTag, "actor_id", "term_id", "confidence", "source", "created_at", "updated_at",
    key=["actor_id", "term_id"], keep=["created_at"],
)  # fmt: skip
_answered = insert_batch(UserTag, "actor_id", "term_id", "confidence", "source", "created_at", "updated_at")
_ANSWER = _answered.on_conflict_do_update(
    index_elements=["actor_id", "term_id"],
    set_={
        "confidence": _answered.excluded.confidence,
        "source": case((UserTag.source == TagSource.MANUAL.value, UserTag.source), else_=_answered.excluded.source),
        "updated_at": _answered.excluded.updated_at,
    },
)
_MARK = insert_batch(RemovedInterest, "actor_id", "term_id", "removed_at").on_conflict_do_nothing()
_UNMARK = delete(RemovedInterest).where(RemovedInterest.actor_id == _ACTOR, in_list(RemovedInterest.term_id, _IDS))


async def store_stated_interests(connection: AsyncConnection, actor_id: int, term_ids: Sequence[int]) -> bool:
    """Make these the interests that the actor states; give whether that changed anything.

    One stated before and missing now counts as taken away. One answered in the quiz becomes the actor's own.
    """
    await lock_actors(connection, [actor_id])
    before = {row.term_id: row.source for row in await connection.execute(_STATED, {"actor": actor_id})}
    if before == dict.fromkeys(term_ids, TagSource.MANUAL.value):
        return False
    gone = sorted(before.keys() - set(term_ids))
    await _take_away(connection, actor_id, gone)
    if term_ids:
        await connection.execute(_UPSERT, {"rows": _rows(actor_id, term_ids, TagSource.MANUAL)})
        await connection.execute(_UNMARK, {"actor": actor_id, "ids": sorted(term_ids)})
    await _changed(connection, actor_id)
    return True


async def remove_interest(connection: AsyncConnection, actor_id: int, term_id: int) -> bool:
    """Take one interest away, wherever it came from; give whether it was there."""
    await lock_actors(connection, [actor_id])
    if not await _take_away(connection, actor_id, [term_id]):
        return False
    await _changed(connection, actor_id)
    return True


async def store_onboarding_interests(
    connection: AsyncConnection, actor_id: int, chosen: Sequence[int], dropped: Sequence[int]
) -> None:
    """Let the answers of the quiz make interests of the chosen terms, and no longer of the dropped ones.

    The caller holds the actor's row and raises its version. Interests made by hand stay as they are.
    """
    if dropped:
        await connection.execute(_DELETE_ANSWERED, {"actor": actor_id, "ids": sorted(dropped)})
    if chosen:
        await connection.execute(_ANSWER, {"rows": _rows(actor_id, chosen, TagSource.QUIZ)})
        await connection.execute(_UNMARK, {"actor": actor_id, "ids": sorted(chosen)})


async def _take_away(connection: AsyncConnection, actor_id: int, term_ids: Sequence[int]) -> list[int]:
    """Delete interests of any source and mark them as taken away; give those that were there."""
    if not term_ids:
        return []
    gone = sorted(await connection.scalars(_DELETE, {"actor": actor_id, "ids": list(term_ids)}))
    if gone:
        at = now()
        await connection.execute(_MARK, {"rows": [(actor_id, term_id, at) for term_id in gone]})
    return gone


def _rows(actor_id: int, term_ids: Sequence[int], source: TagSource) -> list[tuple[object, ...]]:
    at = now()
    return [(actor_id, term_id, STATED_CONFIDENCE, source.value, at, at) for term_id in sorted(set(term_ids))]


async def _changed(connection: AsyncConnection, actor_id: int) -> None:
    await raise_versions(connection, [actor_id])
    await enqueue(connection, OutboxKind.PROFILE, [str(actor_id)])
