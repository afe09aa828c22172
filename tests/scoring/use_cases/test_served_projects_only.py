"""Where a served page must vouch for an interaction, only actors who were shown a project count in trends."""

import pytest

from db.interactions.served_pages import ServedPageLog, ShownProject, were_served
from db.models import FeedKind, InteractionType, now
from scoring.use_cases.project_interactions import SentInteraction, like_project, record_interactions
from scoring.use_cases.unit_of_work import Caller
from tests.scoring.use_cases.conftest import counted, work_of
from tests.world import World

MAKER = Caller(user_key="maker")


async def serve(world: World, snapshot: str, actor_id: int | None, *keys: str) -> None:
    """Note a page as if it had been served."""
    log = ServedPageLog(world.stores.database)
    log.add(
        snapshot_id=snapshot,
        actor_id=actor_id,
        feed_kind=FeedKind.TRENDING.value,
        strategy="velocity",
        model="trending-day",
        at=now(),
        first_rank=1,
        projects=await world.ids(keys),
        signals=[],
        contributions=b"",
    )
    await log.flush()


def view(key: str, snapshot: str | None = None) -> SentInteraction:
    return SentInteraction(key, InteractionType.VIEW, snapshot_id=snapshot)


async def test_only_what_a_page_showed_counts_and_all_is_recorded(world: World) -> None:
    await serve(world, "own", (await world.viewer("ada")).actor_id, "p0001")
    await serve(world, "nobody's", None, "p0002")
    await serve(world, "another's", (await world.viewer("maker")).actor_id, "p0003")
    sent = [
        view("p0001"), view("p0002", "nobody's"), view("p0003", "another's"), view("p0004", "own"), view("p0005"),
    ]  # fmt: skip
    results = await record_interactions(work_of(world, trending_requires_impression=True), sent)
    assert all(one.error is None for one in results)
    counts = await counted(world, *(one.project for one in sent))
    assert [one > 0 for one in counts] == [True, True, False, False, False]


@pytest.mark.parametrize("required", [True, False])
async def test_a_like_needs_a_page_only_where_that_is_asked(world: World, required: bool) -> None:
    work = work_of(world, MAKER, trending_requires_impression=required)
    await like_project(work, "p0002")
    assert ((await counted(world, "p0002"))[0] == 0) is required
    await serve(world, "own", (await world.viewer("maker")).actor_id, "p0003")
    await like_project(work, "p0003")
    assert (await counted(world, "p0003"))[0] > 0


async def test_vouching_takes_one_statement(world: World, statements) -> None:  # type: ignore[no-untyped-def]
    viewer = await world.viewer("ada")
    assert viewer.actor_id is not None
    await serve(world, "own", viewer.actor_id, "p0001", "p0002")
    ids = await world.ids(["p0001", "p0002", "p0003"])
    async with world.stores.database.write() as connection:
        with statements(world.stores.database) as issued:
            found = await were_served(connection, viewer.actor_id, [ShownProject(id_, None) for id_ in ids])
    assert found == [True, True, False]
    assert len(issued) == 1
