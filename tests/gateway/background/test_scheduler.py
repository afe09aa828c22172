"""Each job is done when it is due, by one worker, however many there are."""

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from db import jobs
from db.database.engine import Database
from db.jobs import JobLease
from db.models import ActorInterest, InteractionType, InterestSource, Job, UserFactors
from db.onboarding.questions import active_questions
from db.trained_models.registry import store_model
from gateway.background.first_training import FirstTraining
from gateway.background.scheduled_jobs import (
    COLLABORATIVE,
    HOUR,
    INTERESTS,
    ONBOARDING,
    REINDEX,
    TRAINING,
    VELOCITY,
    scheduled_jobs,
)
from gateway.background.scheduler import PeriodicJob, Scheduler
from tests.world import embedded_world

SECOND = timedelta(seconds=1)
MOMENT = datetime(2026, 3, 4, 2, 59, 58, tzinfo=UTC)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 (jobs run by the clock; there is no event)
            await asyncio.sleep(0.02)


async def run(schedulers: list[Scheduler], condition: Callable[[], bool]) -> None:
    stop = asyncio.Event()
    running = [asyncio.create_task(scheduler.run(stop)) for scheduler in schedulers]
    try:
        await until(condition)
    finally:
        stop.set()
        async with asyncio.timeout(30):
            await asyncio.gather(*running)


async def nothing(_: JobLease) -> None:
    """Do nothing."""


@pytest.mark.parametrize(
    ("offset_hours", "every_hours", "expected"),
    [
        (3, 24, datetime(2026, 3, 3, 3, tzinfo=UTC)),
        (0, 1, datetime(2026, 3, 4, 2, tzinfo=UTC)),
        (0, 24, datetime(2026, 3, 4, tzinfo=UTC)),
    ],
)
def test_a_job_was_due_at_the_last_whole_multiple(offset_hours, every_hours, expected):
    job = PeriodicJob("a", every_hours * HOUR, nothing, offset=offset_hours * HOUR)
    assert job.due_at(MOMENT) == expected
    assert job.due_at(expected) == expected


def test_the_index_is_rebuilt_at_three_in_the_morning_and_velocity_every_hour():
    listed = {job.name: job for job in scheduled_jobs(None)}  # type: ignore[arg-type]
    assert listed[REINDEX].due_at(MOMENT + 2 * SECOND) == datetime(2026, 3, 4, 3, tzinfo=UTC)
    assert not listed[REINDEX].catches_up
    assert listed[VELOCITY].every == HOUR
    assert [job.name for job in listed.values() if job.is_quick] == ["finish deletions"]


async def test_two_schedulers_do_each_occurrence_once_and_never_at_the_same_time(database: Database):
    done: Counter[datetime] = Counter()
    at_work = most = 0

    async def work(_: JobLease) -> None:
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        (row,) = await database.fetch(select(Job.due))  # the clock may have passed the next occurrence already
        done[row.due] += 1
        await asyncio.sleep(0.3)
        at_work -= 1

    schedulers = [Scheduler(database, [PeriodicJob("a", SECOND, work)]) for _ in range(2)]
    await run(schedulers, lambda: len(done) >= 3)
    assert set(done.values()) == {1}
    assert most == 1


async def test_a_worker_that_starts_does_what_nobody_was_there_to_do_but_only_once(database: Database):
    done = []

    async def work(turn: JobLease) -> None:
        done.append(turn.token)

    late = PeriodicJob("late", 100_000 * HOUR, work, catches_up=True)
    strict = PeriodicJob("strict", 100_000 * HOUR, work)
    await run([Scheduler(database, [late, strict])], lambda: bool(done))
    marker = []

    async def mark(_: JobLease) -> None:
        marker.append(1)

    await run([Scheduler(database, [late, PeriodicJob("mark", SECOND, mark)])], lambda: bool(marker))
    assert done == [1]


async def test_missed_jobs_are_caught_up_one_after_another_in_their_order(database: Database):
    steps: list[str] = []

    def job(name: str, *, catches_up: bool = True) -> PeriodicJob:
        async def work(_: JobLease) -> None:
            steps.append(f"{name} begins")
            await asyncio.sleep(0)
            steps.append(f"{name} ends")

        return PeriodicJob(name, 100_000 * HOUR, work, catches_up=catches_up)

    scheduler = Scheduler(database, [job("a"), job("strict", catches_up=False), job("b")])
    await scheduler.catch_up()
    await scheduler.catch_up()
    assert steps == ["a begins", "a ends", "b begins", "b ends"]


async def test_jobs_that_are_due_together_run_one_after_another_and_a_quick_one_beside_them(database: Database):
    running: set[str] = set()
    together: set[frozenset[str]] = set()
    quick_done = asyncio.Event()

    def job(name: str, *, is_quick: bool = False) -> PeriodicJob:
        async def work(_: JobLease) -> None:
            running.add(name)
            together.add(frozenset(running))
            if is_quick:
                quick_done.set()
            await quick_done.wait()  # a quick job that waited for these would wait for ever
            running.remove(name)
            if not is_quick:
                done.append(name)

        return PeriodicJob(name, SECOND, work, is_quick=is_quick)

    done: list[str] = []
    listed = [job("a"), job("b"), job("c"), job("quick", is_quick=True)]
    await run([Scheduler(database, listed)], lambda: {"a", "b", "c"} <= set(done))
    assert max(len(names - {"quick"}) for names in together) == 1


async def test_a_job_that_fails_is_noted_and_done_again_when_it_is_due(database: Database):
    calls = []

    async def work(_: JobLease) -> None:
        calls.append(1)
        raise OSError("no disk")

    await run([Scheduler(database, [PeriodicJob("a", SECOND, work)])], lambda: len(calls) >= 2)
    assert (await jobs.job_statuses(database))["a"].error == "OSError: no disk"


async def test_stopping_ends_what_runs_and_gives_it_back(database: Database):
    started = asyncio.Event()

    async def work(_: JobLease) -> None:
        started.set()
        await asyncio.sleep(600)

    await run([Scheduler(database, [PeriodicJob("a", HOUR, work, catches_up=True)])], started.is_set)
    assert (await jobs.job_statuses(database))["a"].holder is None


async def test_tastes_are_built_at_night_and_by_a_worker_that_starts_where_nobody_has(database: Database, tmp_path):
    async with embedded_world(database, tmp_path) as world:
        await world.add_users("ada", "bea")
        await world.add_projects(3)
        await world.act("ada", InteractionType.LIKE, "p0000", "p0001")
        await world.act("bea", InteractionType.LIKE, "p0001", "p0002")
        listed = scheduled_jobs(world.stores)
        (job,) = [job for job in listed if job.name == COLLABORATIVE]
        assert job.due_at(MOMENT) == datetime(2026, 3, 4, 1, tzinfo=UTC)
        stop = asyncio.Event()
        running = asyncio.create_task(Scheduler(database, [job]).run(stop))
        async with asyncio.timeout(30):
            while len(await database.fetch(select(UserFactors.actor_id))) < 2:  # noqa: ASYNC110 (as above)
                await asyncio.sleep(0.05)
        stop.set()
        await running


async def test_a_model_is_trained_at_night_and_too_little_to_learn_from_is_no_fault(database: Database, tmp_path):
    async with embedded_world(database, tmp_path) as world:
        (job,) = [job for job in scheduled_jobs(world.stores) if job.name == TRAINING]
        assert job.due_at(MOMENT) == datetime(2026, 3, 4, 2, tzinfo=UTC)
        assert await jobs.run_exclusively(database, job.name, job.work, due=MOMENT, lease_s=60)
    (row,) = await database.fetch(select(Job.error).where(Job.name == TRAINING))
    assert row.error is None


async def test_the_quiz_is_made_and_interests_are_learned_at_night_and_by_a_worker_that_starts(
    database: Database, tmp_path
):
    async with embedded_world(database, tmp_path) as world:
        await world.add_users("ada")
        await world.add_projects(30)
        await world.act("ada", InteractionType.LIKE, "p0000", "p0006", "p0012")
        listed = [job for job in scheduled_jobs(world.stores) if job.name in (ONBOARDING, INTERESTS)]
        assert [job.due_at(MOMENT).time() for job in listed] == [time(2, 30), time(2, 40)]
        assert all(job.catches_up for job in listed)
        for job in listed:
            assert await jobs.run_exclusively(database, job.name, job.work, due=MOMENT, lease_s=60)
    assert len(await active_questions(database)) == 4
    (tag,) = await database.fetch(select(ActorInterest.source))
    assert tag.source == InterestSource.LEARNED


async def test_the_first_training_runs_once_the_import_is_over_and_not_again_without_more_data(
    database: Database, tmp_path: Path
):
    ran: list[str] = []

    async def train() -> None:
        ran.append("trained")

    async with embedded_world(database, tmp_path) as world:
        training = FirstTraining(world.stores, [train, train], min_engagements=4)
        await world.add_users("ada", "bea")
        await world.add_projects(9)
        await world.act("ada", InteractionType.VIEW, *(f"p000{n}" for n in range(4)))
        await training.check()
        assert not ran, "the import may still be running"
        await training.check()
        assert ran == ["trained", "trained"]
        await world.act("bea", InteractionType.VIEW, "p0000")
        await training.check()
        await training.check()
        assert len(ran) == 2, "one engagement more is not worth another attempt"
        await world.act("bea", InteractionType.VIEW, *(f"p000{n}" for n in range(1, 5)))
        await training.check()
        await training.check()
        assert len(ran) == 4
        await world.act("ada", InteractionType.VIEW, *(f"p000{n}" for n in range(4, 9)))
        await world.act("bea", InteractionType.VIEW, *(f"p000{n}" for n in range(5, 9)))
        async with database.write() as connection:
            await store_model(connection, "baseline", {}, {"preset": True})
            await store_model(connection, "fitted", {}, {})
        await training.check()
        await training.check()
    assert len(ran) == 4, "once a model has been trained, the nightly job trains"
