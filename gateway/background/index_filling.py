"""An index that is empty although there is something to find is written at once, and not only in the next night.

That is so after a change of the embedding model, after its file was lost, and after an update that stores it otherwise.
"""

import asyncio

import structlog

from db import jobs, outbox
from db.errors import StoreUnavailable
from db.jobs import JobLease
from db.models import OutboxKind
from db.stores import Stores
from db.synchronization.reindex import Reindex
from gateway.background.scheduled_jobs import REINDEX

TRY_EVERY_S = 5.0
"""How often it is looked again while a store is away."""

log = structlog.get_logger(__name__)


async def fill_if_empty(stores: Stores, stop: asyncio.Event) -> None:
    """Look once whether the index has to be filled, fill it, and wait to be told to stop."""
    while not stop.is_set():
        try:
            if await needs_filling(stores):
                await jobs.run_exclusively(stores.database, REINDEX, lambda turn: _fill(stores, turn))
        except StoreUnavailable:  # its guard has logged it
            try:
                async with asyncio.timeout(TRY_EVERY_S):
                    await stop.wait()
            except TimeoutError:
                continue
        else:
            await stop.wait()


async def needs_filling(stores: Stores) -> bool:
    """Tell whether the index holds no project, the truth has some, and the outbox is not about to bring them."""
    if (await stores.vectors.counts())["Project"] or (await outbox.backlog(stores.database)).rows:
        return False
    return (await Reindex(stores.database, stores.vectors, stores.embedder).totals())[OutboxKind.PROJECT] > 0


async def _fill(stores: Stores, turn: JobLease) -> None:
    log.info("the index is empty and is written from the truth")
    rebuild = Reindex(stores.database, stores.vectors, stores.embedder)
    report = await rebuild.run(lambda *_: None, lambda: jobs.renew_lease(stores.database, turn))
    log.info("the index was written", written=report.written, refused=report.refused)
