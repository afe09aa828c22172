"""Partitions of old months come with a bulk load, and give way to whoever writes."""

from datetime import UTC, datetime

from sqlalchemy import literal_column, select, text

from db.database.column_types import UNKNOWN_TIME
from db.database.engine import Database
from db.interactions.interactions import NewInteraction
from db.models import Interaction, InteractionType, Project
from db.partitions import prepare_partitions
from tests.db.interactions.test_interactions import populate, write

VIEW = InteractionType.VIEW


async def test_old_events_get_their_months_partitions(postgresql_database: Database) -> None:
    (ann, *_), (one, *_) = await populate(postgresql_database)
    old = datetime(2016, 3, 14, tzinfo=UTC)
    await write(postgresql_database, NewInteraction(ann, one, VIEW, old))
    standing = select(Interaction.at, literal_column("tableoid::regclass::text").label("partition"))
    assert (await postgresql_database.fetch(standing))[0].partition == "interactions_default"
    await prepare_partitions(postgresql_database, [old, UNKNOWN_TIME])
    assert (await postgresql_database.fetch(standing))[0].partition == "interactions_2016_03"


async def test_partitions_give_way_to_whoever_writes(postgresql_database: Database) -> None:
    async with postgresql_database.write() as connection:
        await connection.execute(Project.__table__.update().values(title="x"))
        await prepare_partitions(postgresql_database, [datetime(2016, 3, 14, tzinfo=UTC)])
    found = await postgresql_database.fetch(text("SELECT to_regclass('interactions_2016_03') AS name"))
    assert found[0].name is None
