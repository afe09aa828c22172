"""The long-lived objects of a server process, and its background tasks."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

import structlog

from db.cache.last_known import LastKnownValues
from db.columns.column_store import ColumnStore
from db.errors import StoreMisconfigured, StoreUnavailable
from db.interactions.served_pages import ServedPageLog
from db.schema import require_current
from db.stores import Stores
from db.synchronization.index_coverage import update_coverage
from db.synchronization.synchronizer import pause
from gateway.background.tasks import COVERAGE_CHECK_S, Task, run_alongside
from gateway.limits.rate_limits import RateLimitStore
from gateway.limits.shared_rate_limits import local_rate_limits
from gateway.settings import Settings
from gateway.stores import open_feed_change_notifier, open_stores, with_custom_types
from gateway.telemetry import record_columns_read
from resolvers.common.context import Context
from resolvers.common.loaders import LoaderFallbacks
from scoring.feed_changes import FeedChangeWatcher
from scoring.feeds import Feeds
from scoring.mathematics.viewer_stages import Thresholds
from scoring.models.active_model import ActiveModel, ActiveTrendConstants
from scoring.tunables import RELEASE_WINDOW_DAYS
from scoring.use_cases.unit_of_work import MAX_REMEMBERED_VIEWERS

FLUSH_EVERY_S = 1.0
"""Interval of writing the served pages to the database: one transaction for all pages of a second."""

PREPARE_EVERY_S = 5.0
"""Interval of retries if the vector store was unavailable at the start."""

LOAD_AHEAD_EVERY_S = 1.0
"""Interval of checks for a rebuilt index, which is loaded before it is activated. A check costs 0.1 ms."""

RECOVERY_CHECK_S = 10.0
"""Interval of the comparisons of index and database while the index is far behind."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Runtime:
    """The objects of one server process, from its start to its end."""

    stores: Stores
    open_context: Callable[..., Context]  # creates the context of one request from its `caller`
    rate_limits: RateLimitStore  # store of the points that callers have spent
    # Returns for how many seconds the first of the waiting statements has waited for a connection to the database.
    connection_wait: Callable[[], float] = lambda: 0.0
    changes: FeedChangeWatcher | None = None  # source of feed change notifications, or None without subscriptions


OpenRuntime = Callable[[], AbstractAsyncContextManager[Runtime]]


@asynccontextmanager
async def open_runtime(settings: Settings) -> AsyncIterator[Runtime]:
    """Open everything that a server process needs, and run its background tasks.

    Raises `MigrationPending` if the database schema is older than this code. Raises `StoreMisconfigured` if the vector
    store can never serve these settings.
    """
    async with open_stores(settings, is_server=True) as opened:
        await require_current(opened.database)
        columns = _open_columns(settings, opened)
        stores = replace(await with_custom_types(settings, opened), columns=columns)
        served_page_log = ServedPageLog(stores.database)
        tasks: dict[str, Task] = {
            "served page log": lambda stop: _write_served_pages(served_page_log, stop),
            "index loading": lambda stop: _preload(stores, stop),
            "index coverage": lambda stop: _check_coverage(stores, stop),
            "columns": columns.run,
        }
        if not await _try_prepare(stores):
            tasks["index preparation"] = lambda stop: _prepare(stores, stop)
        model = ActiveModel(stores.database)
        changes = notify = None
        if settings.subscriptions:
            notifier = open_feed_change_notifier(settings)
            changes = FeedChangeWatcher(stores.database, Feeds(stores, model), notifier)
            tasks |= {"feed changes": changes.run, "notifications": notifier.run}
            notify = notifier.notify
        open_context = partial(
            Context,
            stores=stores,
            feeds=Feeds(
                stores,
                model,
                served_page_log,
                trend_constants=ActiveTrendConstants(stores.database),
                max_boost_places=settings.trending_max_shift,
                exploration=settings.exploration_share,
                read_hidden_days=settings.read_hidden_days,
            ),
            notify=notify,
            loader_fallbacks=LoaderFallbacks(),
            remembered_viewers=LastKnownValues(MAX_REMEMBERED_VIEWERS),
            thresholds=Thresholds(
                settings.personalization_min_interests,
                settings.personalization_min_projects,
                settings.personalization_min_likes,
            ),
            trending_requires_impression=settings.trending_requires_impression,
            changes=changes,
            claimed_session_lifetime=timedelta(hours=settings.claimed_session_hours),
        )
        async with run_alongside(tasks):
            database = opened.database
            yield Runtime(
                stores, open_context, _rate_limits(settings, stores), lambda: database.connection_wait_s, changes
            )


def _open_columns(settings: Settings, stores: Stores) -> ColumnStore:
    window = timedelta(days=RELEASE_WINDOW_DAYS)
    return ColumnStore(stores.database, window, settings.columns_max_mb, on_read=record_columns_read)


def _rate_limits(settings: Settings, stores: Stores) -> RateLimitStore:
    if not settings.redis_url.get_secret_value():
        return local_rate_limits()
    from gateway.limits.redis_rate_limits import RedisRateLimitStore  # noqa: PLC0415 (0.2 s, only with Redis)

    return RedisRateLimitStore(stores.cache)  # type: ignore[arg-type]  # a Redis cache, by the settings


async def _try_prepare(stores: Stores) -> bool:
    """Create missing collections. Return False if the vector store is unavailable: feeds then rank without it."""
    try:
        await stores.vectors.prepare(stores.embedder.model, stores.embedder.dimension)
        await stores.vectors.preload()
    except StoreMisconfigured:
        raise  # a subclass of StoreUnavailable
    except StoreUnavailable as unavailable:
        log.warning("starting without the vector store", reason=unavailable.reason)
        return False
    return True


async def _prepare(stores: Stores, stop: asyncio.Event) -> None:
    while not stop.is_set() and not await _try_prepare(stores):
        await pause(stop, PREPARE_EVERY_S)
    await stop.wait()


async def _preload(stores: Stores, stop: asyncio.Event) -> None:
    """Load the weights of the embedder, and each new generation of the index, before a search needs them."""
    with suppress(StoreUnavailable):  # the guard has counted and logged it
        await stores.embedder.embed(["ready"])
    while not stop.is_set():
        with suppress(StoreUnavailable):
            await stores.vectors.preload()
        await pause(stop, LOAD_AHEAD_EVERY_S)


async def _check_coverage(stores: Stores, stop: asyncio.Event) -> None:
    """Check whether the index is far behind the database; then searches use the database."""
    while not stop.is_set():
        was_complete = stores.coverage.shortfall is None
        await update_coverage(stores)
        if was_complete and stores.coverage.shortfall is not None:
            log.warning("searches use the database", reason=str(stores.coverage.shortfall))
        await pause(stop, COVERAGE_CHECK_S if stores.coverage.shortfall is None else RECOVERY_CHECK_S)


async def _write_served_pages(served_page_log: ServedPageLog, stop: asyncio.Event) -> None:
    while not stop.is_set():
        await served_page_log.flush()
        await pause(stop, FLUSH_EVERY_S)
    await served_page_log.flush()
