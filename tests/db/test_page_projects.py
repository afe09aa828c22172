"""What a process keeps of the projects of a page is as the database has it."""

from datetime import timedelta

import pytest

from db.actors.users import ANONYMOUS_VIEWER, upsert_users
from db.catalog.catalog_entries import upsert_categories, upsert_projects, upsert_tools
from db.interactions.interactions import NewInteraction, record_interactions
from db.models import InteractionType
from db.page_projects import ACTIVITY_FRESH_S, NO_NEEDS, PageNeeds, PageProject, PageProjects
from db.records import CategoryRecord, ToolRecord, UserRecord
from tests.conftest import CountStatements
from tests.world import MOMENT, World, world_fixture


async def one_project(world: World) -> None:
    await world.add_users("ada", "owner")
    async with world.stores.database.write() as connection:
        await upsert_projects(connection, [World.project(1, owner="owner", topics=("daily",))])


world = world_fixture(one_project)


@pytest.fixture
def projects(world: World) -> PageProjects:
    return PageProjects(world.stores.database)


async def page_of(projects: PageProjects, world: World, needs: PageNeeds = NO_NEEDS, later_s: float = 0) -> PageProject:
    (id_,) = await world.ids(["p0001"])
    rows = await projects.read_listed([id_], ANONYMOUS_VIEWER)
    return (await projects.load(rows.values(), needs, MOMENT + timedelta(seconds=later_s)))[id_]


async def test_a_known_content_is_not_read_again(world: World, projects: PageProjects, statements: CountStatements):
    first = await page_of(projects, world)
    with statements(world.stores.database) as issued:
        again = await page_of(projects, world)
    assert len(issued) == 2, issued  # the id of the test, and the page
    assert again.content is first.content


async def test_every_change_of_what_a_card_shows_is_shown(world: World, projects: PageProjects):
    await page_of(projects, world)
    changes = (
        lambda connection: upsert_users(connection, [UserRecord(key="owner", username="New", points=7)]),
        lambda connection: upsert_tools(connection, [ToolRecord(key="tool-1", name="New tool")]),
        lambda connection: upsert_categories(connection, [CategoryRecord(key="speech", name="New category")]),
        lambda connection: upsert_projects(connection, [World.project(1, owner="owner", topics=("daily", "weekly"))]),
        lambda connection: upsert_projects(
            connection, [World.project(1, owner="ada", title="New", topics=("daily", "weekly"))]
        ),
    )
    seen = []
    for change in changes:
        async with world.stores.database.write() as connection:
            await change(connection)
        content = (await page_of(projects, world)).content
        assert content.owner is not None
        seen.append(
            (
                content.title,
                content.owner.username,
                content.owner.points,
                *(term.name for term in (*content.tools, *content.categories, *content.topics)),
            )
        )
    title = "speech with models, part 1"
    assert seen == [
        (title, "New", 7, "tool-1", "speech", "daily"),
        (title, "New", 7, "New tool", "speech", "daily"),
        (title, "New", 7, "New tool", "New category", "daily"),
        (title, "New", 7, "New tool", "New category", "daily", "weekly"),
        ("New", "Ada", 0, "New tool", "New category", "daily", "weekly"),
    ]


@pytest.mark.parametrize(("weight", "later_s"), [(1.0, 0.0), (0.0, ACTIVITY_FRESH_S)])
async def test_a_first_visit_is_in_the_activity(world: World, projects: PageProjects, weight: float, later_s: float):
    """An actor of weight 0 is in no decayed counter, so that only the time shows that there is something new."""
    days = PageNeeds(activity_days=3)
    assert (await page_of(projects, world, days)).activity == (0, 0, 0)
    (id_,), viewer = await world.ids(["p0001"]), await world.viewer("ada")
    assert viewer.actor_id is not None
    visit = NewInteraction(viewer.actor_id, id_, InteractionType.VIEW, MOMENT, weight=weight)
    async with world.stores.database.write() as connection:
        await record_interactions(connection, [visit])
    assert (await page_of(projects, world, days, later_s)).activity == (0, 0, 1)


async def test_kept_contents_are_limited_by_their_size(world: World):
    projects = PageProjects(world.stores.database, max_content_bytes=50_000)
    keys = await world.add_projects(10, start=100, description="long " * 2_000)
    rows = await projects.read_listed(await world.ids(keys), ANONYMOUS_VIEWER)
    assert len(await projects.load(rows.values(), NO_NEEDS, MOMENT)) == 10
    assert len(projects._contents) == 4
