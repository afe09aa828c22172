"""Preparation of the stores before serving: the data folder, migrations and the demo data."""

import asyncio
from collections.abc import Awaitable, Callable

from db import schema
from db.catalog.search_texts import fill_search_texts
from db.demo import generate, holds_demo, is_empty
from db.errors import StoreMisconfigured, StoreUnavailable
from db.models import now
from db.stores import Stores
from db.synchronization.synchronizer import IndexSynchronizer
from gateway.background.tasks import build_scheduler
from gateway.callers.token_authority import token_authority
from gateway.commands.console import console
from gateway.commands.progress import progress
from gateway.data_folder import make_var_dir
from gateway.documents.trusted_documents import load_trusted_documents
from gateway.errors import CannotStart
from gateway.settings import Settings
from gateway.stores import (
    BATCH_READ_DEADLINE_S,
    open_database,
    open_stores,
    prepare_index,
    require_reachable,
    with_custom_types,
)
from scoring.demo import load_demo

ANSWER_TIMEOUT_S = 3.0
"""Deadline in seconds for the check at the start of a store that a server can do without."""

DEMO_LINE_EVERY_S = 5.0
"""Seconds between two lines of progress of the demo where the output is no terminal."""

Say = Callable[[str], None]


async def prepare(settings: Settings, *, demo: bool, say: Say) -> bool:
    """Migrate, and with `demo` fill an empty store and its index. Return whether this call loaded the demo data."""
    await make_data_folder(settings, say)
    token_authority(settings)  # a missing secret is reported now, and not by each worker
    load_trusted_documents(settings)
    async with open_stores(settings, read_deadline_s=BATCH_READ_DEADLINE_S) as opened:
        await require_reachable(opened.database)
        await schema.migrate(opened.database)
        stores = await with_custom_types(settings, opened)
        unavailable = await prepare_index(stores)
        if unavailable:  # the server retries
            say(f"starting without the vector index, which is unavailable: {unavailable.reason}")
        await _check_credentials(settings, stores)
        if not demo or not await is_empty(stores.database):
            return False
        await _load_demo(settings, stores, fills_index=not unavailable)
    return True


async def holds_demo_data(settings: Settings) -> bool:
    """Return whether the database holds the demo data."""
    async with open_database(settings) as database:
        return await holds_demo(database)


async def migrate_only(settings: Settings, say: Say = lambda _: None) -> list[str]:
    """Migrate the database schema, fill missing folded texts, and return the applied revisions."""
    await make_data_folder(settings, say)
    async with open_database(settings) as database:
        applied = await schema.migrate(database)
        await fill_search_texts(database)
        return applied


async def make_data_folder(settings: Settings, say: Say) -> None:
    """Create the data folder and report its path, unless the database is elsewhere and cannot be used."""
    if settings.database_url:
        async with open_database(settings):
            pass
    is_missing = not settings.var_dir.is_dir()
    make_var_dir(settings)
    if is_missing:
        say(f"created the data folder {settings.var_dir}")


async def _load_demo(settings: Settings, stores: Stores, *, fills_index: bool) -> None:
    with progress(console(stderr=True), "rows", every_s=DEMO_LINE_EVERY_S) as report_progress:
        report_progress("loading the demo data", None)
        await load_demo(stores.database, generate(now()))
        report_progress("loading the demo data", 1.0)
        # A server would run these jobs beside the first requests, and pages would change while viewers look at them.
        report_progress("training on it", None)
        await build_scheduler(stores, settings).catch_up()
        report_progress("training on it", 1.0)
        if fills_index:
            synchronizer = IndexSynchronizer(stores.database, stores.vectors, stores.embedder)
            await synchronizer.drain_all(lambda share, count: report_progress("search index", share, count))


async def _check_credentials(settings: Settings, stores: Stores) -> None:
    """Call the paid embedding model and Redis once each, so that a rejected key is reported at the start.

    The embedding is stored, so that the check at the next start is free. An unavailable store is no error.
    """
    calls: list[Callable[[], Awaitable[object]]] = []
    if settings.uses_embedding_endpoint:
        calls.append(lambda: stores.embedder.embed(["a project about music"]))
    if settings.redis_url.get_secret_value():
        calls.append(lambda: stores.cache.get("start"))
    for call in calls:
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                await call()
        except StoreMisconfigured as error:
            raise CannotStart(error.reason) from None
        except (StoreUnavailable, TimeoutError):
            continue
