"""What was served, seen and touched becomes candidate lists: served ranks, a sample of the others, and answers."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select

from db.activity.interactions import Event, record
from db.activity.served import ServedLog
from db.engine import Database
from db.imports.records import TagRecord
from db.models import FeedKind, InteractionType, ServedPage, TermKind
from scoring import weights
from scoring.crowd.behaviour import BEHAVIOUR
from scoring.feeds import Feeds
from scoring.in_service import always
from scoring.models import DEFAULT
from scoring.training.feedback import read_logged
from scoring.training.judging import FEWEST_LOGGED, train_and_judge
from scoring.training.logged import logged_lists
from scoring.training.truth import read_truth
from scoring.weights import Signal
from tests.scoring.evaluation.test_replay import quiet
from tests.world import ANYTHING, MOMENT, World, embedded_world

SIGNALS = (Signal.EXPLICIT_PREFERENCES, Signal.AGE, Signal.PEOPLE_6H)


async def served(world: World, database: Database) -> list[str]:
    """Serve one page of ten to ada, who saw the first six and then touched the third and one that was not shown."""
    await world.add_projects(90)
    await world.add_users("ada", tags=[TagRecord(name="painting", kind=TermKind.CATEGORY, confidence=0.9)])
    await world.act("ada", InteractionType.VIEW, "p0007", at=MOMENT - timedelta(days=2))
    await world.settle()
    log = ServedLog(database)
    feeds = Feeds(world.stores, always(DEFAULT), log, clock=lambda: MOMENT)
    viewer = await world.viewer("ada")
    page = await feeds.for_you(viewer, 10, None, ANYTHING)
    await log.flush()
    ids = [entry.project_id for entry in page.entries]
    row = (await database.fetch(select(ServedPage.sampled).where(ServedPage.snapshot_id == page.snapshot_id)))[0]
    assert viewer.actor_id is not None
    events = [
        Event(viewer.actor_id, id_, InteractionType.IMPRESSION, MOMENT, FeedKind.FOR_YOU, rank, page.snapshot_id)
        for rank, id_ in enumerate(ids[:6])
    ]
    later = MOMENT + timedelta(minutes=5)
    events += [Event(viewer.actor_id, id_, InteractionType.VIEW, later) for id_ in (ids[2], row.sampled[0])]
    async with database.write() as connection:
        await record(connection, events)
    return [str(id_) for id_ in (*ids, row.sampled[0])]


async def test_a_served_ranking_becomes_a_list_with_places_values_and_answers(database: Database, tmp_path: Path):
    async with embedded_world(database, tmp_path) as world:
        ids = [int(id_) for id_ in await served(world, database)]
        truth = await read_truth(database)
        (one,) = await read_logged(database, truth, MOMENT - timedelta(days=1))
    by_id = dict(zip(truth.project_ids[one.projects].tolist(), range(one.projects.size), strict=True))
    rows = [by_id[id_] for id_ in ids]
    assert one.ranks[rows].tolist() == [1, 2, 3, 4, 5, 6, 0, 0, 0, 0, 0]
    assert one.projects.size == 10 + weights.LOGGED_OTHERS
    assert np.flatnonzero(one.relevant).tolist() == sorted([rows[2], rows[10]])
    others = one.stands_for > 1.0
    assert others.sum() == weights.LOGGED_OTHERS
    assert one.stands_for.sum() == pytest.approx(90)  # each of the candidates counts once
    assert one.signals == DEFAULT.signals


async def test_logged_values_are_taken_as_they_were_and_others_are_replayed(database: Database, tmp_path: Path):
    async with embedded_world(database, tmp_path) as world:
        await served(world, database)
        truth = await read_truth(database)
        (one,) = await read_logged(database, truth, MOMENT - timedelta(days=1))
    lists = logged_lists(truth.dataset, [one], (*SIGNALS, Signal.EVENTS_SINCE), 1, quiet)
    logged = one.values[:, [one.signals.index(signal) for signal in SIGNALS]]
    assert np.array_equal(lists.values[:, :3], logged)
    assert Signal.EVENTS_SINCE not in one.signals
    assert lists.values[:, 3].any()  # ada's view of the day before yesterday, by this clock
    assert lists.weight[lists.relevant].tolist() == [1.0, 1.0]
    assert lists.ranks.max() == 6


async def test_what_nobody_reported_as_seen_is_not_learned_from(database: Database, tmp_path: Path):
    async with embedded_world(database, tmp_path) as world:
        await served(world, database)
        truth = await read_truth(database)
        assert not await read_logged(database, truth, MOMENT + timedelta(seconds=1))


async def test_enough_served_rankings_are_learned_from_and_the_report_says_so(database: Database, tmp_path: Path):
    async with embedded_world(database, tmp_path) as world:
        await served(world, database)
        truth = await read_truth(database)
        (one,) = await read_logged(database, truth, MOMENT - timedelta(days=1))
    verdict = train_and_judge(truth.dataset, "new", DEFAULT, 0.0, 1, 0, quiet, [one] * FEWEST_LOGGED)
    assert verdict.report["learned from"].startswith(f"{FEWEST_LOGGED} served rankings")
    assert set(verdict.model.curves) <= {*BEHAVIOUR, *DEFAULT.signals}
    assert verdict.report["ndcg@10"]["new"] > 0
