"""A page with explanations reads its evidence once per ranking, and shows nothing that was hidden or renamed since."""

from collections.abc import Iterable

import pytest

from db.catalog.catalog_entries import upsert_projects
from db.models import InteractionType
from db.page_projects import PageNeeds
from scoring.explanation.kept_reasons import KeptReasons
from scoring.explanation.reasons import Reason, SimilarToProject
from scoring.ranking import Page
from tests.conftest import CountStatements
from tests.scoring.explanation.test_reason_finders import painters
from tests.world import ANYTHING, World, world_fixture

world = world_fixture(painters)

WITH_REASONS = PageNeeds(reasons=True)


async def page_of(world: World, user: str = "ada", first: int = 30) -> Page:
    return await world.feeds.for_you(await world.viewer(user), first, None, ANYTHING, WITH_REASONS)


def similar(page: Page) -> set[int]:
    return {one.project.id for one in all_reasons(page) if isinstance(one, SimilarToProject)}


def ids_of_reasons(page: Page) -> dict[int, list[str]]:
    return {id_: [one.id for one in reasons] for id_, reasons in page.reasons.items() if reasons}


def all_reasons(page: Page) -> Iterable[Reason]:
    return (reason for reasons in page.reasons.values() for reason in reasons)


async def test_a_warm_page_with_reasons_is_one_statement(world: World, statements: CountStatements) -> None:
    cold = await page_of(world)
    viewer = await world.viewer("ada")
    with statements(world.stores.database) as issued:
        warm = await world.feeds.for_you(viewer, 30, None, ANYTHING, WITH_REASONS)
    assert len(issued) == 1, issued
    assert warm.reasons == cold.reasons
    assert similar(warm)
    assert warm.reasons.keys() == warm.projects.keys()
    expected = await world.feeds.reasons(viewer, [entry.scored for entry in warm.entries])
    assert {id_: found for id_, found in warm.reasons.items() if found} == expected


async def test_only_new_entries_are_explained(world: World, statements: CountStatements) -> None:
    await page_of(world, first=10)
    await page_of(world, first=30)
    viewer = await world.viewer("ada")
    with statements(world.stores.database) as issued:
        await world.feeds.for_you(viewer, 30, None, ANYTHING, WITH_REASONS)
    assert len(issued) == 1, issued


async def test_reasons_are_limited_by_the_number_of_projects(world: World) -> None:
    expected = ids_of_reasons(await page_of(world))
    kept = world.feeds._reasons = KeptReasons(max_projects=12)
    for first in (5, 10):  # the second page adds to the ranking of the first one
        await page_of(world, first=first)
        assert len(kept._rankings) == 1
    assert ids_of_reasons(await page_of(world)) == expected
    assert len(kept._rankings) == 0


async def test_a_project_that_was_hidden_is_no_reason_any_more(world: World) -> None:
    seed = min(similar(await page_of(world)))
    key = next(key for key, id_ in (await keys_by_id(world)).items() if id_ == seed)
    async with world.stores.database.write() as connection:
        await upsert_projects(connection, [World.project(int(key[1:]), private=True)])
    assert seed not in similar(await page_of(world))


async def test_a_new_title_is_in_the_text_of_the_reason(world: World) -> None:
    seed = min(similar(await page_of(world)))
    key = next(key for key, id_ in (await keys_by_id(world)).items() if id_ == seed)
    async with world.stores.database.write() as connection:
        await upsert_projects(connection, [World.project(int(key[1:]), title="Quite another title")])
    texts = [one.text for one in all_reasons(await page_of(world)) if isinstance(one, SimilarToProject)]
    assert any("Quite another title" in text for text in texts)


async def test_another_viewers_reasons_are_not_theirs(world: World) -> None:
    await world.add_users("newcomer")
    mine = await page_of(world)
    theirs = await page_of(world, "newcomer")
    assert similar(mine)
    assert not similar(theirs)


async def test_reasons_follow_the_viewer(world: World) -> None:
    before = similar(await page_of(world))
    await world.act("ada", InteractionType.LIKE, "p0012")
    assert similar(await page_of(world)) != before


@pytest.mark.parametrize("user", ["ada", "newcomer"])
async def test_a_page_without_reasons_has_none(world: World, user: str) -> None:
    await world.add_users("newcomer")
    page = await page_of(world, user)
    viewer = await world.viewer(user)
    assert (await world.feeds.for_you(viewer, 30, None, ANYTHING)).reasons == {}
    assert page.entries


async def keys_by_id(world: World) -> dict[str, int]:
    keys = [f"p{number:04}" for number in range(60)]
    return dict(zip(keys, await world.ids(keys), strict=True))
