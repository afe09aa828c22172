"""Writing interests that were learned: beside what was stated and never over it, and never what was taken away."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import bindparam, delete, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from db.actors.users import raise_versions
from db.database.batches import batch, columns_of, upsert_batch
from db.database.column_types import BigIntId, IntegerList, in_list
from db.database.engine import Database
from db.interactions.interactions import lock_actors
from db.models import OutboxKind, RemovedInterest, TagSource, UserTag, now
from db.outbox import enqueue

MIN_CONFIDENCE_CHANGE = 0.02
"""A confidence that moved by less stays as it is: else every profile would be embedded anew every night."""


class LearnedInterest(NamedTuple):
    """An interest that follows from what an actor did."""

    actor_id: int
    term_id: int
    confidence: float


Pairs = Mapping[tuple[int, int], float]

_RANGE = {"low": bindparam("low", type_=BigIntId), "high": bindparam("high", type_=BigIntId)}
_ACTORS = bindparam("actors", type_=IntegerList())
_STORED = select(UserTag.actor_id, UserTag.term_id, UserTag.confidence).where(
    UserTag.actor_id.between(_RANGE["low"], _RANGE["high"]), UserTag.source == TagSource.LEARNED.value
)
_OTHERS = select(UserTag.actor_id, UserTag.term_id).where(
    in_list(UserTag.actor_id, _ACTORS), UserTag.source != TagSource.LEARNED.value
)
_TAKEN_AWAY = select(RemovedInterest.actor_id, RemovedInterest.term_id).where(
    in_list(RemovedInterest.actor_id, _ACTORS)
)
_gone = batch(columns_of(UserTag, "actor_id", "term_id")).subquery("gone")
_DELETE = delete(UserTag).where(
    UserTag.source == TagSource.LEARNED.value,
    tuple_(UserTag.actor_id, UserTag.term_id).in_(select(_gone.c.actor_id, _gone.c.term_id)),
)
_UPSERT = upsert_batch(
    UserTag, "actor_id", "term_id", "confidence", "source", "created_at", "updated_at",
    key=["actor_id", "term_id"], keep=["created_at"],
)  # fmt: skip


async def replace_learned_interests(database: Database, low: int, high: int, learned: Sequence[LearnedInterest]) -> int:
    """Make these the learned interests of the actors with ids from `low` to `high`; give how many actors' changed.

    Only actors for whom something may change are locked, and what they stated or took away is read under that lock:
    an interest that a viewer takes away at the same moment does not come back.
    """
    wanted = {(one.actor_id, one.term_id): one.confidence for one in learned}
    async with database.write() as connection:
        rows = await connection.execute(_STORED, {"low": low, "high": high})
        stored = {(row.actor_id, row.term_id): row.confidence for row in rows}
        actors = {actor for actor, _ in _differences(wanted, stored)}
        if not actors:
            return 0
        held = await lock_actors(connection, actors)
        changes = await _allowed(connection, held, wanted, stored)
        await _write(connection, changes, wanted, stored)
        changed = sorted({actor for actor, _ in changes})
        await raise_versions(connection, changed)
        await enqueue(connection, OutboxKind.PROFILE, [str(actor) for actor in changed])
        return len(changed)


def _differences(wanted: Pairs, stored: Pairs) -> set[tuple[int, int]]:
    """Give the pairs that are new, gone, or clearly surer or less sure than before."""
    moved = {pair for pair, sure in wanted.items() if abs(sure - stored.get(pair, -1.0)) >= MIN_CONFIDENCE_CHANGE}
    return moved | (stored.keys() - wanted.keys())


async def _allowed(connection: AsyncConnection, actors: set[int], wanted: Pairs, stored: Pairs) -> set[tuple[int, int]]:
    """Leave out what is stated, imported or taken away, and whoever is gone."""
    given = {"actors": sorted(actors)}
    others = {(row.actor_id, row.term_id) for row in await connection.execute(_OTHERS, given)}
    others |= {(row.actor_id, row.term_id) for row in await connection.execute(_TAKEN_AWAY, given)}
    return {pair for pair in _differences(wanted, stored) if pair[0] in actors and pair not in others}


async def _write(connection: AsyncConnection, changes: set[tuple[int, int]], wanted: Pairs, stored: Pairs) -> None:
    at, source = now(), TagSource.LEARNED.value
    gone = sorted(pair for pair in changes if pair not in wanted)
    if gone:
        await connection.execute(_DELETE, {"rows": gone})
    rows = [(*pair, wanted[pair], source, at, at) for pair in sorted(changes) if pair in wanted]
    if rows:
        await connection.execute(_UPSERT, {"rows": rows})
