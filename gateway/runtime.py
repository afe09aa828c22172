"""What one serving process works with, and what runs beside it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

import structlog
from starlette.requests import HTTPConnection

from db.activity.served import ServedLog
from db.activity.velocity import refresh_velocities
from db.errors import StoreMisconfigured, StoreUnavailable
from db.jobs import Turn, require
from db.models import now
from db.people.claims import CLAIM_LIFE
from db.schema import require_current
from db.stores import Stores
from db.synchronisation.synchroniser import Synchroniser
from gateway.background.scheduler import Scheduler
from gateway.background.timetable import jobs_of
from gateway.commands.filling import fill_if_empty
from gateway.limits.windows import MemoryWindows, Windows
from gateway.settings import Settings
from gateway.stores import hints_of, open_stores, shared_windows
from resolvers.foundations.context import Asker, Context
from resolvers.foundations.loaders import Memory
from scoring.changes import Changes
from scoring.constants import ConstantsInService
from scoring.feeds import Feeds
from scoring.in_service import ModelInService
from scoring.pipelines.trending import formula_of
from scoring.velocity import Window
from scoring.viewers.stages import PLAN_THRESHOLDS, Thresholds

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
        Tells whoever waits for writes that there was one: the synchroniser of this process, and those who tell viewers.
    memory
        What was read last of what everybody may see.
    thresholds
        From where on a viewer is known well enough; `personalizationStatus` tells by them.
    vouched_events_only
        As in `resolvers.foundations.context.Context`.
    changes
        Who tells what changes as it happens; None if nobody does.
    windows
        Where it is counted what callers spend.
    claimed_session_life
        As in `resolvers.foundations.context.Context`.
    """

    stores: Stores
    feeds: Feeds
    wake: Callable[[], None] | None = None
    memory: Memory = field(default_factory=Memory)
    thresholds: Thresholds = PLAN_THRESHOLDS
    vouched_events_only: bool = False
    changes: Changes | None = None
    windows: Windows = field(default_factory=MemoryWindows)
    claimed_session_life: timedelta = CLAIM_LIFE

    def open_context(self, asker: Asker) -> Context:
        """Make the context of one request."""
        return Context(
            self.stores,
            self.feeds,
            asker,
            self.wake,
            self.memory,
            self.thresholds,
            self.vouched_events_only,
            self.changes,
            self.claimed_session_life,
        )


OpenRuntime = Callable[[], AbstractAsyncContextManager[Runtime]]


def context_of(request: HTTPConnection, asker: Asker) -> Context:
    """Make the context of one request on the runtime of its application."""
    runtime: Runtime = request.app.state.runtime
    return runtime.open_context(asker)


def synchroniser_of(stores: Stores) -> Synchroniser:
    """Make the worker that keeps the vector index in step with the truth."""
    return Synchroniser(stores.database, stores.vectors, stores.embedder)


Task = Callable[[asyncio.Event], Awaitable[None]]


def scheduler_of(stores: Stores, settings: Settings) -> Scheduler:
    """Return the scheduler of all periodic jobs."""
    velocity = ConstantsInService(stores.database)

    async def mend(turn: Turn) -> None:
        formula = formula_of((await velocity())[Window.DAY])
        await refresh_velocities(stores.database, formula, now(), lambda connection: require(connection, turn))

    return Scheduler(stores.database, jobs_of(stores, mend, timedelta(days=settings.events_kept_days)))


def worker_tasks(stores: Stores, settings: Settings) -> tuple[Synchroniser, dict[str, Task]]:
    """Give what a worker does, in the server's process or in one of its own: drain the outbox, and periodic jobs."""
    synchroniser = synchroniser_of(stores)
    tasks: dict[str, Task] = {
        "synchroniser": synchroniser.run,
        "scheduler": scheduler_of(stores, settings).run,
        "filling": lambda stop: fill_if_empty(stores, stop),
    }
    return synchroniser, tasks


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
        served = ServedLog(stores.database)
        tasks: dict[str, Task] = {"served": lambda stop: _write_served(served, stop)}
        tasks["loading ahead"] = lambda stop: _load_ahead(stores, stop)
        if not await _prepared(stores):
            tasks["preparing"] = lambda stop: _prepare(stores, stop)
        woken: list[Callable[[], None]] = []
        if settings.worker_in_server:
            synchroniser, more = worker_tasks(stores, settings)
            tasks |= more
            woken.append(synchroniser.wake)
        model = ModelInService(stores.database)
        changes = None
        if settings.subscriptions:
            hints = hints_of(settings)
            changes = Changes(stores.database, Feeds(stores, model), hints)
            tasks |= {"changes": changes.run, "hints": hints.run}
            woken.append(hints.tell)
        async with beside(tasks):
            feeds = Feeds(
                stores,
                model,
                served,
                velocity=ConstantsInService(stores.database),
                most_places=settings.trending_most_places,
                exploration=settings.exploration_share,
            )
            enough = Thresholds(settings.enough_tags, settings.enough_interactions, settings.enough_likes)
            windows = shared_windows(stores.cache) if settings.redis_url.get_secret_value() else MemoryWindows()
            yield Runtime(
                stores,
                feeds,
                partial(_call_all, woken),
                thresholds=enough,
                vouched_events_only=settings.vouched_events_only,
                changes=changes,
                windows=windows,
                claimed_session_life=timedelta(hours=settings.claimed_session_hours),
            )


def _call_all(listeners: Sequence[Callable[[], None]]) -> None:
    for listener in listeners:
        listener()


@asynccontextmanager
async def beside(tasks: Mapping[str, Task]) -> AsyncIterator[None]:
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
        await stores.vectors.load_ahead()
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


async def _load_ahead(stores: Stores, stop: asyncio.Event) -> None:
    """Load what a first search would wait for: the embedder's weights, and each new generation of the index."""
    with suppress(StoreUnavailable):  # the guard has counted and logged it; a search finds out for itself
        await stores.embedder.embed(["ready"])
    while not stop.is_set():
        with suppress(StoreUnavailable):
            await stores.vectors.load_ahead()
        await _pause(stop, LOAD_AHEAD_EVERY_S)


async def _write_served(served: ServedLog, stop: asyncio.Event) -> None:
    while not stop.is_set():
        await served.flush()
        await _pause(stop, FLUSH_EVERY_S)
    await served.flush()


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()
