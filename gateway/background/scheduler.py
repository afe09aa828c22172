"""Starts periodic jobs when they are due, each on whichever worker is first (`timetable` lists them)."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

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
    """What is done again and again.

    Attributes
    ----------
    name
        Its row in the truth, by which workers agree whose turn it is.
    every, offset
        It is due at every whole multiple of `every` since 1970 UTC, plus `offset`.
    work
        What to do. Its writes to the truth that must not come late call `db.jobs.require` in their transaction.
    catches_up
        Whether a worker that starts does an occurrence that nobody was there to do.
    """

    name: str
    every: timedelta
    work: Callable[[JobLease], Awaitable[None]]
    offset: timedelta = timedelta()
    catches_up: bool = False

    def due_at(self, moment: datetime) -> datetime:
        """Give the last time that it was due: two workers whose clocks differ a little name the same."""
        start = _EPOCH + self.offset
        return start + (moment - start) // self.every * self.every


class Scheduler:
    """Starts each job when it is due, unless another worker is at it or has done it."""

    def __init__(self, database: Database, listed: list[PeriodicJob], *, lease_s: float = jobs.LEASE_S) -> None:
        self._database = database
        self._jobs = listed
        self._lease_s = lease_s
        self._running: set[asyncio.Task[None]] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Keep to the timetable until told to stop; what runs then is stopped, and is done when it is due again."""
        scheduler = AsyncIOScheduler(timezone=UTC)
        for job in self._jobs:
            trigger = IntervalTrigger(
                seconds=int(job.every.total_seconds()), start_date=_EPOCH + job.offset, timezone=UTC
            )
            # A worker that was suspended does one occurrence late, not all that it missed.
            scheduler.add_job(self._begin, trigger, [job], coalesce=True, misfire_grace_time=None, name=job.name)
        scheduler.start()
        self._start(self.catch_up())
        try:
            await stop.wait()
        finally:
            scheduler.shutdown(wait=False)
            await self._stop()

    async def catch_up(self) -> None:
        """Run, one after another, the jobs that catch up and whose last occurrence nobody has done."""
        for job in self._jobs:
            if job.catches_up:
                await self._do(job)

    async def _begin(self, job: PeriodicJob) -> None:
        # A coroutine, so that APScheduler runs it in our loop; it ends at once, for the task is ours to stop.
        self._start(self._do(job))

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _do(self, job: PeriodicJob) -> None:
        """Do one occurrence if it is ours. What fails is logged, noted in the job's row, and due again next time."""
        due = job.due_at(now())
        try:
            await jobs.run_exclusively(self._database, job.name, job.work, due=due, lease_s=self._lease_s)
        except LeaseLost as error:
            log.warning("a periodic job was left to another worker", job=job.name, reason=str(error))
        except (DatabaseLayerError, SQLAlchemyError, OSError) as error:
            log.error("a periodic job failed", job=job.name, reason=str(error))  # noqa: TRY400 (a store's fault has no use for our stack)
        except Exception:
            log.exception("a periodic job failed by a fault of ours", job=job.name)

    async def _stop(self) -> None:
        running = list(self._running)
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)
