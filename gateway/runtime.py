"""What one serving process works with, and what runs beside it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

import structlog
from starlette.requests import HTTPConnection

from db.errors import StoreMisconfigured, StoreUnavailable
from db.interactions.served_pages import ServedPageLog
from db.interactions.velocity_queries import refresh_velocities
from db.jobs import JobLease, require_lease
from db.models import now
from db.privacy.session_claims import CLAIM_LIFE
from db.schema import require_current
from db.stores import Stores
from db.synchronization.synchronizer import IndexSynchronizer
from gateway.background.index_filling import fill_if_empty
from gateway.background.scheduled_jobs import scheduled_jobs
from gateway.background.scheduler import Scheduler
from gateway.limits.rate_limits import MemoryRateLimitStore, RateLimitStore
from gateway.settings import Settings
from gateway.stores import open_feed_change_notifier, open_stores, redis_rate_limit_store
from resolvers.common.context import Context
from resolvers.common.loaders import LoaderFallbacks
from scoring.feed_changes import FeedChangeWatcher
from scoring.feeds import Feeds
from scoring.mathematics.velocity import Window
from scoring.mathematics.viewer_stages import BASELINE_THRESHOLDS, Thresholds
from scoring.models.active_model import ActiveModel
from scoring.models.active_trend_constants import ActiveTrendConstants
from scoring.pipelines.trending import formula_of
from scoring.use_cases.unit_of_work import Caller

RESTART_AFTER_S = 5.0
"""Pause before a background task is started again after a fault of our own."""

STOP_WITHIN_S = 5.0
"""How long background tasks may take to finish when the server stops; leases of the outbox run out by themselves."""

FLUSH_EVERY_S = 1.0
"""How often what was served is written down: one transaction a second however many pages there were."""

PREPARE_EVERY_S = 5.0
"""How often a vector store that was away at the start is asked for again."""

LOAD_AHEAD_EVERY_S = 1.0
"""How often a rebuilt index that is about to take over is looked for; a look costs 0.1 ms."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Runtime:
    """What one worker process works with, from its start to its end.

    Attributes
    ----------
    wake
        Tells whoever waits for writes that there was one: the synchronizer of this process, and those who tell viewers.
    loader_fallbacks
        What was read last of what everybody may see.
    thresholds
        From where on a viewer is known well enough; `personalizationStatus` tells by them.
    trending_requires_impression
        As in `scoring.use_cases.unit_of_work.UnitOfWork`.
    changes
        Who tells what changes as it happens; None if nobody does.
    windows
        Where it is counted what callers spend.
    claimed_session_lifetime
        As in `scoring.use_cases.unit_of_work.UnitOfWork`.
    """

    stores: Stores
    feeds: Feeds
    wake: Callable[[], None] | None = None
    loader_fallbacks: LoaderFallbacks = field(default_factory=LoaderFallbacks)
    thresholds: Thresholds = BASELINE_THRESHOLDS
    trending_requires_impression: bool = False
    changes: FeedChangeWatcher | None = None
    windows: RateLimitStore = field(default_factory=MemoryRateLimitStore)
    claimed_session_lifetime: timedelta = CLAIM_LIFE

    def open_context(self, caller: Caller) -> Context:
        """Make the context of one request."""
        return Context(
            self.stores,
            caller,
            self.wake,
            self.trending_requires_impression,
            self.claimed_session_lifetime,
            feeds=self.feeds,
            loader_fallbacks=self.loader_fallbacks,
            thresholds=self.thresholds,
            changes=self.changes,
        )


OpenRuntime = Callable[[], AbstractAsyncContextManager[Runtime]]


def request_context(request: HTTPConnection, caller: Caller) -> Context:
    """Make the context of one request on the runtime of its application."""
    runtime: Runtime = request.app.state.runtime
    return runtime.open_context(caller)


def build_synchronizer(stores: Stores) -> IndexSynchronizer:
    """Make the worker that keeps the vector index in step with the truth."""
    return IndexSynchronizer(stores.database, stores.vectors, stores.embedder)


Task = Callable[[asyncio.Event], Awaitable[None]]


def build_scheduler(stores: Stores, settings: Settings) -> Scheduler:
    """Return the scheduler of all periodic jobs."""
    velocity = ActiveTrendConstants(stores.database)

    async def mend(turn: JobLease) -> None:
        formula = formula_of((await velocity())[Window.DAY])
        await refresh_velocities(stores.database, formula, now(), lambda connection: require_lease(connection, turn))

    return Scheduler(stores.database, scheduled_jobs(stores, mend, timedelta(days=settings.event_retention_days)))


def worker_tasks(stores: Stores, settings: Settings) -> tuple[IndexSynchronizer, dict[str, Task]]:
    """Give what a worker does, in the server's process or in one of its own: drain the outbox, and periodic jobs."""
    synchronizer = build_synchronizer(stores)
    tasks: dict[str, Task] = {
        "synchronizer": synchronizer.run,
        "scheduler": build_scheduler(stores, settings).run,
        "filling": lambda stop: fill_if_empty(stores, stop),
    }
    return synchronizer, tasks


@asynccontextmanager
async def open_runtime(settings: Settings) -> AsyncIterator[Runtime]:
    """Open everything that a serving process needs, with the log of served pages and the worker's tasks beside it.

    Raises
    ------
    MigrationPending
        If the truth's schema is older than this code.
    StoreMisconfigured
        If the vector store can never serve these settings.
    """
    async with open_stores(settings) as stores:
        await require_current(stores.database)
        served = ServedPageLog(stores.database)
        tasks: dict[str, Task] = {"served": lambda stop: _write_served(served, stop)}
        tasks["loading ahead"] = lambda stop: _preload(stores, stop)
        if not await _prepared(stores):
            tasks["preparing"] = lambda stop: _prepare(stores, stop)
        woken: list[Callable[[], None]] = []
        if settings.worker_in_server:
            synchronizer, more = worker_tasks(stores, settings)
            tasks |= more
            woken.append(synchronizer.wake)
        model = ActiveModel(stores.database)
        changes = None
        if settings.subscriptions:
            notifier = open_feed_change_notifier(settings)
            changes = FeedChangeWatcher(stores.database, Feeds(stores, model), notifier)
            tasks |= {"changes": changes.run, "hints": notifier.run}
            woken.append(notifier.notify)
        async with run_alongside(tasks):
            feeds = Feeds(
                stores,
                model,
                served,
                velocity=ActiveTrendConstants(stores.database),
                max_boost_places=settings.trending_max_shift,
                exploration=settings.exploration_share,
            )
            enough = Thresholds(
                settings.personalization_min_interests,
                settings.personalization_min_projects,
                settings.personalization_min_likes,
            )
            windows = (
                redis_rate_limit_store(stores.cache)
                if settings.redis_url.get_secret_value()
                else MemoryRateLimitStore()
            )
            yield Runtime(
                stores,
                feeds,
                partial(_call_all, woken),
                thresholds=enough,
                trending_requires_impression=settings.trending_requires_impression,
                changes=changes,
                windows=windows,
                claimed_session_lifetime=timedelta(hours=settings.claimed_session_hours),
            )


def _call_all(listeners: Sequence[Callable[[], None]]) -> None:
    for listener in listeners:
        listener()


@asynccontextmanager
async def run_alongside(tasks: Mapping[str, Task]) -> AsyncIterator[None]:
    """Run tasks beside the caller: each is told to stop at the end, and has `STOP_WITHIN_S` to finish what it does."""
    stop = asyncio.Event()
    running = {asyncio.create_task(_keep_running(name, task, stop), name=name) for name, task in tasks.items()}
    try:
        yield
    finally:
        stop.set()
        _, late = await asyncio.wait(running, timeout=STOP_WITHIN_S)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)


async def _keep_running(name: str, task: Task, stop: asyncio.Event) -> None:
    """Run a task until told to stop: a fault in it must not leave its work undone in silence."""
    while not stop.is_set():
        try:
            await task(stop)
        except Exception:
            log.exception("a background task failed and is started again", task=name, after_s=RESTART_AFTER_S)
            await _pause(stop, RESTART_AFTER_S)


async def _prepared(stores: Stores) -> bool:
    """Make the collections; False if the vector store is away, and feeds do without it for now."""
    try:
        await stores.vectors.prepare(stores.embedder.model, stores.embedder.dimension)
        await stores.vectors.preload()
    except StoreMisconfigured:
        raise
    except StoreUnavailable as away:
        log.warning("starting without the vector store", reason=away.reason)
        return False
    return True


async def _prepare(stores: Stores, stop: asyncio.Event) -> None:
    while not stop.is_set() and not await _prepared(stores):
        await _pause(stop, PREPARE_EVERY_S)
    await stop.wait()


async def _preload(stores: Stores, stop: asyncio.Event) -> None:
    """Load what a first search would wait for: the embedder's weights, and each new generation of the index."""
    with suppress(StoreUnavailable):  # the guard has counted and logged it; a search finds out for itself
        await stores.embedder.embed(["ready"])
    while not stop.is_set():
        with suppress(StoreUnavailable):
            await stores.vectors.preload()
        await _pause(stop, LOAD_AHEAD_EVERY_S)


async def _write_served(served: ServedPageLog, stop: asyncio.Event) -> None:
    while not stop.is_set():
        await served.flush()
        await _pause(stop, FLUSH_EVERY_S)
    await served.flush()


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()
