"""The second half of a deletion: caches, the index, tombstones and the files of SQLite.

See `db.privacy.erasure`. Safe to run at any time, twice, and by several workers at once.
"""

import logging
from datetime import datetime

from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from db.cache.names import delete_actor_entries
from db.database.column_types import IntegerList, Json, TextList, UtcDateTime, in_list
from db.errors import StoreUnavailable
from db.models import Actor, Erasure, OutboxKind, OutboxRow, Project, now
from db.outbox import pending
from db.privacy.erasure import ERASURE_GRACE, ErasureRemainder, delete_rows
from db.stores import Stores
from db.vectors.base import PROFILE, PROJECT

log = logging.getLogger(__name__)

_OPEN = select(Erasure.id, Erasure.requested_at, Erasure.leftovers).where(Erasure.completed_at.is_(None))
_TOMBSTONES = (
    select(Actor.id)
    .where(in_list(Actor.id, bindparam("ids", type_=IntegerList())), Actor.session_key.like("erased:%"))
    .order_by(Actor.id)
    .with_for_update()
)
_REMOVE = delete(Actor).where(in_list(Actor.id, bindparam("ids", type_=IntegerList())))
_KEYS = bindparam("keys", type_=TextList())
_FORGET_ROWS = delete(OutboxRow).where(OutboxRow.kind == bindparam("of_kind"), in_list(OutboxRow.key, _KEYS))
_STILL_THERE = select(Project.key).where(in_list(Project.key, _KEYS))
_SETTLE = update(Erasure).where(Erasure.id == bindparam("receipt")).values(leftovers=bindparam("nothing", type_=Json))
_COMPLETE = (
    update(Erasure)
    .where(Erasure.id == bindparam("receipt"), Erasure.completed_at.is_(None))
    .values(completed_at=bindparam("at", type_=UtcDateTime()))
)


async def finish_erasures(stores: Stores, at: datetime | None = None, only: str | None = None) -> int:
    """Go on with every deletion that is not completed; give how many are completed now.

    A store that is away leaves a deletion as it is, for the next time.

    Parameters
    ----------
    at
        The present time.
    only
        Go on with the deletion of this receipt and no other.
    """
    at, done = at or now(), 0
    for row in await stores.database.fetch(_OPEN):
        if only not in (None, row.id):
            continue
        leftovers = ErasureRemainder(**row.leftovers)
        try:
            done += await _finish_one(stores, row.id, leftovers, is_over=row.requested_at + ERASURE_GRACE <= at)
        except StoreUnavailable as away:
            log.warning("a deletion waits for a store: %s", away)
    return done


async def _finish_one(stores: Stores, receipt: str, leftovers: ErasureRemainder, *, is_over: bool) -> bool:
    for actor_id in leftovers.actors:
        await delete_actor_entries(stores.cache, actor_id)
    await _empty_index(stores, leftovers)
    # The index has the maker's name beside a project that stays, until the outbox has told it.
    if not is_over or await pending(stores.database, OutboxKind.PROJECT, leftovers.kept):
        return False
    async with stores.database.write() as connection:
        await _remove_tombstones(connection, leftovers)
        await connection.execute(_SETTLE, {"receipt": receipt, "nothing": {}})
    for store in (stores.cache, stores.vectors, stores.database):
        await store.scrub()
    async with stores.database.write() as connection:
        await connection.execute(_COMPLETE, {"receipt": receipt, "at": now()})
    return True


async def _empty_index(stores: Stores, leftovers: ErasureRemainder) -> None:
    """Take profiles and projects out of the index; a project that somebody made anew under its key stays."""
    there = {row.key for row in await stores.database.fetch(_STILL_THERE, {"keys": leftovers.removed})}
    gone = [key for key in leftovers.removed if key not in there]
    staged = await stores.vectors.staged()
    for generation in [None] if staged is None else [None, staged]:
        await stores.vectors.remove(PROFILE, [str(actor_id) for actor_id in leftovers.actors], generation)
        await stores.vectors.remove(PROJECT, gone, generation)


async def _remove_tombstones(connection: AsyncConnection, leftovers: ErasureRemainder) -> None:
    """Delete what was written to tombstones, then them, and what the outbox says of all that is gone."""
    buried = list(await connection.scalars(_TOMBSTONES, {"ids": leftovers.actors}))
    if buried:
        await delete_rows(connection, buried)
        await connection.execute(_REMOVE, {"ids": buried})
    there = set(await connection.scalars(_STILL_THERE, {"keys": leftovers.removed}))
    gone = [key for key in leftovers.removed if key not in there]
    profiles = [str(id_) for id_ in leftovers.actors]
    for kind, keys in ((OutboxKind.PROFILE, profiles), (OutboxKind.PROJECT, gone)):
        await connection.execute(_FORGET_ROWS, {"of_kind": kind.value, "keys": keys})
