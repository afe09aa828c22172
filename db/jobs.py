"""Periodic jobs: one runner at a time, however many workers there are, and nobody twice for one occurrence.

The lock is a row of the truth with a lease. The database's clock measures it, so that hosts whose clocks differ agree.
Each taking raises the row's token (a *fence*): a holder that was late, and whose lease somebody else took, is refused
by `require_lease` inside its own transaction, before it writes.
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
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.dml import ReturningInsert
from sqlalchemy.sql.functions import FunctionElement

from db.database.column_types import UtcDateTime
from db.database.engine import Database
from db.errors import LeaseLost
from db.models import Job

LEASE_S = 60.0
"""A worker that was killed blocks its job for no longer than this; a living one renews three times as often."""

MAX_ERROR_LENGTH = 1_000

log = logging.getLogger(__name__)


class _in(FunctionElement[datetime]):
    """``_in(seconds)``: the time of the database's clock in so many seconds."""

    name = "time_in"
    type = UtcDateTime()
    inherit_cache = True


@compiles(_in, "postgresql")
def _in_postgresql(element: _in, compiler: SQLCompiler, **kw: Any) -> str:
    return f"(clock_timestamp() + make_interval(secs => {compiler.process(element.clauses, **kw)}))"


@compiles(_in)
def _in_sqlite(element: _in, compiler: SQLCompiler, **kw: Any) -> str:
    # SQLite keeps milliseconds; three zeros make it the form in which times are stored.
    return f"strftime('%Y-%m-%d %H:%M:%f000', 'now', ({compiler.process(element.clauses, **kw)}) || ' seconds')"


@dataclass(frozen=True, slots=True)
class JobLease:
    """A job in one runner's hands."""

    name: str
    token: int


@dataclass(frozen=True, slots=True)
class JobStatus:
    """How a job stands: who has it (None: nobody), since when, and how it ended last."""

    name: str
    holder: str | None
    started_at: datetime
    finished_at: datetime | None
    error: str | None


_LEASE_END = _in(bindparam("lease_s", type_=Float()))
_NOW = _in(bindparam("no_s", 0.0, type_=Float()))
_DUE = bindparam("due_at", type_=UtcDateTime())
_HOLDER = bindparam("holds", type_=String())


def _take(insert: Any) -> ReturningInsert[int]:
    first = insert(Job).values(
        name=bindparam("job"), token=1, holder=_HOLDER, until=_LEASE_END, due=_DUE, started_at=_NOW
    )
    is_free = or_(Job.until.is_(None), Job.until <= _NOW)
    is_news = or_(_DUE.is_(None), Job.due.is_(None), Job.due < _DUE)
    again = {
        "token": Job.token + 1,
        "holder": _HOLDER,
        "until": _LEASE_END,
        "due": func.coalesce(_DUE, Job.due),
        "started_at": _NOW,
    }
    changed = first.on_conflict_do_update(index_elements=["name"], set_=again, where=is_free & is_news)
    taken: ReturningInsert[int] = changed.returning(Job.token)
    return taken


_TAKE = {"postgresql": _take(postgresql.insert), "sqlite": _take(sqlite.insert)}
_IS_OURS = (Job.name == bindparam("job")) & (Job.token == bindparam("fence")) & Job.until.is_not(None)
_RENEW = update(Job).where(_IS_OURS).values(until=_LEASE_END).returning(Job.token)
_REQUIRE = select(Job.token).where(_IS_OURS, Job.until > _NOW).with_for_update()
_FINISH = update(Job).where(_IS_OURS).values(until=null(), finished_at=_NOW, error=bindparam("failure"))
_RECORDS = select(Job.name, Job.holder, Job.started_at, Job.finished_at, Job.error, (Job.until > _NOW).label("runs"))


async def acquire(
    database: Database, name: str, *, due: datetime | None = None, lease_s: float = LEASE_S
) -> JobLease | None:
    """Take a job if nobody has it.

    Parameters
    ----------
    due
        The occurrence: None if somebody took this one or a later one already, even if that is done. Without it only
        the lease counts.
    lease_s
        How long the job is ours unless it is renewed, in seconds.
    """
    given = {"job": name, "holds": f"{socket.gethostname()}:{os.getpid()}", "due_at": due, "lease_s": lease_s}
    async with database.write() as connection:
        token = (await connection.execute(_TAKE[connection.dialect.name], given)).scalar()
    return JobLease(name, token) if token is not None else None


async def renew_lease(database: Database, turn: JobLease, lease_s: float = LEASE_S) -> None:
    """Put the end of our lease off; raises `LeaseLost` if somebody else has the job."""
    async with database.write() as connection:
        if (await connection.execute(_RENEW, _fence(turn) | {"lease_s": lease_s})).first() is None:
            raise LeaseLost(f"the job {turn.name} has been taken by another worker")


async def require_lease(connection: AsyncConnection, turn: JobLease) -> None:
    """Refuse the writes of a transaction whose job is ours no more; nobody can take it before the transaction ends.

    Raises
    ------
    LeaseLost
        If our lease has run out. The transaction has to be rolled back.
    """
    if (await connection.execute(_REQUIRE, _fence(turn))).first() is None:
        raise LeaseLost(f"the lease of the job {turn.name} has run out")


async def release(database: Database, turn: JobLease, error: str | None = None) -> None:
    """Give a job back, and note how it went; of no effect if somebody else has taken it."""
    async with database.write() as connection:
        failure = error[:MAX_ERROR_LENGTH] if error is not None else None
        await connection.execute(_FINISH, _fence(turn) | {"failure": failure})


async def job_statuses(database: Database) -> dict[str, JobStatus]:
    """Give how each job stands that was ever run, by name."""
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
    """Do a job if it is nobody else's, and keep its lease meanwhile.

    Returns
    -------
    bool
        False if somebody else has it, or has done this occurrence.

    Raises
    ------
    LeaseLost
        If the lease could not be kept; the work has been canceled.
    """
    turn = await acquire(database, name, due=due, lease_s=lease_s)
    if turn is None:
        return False
    working = asyncio.ensure_future(_noted(database, turn, work))
    renewing = asyncio.ensure_future(_keep(database, turn, lease_s))
    try:
        await asyncio.wait((working, renewing), return_when=asyncio.FIRST_COMPLETED)
    finally:
        # The one that goes on is canceled, and both if we are: neither may outlive this call.
        for task in (working, renewing):
            task.cancel()
        await asyncio.wait((working, renewing))
    if renewing.done() and not renewing.cancelled() and (working.cancelled() or working.exception() is not None):
        renewing.result()
    await working
    return True


async def _noted(database: Database, turn: JobLease, work: Callable[[JobLease], Awaitable[None]]) -> None:
    """Do the work and give the job back, whatever happens to it."""
    try:
        await work(turn)
    except asyncio.CancelledError:
        await release(database, turn, "it was stopped before its end")
        raise
    except Exception as error:  # whatever the work raises is noted in the job's row, and rises
        await release(database, turn, f"{type(error).__name__}: {error}")
        raise
    await release(database, turn)


async def _keep(database: Database, turn: JobLease, lease_s: float) -> None:
    """Renew until canceled; raises `LeaseLost` when the job is ours no more, or cannot be known to be."""
    clock = asyncio.get_running_loop().time
    held_until = clock() + lease_s
    while True:
        await asyncio.sleep(lease_s / 3)
        asked_at = clock()
        try:
            async with asyncio.timeout(max(held_until - asked_at, 0.0)):
                await renew_lease(database, turn, lease_s)
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            log.warning("the lease of the job %s could not be renewed: %s", turn.name, error)
            if clock() >= held_until:
                raise LeaseLost(f"the lease of the job {turn.name} could not be renewed in time") from error
        else:
            held_until = asked_at + lease_s


def _fence(turn: JobLease) -> dict[str, Any]:
    return {"job": turn.name, "fence": turn.token}
