"""The composition root: the only place that knows which store is which."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass

import structlog
from starlette.requests import Request

from db.cache.embedded import EmbeddedCache
from db.embeddings.wordllama import WordLlamaEmbedder
from db.engine import Database
from db.schema import require_current
from db.served import ServedLog
from db.stores import Stores
from db.synchroniser import Synchroniser
from db.vectors.embedded import EmbeddedVectorStore
from gateway.errors import CannotStart
from gateway.settings import Settings, make_var_dir
from resolvers.context import Asker, Context
from scoring.feeds import Feeds

RESTART_AFTER_S = 5.0
"""Pause before a background task is started again after a fault of our own."""

STOP_WITHIN_S = 5.0
"""How long background tasks may take to finish when the server stops; leases of the outbox run out by themselves."""

FLUSH_EVERY_S = 1.0
"""How often what was served is written down: one transaction a second however many pages there were."""

FLUSHES_BETWEEN_EXPIRIES = 3_600
"""Old pages are forgotten about once an hour; they are kept for days."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Runtime:
    """What one worker process works with, from its start to its end."""

    stores: Stores
    feeds: Feeds

    def open_context(self, asker: Asker) -> Context:
        """Make the context of one request."""
        return Context(self.stores, self.feeds, asker)


OpenRuntime = Callable[[], AbstractAsyncContextManager[Runtime]]


def context_of(request: Request, asker: Asker) -> Context:
    """Make the context of one request on the runtime of its application."""
    runtime: Runtime = request.app.state.runtime
    return runtime.open_context(asker)


def database_of(settings: Settings) -> Database:
    """Make the connection to the truth; nothing is asked yet.

    Raises
    ------
    CannotStart
        If the folder of an SQLite file cannot be made.
    InvalidRecord
        If the URL is none.
    """
    try:
        return Database(settings.truth_url, settings.database_pool_size)
    except OSError as error:
        reason = (error.strerror or "unknown reason").lower()
        raise CannotStart(f"the folder that DATABASE_URL names cannot be made ({reason}); name another") from None


@asynccontextmanager
async def open_stores(settings: Settings) -> AsyncIterator[Stores]:
    """Open the four stores that the settings name, and close them at the end."""
    folder = make_var_dir(settings)
    stores = Stores(
        database=database_of(settings),
        vectors=EmbeddedVectorStore(folder / "vectors.sqlite"),
        embedder=WordLlamaEmbedder(),
        cache=EmbeddedCache(folder / "cache.sqlite"),
    )
    try:
        yield stores
    finally:
        await stores.close()


def synchroniser_of(stores: Stores) -> Synchroniser:
    """Make the worker that keeps the vector index in step with the truth."""
    return Synchroniser(stores.database, stores.vectors, stores.embedder)


@asynccontextmanager
async def open_runtime(settings: Settings) -> AsyncIterator[Runtime]:
    """Open everything that a serving process needs, with the synchroniser and the log of served pages beside it.

    Raises
    ------
    MigrationPending
        If the truth's schema is older than this code.
    """
    async with open_stores(settings) as stores:
        await require_current(stores.database)
        await stores.vectors.prepare(stores.embedder.model, stores.embedder.dimension)
        served = ServedLog(stores.database)
        async with _beside(synchroniser=synchroniser_of(stores).run, served=lambda stop: _write_served(served, stop)):
            yield Runtime(stores, Feeds(stores, served=served))


Task = Callable[[asyncio.Event], Awaitable[None]]


@asynccontextmanager
async def _beside(**tasks: Task) -> AsyncIterator[None]:
    """Run tasks beside the server: each is told to stop at the end, and has `STOP_WITHIN_S` to finish what it does."""
    stop = asyncio.Event()
    running = {asyncio.create_task(_keep_running(name, task, stop), name=name) for name, task in tasks.items()}
    try:
        yield
    finally:
        stop.set()
        _, late = await asyncio.wait(running, timeout=STOP_WITHIN_S)
        for task in late:
            task.cancel()


async def _keep_running(name: str, task: Task, stop: asyncio.Event) -> None:
    """Run a task until told to stop: a fault in it must not leave its work undone in silence."""
    while not stop.is_set():
        try:
            await task(stop)
        except Exception:
            log.exception("a background task failed and is started again", task=name, after_s=RESTART_AFTER_S)
            await _pause(stop, RESTART_AFTER_S)


async def _write_served(served: ServedLog, stop: asyncio.Event) -> None:
    flushes = 0
    while not stop.is_set():
        if flushes % FLUSHES_BETWEEN_EXPIRIES == 0:
            await served.expire()
        await served.flush()
        flushes += 1
        await _pause(stop, FLUSH_EVERY_S)
    await served.flush()


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()
