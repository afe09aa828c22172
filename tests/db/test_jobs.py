"""A periodic job has one runner at a time, and a late one cannot write."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, select, update

from db import jobs
from db.database.engine import Database
from db.errors import LeaseLost
from db.jobs import JobLease
from db.models import Job, Term
from tests.waiting import WAIT_AT_MOST_S

DUE = datetime(2026, 1, 2, 3, tzinfo=UTC)
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
LEASE_S = 1.5
"""Renewed three times as often, so that a machine that stands still for a second loses no lease."""


async def expire_lease(database: Database) -> None:
    async with database.write() as connection:
        await connection.execute(update(Job).values(until=LONG_AGO))


async def lease_end(database: Database) -> datetime:
    (row,) = await database.fetch(select(Job.until))
    assert isinstance(row.until, datetime)
    return row.until


async def test_a_held_job_cannot_be_acquired(database: Database):
    turn = await jobs.acquire(database, "a")
    assert turn is not None
    assert await jobs.acquire(database, "a") is None
    assert await jobs.acquire(database, "b") is not None
    await jobs.release(database, turn)
    assert await jobs.acquire(database, "a") is not None


async def test_each_taking_has_a_higher_token(database: Database):
    tokens = []
    for _ in range(3):
        turn = await jobs.acquire(database, "a")
        assert turn is not None
        tokens.append(turn.token)
        await jobs.release(database, turn)
    assert tokens == [1, 2, 3]


async def test_a_lease_that_ran_out_is_free(database: Database):
    assert await jobs.acquire(database, "a") is not None
    await expire_lease(database)
    assert await jobs.acquire(database, "a") is not None


async def test_a_lease_that_is_renewed_does_not_run_out(database: Database):
    turn = await jobs.acquire(database, "a")
    assert turn is not None
    await expire_lease(database)
    await jobs.renew_lease(database, turn)
    assert await jobs.acquire(database, "a") is None


async def test_an_occurrence_is_done_once_even_if_it_was_short(database: Database):
    for due, is_ours in (
        (DUE, True),
        (DUE, False),
        (DUE - timedelta(hours=1), False),
        (DUE + timedelta(hours=1), True),
    ):
        turn = await jobs.acquire(database, "a", due=due)
        assert (turn is not None) is is_ours
        if turn is not None:
            await jobs.release(database, turn)


async def test_a_job_done_by_hand_leaves_the_occurrence_to_be_done(database: Database):
    for due in (DUE, None, DUE + timedelta(hours=1)):
        turn = await jobs.acquire(database, "a", due=due)
        assert turn is not None
        await jobs.release(database, turn)
    assert await jobs.acquire(database, "a", due=DUE + timedelta(hours=1)) is None


async def write_a_term(database: Database, turn: JobLease) -> None:
    async with database.write() as connection:
        await jobs.require_lease(connection, turn)
        await connection.execute(insert(Term).values(kind="tool", key=str(turn.token), name="x"))


async def test_the_writes_of_a_late_holder_are_refused(database: Database):
    late = await jobs.acquire(database, "a")
    assert late is not None
    await write_a_term(database, late)
    await expire_lease(database)
    with pytest.raises(LeaseLost):
        await write_a_term(database, late)
    next_one = await jobs.acquire(database, "a")
    assert next_one is not None
    await write_a_term(database, next_one)
    with pytest.raises(LeaseLost):
        await write_a_term(database, late)
    with pytest.raises(LeaseLost):
        await jobs.renew_lease(database, late)
    await jobs.release(database, late)  # of no effect
    assert await jobs.acquire(database, "a") is None
    assert [row.key for row in await database.fetch(select(Term.key).order_by(Term.key))] == ["1", "2"]


async def test_many_at_once_are_one(database: Database):
    turns = await asyncio.gather(*(jobs.acquire(database, "a", due=DUE) for _ in range(8)))
    assert sum(turn is not None for turn in turns) == 1


async def test_work_longer_than_the_lease_keeps_it_and_others_are_told(database: Database):
    async def work(_: JobLease) -> None:
        first = await lease_end(database)
        async with asyncio.timeout(WAIT_AT_MOST_S):
            while await lease_end(database) == first:  # noqa: ASYNC110 (nobody tells of a renewal)
                await asyncio.sleep(0.02)
        assert await jobs.run_exclusively(database, "a", work) is False

    assert await jobs.run_exclusively(database, "a", work, lease_s=LEASE_S) is True
    record = (await jobs.job_statuses(database))["a"]
    assert record.holder is None
    assert record.error is None


async def test_work_that_fails_gives_the_job_back_and_says_why(database: Database):
    async def work(_: JobLease) -> None:
        raise ValueError("of no use")

    with pytest.raises(ValueError, match="of no use"):
        await jobs.run_exclusively(database, "a", work)
    record = (await jobs.job_statuses(database))["a"]
    assert record.error == "ValueError: of no use"
    assert record.holder is None


async def test_work_whose_lease_is_lost_is_stopped(database: Database):
    started, stopped = asyncio.Event(), asyncio.Event()

    async def work(turn: JobLease) -> None:
        started.set()
        await jobs.release(database, turn)
        assert await jobs.acquire(database, "a") is not None
        try:
            await asyncio.sleep(60)
        finally:
            stopped.set()

    with pytest.raises(LeaseLost):
        await jobs.run_exclusively(database, "a", work, lease_s=LEASE_S)
    assert started.is_set()
    assert stopped.is_set()


async def test_work_that_is_cancelled_gives_the_job_back(database: Database):
    started = asyncio.Event()

    async def work(_: JobLease) -> None:
        started.set()
        await asyncio.sleep(60)

    running = asyncio.create_task(jobs.run_exclusively(database, "a", work))
    await started.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert (await jobs.job_statuses(database))["a"].error == "it was stopped before its end"
    assert await jobs.acquire(database, "a") is not None


async def test_the_clock_is_the_databases_and_in_utc(database: Database):
    turn = await jobs.acquire(database, "a")
    assert turn is not None
    started = (await jobs.job_statuses(database))["a"].started_at
    assert abs(datetime.now(UTC) - started) < timedelta(seconds=30)
