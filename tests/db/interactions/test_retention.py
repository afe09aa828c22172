"""What has had its time is forgotten, and what follows from it stays."""

from datetime import timedelta

from sqlalchemy import select, text

from db.database.column_types import UNKNOWN_TIME
from db.database.engine import Database
from db.interactions.client_interactions import record_client_interactions
from db.interactions.engagement import NewInteraction
from db.interactions.retention import delete_expired
from db.models import Engagement, EventId, Interaction, InteractionType, NetworkCount, now
from db.partitions import prepare_partitions
from tests.db.interactions.test_interactions import populate, write

VIEW, KEEP = InteractionType.VIEW, timedelta(days=90)


async def test_old_events_go_and_what_they_said_stays(database: Database) -> None:
    (ann, *_), (one, two, three) = await populate(database)
    old, young, at = now() - timedelta(days=200), now() - timedelta(days=2), now()
    await prepare_partitions(database, [old, young, UNKNOWN_TIME])
    await write(
        database,
        NewInteraction(ann, one, VIEW, old),
        NewInteraction(ann, two, VIEW, young),
        NewInteraction(ann, three, VIEW),
    )
    await delete_expired(database, at, KEEP)
    left = await database.fetch(select(Interaction.at).order_by(Interaction.at))
    assert [row.at for row in left] == [UNKNOWN_TIME, young]
    assert len(await database.fetch(select(Engagement.project_id))) == 3


async def test_a_month_that_is_partly_young_stays_whole_on_postgresql(postgresql_database: Database) -> None:
    (ann, *_), (one, *_) = await populate(postgresql_database)
    at = now().replace(day=15)
    edge = (at - KEEP).replace(day=2)
    before = edge - timedelta(days=5)
    await prepare_partitions(postgresql_database, [edge, before])
    await write(postgresql_database, NewInteraction(ann, one, VIEW, edge), NewInteraction(ann, one, VIEW, before))
    await delete_expired(postgresql_database, at, KEEP)
    left = await postgresql_database.fetch(select(Interaction.at))
    assert [row.at for row in left] == [edge]
    months = await postgresql_database.fetch(
        text("SELECT to_regclass(:name) AS there"), {"name": f"interactions_{before:%Y_%m}"}
    )
    assert months[0].there is None


async def test_expired_ids_and_network_counts_are_deleted(database: Database) -> None:
    (ann, bob, _), (one, two, _) = await populate(database)
    at = now()
    async with database.write() as connection:
        await record_client_interactions(connection, [NewInteraction(ann, one, VIEW, at, groups=("room",))], ["first"])
    await delete_expired(database, at + timedelta(days=6), KEEP)
    assert len(await database.fetch(select(EventId.event_id))) == 1
    await delete_expired(database, at + timedelta(days=9), KEEP)
    assert await database.fetch(select(EventId.event_id)) == []
    assert await database.fetch(select(NetworkCount.network)) == []
    async with database.write() as connection:
        assert await record_client_interactions(connection, [NewInteraction(bob, two, VIEW, at)], ["first"]) == [True]
