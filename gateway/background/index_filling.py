"""Filling of an empty vector index from the database, without waiting for the nightly rebuild.

The index is empty after a change of the embedding model, after the loss of its file, and after an update that changes
its format.
"""

import asyncio
from contextlib import suppress

import structlog

from db import jobs, outbox
from db.errors import StoreUnavailable
from db.models import OutboxKind
from db.stores import Stores
from db.synchronization.reindex import Reindex
from gateway.background.scheduled_jobs import REINDEX, rebuild_index

RETRY_S = 5.0
"""Pause between two attempts while a store is unavailable."""

log = structlog.get_logger(__name__)


async def fill_if_empty(stores: Stores, stop: asyncio.Event) -> None:
    """Fill the index if it is empty, then wait for `stop`."""
    while not stop.is_set():
        try:
            if await needs_filling(stores):
                log.info("filling the empty index from the database")
                await jobs.run_exclusively(stores.database, REINDEX, lambda lease: rebuild_index(stores, lease))
        except StoreUnavailable:  # its guard has logged it
            with suppress(TimeoutError):
                async with asyncio.timeout(RETRY_S):
                    await stop.wait()
        else:
            await stop.wait()


async def needs_filling(stores: Stores) -> bool:
    """Return whether the index holds no project, the database has some, and the outbox is empty."""
    if (await stores.vectors.counts())["Project"] or (await outbox.backlog(stores.database)).rows:
        return False
    return (await Reindex(stores.database, stores.vectors, stores.embedder).totals())[OutboxKind.PROJECT] > 0
