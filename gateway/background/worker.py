"""`explore worker`: a process that drains the outbox and does the periodic jobs, and answers no requests."""

import asyncio
import signal
from contextlib import suppress
from functools import partial
from pathlib import Path

import structlog

from db import schema
from db.errors import StoreMisconfigured, StoreUnavailable
from db.private_files import make_private_file
from gateway.commands.prepare import require_reachable
from gateway.errors import CannotStart
from gateway.runtime import run_alongside, worker_tasks
from gateway.settings import Settings
from gateway.stores import open_stores

ALIVE_FILE = "worker_alive"
"""The file in VAR_DIR that a worker touches while its event loop turns, for the health check of its container."""

ALIVE_EVERY_S = 5.0

log = structlog.get_logger(__name__)


async def run_worker(settings: Settings) -> None:
    """Work until SIGINT or SIGTERM. An absent index or embedder is waited for; an absent truth is not.

    Raises
    ------
    CannotStart
        If the truth cannot be reached, or a store will not heal by itself: one sentence that says what to set.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with open_stores(settings) as stores:
        await require_reachable(stores.database)
        await schema.migrate(stores.database)
        try:
            await stores.vectors.prepare(stores.embedder.model, stores.embedder.dimension)
        except StoreMisconfigured as error:
            raise CannotStart(error.reason) from None
        except StoreUnavailable as error:
            log.warning("a store is away, and is waited for", store=error.store.value, reason=error.reason)
        _, tasks = worker_tasks(stores, settings)
        if settings.var_dir.is_dir():  # not there where all stores are servers and no container looks at the file
            tasks["alive"] = partial(_show_alive, settings.var_dir / ALIVE_FILE)
        async with run_alongside(tasks):
            log.info("the worker is at work")
            await stop.wait()


async def _show_alive(file: Path, stop: asyncio.Event) -> None:
    await asyncio.to_thread(make_private_file, file)
    while not stop.is_set():
        await asyncio.to_thread(file.touch)
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), ALIVE_EVERY_S)
