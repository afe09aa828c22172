"""Scheduler of periodic jobs. One worker runs each occurrence of a job; `scheduled_jobs` lists the jobs."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.interval import IntervalTrigger
from sqlalchemy.exc import SQLAlchemyError

from db import jobs
from db.database.engine import Database
from db.errors import DatabaseLayerError, LeaseLost
from db.jobs import JobLease
from db.models import now
from db.time_units import EPOCH

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class PeriodicJob:
    """A job and its schedule."""

    name: str  # the key of its row in the database, by which only one worker runs it
    every: timedelta  # the job is due at every whole multiple of `every` since 1970 UTC, plus `offset`
    # The job. A write that needs a valid lease calls `db.jobs.require_lease` in its transaction.
    work: Callable[[JobLease], Awaitable[Any]]
    offset: timedelta = timedelta()
    catches_up: bool = False  # whether a starting worker runs an occurrence that no worker has run
    is_quick: bool = False  # whether the job starts at once; any other one waits until the others have ended

    def due_at(self, moment: datetime) -> datetime:
        """Return the last time at which the job was due, which is the same for workers whose clocks differ a little."""
        start = EPOCH + self.offset
        return start + (moment - start) // self.every * self.every


class Scheduler:
    """Starts each job when it is due, unless another worker runs or has run the same occurrence.

    Jobs that are due at the same time run one after another, in the order in which they became due; quick jobs run
    beside them.
    """

    def __init__(self, database: Database, periodic_jobs: list[PeriodicJob], *, lease_s: float = jobs.LEASE_S) -> None:
        self._database = database
        self._jobs = periodic_jobs
        self._lease_s = lease_s
        self._turn = asyncio.Lock()  # first come, first served
        self._running_tasks: set[asyncio.Task[None]] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Run jobs until `stop` is set, then cancel the running jobs, which start again when they are next due."""
        scheduler = AsyncIOScheduler(timezone=UTC)
        for job in self._jobs:
            seconds = int(job.every.total_seconds())
            trigger = IntervalTrigger(seconds=seconds, start_date=EPOCH + job.offset, timezone=UTC)
            # A worker that was suspended runs only the last of the occurrences that it missed.
            scheduler.add_job(self._start_job, trigger, [job], coalesce=True, misfire_grace_time=None, name=job.name)
        scheduler.start()
        self._start(self.catch_up())
        try:
            await stop.wait()
        finally:
            scheduler.shutdown(wait=False)
            await self._stop()

    async def catch_up(self) -> None:
        """Run the jobs that catch up and whose last occurrence no worker has run."""
        await asyncio.gather(*(self._run_in_turn(job) for job in self._jobs if job.catches_up))

    async def _start_job(self, job: PeriodicJob) -> None:
        # A coroutine, so that APScheduler calls it in the event loop. `run` cancels the task that it starts.
        self._start(self._run_in_turn(job))

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._running_tasks.add(task)
        task.add_done_callback(self._running_tasks.discard)

    async def _run_in_turn(self, job: PeriodicJob) -> None:
        async with nullcontext() if job.is_quick else self._turn:
            await self._run_occurrence(job)

    async def _run_occurrence(self, job: PeriodicJob) -> None:
        """Run an occurrence unless another worker runs it. A failure is logged and stored; later ones still run."""
        due = job.due_at(now())
        try:
            await jobs.run_exclusively(self._database, job.name, job.work, due=due, lease_s=self._lease_s)
        except LeaseLost as error:
            log.warning("periodic job lost to another worker", job=job.name, reason=str(error))
        except (DatabaseLayerError, SQLAlchemyError, OSError) as error:
            log.error("periodic job failed", job=job.name, reason=str(error))  # noqa: TRY400 (an error of a store needs no stack)
        except Exception:
            log.exception("periodic job failed unexpectedly", job=job.name)

    async def _stop(self) -> None:
        running = list(self._running_tasks)
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)
