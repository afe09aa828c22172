"""Similar projects of a project that was just added."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from db.database.engine import Database
from db.errors import Store
from scoring.pipelines import similar
from scoring.ranking import Ranking
from tests.world import ANYTHING, BEGIN, World, embedded_world


@pytest.fixture
async def world(sqlite_database: Database, tmp_path: Path) -> AsyncIterator[World]:
    async with embedded_world(sqlite_database, tmp_path) as opened:
        yield opened


async def similar_to(world: World, key: str) -> Ranking:
    [project_id] = await world.ids([key])
    return await similar.rank(world.stores, project_id, ANYTHING, BEGIN)


async def test_a_project_that_is_not_in_the_index_yet_gets_no_empty_ranking_that_lasts(world: World):
    await world.add_projects(12)
    await world.settle()
    [added] = await world.add_projects(1, start=12)
    early = await similar_to(world, added)
    assert early.degraded == (Store.VECTORS,)  # so that it is reused for seconds only
    assert {*await world.ids(["p0000", "p0006"])} <= {*early.ids.tolist()}  # the same category
    await world.settle()
    late = await similar_to(world, added)
    assert late.degraded == ()
    assert late.ids.size == 12
    assert late.values[0, 0] > 0


async def test_a_private_project_is_never_in_the_index_and_has_no_similar_ones(world: World):
    await world.add_projects(12)
    [hidden] = await world.add_projects(1, start=12, private=True)
    await world.settle()
    ranking = await similar_to(world, hidden)
    assert (ranking.ids.tolist(), ranking.degraded) == ([], ())
