"""Ranking a page again reads only what is new to it, and what it remembers is what a fresh reading gives."""

import numpy as np
import pytest
from sqlalchemy import select

from db.models import Project
from scoring import tunables
from scoring.collaborative.evidence_loader import RecentInteractionReader
from tests.conftest import CountStatements
from tests.scoring.collaborative.test_evidence_loader import a_community
from tests.world import MOMENT, World, world_fixture


async def six_people(world: World) -> None:
    """Add six people of two tastes and twenty projects."""
    await a_community(world, actors=6, projects=20)


world = world_fixture(six_people)


async def recent_and_ids(world: World) -> tuple[RecentInteractionReader, np.ndarray]:
    database = world.stores.database
    ids = np.array(sorted(row.id for row in await database.fetch(select(Project.id))))
    return RecentInteractionReader(database, (await world.viewer("u1")).actor_id or 0, MOMENT), ids


def told(interactions) -> list[tuple]:
    return sorted(zip(*(column.tolist() for column in interactions), strict=True))


async def test_what_is_remembered_is_what_is_read_afresh(world: World) -> None:
    recent, ids = await recent_and_ids(world)
    for asked in (ids[:8], ids[4:12], ids[::-1], ids[:0], ids[15:], np.append(ids, 10**9)):
        fresh, _ = await recent_and_ids(world)
        assert told(await recent.read(asked)) == told(await fresh.read(asked))
    assert len(told(await recent.read(ids))) > 20


async def test_only_projects_that_are_new_are_read(world: World, statements: CountStatements) -> None:
    recent, ids = await recent_and_ids(world)
    with statements(world.stores.database) as counted:
        for asked in (ids[:10], ids[:10], ids[2:8], ids[:0]):
            await recent.read(asked)
        assert len(counted) == 1
        await recent.read(ids)
        assert len(counted) == 2


async def test_past_the_most_that_one_ranking_reads_nothing_is_put_together(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tunables, "MAX_RECENT_INTERACTIONS", 7)
    recent, ids = await recent_and_ids(world)
    for asked in (ids[:2], ids[:12], ids[:2], ids):
        fresh, _ = await recent_and_ids(world)
        assert told(await recent.read(asked)) == told(await fresh.read(asked))
        assert len(told(await recent.read(asked))) <= 7
