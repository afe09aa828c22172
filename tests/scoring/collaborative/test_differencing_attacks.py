"""The difference of two values shows no one what one person did."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select

from db.actors.users import ensure_actor, find_viewer
from db.catalog.project_cards import read_features
from db.columns.column_store import ColumnStore
from db.database.engine import Database
from db.interactions.interactions import NewInteraction, record_interactions
from db.models import Actor, InteractionType, UserFactors
from db.time_units import DAY_S, WEEK_S
from scoring import tunables
from scoring.collaborative.collaborative_training import train_collaborative_model
from scoring.collaborative.evidence_loader import load_evidence
from scoring.deadlines import PATIENT
from scoring.explanation.reason_finders import find_reasons
from scoring.explanation.reasons import PeopleLikeYou, TrendingNow
from scoring.features import feature_table
from scoring.mathematics.behavior_evidence import BehaviorEvidence
from scoring.mathematics.behavior_signals import behavior_matrix
from scoring.mathematics.signals import TASTE_SIGNALS, Floats, Signal
from scoring.pipelines.candidate_sources import likes_by_neighbors
from scoring.profiles.viewer_columns import view_columns
from scoring.profiles.viewer_profile import load_profile
from scoring.ranking import ScoredProject
from tests.world import BEGIN, World, embedded_world

HOUR = timedelta(hours=1)
TIME = BEGIN - timedelta(seconds=BEGIN.timestamp() % WEEK_S + 3.0 * DAY_S)
"""A time in the middle of an earlier week, so that no block ends with the week."""

VALUES = (*TASTE_SIGNALS, Signal.SESSION_NEIGHBORS, Signal.ITEM_FACTORS, Signal.ITEM_NEIGHBORS)
ATTACKERS, OTHERS, VICTIM = ("a1", "a2", "a3"), ("o1", "o2", "o3"), "victim"
VIEW, LIKE = InteractionType.VIEW, InteractionType.LIKE


@pytest.fixture
async def world(database: Database, tmp_path: Path) -> AsyncIterator[World]:
    async with embedded_world(database, tmp_path) as made:
        await made.add_users("maker", *ATTACKERS, *OTHERS, VICTIM)
        await made.add_projects(12, owner="maker", created_at=TIME - timedelta(days=20))
        for n, user in enumerate((*ATTACKERS, *OTHERS, VICTIM)):
            keys = [f"p{p:04}" for p in range(2, 12) if (p + n) % 3]
            await made.act(user, VIEW, *keys, at=TIME - timedelta(days=1, hours=n))
        yield made


async def evidence(world: World, user: str, at: datetime, key: str, *, columns: bool) -> BehaviorEvidence:
    """What a ranking computes of one project, from SQL or from columns."""
    stores = world.stores
    if columns:
        store = ColumnStore(stores.database, timedelta(days=60), 1_000, lambda: BEGIN)
        await store.load()
        stores = replace(stores, columns=store)
    viewer = await world.viewer(user)
    view = await view_columns(stores, viewer, at) if columns else None
    profile = await load_profile(stores, viewer, at, PATIENT, columns=view)
    (id_,) = await world.ids([key])
    table = feature_table(await read_features(stores.database, [id_], viewer.actor_id), at)
    return await load_evidence(stores, profile, table, at, (*VALUES, Signal.ACTORS_1H))


async def values(world: World, at: datetime, *, columns: bool) -> Floats:
    """The values that three accounts see of two projects."""
    seen = [
        behavior_matrix(await evidence(world, user, at, key, columns=columns), VALUES)
        for user in ATTACKERS
        for key in ("p0000", "p0001")
    ]
    return np.array(seen)


@pytest.mark.parametrize("columns", [False, True])
async def test_three_accounts_learn_nothing_from_one_persons_act(world: World, columns: bool) -> None:
    for user in (*ATTACKERS[1:], *OTHERS):
        await world.act(user, VIEW, "p0000", "p0001", at=TIME - 3 * HOUR)
    await train_collaborative_model(world.stores.database)
    moments = (TIME, TIME + 2 * HOUR, TIME + timedelta(days=1))
    before = [await values(world, at, columns=columns) for at in moments]
    assert before[0][:, :, VALUES.index(Signal.USER_FACTORS_SUM)].any(), "the values would show something"
    await world.act(VICTIM, VIEW, "p0000", at=TIME - HOUR / 2)
    live = await evidence(world, "a1", TIME, "p0000", columns=columns)
    assert live.interactions.rows.size == 6, "counts of everybody are live"
    after = [await values(world, at, columns=columns) for at in moments]
    assert np.array_equal(before, after)


async def test_a_sixth_like_of_a_neighbor_is_not_seen(world: World) -> None:
    for user in (*ATTACKERS[1:], *OTHERS):
        await world.act(user, LIKE, "p0000", at=TIME - 3 * HOUR)
    viewer = await world.viewer("a1")

    async def likes() -> dict[int, int]:
        profile = await load_profile(world.stores, viewer, TIME, PATIENT)
        return await likes_by_neighbors(world.stores, profile, TIME)

    before = await likes()
    assert list(before.values()) == [5]
    await world.act(VICTIM, LIKE, "p0000", at=TIME - 2 * HOUR)
    assert await likes() == before


async def act_as_sessions(world: World, n: int, *keys: str) -> None:
    """Record views of sessions."""
    ids = await world.ids(keys)
    async with world.stores.database.write() as connection:
        for number in range(n):
            actor = await ensure_actor(
                connection, await find_viewer(world.stores.database, session_key=f"session-{number}")
            )
            await record_interactions(connection, [NewInteraction(actor, id_, VIEW, TIME - 2 * HOUR) for id_ in ids])


@pytest.mark.parametrize("columns", [False, True])
async def test_four_sessions_and_one_person_are_not_five_people(world: World, columns: bool) -> None:
    await act_as_sessions(world, 4, "p0000", "p0002", "p0003")
    await train_collaborative_model(world.stores.database)
    await world.act(VICTIM, VIEW, "p0000", at=TIME - 2 * HOUR)
    seen = await evidence(world, "a1", TIME, "p0000", columns=columns)
    assert seen.interactions.rows.size == 1
    assert not behavior_matrix(seen, VALUES[:-2]).any()
    viewer = await world.viewer("a1")
    profile = await load_profile(world.stores, viewer, TIME, PATIENT)
    (id_,) = await world.ids(["p0000"])
    signals = (*TASTE_SIGNALS, Signal.SESSION_NEIGHBORS, Signal.ACTORS_1D)
    scored = ScoredProject(id_, signals, (1.0,) * len(signals), (100_000,) * len(signals))
    reasons = (await find_reasons(world.stores, profile, [scored], TIME, PATIENT))[id_]
    assert not [reason for reason in reasons if isinstance(reason, PeopleLikeYou | TrendingNow)]


async def test_sessions_that_copy_a_viewer_change_nothing_that_training_learns(world: World) -> None:
    async def learned() -> list[tuple[int, bytes]]:
        await train_collaborative_model(world.stores.database)
        rows = await world.stores.database.fetch(
            select(UserFactors.actor_id, UserFactors.vector, Actor.session_key).join(Actor).order_by(Actor.id)
        )
        assert not [row for row in rows if row.session_key is not None]
        return [(row.actor_id, row.vector) for row in rows]

    before = await learned()
    await act_as_sessions(world, 50, "p0000", *(f"p{p:04}" for p in range(2, 12) if p % 3))
    assert await learned() == before


async def test_the_number_of_similar_people_is_a_multiple_of_five(world: World) -> None:
    await world.add_users(*(f"u{n}" for n in range(6)))
    for n in range(6):
        await world.act(f"u{n}", VIEW, *(f"p{p:04}" for p in range(2, 12) if p % 3), at=TIME - timedelta(days=1))
    for user in (*(f"u{n}" for n in range(6)), *OTHERS, *ATTACKERS[1:]):
        await world.act(user, VIEW, "p0000", at=TIME - 3 * HOUR)
    await train_collaborative_model(world.stores.database)
    viewer = await world.viewer("a1")
    profile = await load_profile(world.stores, viewer, TIME, PATIENT)
    (id_,) = await world.ids(["p0000"])
    scored = ScoredProject(id_, TASTE_SIGNALS, (1.0,) * len(TASTE_SIGNALS), (100_000,) * len(TASTE_SIGNALS))
    reasons = (await find_reasons(world.stores, profile, [scored], TIME, PATIENT))[id_]
    counts = [reason.count for reason in reasons if isinstance(reason, PeopleLikeYou)]
    assert counts
    assert all(count % tunables.ANONYMITY_FLOOR == 0 for count in counts)
