"""A room full of people counts as a few."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from db.database.engine import Database
from db.interactions.decayed_counters import decayed_counts
from db.interactions.interactions import NewInteraction
from db.interactions.network_cap import BURST, FULL_WEIGHT_ACTORS, FULL_WEIGHT_BURST, SESSIONS, group_weight
from db.interactions.retention import delete_expired
from db.models import InteractionType, NetworkCount
from db.time_units import MIN_COUNTED_ACTORS
from scoring.mathematics.velocity import ANONYMOUS_TRUST
from tests.conftest import CountStatements
from tests.db.interactions.test_interactions import NOON, populate, write

VIEW = InteractionType.VIEW


def test_a_network_never_counts_more_than_twice_the_full_weight_actors() -> None:
    shares = [group_weight("room", place) for place in range(1, 100_000)]
    assert shares[:3] == [1.0, 1.0, 1.0]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) < 2 * FULL_WEIGHT_ACTORS


def test_all_sessions_of_a_project_weigh_less_than_half_a_person() -> None:
    assert sum(group_weight(SESSIONS, place) for place in range(1, 100_000)) * ANONYMOUS_TRUST < 0.5
    assert MIN_COUNTED_ACTORS >= 4 + 0.5, "four people and any number of sessions are below the minimum"


def test_a_burst_counts_in_full_only_where_people_came_before() -> None:
    assert sum(group_weight(BURST, place, place - 1.0) for place in range(1, 21)) < 2 * FULL_WEIGHT_BURST
    assert [group_weight(BURST, place, 40.0) for place in (4, 15)] == [1.0, 1.0]
    assert group_weight(BURST, 40, 40.0) < 0.1


async def test_twenty_users_at_once_count_as_six_and_imported_ones_in_full(database: Database) -> None:
    actors, (one, two, *_) = await populate(database, 20, 2)
    for actor in actors:
        await write(database, NewInteraction(actor, one, VIEW, NOON, groups=(BURST,)))
    assert 4 < (await decayed_counts(database, [one], NOON))[0, 0] < 7
    (counted,) = await database.fetch(select(NetworkCount.actors).where(NetworkCount.project_id == one))
    assert counted.actors == pytest.approx(20, rel=0.1)
    for actor in actors:
        await write(database, NewInteraction(actor, two, VIEW, NOON))
    assert (await decayed_counts(database, [two], NOON))[0, 0] == pytest.approx(20)


async def test_people_of_one_network_count_less_and_less_and_others_in_full(database: Database) -> None:
    actors, (one, two, *_) = await populate(database, 60, 2)
    for actor in actors[:50]:
        await write(database, NewInteraction(actor, one, VIEW, NOON, groups=("room",)))
    await write(database, *(NewInteraction(actor, two, VIEW, NOON, groups=(f"home-{actor}",)) for actor in actors[:50]))
    await write(database, *(NewInteraction(actor, one, VIEW, NOON) for actor in actors[50:]))
    found = await decayed_counts(database, [one, two], NOON)
    assert 10 + FULL_WEIGHT_ACTORS < found[0, 0] < 10 + 2 * FULL_WEIGHT_ACTORS
    assert found[1, 0] == pytest.approx(50)


async def test_a_network_counts_alike_in_one_batch_and_in_many(database: Database, statements: CountStatements) -> None:
    actors, (one, two, *_) = await populate(database, 20, 2)
    for actor in actors:
        await write(database, NewInteraction(actor, one, VIEW, NOON, groups=("room",)))
    with statements(database) as issued:
        await write(database, *(NewInteraction(actor, two, VIEW, NOON, groups=("room",)) for actor in actors))
    found = await decayed_counts(database, [one, two], NOON)
    assert found[0] == pytest.approx(found[1])
    assert len(issued) <= 12, issued


async def test_an_actor_counts_once_for_a_network(database: Database) -> None:
    (ann, *_), (one, *_) = await populate(database)
    for minutes in range(5):
        await write(database, NewInteraction(ann, one, VIEW, NOON + timedelta(minutes=minutes), groups=("room",)))
    assert [row.actors for row in await database.fetch(select(NetworkCount.actors))] == [1.0]


async def test_a_network_count_without_new_actors_is_deleted(database: Database) -> None:
    (ann, bob, _), (one, *_) = await populate(database)
    await write(database, NewInteraction(ann, one, VIEW, NOON - timedelta(days=8), groups=("old",)))
    await write(database, NewInteraction(bob, one, VIEW, NOON, groups=("new",)))
    await delete_expired(database, NOON, keep=timedelta(days=365))
    assert [row.network for row in await database.fetch(select(NetworkCount.network))] == ["new"]
