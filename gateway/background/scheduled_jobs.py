"""Periodic jobs: every minute, every hour, and at night (UTC).

The trainings and SciPy are imported when a training runs: a worker that waits does not hold them in memory.
"""

from datetime import timedelta

import structlog

from db import jobs
from db.catalog.search_texts import fill_search_texts
from db.interactions.retention import delete_expired
from db.interactions.served_pages import ServedPageLog
from db.jobs import JobLease
from db.models import now
from db.partitions import create_upcoming_partitions
from db.privacy.projection_erasure import finish_erasures
from db.stores import Stores
from db.synchronization.reindex import Reindex
from gateway.background.first_training import FirstTraining
from gateway.background.scheduler import PeriodicJob
from scoring.errors import InsufficientData
from scoring.models.active_model import refresh_trends
from scoring.profiles.interest_learning import learn_interests
from scoring.tunables import COLLABORATIVE_TRAINING_AT

COLLABORATIVE = "collaborative models"
FIRST_TRAINING = "first training"
TRAINING = "ranking model"
ADAPTATION_HOURS = 6
"""Hours between two adaptations of the activity clock."""
ONBOARDING = "onboarding questions"
INTERESTS = "interests"
REINDEX = "reindex"
VELOCITY = "velocity"

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

EVENT_RETENTION = timedelta(days=400)

log = structlog.get_logger(__name__)


def scheduled_jobs(stores: Stores, event_retention: timedelta = EVENT_RETENTION) -> list[PeriodicJob]:
    """List all periodic jobs."""
    first_training = FirstTraining(
        stores,
        [lambda: _train_collaborative(stores), lambda: _train_trends(stores), lambda: _train_model(stores)],
    )
    return [
        PeriodicJob(
            COLLABORATIVE, DAY, lambda _: _train_collaborative(stores), COLLABORATIVE_TRAINING_AT, catches_up=True
        ),
        PeriodicJob(FIRST_TRAINING, 5 * MINUTE, lambda _: first_training.check(), catches_up=True),
        PeriodicJob(TRAINING, DAY, lambda _: _train_model(stores), 2 * HOUR),
        PeriodicJob("fit trend constants", DAY, lambda _: _train_trends(stores), 2 * HOUR),
        PeriodicJob(ONBOARDING, DAY, lambda _: _refresh_questions(stores), 2 * HOUR + 30 * MINUTE, catches_up=True),
        # Before the index is rebuilt: learned interests are part of the texts of profiles.
        PeriodicJob(INTERESTS, DAY, lambda _: _learn_interests(stores), 2 * HOUR + 40 * MINUTE, catches_up=True),
        PeriodicJob(REINDEX, DAY, lambda lease: rebuild_index(stores, lease), 3 * HOUR),
        PeriodicJob(
            "delete old events", DAY, lambda _: delete_expired(stores.database, now(), event_retention), 4 * HOUR
        ),
        PeriodicJob("fill search texts", DAY, lambda _: _fill_search_texts(stores), HOUR, catches_up=True),
        PeriodicJob("create partitions", DAY, lambda _: create_upcoming_partitions(stores.database), catches_up=True),
        PeriodicJob("expire served pages", HOUR, lambda _: ServedPageLog(stores.database).expire(), catches_up=True),
        PeriodicJob("finish deletions", MINUTE, lambda _: _finish_deletions(stores), catches_up=True, is_quick=True),
        PeriodicJob(VELOCITY, HOUR, lambda lease: _refresh_velocities(stores, lease), catches_up=True),
    ]


async def rebuild_index(stores: Stores, lease: JobLease) -> None:
    """Rebuild the vector index from the database, and activate it."""
    rebuild = Reindex(stores.database, stores.vectors, stores.embedder)
    report = await rebuild.run(lambda *_: None, lambda: jobs.renew_lease(stores.database, lease))
    log.info("index rebuilt", written=report.written, kept=report.kept, refused=report.rejected)


async def _train_collaborative(stores: Stores) -> None:
    from scoring.collaborative.collaborative_training import train_collaborative_model  # noqa: PLC0415 (see above)

    model = await train_collaborative_model(stores.database)
    log.info("collaborative models trained", actors=len(model.factors.actors))


async def _train_model(stores: Stores) -> None:
    from scoring.training.model_training import train_model  # noqa: PLC0415 (see above)

    try:
        verdict = await train_model(stores.database, vectors=stores.vectors)
    except InsufficientData as error:
        log.info("no ranking model trained", reason=str(error))
    else:
        name, because = verdict.model.name, verdict.because
        log.info("ranking model trained", model=name, accepted=verdict.accepted, because=because)


async def _train_trends(stores: Stores) -> None:
    from scoring.training.trend_training import train_trends  # noqa: PLC0415 (see above)

    try:
        verdict = await train_trends(stores.database)
    except InsufficientData as error:
        log.info("no trend constants fitted", reason=str(error))
    else:
        log.info("trend constants fitted", accepted=verdict.accepted, because=verdict.because)


async def _refresh_questions(stores: Stores) -> None:
    from scoring.onboarding.generated_questions import refresh_questions  # noqa: PLC0415 (see above)

    log.info("onboarding questions refreshed", changed=await refresh_questions(stores.database))


async def _learn_interests(stores: Stores) -> None:
    log.info("interests learned", changed=await learn_interests(stores.database, now()))


async def _fill_search_texts(stores: Stores) -> None:
    if count := await fill_search_texts(stores.database):
        log.info("search texts filled", rows=count)


async def _refresh_velocities(stores: Stores, lease: JobLease) -> None:
    at = now()
    await refresh_trends(
        stores.database,
        at,
        lambda connection: jobs.require_lease(connection, lease),
        adapts_clock=at.hour % ADAPTATION_HOURS == 0,
    )


async def _finish_deletions(stores: Stores) -> None:
    if count := await finish_erasures(stores):
        log.info("erasures completed", erasures=count)
