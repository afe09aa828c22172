"""Locks of periodic jobs: one worker runs a job at a time, and each occurrence runs once.

A lock is a row with a lease. Lease times use the database's clock, so clocks of hosts may differ. Each acquisition
increases the row's token (a *fencing token*). A job calls `require_lease` in its own transaction, which fails if the
lease has expired or another worker has acquired the job.
"""

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Float, String, bindparam, func, null, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from db.database.column_types import UtcDateTime, engine_function
from db.database.engine import Database
from db.errors import LeaseLost, StoreUnavailable
from db.models import Job

LEASE_S = 60.0
"""Duration of a lease: the longest time for which a killed worker blocks its job. A running worker renews every 20
s."""

MAX_ERROR_LENGTH = 1_000

log = logging.getLogger(__name__)


# SQLite's clock has milliseconds; stored times have six digits.
_seconds_from_now = engine_function(
    "seconds_from_now",
    UtcDateTime(),
    sqlite="strftime('%Y-%m-%d %H:%M:%f000', 'now', ({0}) || ' seconds')",
    postgresql="(clock_timestamp() + make_interval(secs => {0}))",
)
"""The present time of the database's clock plus a number of seconds."""


@dataclass(frozen=True, slots=True)
class JobLease:
    """A job that this process has acquired, with its fencing token."""

    name: str
    token: int


@dataclass(frozen=True, slots=True)
class JobStatus:
    """State of a job: the worker that runs it now (`holder`), and the times and error of the last run."""

    name: str
    holder: str | None
    started_at: datetime
    finished_at: datetime | None
    error: str | None


_LEASE_END = _seconds_from_now(bindparam("lease_s", type_=Float()))
_NOW = _seconds_from_now(bindparam("no_s", 0.0, type_=Float()))
_DUE_AT = bindparam("due_at", type_=UtcDateTime())
_HOLDER = bindparam("holds", type_=String())


_IS_FREE = or_(Job.until.is_(None), Job.until <= _NOW)
_NOT_YET_RUN = or_(_DUE_AT.is_(None), Job.due.is_(None), Job.due < _DUE_AT)
_LEASE: dict[str, Any] = {"holder": _HOLDER, "until": _LEASE_END, "started_at": _NOW}
# PostgreSQL's construct compiles on SQLite too.
_ACQUIRE = (
    insert(Job)
    .values(name=bindparam("job"), token=1, due=_DUE_AT, **_LEASE)
    .on_conflict_do_update(
        index_elements=["name"],
        set_=_LEASE | {"token": Job.token + 1, "due": func.coalesce(_DUE_AT, Job.due)},
        where=_IS_FREE & _NOT_YET_RUN,
    )
    .returning(Job.token)
)
_IS_HELD = (Job.name == bindparam("job")) & (Job.token == bindparam("fence")) & Job.until.is_not(None)
_RENEW = update(Job).where(_IS_HELD).values(until=_LEASE_END).returning(Job.token)
_REQUIRE = select(Job.token).where(_IS_HELD, Job.until > _NOW).with_for_update()
_FINISH = update(Job).where(_IS_HELD).values(until=null(), finished_at=_NOW, error=bindparam("failure"))
_RECORDS = select(Job.name, Job.holder, Job.started_at, Job.finished_at, Job.error, (Job.until > _NOW).label("runs"))


async def acquire(
    database: Database, name: str, *, due: datetime | None = None, lease_s: float = LEASE_S
) -> JobLease | None:
    """Acquire a job for `lease_s` seconds. Returns None if another worker holds it or the occurrence has already run.

    `due` is the time of the occurrence. Without `due`, the job can be acquired whenever no other worker holds it.
    """
    parameters = {"job": name, "holds": f"{socket.gethostname()}:{os.getpid()}", "due_at": due, "lease_s": lease_s}
    async with database.write() as connection:
        token = (await connection.execute(_ACQUIRE, parameters)).scalar()
    return JobLease(name, token) if token is not None else None


async def renew_lease(database: Database, lease: JobLease, lease_s: float = LEASE_S) -> None:
    """Extend a lease to `lease_s` seconds from now. Raises `LeaseLost` if another worker has acquired the job."""
    async with database.write() as connection:
        if (await connection.execute(_RENEW, _lease_parameters(lease) | {"lease_s": lease_s})).first() is None:
            raise LeaseLost(f"the job {lease.name} has been acquired by another worker")


async def require_lease(connection: AsyncConnection, lease: JobLease) -> None:
    """Check a lease, and lock its row until the end of the transaction, so that no other worker acquires the job.

    Raises `LeaseLost` if the lease has expired. The caller must then roll back the transaction.
    """
    if (await connection.execute(_REQUIRE, _lease_parameters(lease))).first() is None:
        raise LeaseLost(f"the lease of the job {lease.name} has expired")


async def release(database: Database, lease: JobLease, error: str | None = None) -> None:
    """Release a job and store its error. Does nothing if another worker has acquired the job."""
    async with database.write() as connection:
        failure = error[:MAX_ERROR_LENGTH] if error is not None else None
        await connection.execute(_FINISH, _lease_parameters(lease) | {"failure": failure})


async def job_statuses(database: Database) -> dict[str, JobStatus]:
    """Read the status of each job that has run at least once, by name."""
    return {
        row.name: JobStatus(row.name, row.holder if row.runs else None, row.started_at, row.finished_at, row.error)
        for row in await database.fetch(_RECORDS)
    }


async def run_exclusively(
    database: Database,
    name: str,
    work: Callable[[JobLease], Awaitable[None]],
    *,
    due: datetime | None = None,
    lease_s: float = LEASE_S,
) -> bool:
    """Acquire a job, run `work`, and renew the lease until `work` ends.

    Returns False if another worker holds the job or the occurrence has already run. Raises `LeaseLost` if the lease
    could not be renewed; `work` has been canceled.
    """
    lease = await acquire(database, name, due=due, lease_s=lease_s)
    if lease is None:
        return False
    work_task = asyncio.ensure_future(_run(database, lease, work))
    renewal_task = asyncio.ensure_future(_renew_until_cancelled(database, lease, lease_s))
    try:
        await asyncio.wait((work_task, renewal_task), return_when=asyncio.FIRST_COMPLETED)
    finally:
        # Both tasks end before this call returns, even if it is canceled.
        for task in (work_task, renewal_task):
            task.cancel()
        await asyncio.wait((work_task, renewal_task))
    if (
        renewal_task.done()
        and not renewal_task.cancelled()
        and (work_task.cancelled() or work_task.exception() is not None)
    ):
        renewal_task.result()
    await work_task
    return True


async def _run(database: Database, lease: JobLease, work: Callable[[JobLease], Awaitable[None]]) -> None:
    """Run `work`, then release the job, also after an exception."""
    try:
        await work(lease)
    except asyncio.CancelledError:
        await release(database, lease, "it was stopped before its end")
        raise
    except Exception as error:  # the job's row stores any error
        await release(database, lease, f"{type(error).__name__}: {error}")
        raise
    await release(database, lease)


async def _renew_until_cancelled(database: Database, lease: JobLease, lease_s: float) -> None:
    """Renew until canceled. Raises `LeaseLost` if the lease cannot be renewed before it ends."""
    clock = asyncio.get_running_loop().time
    held_until = clock() + lease_s
    while True:
        await asyncio.sleep(lease_s / 3)
        sent_at = clock()
        try:
            async with asyncio.timeout(max(held_until - sent_at, 0.0)):
                await renew_lease(database, lease, lease_s)
        except (StoreUnavailable, SQLAlchemyError, TimeoutError) as error:
            log.warning("the lease of the job %s could not be renewed: %s", lease.name, error)
            if clock() >= held_until:
                raise LeaseLost(f"the lease of the job {lease.name} could not be renewed in time") from error
        else:
            held_until = sent_at + lease_s


def _lease_parameters(lease: JobLease) -> dict[str, Any]:
    return {"job": lease.name, "fence": lease.token}
