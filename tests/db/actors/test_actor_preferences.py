"""Viewers' own settings in the truth."""

import asyncio
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import insert, select, update

from db.actors.actor_preferences import Preferences, change_preferences, preferences_in
from db.actors.users import find_viewer
from db.database.engine import Database
from db.models import Actor


async def seed(database: Database) -> None:
    async with database.write() as connection:
        await connection.execute(insert(Actor), [{"id": 1, "session_key": "s"}])


async def change(database: Database, **changes: Any) -> bool:
    async with database.write() as connection:
        return await change_preferences(connection, 1, changes)


async def stored(database: Database) -> tuple[Preferences, int]:
    viewer = await find_viewer(database, session_key="s")
    return preferences_in(viewer.settings), viewer.version


async def test_what_is_changed_is_read_back_and_the_rest_stays(database: Database) -> None:
    await seed(database)
    assert await stored(database) == (Preferences(), 0)
    assert await change(database, social_signals=False)
    assert await change(database, discovery=80)
    assert await stored(database) == (Preferences(social_signals=False, discovery=80), 2)


async def test_what_is_the_same_changes_nothing(database: Database) -> None:
    await seed(database)
    assert not await change(database)
    assert not await change(database, personalized=True, discovery=50)
    assert await stored(database) == (Preferences(), 0)


async def test_a_value_that_cannot_be_leaves_everything_as_it_was(database: Database) -> None:
    await seed(database)
    for changes in ({"discovery": 101}, {"discovery": -1}, {"social_signals": False, "discovery": 1_000}):
        with pytest.raises(ValidationError):
            await change(database, **changes)
    assert await stored(database) == (Preferences(), 0)


async def test_other_settings_of_the_actor_are_left_alone(database: Database) -> None:
    await seed(database)
    async with database.write() as connection:
        await connection.execute(update(Actor).values(settings={"other": [1, "ä"]}))
    await change(database, use_interests=False)
    (row,) = await database.fetch(select(Actor.settings))
    assert row.settings["other"] == [1, "ä"]
    assert (await stored(database))[0] == Preferences(use_interests=False)


async def test_changes_at_once_are_all_kept(database: Database) -> None:
    await seed(database)
    names = ("personalized", "use_interests", "learn_from_views", "learn_from_likes", "social_signals")
    assert all(await asyncio.gather(*(change(database, **{name: False}) for name in names)))
    assert await stored(database) == (Preferences(**dict.fromkeys(names, False)), 5)


def test_a_setting_of_a_later_version_is_no_fault() -> None:
    assert preferences_in({"preferences": {"discovery": 10, "colours": True}}) == Preferences(discovery=10)


def test_the_earlier_name_of_a_stored_setting_is_read() -> None:
    assert preferences_in({"preferences": {"use_topics": False}}) == Preferences(use_interests=False)
