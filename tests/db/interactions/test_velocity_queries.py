"""Velocities are written for every project in the same few statements, by either formula."""

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from db.catalog.project_cards import ProjectFilter
from db.database.engine import Database
from db.interactions.decayed_counters import decayed_counts
from db.interactions.interactions import NewInteraction
from db.interactions.velocity_queries import count_first_engagements, refresh_velocities, trending_projects
from db.models import InteractionType, Project
from db.trend_constants import TrendConstants
from tests.conftest import CountStatements
from tests.db.interactions.test_interactions import NOON, populate, write

VIEW, LIKE = InteractionType.VIEW, InteractionType.LIKE
HOUR = timedelta(hours=1)
OURS = TrendConstants((0.0, 1.0, 0.0, 0.0), gravity=1.0, offset_h=2.0, background=1.0, oldest_h=168.0)


async def born(database: Database, hours_ago: float) -> None:
    async with database.write() as connection:
        await connection.execute(update(Project).values(created_at=NOON - hours_ago * HOUR))


async def velocities(database: Database) -> list[float]:
    rows = await database.fetch(select(Project.engagement_velocity, Project.last_velocity_update).order_by(Project.id))
    assert {row.last_velocity_update for row in rows} == {NOON}
    return [row.engagement_velocity for row in rows]


async def test_ours_is_people_by_a_power_of_age(database: Database) -> None:
    actors, (one, two, _) = await populate(database, 8)
    await born(database, 6)
    before = await database.fetch(select(Project.updated_at).order_by(Project.id))
    await write(database, *(NewInteraction(actor, one, VIEW, NOON - 6 * HOUR) for actor in actors))
    await write(database, NewInteraction(actors[0], two, LIKE, NOON))
    await refresh_velocities(database, OURS, NOON)
    assert await velocities(database) == pytest.approx([4 / (8 / 2), 0.0, 0.0])
    assert await database.fetch(select(Project.updated_at).order_by(Project.id)) == before


async def test_the_plans_is_growth_by_age(database: Database) -> None:
    actors, (one, two, three) = await populate(database, 6)
    await born(database, 5 * 24)
    await write(database, *(NewInteraction(actor, one, LIKE, NOON - HOUR) for actor in actors))
    await write(database, *(NewInteraction(actor, one, LIKE, NOON - 30 * HOUR) for actor in actors[:2]))
    await write(database, *(NewInteraction(actor, two, VIEW, NOON - 2 * HOUR) for actor in actors[:3]))
    await write(database, *(NewInteraction(actor, three, VIEW, NOON - 40 * HOUR) for actor in actors))
    await refresh_velocities(database, None, NOON)
    assert await velocities(database) == pytest.approx([0.7 * 2 / 1.5, 0.3 * 3 / 1.5, 0.0])


async def test_the_statements_are_as_many_whatever_the_size(database: Database, statements: CountStatements) -> None:
    await populate(database, 2, 3)
    with statements(database) as few:
        await refresh_velocities(database, OURS, NOON)
    actors, projects = await populate(database, 12, 80)
    await write(database, *(NewInteraction(actor, project, VIEW, NOON) for actor in actors for project in projects))
    with statements(database) as many:
        await refresh_velocities(database, OURS, NOON)
    assert len(few) == len(many) <= 80
    assert (await decayed_counts(database, projects, NOON)).min() == pytest.approx(12)


async def test_an_empty_catalogue_has_nothing_to_mend(database: Database) -> None:
    await refresh_velocities(database, OURS, NOON)


async def test_trending_projects_are_in_the_order_of_the_formula(database: Database) -> None:
    actors, (one, two, three) = await populate(database, 8)
    await born(database, 6)
    await write(database, *(NewInteraction(actor, two, VIEW, NOON - HOUR) for actor in actors))
    await write(database, *(NewInteraction(actor, one, VIEW, NOON - HOUR) for actor in actors[:5]))
    await write(database, NewInteraction(actors[0], three, VIEW, NOON))
    found, sums = await trending_projects(
        database, OURS, NOON, floor=3.0, floor_half_life=2, limit=10, where=ProjectFilter()
    )  # fmt: skip
    assert [mover.id for mover in found] == [two, one]
    assert sums[:, 0] == pytest.approx([4.0, 2.5])
    assert [mover.age_h for mover in found] == pytest.approx([6.0, 6.0])


async def test_first_engagements_are_counted_in_the_window_and_before_it(database: Database) -> None:
    actors, (one, two, _) = await populate(database, 20)
    for place, actor in enumerate(actors):
        await write(database, NewInteraction(actor, one, VIEW, NOON - (place + 0.5) * HOUR))
        await write(database, NewInteraction(actor, one, LIKE, NOON))
    found = await count_first_engagements(database, [one, two], 2 * HOUR, NOON)
    assert found == {one: (2, 2.0)}
