"""How far somebody can be relied on is what the truth knows, and no client can add to it."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from db.activity.interactions import Event
from db.engine import Database
from db.models import Actor, InteractionType, now
from db.people.standing import Standing, standing
from tests.db.activity.test_interactions import populate, write

VIEW = InteractionType.VIEW


async def read(database: Database, actor: int) -> Standing:
    async with database.write() as connection:
        return await standing(connection, actor, now())


async def test_somebody_new_is_new_whatever_times_their_events_claim(database: Database) -> None:
    (ann, *_), (one, two, _) = await populate(database)
    await write(database, Event(ann, one, VIEW, now() - timedelta(days=6.9)), Event(ann, two, VIEW, now()))
    found = await read(database, ann)
    assert (found.signed_in, found.recent_projects) == (True, 1)
    assert found.age_days == pytest.approx(0.0, abs=0.01)


async def test_an_imported_past_is_believed(database: Database) -> None:
    (ann, *_), (one, *_) = await populate(database)
    await write(database, Event(ann, one, VIEW, now() - timedelta(days=40)))
    assert (await read(database, ann)).age_days == pytest.approx(33.0, abs=0.01)


async def test_an_old_row_is_old(database: Database) -> None:
    (ann, *_), _ = await populate(database)
    async with database.write() as connection:
        await connection.execute(update(Actor).values(created_at=now() - timedelta(days=9)))
    assert (await read(database, ann)).age_days == pytest.approx(9.0, abs=0.01)
