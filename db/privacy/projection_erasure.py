"""Second step of a deletion: cache, index, tombstones and the files of SQLite (see `db.privacy.erasure`).

The functions can run at any time, repeatedly, and in several workers at once.
"""

import logging
from datetime import datetime

from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from db.cache.names import delete_actor_entries
from db.database.column_types import IDS, KEYS, Json, UtcDateTime, in_list
from db.errors import StoreUnavailable
from db.models import Actor, Erasure, OutboxKind, OutboxRow, Project, now
from db.outbox import pending
from db.privacy.erasure import ERASURE_GRACE, RemainingErasure, delete_rows
from db.stores import Stores
from db.vectors.base import PROFILE, PROJECT

log = logging.getLogger(__name__)

_OPEN = select(Erasure.id, Erasure.requested_at, Erasure.leftovers).where(Erasure.completed_at.is_(None))
_TOMBSTONES = (
    select(Actor.id)
    .where(in_list(Actor.id, IDS), Actor.session_key.like("erased:%"))
    .order_by(Actor.id)
    .with_for_update()
)
_REMOVE = delete(Actor).where(in_list(Actor.id, IDS))
_DELETE_OUTBOX_ROWS = delete(OutboxRow).where(OutboxRow.kind == bindparam("of_kind"), in_list(OutboxRow.key, KEYS))
_EXISTING_PROJECTS = select(Project.key).where(in_list(Project.key, KEYS))
_CLEAR_REMAINING = (
    update(Erasure).where(Erasure.id == bindparam("receipt")).values(leftovers=bindparam("nothing", type_=Json))
)
_COMPLETE = (
    update(Erasure)
    .where(Erasure.id == bindparam("receipt"), Erasure.completed_at.is_(None))
    .values(completed_at=bindparam("at", type_=UtcDateTime()))
)


async def finish_erasures(stores: Stores, at: datetime | None = None, only: str | None = None) -> int:
    """Continue open deletions, or the deletion with the receipt id `only`; return the number of completed deletions.

    A deletion whose store is unavailable is continued at the next call.
    """
    at, completed = at or now(), 0
    for row in await stores.database.fetch(_OPEN):
        if only not in (None, row.id):
            continue
        remaining = RemainingErasure(**row.leftovers)
        try:
            completed += await _finish_erasure(
                stores, row.id, remaining, grace_is_over=row.requested_at + ERASURE_GRACE <= at
            )
        except StoreUnavailable as error:
            log.warning("a deletion waits for a store: %s", error)
    return completed


async def _finish_erasure(stores: Stores, receipt: str, remaining: RemainingErasure, *, grace_is_over: bool) -> bool:
    for actor_id in remaining.actors:
        await delete_actor_entries(stores.cache, actor_id)
    await _remove_from_index(stores, remaining)
    # The index documents of kept projects contain the owner's name until the outbox has updated them.
    if not grace_is_over or await pending(stores.database, OutboxKind.PROJECT, remaining.kept):
        return False
    async with stores.database.write() as connection:
        await _remove_tombstones(connection, remaining)
        await connection.execute(_CLEAR_REMAINING, {"receipt": receipt, "nothing": {}})
    for store in (stores.cache, stores.vectors, stores.database):
        await store.scrub()
    async with stores.database.write() as connection:
        await connection.execute(_COMPLETE, {"receipt": receipt, "at": now()})
    return True


async def _remove_from_index(stores: Stores, remaining: RemainingErasure) -> None:
    """Remove profiles and projects from the index, except projects that were created again with the same key."""
    existing_keys = {row.key for row in await stores.database.fetch(_EXISTING_PROJECTS, {"keys": remaining.removed})}
    removed_keys = [key for key in remaining.removed if key not in existing_keys]
    staged = await stores.vectors.staged()
    for generation in [None] if staged is None else [None, staged]:
        await stores.vectors.remove(PROFILE, [str(actor_id) for actor_id in remaining.actors], generation)
        await stores.vectors.remove(PROJECT, removed_keys, generation)


async def _remove_tombstones(connection: AsyncConnection, remaining: RemainingErasure) -> None:
    """Delete the tombstones with the rows written for them, and the outbox rows of deleted profiles and projects."""
    tombstones = list(await connection.scalars(_TOMBSTONES, {"ids": remaining.actors}))
    if tombstones:
        await delete_rows(connection, tombstones)
        await connection.execute(_REMOVE, {"ids": tombstones})
    existing_keys = set(await connection.scalars(_EXISTING_PROJECTS, {"keys": remaining.removed}))
    removed_keys = [key for key in remaining.removed if key not in existing_keys]
    profiles = [str(id_) for id_ in remaining.actors]
    for kind, keys in ((OutboxKind.PROFILE, profiles), (OutboxKind.PROJECT, removed_keys)):
        await connection.execute(_DELETE_OUTBOX_ROWS, {"of_kind": kind.value, "keys": keys})
