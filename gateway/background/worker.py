"""`explore worker`: a process that drains the outbox and runs the periodic jobs, without serving requests."""

import asyncio
import signal
from functools import partial
from pathlib import Path

import structlog

from db import schema
from db.private_files import DataFile, make_private_file
from db.synchronization.synchronizer import pause
from gateway.background.tasks import run_alongside, worker_tasks
from gateway.settings import Settings
from gateway.stores import BATCH_READ_DEADLINE_S, open_stores, prepare_index, require_reachable, with_custom_types

HEARTBEAT_S = 5.0
"""Interval at which a worker updates its file for the health check of its container."""

log = structlog.get_logger(__name__)


async def run_worker(settings: Settings) -> None:
    """Work until SIGINT or SIGTERM. The worker waits for an unavailable index or embedder.

    Raises `CannotStart` if the database cannot be reached, or a store is misconfigured. The message names the setting.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with open_stores(settings, read_deadline_s=BATCH_READ_DEADLINE_S) as opened:
        await require_reachable(opened.database)
        await schema.migrate(opened.database)
        stores = await with_custom_types(settings, opened)
        if unavailable := await prepare_index(stores):
            log.warning("store unavailable, waiting", store=unavailable.store.value, reason=unavailable.reason)
        tasks = worker_tasks(stores, settings)
        if settings.var_dir.is_dir():  # missing if all stores are servers: then nothing reads the file
            tasks["heartbeat"] = partial(_update_heartbeat, settings.data_file(DataFile.WORKER_ALIVE))
        async with run_alongside(tasks):
            log.info("worker started")
            await stop.wait()


async def _update_heartbeat(file: Path, stop: asyncio.Event) -> None:
    await asyncio.to_thread(make_private_file, file)
    while not stop.is_set():
        await asyncio.to_thread(file.touch)
        await pause(stop, HEARTBEAT_S)
