"""Second half of a deletion: cache, index, tombstones and the files of SQLite.

See `db.privacy.erasure`. Safe to run at any time, repeatedly, and by several workers at once.
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
_DELETE_OUTBOX_ROWS = delete(OutboxRow).where(OutboxRow.kind == bindparam("of_kind"), in_list(OutboxRow.key, _KEYS))
_EXISTING_PROJECTS = select(Project.key).where(in_list(Project.key, _KEYS))
_CLEAR_LEFTOVERS = (
    update(Erasure).where(Erasure.id == bindparam("receipt")).values(leftovers=bindparam("nothing", type_=Json))
)
_COMPLETE = (
    update(Erasure)
    .where(Erasure.id == bindparam("receipt"), Erasure.completed_at.is_(None))
    .values(completed_at=bindparam("at", type_=UtcDateTime()))
)


async def finish_erasures(stores: Stores, at: datetime | None = None, only: str | None = None) -> int:
    """Continue every open deletion, or that of one receipt; return the number of completed ones.

    A deletion waits for the next call while a store is unavailable.
    """
    at, done = at or now(), 0
    for row in await stores.database.fetch(_OPEN):
        if only not in (None, row.id):
            continue
        leftovers = ErasureRemainder(**row.leftovers)
        try:
            done += await _finish_one(stores, row.id, leftovers, is_over=row.requested_at + ERASURE_GRACE <= at)
        except StoreUnavailable as error:
            log.warning("a deletion waits for a store: %s", error)
    return done


async def _finish_one(stores: Stores, receipt: str, leftovers: ErasureRemainder, *, is_over: bool) -> bool:
    for actor_id in leftovers.actors:
        await delete_actor_entries(stores.cache, actor_id)
    await _empty_index(stores, leftovers)
    # The index documents of kept projects contain the owner's name until the outbox has updated them.
    if not is_over or await pending(stores.database, OutboxKind.PROJECT, leftovers.kept):
        return False
    async with stores.database.write() as connection:
        await _remove_tombstones(connection, leftovers)
        await connection.execute(_CLEAR_LEFTOVERS, {"receipt": receipt, "nothing": {}})
    for store in (stores.cache, stores.vectors, stores.database):
        await store.scrub()
    async with stores.database.write() as connection:
        await connection.execute(_COMPLETE, {"receipt": receipt, "at": now()})
    return True


async def _empty_index(stores: Stores, leftovers: ErasureRemainder) -> None:
    """Remove profiles and projects from the index, except projects created anew under a deleted key."""
    existing = {row.key for row in await stores.database.fetch(_EXISTING_PROJECTS, {"keys": leftovers.removed})}
    gone = [key for key in leftovers.removed if key not in existing]
    staged = await stores.vectors.staged()
    for generation in [None] if staged is None else [None, staged]:
        await stores.vectors.remove(PROFILE, [str(actor_id) for actor_id in leftovers.actors], generation)
        await stores.vectors.remove(PROJECT, gone, generation)


async def _remove_tombstones(connection: AsyncConnection, leftovers: ErasureRemainder) -> None:
    """Delete the tombstones with the rows written for them, and the outbox rows of all that is deleted."""
    tombstones = list(await connection.scalars(_TOMBSTONES, {"ids": leftovers.actors}))
    if tombstones:
        await delete_rows(connection, tombstones)
        await connection.execute(_REMOVE, {"ids": tombstones})
    existing = set(await connection.scalars(_EXISTING_PROJECTS, {"keys": leftovers.removed}))
    gone = [key for key in leftovers.removed if key not in existing]
    profiles = [str(id_) for id_ in leftovers.actors]
    for kind, keys in ((OutboxKind.PROFILE, profiles), (OutboxKind.PROJECT, gone)):
        await connection.execute(_DELETE_OUTBOX_ROWS, {"of_kind": kind.value, "keys": keys})
