"""What has had its time is forgotten, and what follows from it stays."""

from datetime import timedelta

from sqlalchemy import select, text

from db.activity.events import Event
from db.activity.partitions import prepare_partitions
from db.activity.retention import forget
from db.activity.sent import record_sent
from db.columns import UNKNOWN_TIME
from db.engine import Database
from db.models import Crowd, Engagement, EventId, Interaction, InteractionType, now
from tests.db.activity.test_interactions import populate, write

VIEW, KEEP = InteractionType.VIEW, timedelta(days=90)


async def test_old_events_go_and_what_they_said_stays(database: Database) -> None:
    (ann, *_), (one, two, three) = await populate(database)
    old, young, at = now() - timedelta(days=200), now() - timedelta(days=2), now()
    await prepare_partitions(database, [old, young, UNKNOWN_TIME])
    await write(database, Event(ann, one, VIEW, old), Event(ann, two, VIEW, young), Event(ann, three, VIEW))
    await forget(database, at, KEEP)
    left = await database.fetch(select(Interaction.at).order_by(Interaction.at))
    assert [row.at for row in left] == [UNKNOWN_TIME, young]
    assert len(await database.fetch(select(Engagement.project_id))) == 3


async def test_a_month_that_is_partly_young_stays_whole_on_postgresql(postgresql_database: Database) -> None:
    (ann, *_), (one, *_) = await populate(postgresql_database)
    at = now().replace(day=15)
    edge = (at - KEEP).replace(day=2)
    before = edge - timedelta(days=5)
    await prepare_partitions(postgresql_database, [edge, before])
    await write(postgresql_database, Event(ann, one, VIEW, edge), Event(ann, one, VIEW, before))
    await forget(postgresql_database, at, KEEP)
    left = await postgresql_database.fetch(select(Interaction.at))
    assert [row.at for row in left] == [edge]
    months = await postgresql_database.fetch(
        text("SELECT to_regclass(:name) AS there"), {"name": f"interactions_{before:%Y_%m}"}
    )
    assert months[0].there is None


async def test_ids_and_crowds_are_forgotten_when_they_can_mean_nothing_any_more(database: Database) -> None:
    (ann, bob, _), (one, two, _) = await populate(database)
    at = now()
    async with database.write() as connection:
        await record_sent(connection, [Event(ann, one, VIEW, at, network="room")], ["first"])
    await forget(database, at + timedelta(days=6), KEEP)
    assert len(await database.fetch(select(EventId.event_id))) == 1
    await forget(database, at + timedelta(days=9), KEEP)
    assert await database.fetch(select(EventId.event_id)) == []
    assert await database.fetch(select(Crowd.network)) == []
    async with database.write() as connection:
        assert await record_sent(connection, [Event(bob, two, VIEW, at)], ["first"]) == [True]
