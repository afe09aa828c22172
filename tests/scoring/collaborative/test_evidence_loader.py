"""What is evaluated is what serves: the evidence from SQL is that from an event log in memory."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select

from db.catalog.project_cards import read_features
from db.columns.column_store import ColumnStore
from db.database.engine import Database
from db.models import InteractionType, Project, TasteCluster, TermKind, UserFactors
from db.records import InterestRecord
from db.time_units import FIRST_ENGAGEMENT_BUCKET_S
from scoring.collaborative.collaborative_training import train_collaborative_model
from scoring.collaborative.evidence_loader import load_evidence
from scoring.deadlines import PATIENT
from scoring.features import feature_table
from scoring.feeds import Feeds
from scoring.mathematics.additive_model import Curve, Model
from scoring.mathematics.behavior_evidence import BehaviorEvidence
from scoring.mathematics.behavior_signals import BEHAVIOR_SIGNALS, EVALUATION_ONLY, behavior_matrix
from scoring.mathematics.log_evidence import LogEvidence
from scoring.mathematics.neighbors import build_collaborative_model
from scoring.mathematics.signals import Signal
from scoring.models.active_model import fixed_model
from scoring.models.model_presets import DEFAULT, with_untrained_signals
from scoring.pipelines import for_you
from scoring.profiles.viewer_columns import view_columns
from scoring.profiles.viewer_profile import load_profile
from scoring.training.training_data import read_training_data
from tests.conftest import CountStatements
from tests.world import ANYTHING, BEGIN, MOMENT, World, embedded_world

CONTENT = (Signal.VECTOR_SIMILARITY,)
SERVED = tuple(signal for signal in BEHAVIOR_SIGNALS if signal not in EVALUATION_ONLY)


@pytest.fixture
async def world(database: Database, tmp_path: Path) -> AsyncIterator[World]:
    async with embedded_world(database, tmp_path) as made:
        yield made


async def a_community(world: World, actors: int = 14, projects: int = 30) -> None:
    """People of two tastes; each project is touched by those of its taste, a few hours apart."""
    await world.add_users("maker", *(f"u{n}" for n in range(actors)))
    await world.add_projects(projects, owner="maker")
    for person in range(actors):
        keys = [f"p{n:04}" for n in range(projects) if n % 2 == person % 2 and (n + person) % 5]
        hours = [place * 5 + person for place in range(len(keys))]
        times = [BEGIN - timedelta(hours=number, minutes=person) for number in hours]
        user, view = f"u{person}", InteractionType.VIEW
        await world.act_all([(user, view, key, time) for key, time in zip(keys, times, strict=True)])
        # Everybody comes back to two projects, so that the last visit is not the first.
        await world.act(user, view, *keys[4:6], at=BEGIN - timedelta(hours=2, minutes=person))


async def both_evidences(world: World, user: str) -> tuple[BehaviorEvidence, BehaviorEvidence]:
    """The same viewer and candidates, from SQL and from memory."""
    database = world.stores.database
    viewer = await world.viewer(user)
    data = await read_training_data(database)
    project_ids, log = data.project_ids, data.dataset.log
    history = LogEvidence(log, data.dataset.created_s, data.dataset.owners, visits=data.dataset.visits)
    history.model = build_collaborative_model(log, log.at_s.size)
    me = data.actor(viewer.actor_id or 0)
    assert me is not None
    candidates = np.setdiff1d(np.arange(project_ids.size), history.engagements(me, MOMENT.timestamp()).projects)
    await train_collaborative_model(database)
    table = feature_table(await read_features(database, project_ids[candidates].tolist(), viewer.actor_id), MOMENT)
    profile = await load_profile(world.stores, viewer, MOMENT)
    served = await load_evidence(world.stores, profile, table, MOMENT, SERVED)
    order = np.searchsorted(project_ids, table.ids)
    return served, history.evidence(me, order, MOMENT.timestamp())


async def test_every_behaviour_signal_is_the_same_from_sql_and_from_memory(world: World):
    await a_community(world, actors=24)  # enough for two circles
    served, replayed = await both_evidences(world, "u3")
    told = {}
    for signal in SERVED:
        if signal in CONTENT:
            continue  # the log of this test has no texts and terms
        ours, theirs = (behavior_matrix(one, (signal,))[:, 0] for one in (served, replayed))
        if signal in (Signal.EVENTS_SINCE_CREATION, Signal.ACTOR_RATE):  # the store counts arrivals by five minutes
            settled = served.at_s - served.created_s > FIRST_ENGAGEMENT_BUCKET_S
            ours, theirs = ours[settled], theirs[settled]
        tolerance = 0.05 if signal in (Signal.EVENTS_SINCE_CREATION, Signal.ACTOR_RATE, *PEOPLE) else 0.01
        told[signal] = float(np.abs(ours - theirs).max()) if np.ptp(theirs) > 0 else None
        assert ours == pytest.approx(theirs, abs=tolerance), signal
    assert sum(value is not None for value in told.values()) >= 10, told
    clusters = (Signal.TASTE_CLUSTER_MEAN, Signal.TASTE_CLUSTER_SUM, Signal.TASTE_CLUSTER_RECENT)
    assert all(told[signal] is not None for signal in clusters), told


async def test_a_signal_reads_the_same_whether_it_is_asked_for_alone_or_with_all_others(world: World):
    await a_community(world, actors=24)
    await train_collaborative_model(world.stores.database)
    viewer = await world.viewer("u3")
    ids = [row.id for row in await world.stores.database.fetch(select(Project.id))]
    table = feature_table(await read_features(world.stores.database, ids, viewer.actor_id), MOMENT)
    profile = await load_profile(world.stores, viewer, MOMENT)
    whole = await load_evidence(world.stores, profile, table, MOMENT, SERVED)
    for signal in SERVED:
        alone = await load_evidence(world.stores, profile, table, MOMENT, (signal,))
        assert behavior_matrix(alone, (signal,)).tolist() == behavior_matrix(whole, (signal,)).tolist(), signal
    assert all(column.any() for column in behavior_matrix(whole, MOVING).T)


MOVING = (
    Signal.USER_FACTORS_SUM,
    Signal.TASTE_CLUSTER_RECENT,
    Signal.SESSION_NEIGHBORS,
    Signal.ITEM_NEIGHBORS,
    Signal.SAME_OWNER,
)


async def test_a_night_uses_no_circle_of_the_one_before_and_keeps_none_of_it(world: World):
    await a_community(world, actors=24)
    database = world.stores.database
    ids = []
    for _ in range(2):
        await train_collaborative_model(database)
        ids.append({row.id for row in await database.fetch(select(TasteCluster.id))})
        members = {row.cluster for row in await database.fetch(select(UserFactors.cluster))}
        assert members == ids[-1]
    assert len(ids[0]) == 2
    assert not ids[0] & ids[1]


PEOPLE = (Signal.ACTORS_1H, Signal.ACTORS_6H, Signal.ACTORS_3D, Signal.ACTORS_14D)


async def test_a_feed_of_behaviour_ranks_by_what_it_shows(world: World):
    await a_community(world)
    await train_collaborative_model(world.stores.database)
    await world.settle()
    feeds = Feeds(world.stores, fixed_model(with_untrained_signals(DEFAULT)), clock=lambda: MOMENT, deadlines=PATIENT)
    page = await feeds.for_you(await world.viewer("u3"), 30, None, ANYTHING)
    assert page.model == "default"
    assert any(entry.scored.contribution(Signal.USER_FACTORS_RECENT) for entry in page.entries)
    for entry in page.entries:
        assert entry.scored.score == sum(entry.scored.contributions)


async def test_the_number_of_statements_does_not_grow_with_candidates(world: World, statements: CountStatements):
    await a_community(world, actors=6, projects=10)
    viewer = await world.viewer("u1")
    counts = []
    for more in (0, 40):
        if more:
            await world.add_projects(more, start=100)
        ids = [row.id for row in await world.stores.database.fetch(select(Project.id))]
        table = feature_table(await read_features(world.stores.database, ids, viewer.actor_id), MOMENT)
        profile = await load_profile(world.stores, viewer, MOMENT)
        with statements(world.stores.database) as counted:
            await load_evidence(world.stores, profile, table, MOMENT, SERVED)
        counts.append(len(counted))
    assert counts[0] - counts[1] in (0, 1), counts  # the second finds the arrivals in the cache


async def test_a_night_to_which_nobody_has_come_yet_builds_nothing_and_is_no_fault(database: Database) -> None:
    built = await train_collaborative_model(database)
    assert built.factors.actors.shape[0] == 0
    assert all(not lists.ids.size for lists in built.lists.values())


@pytest.mark.parametrize("has_columns", [False, True])
async def test_every_signal_of_texts_is_the_same_in_a_feed_and_from_a_log(world: World, has_columns: bool):
    await a_community(world, actors=6)
    await world.settle()
    stores = world.stores
    if has_columns:
        columns = ColumnStore(stores.database, timedelta(days=14), 1_000, lambda: MOMENT)
        await columns.load()
        stores = replace(stores, columns=columns)
    viewer = await world.viewer("u3")
    view = await view_columns(stores, viewer, MOMENT)
    assert (view is not None) == has_columns
    profile = await load_profile(stores, viewer, MOMENT, PATIENT, columns=view)
    data = await read_training_data(stores.database, stores.vectors)
    ids = np.setdiff1d(data.project_ids, profile.engaged)
    model = Model("texts", {signal: Curve.linear(1.0) for signal in CONTENT})
    served = await for_you.explain(stores, profile, ids.tolist(), model, MOMENT, PATIENT)
    log = data.dataset
    history = LogEvidence(log.log, log.created_s, log.owners, visits=log.visits, contents=log.contents)
    me = data.actor(viewer.actor_id or 0)
    assert me is not None
    replayed = behavior_matrix(history.evidence(me, data.projects(ids), MOMENT.timestamp()), CONTENT)
    assert np.array([served[id_].values for id_ in ids.tolist()]) == pytest.approx(replayed, abs=1e-5)
    assert (np.ptp(replayed, axis=0) > 0.1).all()


async def test_matches_with_interests_are_the_same_in_a_feed_and_from_a_log_from_the_time_of_the_interests_on(
    world: World,
):
    await world.add_users(
        "u0", tags=[InterestRecord(kind=TermKind.TOOL, name=f"tool-{n}", confidence=0.5) for n in (1, 2)]
    )
    await world.add_users("u1", tags=[InterestRecord(kind=TermKind.CATEGORY, name="chess")])
    await world.add_projects(14)
    for user in ("u0", "u1"):
        await world.act(user, InteractionType.VIEW, "p0000")
    stores = world.stores
    data = await read_training_data(stores.database)
    log, ids = data.dataset, data.project_ids[1:]
    history = LogEvidence(log.log, log.created_s, log.owners, visits=log.visits, contents=log.contents)
    model = Model("interests", {Signal.EXPLICIT_PREFERENCES: Curve.linear(1.0)})
    since_s = log.contents.interests.since_s if log.contents else np.empty(0)
    before, after = float(since_s.min()), float(since_s.max()) + 1.0
    for user in ("u0", "u1"):
        viewer = await world.viewer(user)
        profile = await load_profile(stores, viewer, MOMENT, PATIENT)
        served = await for_you.explain(stores, profile, ids.tolist(), model, MOMENT, PATIENT)
        actor = data.actor(viewer.actor_id or 0)
        assert actor is not None
        held, earlier = (
            behavior_matrix(history.evidence(actor, data.projects(ids), at_s), model.signals)[:, 0]
            for at_s in (after, before)
        )
        assert held == pytest.approx([served[id_].values[0] for id_ in ids.tolist()])
        assert held.any()
        assert not earlier.any()
