"""Interests learned from what somebody does: by numbers worked out by hand, and through both engines."""

import asyncio
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select

from db.actors.actor_preferences import change_preferences
from db.actors.profiles import interests_of
from db.actors.stated_interests import remove_interest, store_stated_interests
from db.database.engine import Database
from db.interactions.engagement_by_term import EngagementByTerm
from db.models import Actor, InteractionType, InterestSource, OutboxRow, Term, TermKind
from db.records import InterestRecord
from scoring import tunables
from scoring.profiles.interest_learning import learn_interests, learned
from tests.conftest import CountStatements
from tests.world import BEGIN, MOMENT, World, embedded_world


def did(*entries: tuple[int, int, float, int, float]) -> EngagementByTerm:
    """Return engagement of (actor, term, interactions, projects, total)."""
    table = np.array(entries, dtype=np.float64).reshape(-1, 5)
    whole = table.astype(np.int64)
    return EngagementByTerm(whole[:, 0], whole[:, 1], table[:, 2], whole[:, 3], table[:, 4])


def test_confidence_is_half_of_what_it_can_be_at_five_views_and_never_reaches_what_is_stated() -> None:
    found = learned(did((1, 7, 5.0, 5, 5.0), (1, 8, 1e9, 9, 1e9)), np.array([0.1, 0.1]))
    assert found == {(1, 8): 0.5, (1, 7): 0.25}
    assert tunables.MAX_LEARNED_CONFIDENCE < 1


@pytest.mark.parametrize(
    ("interactions", "projects", "total", "share", "is_learned"),
    [
        (5.0, 3, 10.0, 0.3, True),
        (5.0, 2, 10.0, 0.3, False),  # too few projects
        (5.0, 3, 10.0, 0.4, False),  # half of what was touched, where the catalog is 40 % of it
        (1.0, 3, 1.0, 0.1, False),  # long ago: .083
        (0.0, 3, 0.0, 0.0, False),
    ],
)
def test_a_term_is_learned_from_enough_projects_touched_more_often_than_they_are_offered(
    interactions: float, projects: int, total: float, share: float, is_learned: bool
) -> None:
    assert bool(learned(did((1, 7, interactions, projects, total)), np.array([share]))) is is_learned


def test_only_the_ten_surest_of_each_actor_are_learned() -> None:
    entries = [(actor, term, 5.0 + term, 3, 5.0 + term) for actor in (1, 2) for term in range(12)]
    found = learned(did(*entries), np.zeros(24))
    assert found.keys() == {(actor, term) for actor in (1, 2) for term in range(2, 12)}


@pytest.fixture
async def world(database: Database, tmp_path: Path):  # type: ignore[no-untyped-def]
    async with embedded_world(database, tmp_path) as world:
        await world.add_users("ada", "bob")
        await world.add_projects(42)
        # Ada reads about painting (p0000, p0006, …), and here and there about something else.
        await world.act("ada", InteractionType.LIKE, "p0000", "p0006", "p0012")
        await world.act("ada", InteractionType.VIEW, "p0018", "p0024", "p0001", "p0002")
        yield world


async def known(world: World, user: str = "ada") -> dict[str, tuple[float, str]]:
    viewer = await world.viewer(user)
    assert viewer.actor_id is not None
    found = await interests_of(world.stores.database, viewer.actor_id)
    return {tag.key: (round(tag.confidence, 2), tag.source) for tag in found}


async def test_what_somebody_comes_back_to_becomes_an_interest(world: World) -> None:
    before = (await world.viewer("ada")).version
    assert await learn_interests(world.stores.database, MOMENT) == 1
    # 3 likes and 2 views: 8 of 8 + 5, times a half.
    assert await known(world) == {"painting": (0.31, InterestSource.LEARNED)}
    assert (await world.viewer("ada")).version == before + 1
    assert await known(world, "bob") == {}
    assert await learn_interests(world.stores.database, MOMENT) == 0, "nothing new"
    waiting = await world.stores.database.fetch(select(OutboxRow.key).where(OutboxRow.kind == "profile"))
    assert str((await world.viewer("ada")).actor_id) in {row.key for row in waiting}


async def test_it_fades_when_nothing_follows_and_is_forgotten_in_the_end(world: World) -> None:
    await learn_interests(world.stores.database, MOMENT)
    await learn_interests(world.stores.database, BEGIN + timedelta(days=60))
    assert await known(world) == {"painting": (0.22, InterestSource.LEARNED)}  # 4 of 4 + 5
    await learn_interests(world.stores.database, BEGIN + timedelta(days=400))
    assert await known(world) == {}


async def test_what_was_stated_or_imported_is_never_written_over(world: World) -> None:
    await world.add_users("ada", tags=[InterestRecord(name="painting", kind=TermKind.CATEGORY, confidence=0.2)])
    assert await learn_interests(world.stores.database, MOMENT) == 0
    assert await known(world) == {"painting": (0.2, InterestSource.IMPORTED)}
    actor_id, painting = await painting_of(world)
    async with world.stores.database.write() as connection:
        await store_stated_interests(connection, actor_id, painting)
    assert await learn_interests(world.stores.database, MOMENT) == 0
    assert await known(world) == {"painting": (1.0, InterestSource.MANUAL)}


async def painting_of(world: World, user: str = "ada"):  # type: ignore[no-untyped-def]
    [row] = await world.stores.database.fetch(select(Term.id).where(Term.key == "painting"))
    return (await world.viewer(user)).actor_id, [row.id]


async def test_what_was_taken_away_is_never_learned_again(world: World) -> None:
    await learn_interests(world.stores.database, MOMENT)
    actor_id, [painting] = await painting_of(world)
    async with world.stores.database.write() as connection:
        assert await remove_interest(connection, actor_id, painting)
    await world.act("ada", InteractionType.LIKE, "p0030", "p0036")
    assert await learn_interests(world.stores.database, MOMENT) == 0
    assert await known(world) == {}


async def test_taking_away_while_it_is_learned_wins(world: World) -> None:
    await learn_interests(world.stores.database, MOMENT)
    actor_id, [painting] = await painting_of(world)

    async def take_away() -> None:
        async with world.stores.database.write() as connection:
            await remove_interest(connection, actor_id, painting)

    for day in range(0, 60, 12):
        await asyncio.gather(take_away(), learn_interests(world.stores.database, BEGIN + timedelta(days=day)))
    assert await known(world) == {}


@pytest.mark.parametrize(
    ("setting", "wanted"),
    [
        ("personalized", {}),
        ("learn_from_likes", {}),  # two views of painting are too few
        ("learn_from_views", {"painting": (0.27, InterestSource.LEARNED)}),  # three likes: 6 of 6 + 5
        ("use_interests", {"painting": (0.31, InterestSource.LEARNED)}),
    ],
)
async def test_nothing_is_learned_from_what_the_viewer_does_not_let_count(
    world: World, setting: str, wanted: dict[str, tuple[float, str]]
) -> None:
    actor_id = (await world.viewer("ada")).actor_id
    assert actor_id is not None
    async with world.stores.database.write() as connection:
        await change_preferences(connection, actor_id, {setting: False})
    await learn_interests(world.stores.database, MOMENT)
    assert await known(world) == wanted


async def test_it_takes_a_constant_number_of_statements_however_many_actors_learn(
    world: World, statements: CountStatements
) -> None:
    counts = []
    for start, many in ((0, 2), (10, 30)):
        people = [f"reader-{start + n}" for n in range(many)]
        await world.add_users(*people)
        for person in people:
            await world.act(person, InteractionType.LIKE, "p0003", "p0009", "p0015")
        with statements(world.stores.database) as issued:
            assert await learn_interests(world.stores.database, MOMENT) >= many
        counts.append(len(issued))
    # The catalog (2), the last actor; totals and interactions; stored, the lock, others, taken away, the write; version
    # and outbox.
    assert counts == [12, 12]
    assert len(await world.stores.database.fetch(select(Actor.id))) == 34
