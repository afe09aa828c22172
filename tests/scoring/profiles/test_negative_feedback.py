"""What was seen and let pass, and what is like what was dismissed, speaks against a project."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from db.actors.actor_preferences import change_preferences
from db.custom_types import CustomType, synchronize_custom_types
from db.interactions.actor_history import impression_counts, last_disliked
from db.interactions.interactions import NewInteraction, dismiss, record_interactions
from db.models import InteractionType
from db.platform_inputs import PlatformInputs
from scoring import tunables
from scoring.deadlines import PATIENT
from scoring.feeds import Feeds
from scoring.mathematics.signals import Signal
from scoring.models.active_model import fixed_model
from scoring.models.model_presets import DEFAULT
from scoring.profiles.negative_feedback import impression_fatigue
from scoring.ranking import Page
from tests.scoring.test_feeds import Forgetful
from tests.world import ANYTHING, MOMENT, World, keys_of, world_fixture


async def one_viewer(world: World) -> None:
    """Add a viewer who has liked one of forty projects."""
    await world.add_users("maker", "ada")
    await world.add_projects(40, owner="maker")
    await world.act("ada", InteractionType.LIKE, "p0000")
    await world.settle()


world = world_fixture(one_viewer)


async def page_of(world: World) -> Page:
    # An impression raises no version: it shows when the next ranking is made, here at once.
    stores = replace(world.stores, cache=Forgetful())  # type: ignore[arg-type]
    feeds = Feeds(stores, fixed_model(DEFAULT), clock=lambda: MOMENT, deadlines=PATIENT, exploration=0.0)
    return await feeds.for_you(await world.viewer("ada"), 40, None, ANYTHING)


def value(page: Page, signal: Signal, key: str) -> float:
    (found,) = [e.scored for e in page.entries if page.projects[e.project_id].content.key == key]
    return found.values[found.signals.index(signal)]


def test_fatigue_counts_what_was_seen_and_not_come_to_up_to_a_limit():
    shown, untouched = np.array([0, 3, 50, 3]), np.array([True, True, True, False])
    assert impression_fatigue(shown, untouched).tolist() == [0, 3, tunables.MAX_IMPRESSION_FATIGUE, 0]


async def test_what_is_seen_again_and_again_sinks_until_the_viewer_comes_to_it(world: World):
    before = await page_of(world)
    first = next(key for key in keys_of(before) if key != "p0000")  # which the viewer has come to already
    for hours in range(8):
        await world.act("ada", InteractionType.IMPRESSION, first, at=MOMENT - timedelta(hours=1 + hours))
    await world.act(
        "ada", InteractionType.IMPRESSION, first, at=MOMENT - timedelta(days=tunables.IMPRESSION_FATIGUE_DAYS + 1)
    )
    after = await page_of(world)
    assert value(after, Signal.IMPRESSION_FATIGUE, first) == 8
    assert keys_of(after).index(first) > keys_of(before).index(first)
    viewer = await world.viewer("ada")
    assert viewer.actor_id is not None
    async with world.stores.database.write() as connection:
        await change_preferences(connection, viewer.actor_id, {"show_read": True})
    await world.act("ada", InteractionType.VIEW, first)
    assert value(await page_of(world), Signal.IMPRESSION_FATIGUE, first) == 0


async def test_what_is_like_the_dismissed_counts_against_a_project_the_more_the_oftener(world: World):
    viewer = await world.viewer("ada")
    page = await page_of(world)
    assert all(e.scored.contribution(Signal.SIMILAR_TO_DISMISSED) == 0 for e in page.entries)
    seen = []
    for key in ("p0003", "p0009", "p0015"):  # alike in their category and tool
        (project,) = await world.ids([key])
        async with world.stores.database.write() as connection:
            await dismiss(connection, viewer.actor_id, project, MOMENT)
        seen.append(value(await page_of(world), Signal.SIMILAR_TO_DISMISSED, "p0021"))
    assert 0 < seen[0] < seen[1] < seen[2] <= 1


async def test_somebody_who_likes_as_much_of_a_kind_as_they_dismiss_has_nothing_against_it(world: World):
    viewer = await world.viewer("ada")
    await world.act("ada", InteractionType.LIKE, "p0009", "p0015")
    (project,) = await world.ids(["p0003"])
    async with world.stores.database.write() as connection:
        await dismiss(connection, viewer.actor_id, project, MOMENT)
    by_owner = 1 / tunables.DISMISSALS_FOR_FULL
    assert value(await page_of(world), Signal.SIMILAR_TO_DISMISSED, "p0021") == pytest.approx(by_owner)


async def test_the_latest_dismissals_are_read_and_the_latest_impressions_counted(world: World):
    viewer, database = await world.viewer("ada"), world.stores.database
    assert viewer.actor_id is not None
    ids = await world.ids(["p0001", "p0002"])
    for project in ids:
        async with database.write() as connection:
            await dismiss(connection, viewer.actor_id, project, MOMENT)
    assert len(await last_disliked(database, viewer.actor_id, 1, with_custom_types=False)) == 1
    assert len(await last_disliked(database, viewer.actor_id, 10, with_custom_types=False)) == 2
    await world.act("ada", InteractionType.IMPRESSION, "p0003", at=MOMENT - timedelta(hours=2))
    await world.act("ada", InteractionType.IMPRESSION, "p0003", at=MOMENT - timedelta(hours=4))
    (third,) = await world.ids(["p0003"])
    assert await impression_counts(database, viewer.actor_id, MOMENT - timedelta(hours=3)) == {third: 1}


async def test_a_negative_interaction_of_a_custom_type_counts_as_a_dismissal_and_hides_nothing(world: World):
    reported = CustomType("reported", "reported", positive_from=None, negative_to=0.0)
    types = await synchronize_custom_types(world.stores.database, (reported,))
    world.stores = replace(world.stores, platform=PlatformInputs(types))
    viewer = await world.viewer("ada")
    (project,) = await world.ids(["p0003"])
    async with world.stores.database.write() as connection:
        event = NewInteraction(viewer.actor_id or 0, project, "reported", MOMENT, **types.attributes("reported", None))
        await record_interactions(connection, [event])
    page = await page_of(world)
    assert "p0003" in keys_of(page)
    assert value(page, Signal.SIMILAR_TO_DISMISSED, "p0009") > 0
