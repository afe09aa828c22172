"""Scheduler of periodic jobs; each occurrence runs on whichever worker is first (`timetable` lists the jobs)."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
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

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class PeriodicJob:
    """A job and its schedule."""

    name: str  # its row in the database, by which workers agree on who runs it
    every: timedelta  # it is due at every whole multiple of `every` since 1970 UTC, plus `offset`
    # The job. Database writes that must not come late call `db.jobs.require` in their transaction.
    work: Callable[[JobLease], Awaitable[Any]]
    offset: timedelta = timedelta()
    catches_up: bool = False  # whether a starting worker runs an occurrence that no worker has run

    def due_at(self, moment: datetime) -> datetime:
        """Return the last time it was due; the same for workers whose clocks differ a little."""
        start = _EPOCH + self.offset
        return start + (moment - start) // self.every * self.every


class Scheduler:
    """Starts each job when it is due, unless another worker runs it or has run it."""

    def __init__(self, database: Database, listed: list[PeriodicJob], *, lease_s: float = jobs.LEASE_S) -> None:
        self._database = database
        self._jobs = listed
        self._lease_s = lease_s
        self._running: set[asyncio.Task[None]] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Run jobs until told to stop. Running jobs are canceled then, and run when they are due again."""
        scheduler = AsyncIOScheduler(timezone=UTC)
        for job in self._jobs:
            seconds = int(job.every.total_seconds())
            trigger = IntervalTrigger(seconds=seconds, start_date=_EPOCH + job.offset, timezone=UTC)
            # A worker that was suspended runs one occurrence late, not all that it missed.
            scheduler.add_job(self._begin, trigger, [job], coalesce=True, misfire_grace_time=None, name=job.name)
        scheduler.start()
        self._start(self.catch_up())
        try:
            await stop.wait()
        finally:
            scheduler.shutdown(wait=False)
            await self._stop()

    async def catch_up(self) -> None:
        """Run, one after another, the jobs that catch up and whose last occurrence no worker has run."""
        for job in self._jobs:
            if job.catches_up:
                await self._do(job)

    async def _begin(self, job: PeriodicJob) -> None:
        # A coroutine, so that APScheduler calls it in our loop; it returns at once, because we stop the task ourselves.
        self._start(self._do(job))

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _do(self, job: PeriodicJob) -> None:
        """Run one occurrence if it is ours. A failure is logged, recorded in the job's row, and due again next time."""
        due = job.due_at(now())
        try:
            await jobs.run_exclusively(self._database, job.name, job.work, due=due, lease_s=self._lease_s)
        except LeaseLost as error:
            log.warning("periodic job lost to another worker", job=job.name, reason=str(error))
        except (DatabaseLayerError, SQLAlchemyError, OSError) as error:
            log.error("periodic job failed", job=job.name, reason=str(error))  # noqa: TRY400 (a store's fault needs no stack)
        except Exception:
            log.exception("periodic job failed unexpectedly", job=job.name)

    async def _stop(self) -> None:
        running = list(self._running)
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)
