"""The sources of candidates: each brings what it says, and a log in memory gives the same ones as the stores do."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select

from db.catalog.project_cards import ProjectFilter
from db.database.engine import Database
from db.errors import Store
from db.models import Actor, Engagement, InteractionType, Like, Project
from db.vectors.base import Hits
from scoring import tunables
from scoring.collaborative.collaborative_training import train_collaborative_model
from scoring.deadlines import PATIENT, Deadlines
from scoring.mathematics.behavior_evidence import EventLog
from scoring.mathematics.log_evidence import LogEvidence
from scoring.mathematics.neighbors import build_collaborative_model
from scoring.pipelines.candidate_sources import (
    Candidates,
    CandidateSource,
    gather_candidates,
    merge_candidates,
    nearest_to_history,
)
from scoring.profiles.viewer_profile import load_profile
from scoring.replay.log_candidate_sources import LOG_SOURCES, LogCandidateSources
from tests.world import ANYTHING, BEGIN, MOMENT, World, embedded_world

PEOPLE = 24


@pytest.fixture
async def world(database: Database, tmp_path: Path) -> AsyncIterator[World]:
    async with embedded_world(database, tmp_path) as made:
        yield made


async def a_community(world: World, projects: int = 20) -> None:
    """People of two tastes and two makers; each project is touched by those of its taste, a few hours apart."""
    await world.add_users("maker", "other", *(f"u{n}" for n in range(PEOPLE)))
    await world.add_projects(projects // 2, owner="maker")
    await world.add_projects(projects // 2, start=projects // 2, owner="other")
    for person in range(PEOPLE):
        keys = [f"p{n:04}" for n in range(projects) if n % 2 == person % 2 and (n + person) % 5]
        when = BEGIN - timedelta(hours=person, minutes=person)
        await world.act(f"u{person}", InteractionType.VIEW, *keys, at=when)
        await world.act(f"u{person}", InteractionType.LIKE, *keys[: person % 5], at=when)
    await train_collaborative_model(world.stores.database)


async def asked(world: World, user: str, where: ProjectFilter = ANYTHING, **changes: Any) -> Candidates:
    stores = replace(world.stores, **{name: store for name, store in changes.items() if name != "deadlines"})
    profile = await load_profile(stores, await world.viewer(user), MOMENT)
    return await gather_candidates(stores, profile, where, (), MOMENT, changes.get("deadlines", PATIENT))


async def replayed(world: World, user: str) -> dict[CandidateSource, list[int]]:
    """What the log of this world gives, in project ids."""
    database = world.stores.database
    viewer = await world.viewer(user)
    projects = await database.fetch(
        select(Project.id, Project.created_at, Actor.id.label("owner"))
        .outerjoin(Actor, Actor.user_id == Project.owner_id)
        .order_by(Project.id)
    )
    ids = np.array([row.id for row in projects])
    actors = np.array([row.id for row in await database.fetch(select(Actor.id).order_by(Actor.id))])

    async def log(actor: Any, project: Any, at: Any) -> EventLog:
        rows = await database.fetch(select(actor, project, at))
        columns = [np.searchsorted(actors, [r[0] for r in rows]), np.searchsorted(ids, [r[1] for r in rows])]
        return EventLog.from_events(*columns, np.array([r[2].timestamp() for r in rows]), actors.size, ids.size)

    events = await log(Engagement.actor_id, Engagement.project_id, Engagement.first_at)
    owners = [np.searchsorted(actors, row.owner) if row.owner else -1 for row in projects]
    created = np.array([row.created_at.timestamp() for row in projects])
    history = LogEvidence(events, created, np.array(owners))
    history.model = build_collaborative_model(events, events.at_s.size)
    sources = LogCandidateSources(history, await log(Like.actor_id, Like.project_id, Like.created_at))
    found = sources.candidates_by_source(int(np.searchsorted(actors, viewer.actor_id)), MOMENT.timestamp())
    return {source: ids[rows].tolist() for source, rows in found.items()}


async def test_a_log_gives_the_same_candidates_as_the_stores_source_by_source(world: World):
    await a_community(world)
    await world.viewer("maker")
    await world.viewer("other")
    served, found = (await asked(world, "u3")).by_source, await replayed(world, "u3")
    engaged = {
        row.project_id for row in (await load_profile(world.stores, await world.viewer("u3"), MOMENT)).engagements
    }
    assert set(found) == set(LOG_SOURCES)
    for source in LOG_SOURCES:
        unseen = [id_ for id_ in served[source] if id_ not in engaged]
        assert unseen, source
        assert found[source] == unseen, source


async def test_company_and_neighbours_bring_what_people_of_the_same_taste_touched(world: World):
    await a_community(world)
    found = (await asked(world, "u3")).by_source
    odd = set(await world.ids(f"p{n:04}" for n in range(1, 20, 2)))
    assert set(found[CandidateSource.ITEM_NEIGHBORS]) <= odd
    assert set(found[CandidateSource.SESSION_NEIGHBORS]) <= odd
    maker = set(await world.ids(f"p{n:04}" for n in range(20)))
    assert set(found[CandidateSource.OWNERS]) <= maker


async def test_company_of_fewer_than_five_people_is_no_source(world: World):
    await world.add_users(*(f"u{n}" for n in range(5)))
    await world.add_projects(4)
    for person in range(5):
        await world.act(f"u{person}", InteractionType.VIEW, "p0000", "p0001")
    for person in range(1, 5):
        await world.act(f"u{person}", InteractionType.VIEW, "p0002")
    assert (await asked(world, "u0")).by_source[CandidateSource.SESSION_NEIGHBORS] == []
    await world.add_users("u5")
    await world.act("u5", InteractionType.VIEW, "p0000", "p0002")
    assert (await asked(world, "u0")).by_source[CandidateSource.SESSION_NEIGHBORS] == await world.ids(["p0002"])


async def test_lately_is_what_most_people_came_to_and_counts_the_last_second(world: World):
    await a_community(world)
    await world.add_projects(1, start=90)
    for person in range(PEOPLE):
        await world.act(f"u{person}", InteractionType.VIEW, "p0090", at=BEGIN)
    found = (await asked(world, "u3")).by_source
    assert found[CandidateSource.RECENT][0] == (await world.ids(["p0090"]))[0]


async def test_every_source_of_the_database_keeps_to_the_filter(world: World):
    await a_community(world)
    await world.add_projects(3, start=60, type="video", owner="maker")
    videos = set(await world.ids(["p0060", "p0061", "p0062"]))
    found = (await asked(world, "u3", ProjectFilter(types=("video",)))).by_source
    for source in (
        CandidateSource.RECENT,
        CandidateSource.NEWEST,
        CandidateSource.POPULAR,
        CandidateSource.TRENDING,
        CandidateSource.SESSION_NEIGHBORS,
        CandidateSource.OWNERS,
    ):
        assert set(found[source]) <= videos, source
    assert set(found[CandidateSource.OWNERS]) == videos


class Sleepy:
    """A vector store that answers nobody in time."""

    async def near(self, *_: object) -> Hits:
        await asyncio.sleep(60)
        return Hits()

    async def similarities(self, *_: object) -> None:
        await asyncio.sleep(60)


async def test_a_source_that_is_late_is_left_out_and_the_others_stay(world: World):
    await a_community(world)
    await world.settle()
    profile = await load_profile(world.stores, await world.viewer("u3"), MOMENT)
    stores = replace(world.stores, vectors=Sleepy())  # type: ignore[arg-type]
    hasty = Deadlines(60.0, 0.05, 60.0)
    found = await gather_candidates(stores, profile, ANYTHING, (), MOMENT, hasty)
    assert found.degraded == (Store.VECTORS,)
    assert found.by_source[CandidateSource.NEAR] == []
    assert found.by_source[CandidateSource.ITEM_NEIGHBORS]
    assert found.ids.size == np.unique(found.ids).size == merge_candidates(found.by_source).size


def test_neighbours_are_summed_over_touches_and_the_touched_are_none():
    ids, similarity = np.array([4, 5, 4, 9, 7]), np.array([0.2, 0.5, 0.4, 0.9, 0.0])
    assert nearest_to_history(ids, similarity, np.array([9]), 10).tolist() == [4, 5]
    assert nearest_to_history(ids, similarity, np.array([9]), 1).tolist() == [4]
    assert nearest_to_history(np.empty(0, np.int64), np.empty(0), np.array([9]), 10).tolist() == []


def test_the_quotas_are_small_enough_to_score():
    quotas = [value for name, value in vars(tunables).items() if name.startswith("CANDIDATES_")]
    assert len(quotas) == len(CandidateSource)
    assert sum(quotas) <= 1_500
