"""Counterfactuals are the smallest sets of causes, and removing them really removes the project."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete

from db.actors.profiles import EngagedProject, StoredInterest
from db.actors.users import increment_versions
from db.models import ActorInterest, Engagement, InteractionType, Like, OutboxKind, TermKind
from db.outbox import enqueue
from db.records import InterestRecord
from scoring.collaborative.collaborative_training import train_collaborative_model
from scoring.deadlines import PATIENT
from scoring.explanation.counterfactual_search import Cause, combined_exclusion, smallest_removal
from scoring.feeds import Feeds
from scoring.mathematics.additive_model import BASELINE, Model
from scoring.models.active_model import fixed_model
from scoring.models.model_presets import DEFAULT
from scoring.profiles.viewer_profile import load_profile
from scoring.tunables import FIRST_PAGE_SIZE
from tests.templates import Template
from tests.world import ANYTHING, BEGIN, MOMENT, World, world_fixture

# --- the search -----------------------------------------------------------------------------------------------------


def a_tag(number: int) -> Cause:
    return Cause(StoredInterest(number, TermKind.TOPIC, f"t{number}", f"T{number}", 1.0, "manual", BEGIN))


def a_touch(number: int) -> Cause:
    return Cause(engagement=EngagedProject(number, 1, BEGIN, None))


CAUSES = (a_tag(1), a_touch(1), a_tag(2))


@given(st.sets(st.sampled_from(range(8))))
async def test_the_smallest_verified_set_is_found(enough: set[int]):
    """`enough` are the sets (as bits) whose removal does it; adding to one does not help unless it is in there."""
    asked: list[int] = []

    async def leaves(chosen: Sequence[Cause]) -> bool:
        asked.append(sum(1 << CAUSES.index(cause) for cause in chosen))
        return asked[-1] in enough

    found = await smallest_removal(CAUSES, leaves)
    if not enough & {1, 7}:  # neither the likeliest alone nor all of them together
        assert found is None
        return
    assert found is not None
    assert sum(1 << CAUSES.index(cause) for cause in found) in enough
    for size in range(1, len(found)):
        for smaller in combinations(CAUSES, size):
            assert sum(1 << CAUSES.index(cause) for cause in smaller) not in enough
    assert len(asked) <= 7


async def test_nothing_is_found_without_causes():
    async def never(_: Sequence[Cause]) -> bool:
        raise AssertionError("nothing to ask")

    assert await smallest_removal((), never) is None


# --- a feed ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def template(sqlite_template: Template) -> Template:
    """One engine will do: what is tested is computed from rows."""
    return sqlite_template


async def a_large_catalog(world: World) -> None:
    """A large catalog, some people who came to a part of it, and one viewer with two interests and five touches."""
    tags = (InterestRecord(name="painting", kind=TermKind.CATEGORY), InterestRecord(name="tool-0", kind=TermKind.TOOL))
    await world.add_users("maker", *(f"u{n}" for n in range(7)))
    await world.add_users("ada", tags=tags)
    await world.add_users("plain")
    await world.add_projects(400, owner="maker")
    for n in range(7):
        keys = [f"p{k:04}" for k in range(3, 180, 6) if (k // 6 + n) % 2]
        await world.act(f"u{n}", InteractionType.LIKE, *keys)
    await world.act("ada", InteractionType.LIKE, "p0003", "p0009", "p0021")
    await world.act("ada", InteractionType.VIEW, "p0001", "p0007")
    await world.settle()
    await train_collaborative_model(world.stores.database)


world = world_fixture(a_large_catalog)


async def take_away(world: World, user: str, causes: Sequence[Cause]) -> None:
    """Really delete tags and all that was done with projects, as if they had never been."""
    viewer = await world.viewer(user)
    assert viewer.actor_id is not None
    async with world.stores.database.write() as connection:
        for cause in causes:
            if cause.interest is not None:
                mine = ActorInterest.actor_id == viewer.actor_id
                await connection.execute(
                    delete(ActorInterest).where(mine, ActorInterest.term_id == cause.interest.term_id)
                )
            if cause.engagement is not None:
                for table in (Engagement, Like):
                    mine = table.actor_id == viewer.actor_id
                    await connection.execute(delete(table).where(mine, table.project_id == cause.engagement.project_id))
        await increment_versions(connection, [viewer.actor_id])
        await enqueue(connection, OutboxKind.PROFILE, [str(viewer.actor_id)])
    await world.settle()


async def page_ids(feeds: Feeds, world: World, user: str) -> list[int]:
    page = await feeds.for_you(await world.viewer(user), FIRST_PAGE_SIZE, None, ANYTHING)
    return [entry.project_id for entry in page.entries]


@pytest.mark.parametrize("wanted", [min, max])
@pytest.mark.parametrize("model", [BASELINE, DEFAULT], ids=lambda model: model.name)
async def test_removing_the_causes_removes_the_project_and_removing_fewer_does_not(
    world: World, model: Model, wanted: Callable[..., int]
):
    feeds = Feeds(world.stores, fixed_model(model), clock=lambda: MOMENT, deadlines=PATIENT)
    page = await feeds.for_you(await world.viewer("ada"), FIRST_PAGE_SIZE, None, ANYTHING)
    explained = [entry.scored for entry in page.entries]
    found = await feeds.counterfactuals(await world.viewer("ada"), explained, ANYTHING)
    assert len(found) >= 3, "some of a page hangs on something of one's own"
    assert all(1 <= len(causes) <= 3 for causes in found.values())
    id_ = wanted(found, key=lambda one: len(found[one]))
    first, *rest = found[id_]
    if rest:
        await take_away(world, "ada", rest)
        assert id_ in await page_ids(feeds, world, "ada"), "less does not do it"
    await take_away(world, "ada", [first])
    assert id_ not in await page_ids(feeds, world, "ada")


async def test_a_project_outside_the_first_page_has_no_causes(world: World):
    viewer = await world.viewer("ada")
    page = await world.feeds.for_you(viewer, 100, None, ANYTHING)
    below = [entry.scored for entry in page.entries[FIRST_PAGE_SIZE:]]
    assert await world.feeds.counterfactuals(viewer, below, ANYTHING) == {}
    plain = await world.viewer("plain")
    popular = await world.feeds.for_you(plain, FIRST_PAGE_SIZE, None, ANYTHING)
    assert await world.feeds.counterfactuals(plain, [one.scored for one in popular.entries], ANYTHING) == {}


async def test_nothing_is_found_after_the_deadline(world: World):
    hurried = replace(PATIENT, counterfactual_s=0.0)
    feeds = Feeds(world.stores, clock=lambda: MOMENT, deadlines=hurried)
    viewer = await world.viewer("ada")
    page = await feeds.for_you(viewer, 5, None, ANYTHING)
    assert await feeds.counterfactuals(viewer, [entry.scored for entry in page.entries], ANYTHING) == {}


async def test_a_profile_with_exclusions_equals_that_of_an_actor_without_these_interactions(world: World):
    viewer = await world.viewer("ada")
    whole = await load_profile(world.stores, viewer, MOMENT, PATIENT)
    causes = [Cause(whole.interests[0]), Cause(engagement=whole.engagements[1])]
    imagined = await load_profile(world.stores, viewer, MOMENT, PATIENT, combined_exclusion(causes))
    await take_away(world, "ada", causes)
    real = await load_profile(world.stores, await world.viewer("ada"), MOMENT, PATIENT)
    assert (imagined.interests, imagined.engagements) == (real.interests, real.engagements)
    assert imagined.vector is not None
    assert real.vector is not None
    assert imagined.vector == pytest.approx(real.vector, abs=1e-6)
