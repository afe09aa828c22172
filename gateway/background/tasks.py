"""Background tasks of a server or worker process: their list, start, restart after failures, and stop."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

import structlog

from db.interactions.velocity_queries import refresh_velocities
from db.jobs import JobLease, require_lease
from db.models import now
from db.stores import Stores
from db.synchronization.synchronizer import IndexSynchronizer
from gateway.background.index_filling import fill_if_empty
from gateway.background.scheduled_jobs import scheduled_jobs
from gateway.background.scheduler import Scheduler
from gateway.settings import Settings
from scoring.mathematics.velocity import Window
from scoring.models.active_model import ActiveTrendConstants

RESTART_AFTER_S = 5.0
"""Seconds before a failed background task starts again."""

STOP_TIMEOUT_S = 5.0
"""Seconds for background tasks to finish when the process stops. Leases of outbox rows expire by themselves."""

Task = Callable[[asyncio.Event], Awaitable[None]]
"""A task runs until the event is set."""

log = structlog.get_logger(__name__)


def build_synchronizer(stores: Stores) -> IndexSynchronizer:
    """Create the synchronizer, which keeps the vector index in step with the database."""
    return IndexSynchronizer(stores.database, stores.vectors, stores.embedder)


def build_scheduler(stores: Stores, settings: Settings) -> Scheduler:
    """Create the scheduler of all periodic jobs."""
    constants = ActiveTrendConstants(stores.database)

    async def refresh(lease: JobLease) -> None:
        day_constants = (await constants())[Window.DAY]
        await refresh_velocities(
            stores.database, day_constants, now(), lambda connection: require_lease(connection, lease)
        )

    return Scheduler(stores.database, scheduled_jobs(stores, refresh, timedelta(days=settings.event_retention_days)))


def worker_tasks(stores: Stores, settings: Settings) -> tuple[IndexSynchronizer, dict[str, Task]]:
    """Return the tasks of a worker: draining the outbox, periodic jobs, and filling an empty index."""
    synchronizer = build_synchronizer(stores)
    tasks: dict[str, Task] = {
        "synchronizer": synchronizer.run,
        "scheduler": build_scheduler(stores, settings).run,
        "index filling": lambda stop: fill_if_empty(stores, stop),
    }
    return synchronizer, tasks


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


async def pause(stop: asyncio.Event, seconds: float) -> None:
    """Wait for some seconds, or until `stop` is set."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()
