"""Background tasks of a server or worker process: their list, start, restart after failures, and stop."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta

import structlog

from db import jobs
from db.errors import StoreUnavailable
from db.stores import Stores
from db.synchronization.index_coverage import find_shortfall
from db.synchronization.reindex import Reindex
from db.synchronization.synchronizer import IndexSynchronizer, pause
from gateway.background.scheduled_jobs import REINDEX, scheduled_jobs
from gateway.background.scheduler import Scheduler
from gateway.settings import Settings

RESTART_AFTER_S = 5.0
"""Seconds before a failed background task starts again."""

STOP_TIMEOUT_S = 5.0
"""Seconds for background tasks to finish when the process stops. Leases of outbox rows expire by themselves."""

COVERAGE_CHECK_S, MAX_COVERAGE_PAUSE_S = 20.0, 600.0
"""Seconds between two comparisons of the counts of index and database, and their maximum while filling fails or does
not help."""

REPAIR_EVERY_S = 15.0
"""Seconds between two checks of the collections of the index, of two requests each, and repairs if one is damaged."""

Task = Callable[[asyncio.Event], Awaitable[None]]
"""A task runs until the event is set."""

log = structlog.get_logger(__name__)


def build_scheduler(stores: Stores, settings: Settings) -> Scheduler:
    """Create the scheduler of all periodic jobs."""
    return Scheduler(stores.database, scheduled_jobs(stores, timedelta(days=settings.event_retention_days)))


def worker_tasks(stores: Stores, settings: Settings) -> dict[str, Task]:
    """Return the tasks of a worker: draining the outbox, periodic jobs, and repairing and filling the index."""
    return {
        "synchronizer": IndexSynchronizer(stores.database, stores.vectors, stores.embedder).run,
        "scheduler": build_scheduler(stores, settings).run,
        "index repair": lambda stop: keep_prepared(stores, stop),
        "index filling": lambda stop: keep_index_complete(stores, stop),
    }


async def keep_prepared(stores: Stores, stop: asyncio.Event) -> None:
    """Create or repair the collections of the index while this runs, for example after the server lost its data."""
    reason = ""
    while not stop.is_set():
        try:
            await stores.vectors.prepare(stores.embedder.model, stores.embedder.dimension)
            reason = ""
        except StoreUnavailable as unavailable:
            if unavailable.reason != reason:
                store = unavailable.store.value  # the database, too, is needed
                log.warning("the index cannot be prepared, trying again", store=store, reason=unavailable.reason)
            reason = unavailable.reason
        await pause(stop, REPAIR_EVERY_S)


async def keep_index_complete(stores: Stores, stop: asyncio.Event) -> None:
    """Fill the index whenever it is far behind the database, without waiting for the nightly rebuild.

    The index is empty after a change of the embedding model, after the loss of its file or server, and after an update
    that changes its format. When it is complete, collections of older text analyses are dropped.
    """
    pause_s = COVERAGE_CHECK_S
    while not stop.is_set():
        try:
            shortfall = await find_shortfall(stores)
            if shortfall is None:
                pause_s = COVERAGE_CHECK_S
                await stores.vectors.drop_outdated()
            elif shortfall.needs_repair:
                pause_s = min(2 * pause_s, MAX_COVERAGE_PAUSE_S)  # filling may fail, or not help
                log.warning("filling the index from the database", reason=str(shortfall))
                await jobs.run_exclusively(stores.database, REINDEX, lambda _: _fill_index(stores))
        except StoreUnavailable as unavailable:
            log.info("the index is not filled", store=unavailable.store.value, reason=unavailable.reason)
        except Exception:
            log.exception("filling the index failed, trying again", after_s=pause_s)
        await pause(stop, pause_s)


async def _fill_index(stores: Stores) -> None:
    index = Reindex(stores.database, stores.vectors, stores.embedder)
    await index.repair(await index.compare(sample=0))


@asynccontextmanager
async def run_alongside(tasks: Mapping[str, Task]) -> AsyncIterator[None]:
    """Run tasks during the block. At its end `stop` is set, and after `STOP_TIMEOUT_S` running tasks are canceled."""
    stop = asyncio.Event()
    running = {asyncio.create_task(_keep_running(name, task, stop), name=name) for name, task in tasks.items()}
    try:
        yield
    finally:
        stop.set()
        _, late = await asyncio.wait(running, timeout=STOP_TIMEOUT_S)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)


async def _keep_running(name: str, task: Task, stop: asyncio.Event) -> None:
    while not stop.is_set():
        try:
            await task(stop)
        except Exception:
            log.exception("background task failed, restarting", task=name, after_s=RESTART_AFTER_S)
            await pause(stop, RESTART_AFTER_S)
