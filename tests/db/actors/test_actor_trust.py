"""How far somebody can be relied on is what the truth knows, and no client can add to it."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from db.actors.actor_trust import TrustInputs, read_trust_inputs
from db.database.engine import Database
from db.interactions.interactions import NewInteraction
from db.models import Actor, InteractionType, now
from tests.db.interactions.test_interactions import populate, write

VIEW = InteractionType.VIEW


async def read(database: Database, actor: int) -> TrustInputs:
    async with database.write() as connection:
        return await read_trust_inputs(connection, actor, now())


async def test_a_new_actor_is_new_whatever_times_its_events_claim(database: Database) -> None:
    (ann, *_), (one, two, _) = await populate(database)
    await write(
        database, NewInteraction(ann, one, VIEW, now() - timedelta(days=6.9)), NewInteraction(ann, two, VIEW, now())
    )
    found = await read(database, ann)
    assert (found.signed_in, found.recent_projects) == (True, 1)
    assert found.age_days == pytest.approx(0.0, abs=0.01)


async def test_an_imported_past_is_believed(database: Database) -> None:
    (ann, *_), (one, *_) = await populate(database)
    await write(database, NewInteraction(ann, one, VIEW, now() - timedelta(days=40)))
    assert (await read(database, ann)).age_days == pytest.approx(33.0, abs=0.01)


async def test_an_old_row_is_old(database: Database) -> None:
    (ann, *_), _ = await populate(database)
    async with database.write() as connection:
        await connection.execute(update(Actor).values(created_at=now() - timedelta(days=9)))
    assert (await read(database, ann)).age_days == pytest.approx(9.0, abs=0.01)
