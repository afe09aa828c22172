"""What is done again and again: every minute, every hour, and at night (UTC)."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial

import structlog

from db import jobs
from db.interactions.retention import delete_expired
from db.interactions.served_pages import ServedPageLog
from db.jobs import JobLease
from db.models import now
from db.partitions import create_upcoming_partitions
from db.privacy.projection_erasure import finish_erasures
from db.stores import Stores
from db.synchronization.reindex import Reindex
from gateway.background.scheduler import PeriodicJob
from gateway.commands.train_command import train_model
from gateway.commands.trends_command import train_trends
from scoring.collaborative.nightly_training import train_collaborative_model
from scoring.errors import InsufficientData
from scoring.onboarding.generated_questions import refresh_questions
from scoring.profiles.interest_learning import learn_interests

REINDEX = "reindex"
VELOCITY = "velocity"
TASTES = "tastes"
TRAINING = "training"
TRENDS = "fit trend constants"
INTERESTS = "interests"
QUIZ = "quiz"

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
REINDEX_AT = timedelta(hours=3)
"""The plan's: 03:00 UTC."""

TASTES_AT = timedelta(hours=1)
TRAINING_AT = timedelta(hours=2)
QUIZ_AT = timedelta(hours=2, minutes=30)
INTERESTS_AT = timedelta(hours=2, minutes=40)
"""Before the index is written anew: learned interests are in the texts of profiles."""

FORGET_AT = timedelta(hours=4)

EVENTS_KEPT = timedelta(days=400)

log = structlog.get_logger(__name__)


def scheduled_jobs(
    stores: Stores,
    velocity: Callable[[JobLease], Awaitable[None]] | None = None,
    events_kept: timedelta = EVENTS_KEPT,
) -> list[PeriodicJob]:
    """List the jobs of this product.

    Parameters
    ----------
    velocity
        Computes every project's engagement velocity anew; without it that job is not there.
    events_kept
        How long raw events are kept.
    """
    listed = [
        PeriodicJob(TASTES, DAY, partial(_build_tastes, stores), offset=TASTES_AT, catches_up=True),
        PeriodicJob(TRAINING, DAY, partial(_train, stores), offset=TRAINING_AT),
        PeriodicJob(TRENDS, DAY, partial(_fit_trends, stores), offset=TRAINING_AT),
        PeriodicJob(QUIZ, DAY, partial(_make_quiz, stores), offset=QUIZ_AT, catches_up=True),
        PeriodicJob(INTERESTS, DAY, partial(_learn, stores), offset=INTERESTS_AT, catches_up=True),
        PeriodicJob(REINDEX, DAY, partial(_reindex, stores), offset=REINDEX_AT),
        PeriodicJob("delete old events", DAY, partial(_forget, stores, events_kept), offset=FORGET_AT),
        PeriodicJob("create partitions", DAY, partial(_prepare_months, stores), catches_up=True),
        PeriodicJob("expire served pages", HOUR, partial(_expire, stores), catches_up=True),
        PeriodicJob("finish deletions", MINUTE, partial(_finish_deletions, stores), catches_up=True),
    ]
    if velocity is not None:
        listed.append(PeriodicJob(VELOCITY, HOUR, velocity, catches_up=True))
    return listed


async def _build_tastes(stores: Stores, _turn: JobLease) -> None:
    built = await train_collaborative_model(stores.database)
    log.info("tastes and neighbour lists were built anew", people=len(built.factors.actors))


async def _train(stores: Stores, _turn: JobLease) -> None:
    try:
        verdict = await train_model(stores.database)
    except InsufficientData as error:
        log.info("no model was trained", reason=str(error))
    else:
        name, because = verdict.model.name, verdict.because
        log.info("a model was trained", model=name, accepted=verdict.accepted, because=because)


async def _fit_trends(stores: Stores, _turn: JobLease) -> None:
    try:
        verdict = await train_trends(stores.database, 0)
    except InsufficientData as error:
        log.info("the constants of trends stay", reason=str(error))
    else:
        log.info("constants of trends were fitted", accepted=verdict.accepted, because=verdict.because)


async def _make_quiz(stores: Stores, _turn: JobLease) -> None:
    log.info("the quiz was made anew from the catalogue", changed=await refresh_questions(stores.database))


async def _learn(stores: Stores, _turn: JobLease) -> None:
    log.info("interests were learned", changed=await learn_interests(stores.database, now()))


async def _reindex(stores: Stores, turn: JobLease) -> None:
    rebuild = Reindex(stores.database, stores.vectors, stores.embedder)
    report = await rebuild.run(lambda *_: None, lambda: jobs.renew_lease(stores.database, turn))
    log.info("the index was written anew", written=report.written, kept=report.kept, refused=report.refused)


async def _forget(stores: Stores, events_kept: timedelta, _turn: JobLease) -> None:
    await delete_expired(stores.database, now(), events_kept)


async def _prepare_months(stores: Stores, _turn: JobLease) -> None:
    await create_upcoming_partitions(stores.database)


async def _expire(stores: Stores, _turn: JobLease) -> None:
    await ServedPageLog(stores.database).expire()


async def _finish_deletions(stores: Stores, _turn: JobLease) -> None:
    if done := await finish_erasures(stores):
        log.info("deletions of people are completed", deletions=done)
