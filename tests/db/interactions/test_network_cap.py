"""A room full of people counts as a few."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from db.database.engine import Database
from db.interactions.decayed_counters import decayed_counts
from db.interactions.interactions import NewInteraction
from db.interactions.network_cap import FULL_WEIGHT_ACTORS, network_weight
from db.interactions.retention import delete_expired
from db.models import InteractionType, NetworkCount
from tests.conftest import CountStatements
from tests.db.interactions.test_interactions import NOON, populate, write

VIEW = InteractionType.VIEW


def test_a_network_never_counts_more_than_twice_the_full_weight_actors() -> None:
    shares = [network_weight(place) for place in range(1, 100_000)]
    assert shares[:3] == [1.0, 1.0, 1.0]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) < 2 * FULL_WEIGHT_ACTORS


async def test_people_of_one_network_count_less_and_less_and_others_in_full(database: Database) -> None:
    actors, (one, two, *_) = await populate(database, 60, 2)
    for actor in actors[:50]:
        await write(database, NewInteraction(actor, one, VIEW, NOON, network="room"))
    await write(database, *(NewInteraction(actor, two, VIEW, NOON, network=f"home-{actor}") for actor in actors[:50]))
    await write(database, *(NewInteraction(actor, one, VIEW, NOON) for actor in actors[50:]))
    found = await decayed_counts(database, [one, two], NOON)
    assert 10 + FULL_WEIGHT_ACTORS < found[0, 0] < 10 + 2 * FULL_WEIGHT_ACTORS
    assert found[1, 0] == pytest.approx(50)


async def test_a_network_counts_alike_in_one_batch_and_in_many(database: Database, statements: CountStatements) -> None:
    actors, (one, two, *_) = await populate(database, 20, 2)
    for actor in actors:
        await write(database, NewInteraction(actor, one, VIEW, NOON, network="room"))
    with statements(database) as issued:
        await write(database, *(NewInteraction(actor, two, VIEW, NOON, network="room") for actor in actors))
    found = await decayed_counts(database, [one, two], NOON)
    assert found[0] == pytest.approx(found[1])
    assert len(issued) <= 12, issued


async def test_an_actor_counts_once_for_a_network(database: Database) -> None:
    (ann, *_), (one, *_) = await populate(database)
    for minutes in range(5):
        await write(database, NewInteraction(ann, one, VIEW, NOON + timedelta(minutes=minutes), network="room"))
    assert [row.actors for row in await database.fetch(select(NetworkCount.actors))] == [1.0]


async def test_a_network_count_without_new_actors_is_deleted(database: Database) -> None:
    (ann, bob, _), (one, *_) = await populate(database)
    await write(database, NewInteraction(ann, one, VIEW, NOON - timedelta(days=8), network="old"))
    await write(database, NewInteraction(bob, one, VIEW, NOON, network="new"))
    await delete_expired(database, NOON, keep=timedelta(days=365))
    assert [row.network for row in await database.fetch(select(NetworkCount.network))] == ["new"]
