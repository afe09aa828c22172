"""Acknowledged writes survive kills of the gateway's processes and of the database, once each."""

from pathlib import Path

import pytest
from sqlalchemy import delete, update

from bench.kills import Outcome, run
from bench.reliability.ledger import Ledger
from db.models import InteractionType, Like, Project
from tests.world import World, world_fixture

pytestmark = pytest.mark.servers

KILLS = 10


def assert_whole(outcome: Outcome):
    assert outcome.verdict.is_whole, outcome
    assert outcome.acknowledged > 0


@pytest.mark.parametrize("with_postgresql", [False, True], ids=["sqlite", "postgresql"])
async def test_killed_processes_lose_and_double_no_acknowledged_write(tmp_path: Path, with_postgresql: bool):
    outcome = await run(
        tmp_path, kills=KILLS, with_postgresql=with_postgresql, lives_s=(0.0, 0.3), expire_leases=True, seed=3
    )
    assert sum(outcome.kills.values()) == KILLS
    assert_whole(outcome)


async def test_an_index_that_was_locked_is_brought_up_to_date_and_no_row_dies(tmp_path: Path):
    assert_whole(await run(tmp_path, kills=1, cut_off_s=6.5, lives_s=(6.5, 6.6), expire_leases=True))


async def _likes(world: World) -> None:
    await world.add_users("ann", "bob")
    await world.add_projects(3)
    for user in ("ann", "bob"):
        await world.act(user, InteractionType.LIKE, "p0000", "p0001")
    await world.settle()


world = world_fixture(_likes)


async def test_the_comparison_names_what_is_missing_doubled_and_not_indexed(world: World):
    ledger = Ledger()
    ledger.pairs["like"] = {(user, key) for user in ("ann", "bob") for key in ("p0000", "p0001")}
    assert (await ledger.verify(world.stores)).is_whole

    ledger.projects = {"p0002": None, "p0009": None}
    ann = (await world.viewer("ann")).actor_id
    first, second = await world.ids(["p0000", "p0001"])
    async with world.stores.database.write() as connection:
        await connection.execute(delete(Like).where(Like.actor_id == ann, Like.project_id == first))
        await connection.execute(update(Project).where(Project.id == second).values(title="changed"))
    await world.act("bob", InteractionType.LIKE, "p0001")
    verdict = await ledger.verify(world.stores)
    assert verdict.missing[0] == "like ('ann', 'p0000')"
    assert verdict.missing[1].startswith("project p0002: ")
    assert "p0000 counts 2 likes of 1" in verdict.doubled
    assert verdict.index == ["project:p0001"]
