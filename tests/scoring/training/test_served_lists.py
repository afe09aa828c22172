"""Served pages, impressions and interactions become candidate lists with ranks, a sample and choices."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select

from db.database.engine import Database
from db.interactions.interactions import NewInteraction, record_interactions
from db.interactions.served_pages import ServedPageLog
from db.models import FeedKind, InteractionType, ServedPage, TermKind
from db.records import InterestRecord
from scoring import tunables
from scoring.deadlines import PATIENT
from scoring.feeds import Feeds
from scoring.mathematics.behavior_signals import BEHAVIOR_SIGNALS
from scoring.mathematics.signals import Signal
from scoring.models.active_model import fixed_model
from scoring.models.model_presets import DEFAULT
from scoring.training.model_training import MIN_SERVED_LISTS, fit_and_judge_model
from scoring.training.served_lists import read_served_lists, served_candidate_lists
from scoring.training.training_data import read_training_data
from tests.scoring.evaluation.test_replay import quiet
from tests.world import ANYTHING, MOMENT, World, embedded_world

SIGNALS = (Signal.EXPLICIT_PREFERENCES, Signal.AGE, Signal.ACTORS_6H)


async def served(world: World, database: Database) -> list[str]:
    """Serve one page of ten to ada, who saw the first six and then touched the third and one that was not shown."""
    await world.add_projects(90)
    await world.add_users("ada", tags=[InterestRecord(name="painting", kind=TermKind.CATEGORY, confidence=0.9)])
    await world.act("ada", InteractionType.VIEW, "p0007", at=MOMENT - timedelta(days=2))
    await world.settle()
    log = ServedPageLog(database)
    feeds = Feeds(world.stores, fixed_model(DEFAULT), log, clock=lambda: MOMENT, deadlines=PATIENT)
    viewer = await world.viewer("ada")
    page = await feeds.for_you(viewer, 10, None, ANYTHING)
    await log.flush()
    ids = [entry.project_id for entry in page.entries]
    row = (await database.fetch(select(ServedPage.sampled).where(ServedPage.snapshot_id == page.snapshot_id)))[0]
    assert viewer.actor_id is not None
    events = [
        NewInteraction(
            viewer.actor_id, id_, InteractionType.IMPRESSION, MOMENT, FeedKind.FOR_YOU, rank, page.snapshot_id
        )
        for rank, id_ in enumerate(ids[:6])
    ]
    later = MOMENT + timedelta(minutes=5)
    events += [NewInteraction(viewer.actor_id, id_, InteractionType.VIEW, later) for id_ in (ids[2], row.sampled[0])]
    async with database.write() as connection:
        await record_interactions(connection, events)
    return [str(id_) for id_ in (*ids, row.sampled[0])]


async def test_a_served_ranking_becomes_a_list_with_ranks_values_and_choices(database: Database, tmp_path: Path):
    async with embedded_world(database, tmp_path) as world:
        ids = [int(id_) for id_ in await served(world, database)]
        truth = await read_training_data(database)
        (one,) = await read_served_lists(database, truth, MOMENT - timedelta(days=1))
    by_id = dict(zip(truth.project_ids[one.projects].tolist(), range(one.projects.size), strict=True))
    rows = [by_id[id_] for id_ in ids]
    assert one.ranks[rows].tolist() == [1, 2, 3, 4, 5, 6, 0, 0, 0, 0, 0]
    assert one.projects.size == 10 + tunables.SAMPLED_CANDIDATES
    assert np.flatnonzero(one.relevant).tolist() == sorted([rows[2], rows[10]])
    others = one.weights > 1.0
    assert others.sum() == tunables.SAMPLED_CANDIDATES
    assert one.weights.sum() == pytest.approx(
        89
    )  # each of the candidates counts once, without the project that ada has read
    assert one.signals == DEFAULT.signals


async def test_logged_values_are_kept_and_others_are_replayed(database: Database, tmp_path: Path):
    async with embedded_world(database, tmp_path) as world:
        await served(world, database)
        truth = await read_training_data(database)
        (one,) = await read_served_lists(database, truth, MOMENT - timedelta(days=1))
    lists = served_candidate_lists(truth.dataset, [one], (*SIGNALS, Signal.EVENTS_SINCE_CREATION), 1, quiet)
    logged = one.values[:, [one.signals.index(signal) for signal in SIGNALS]]
    assert np.array_equal(lists.values[:, :3], logged)
    assert Signal.EVENTS_SINCE_CREATION not in one.signals
    assert lists.values[:, 3].any()  # ada's view of the day before yesterday, by this clock
    assert lists.weight[lists.relevant].tolist() == [1.0, 1.0]
    assert lists.ranks.max() == 6


async def test_rankings_without_impressions_are_left_out(database: Database, tmp_path: Path):
    async with embedded_world(database, tmp_path) as world:
        await served(world, database)
        truth = await read_training_data(database)
        assert not await read_served_lists(database, truth, MOMENT + timedelta(seconds=1))


async def test_enough_served_rankings_are_learned_from_and_reported(database: Database, tmp_path: Path):
    async with embedded_world(database, tmp_path) as world:
        await served(world, database)
        truth = await read_training_data(database)
        (one,) = await read_served_lists(database, truth, MOMENT - timedelta(days=1))
    verdict = fit_and_judge_model(truth.dataset, "new", DEFAULT, 0.0, 1, 0, quiet, [one] * MIN_SERVED_LISTS)
    assert verdict.report["learned from"].startswith(f"{MIN_SERVED_LISTS} served rankings")
    assert set(verdict.model.curves) <= {*BEHAVIOR_SIGNALS, *DEFAULT.signals}
    assert verdict.report["ndcg@10"]["new"] > 0
