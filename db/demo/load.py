"""Loading of the demo into an empty database, through the product's own writes."""

from collections.abc import Sequence
from functools import cache

from sqlalchemy import bindparam, exists, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from db.actors.users import upsert_users
from db.catalog.catalog_entries import upsert_categories, upsert_projects, upsert_tools
from db.database.column_types import UNKNOWN_TIME, TextList, in_list
from db.database.engine import Database
from db.demo.data import SEED, DemoData, demo_people
from db.interactions.interactions import NewInteraction, record_interactions
from db.models import Actor, Project, User
from db.partitions import prepare_partitions
from db.records import InteractionRecord

BATCH_EVENTS = 5_000

_HAS_ROWS = select(exists(select(User.id)) | exists(select(Project.id)))
_LOCK = select(func.pg_advisory_xact_lock(7_236_011))
_ACTORS = select(User.key, Actor.id).join(Actor, Actor.user_id == User.id)
_PROJECTS = select(Project.key, Project.id)
_NAMES = select(User.key, User.username).where(in_list(User.key, bindparam("keys", type_=TextList())))


async def is_empty(database: Database) -> bool:
    """Return whether the database holds neither users nor projects, so that the demo may be loaded."""
    [row] = await database.fetch(_HAS_ROWS)
    return not row[0]


async def holds_demo(database: Database) -> bool:
    """Return whether the database holds the demo data: most of its people, matched by key and name.

    Some of them may have been deleted; a platform's own database holds none of them, whatever its users' keys are.
    """
    people = _people()
    rows = await database.fetch(_NAMES, {"keys": sorted(people)})
    found = sum(1 for row in rows if people[row.key] == row.username)
    return 2 * found > len(people)


@cache
def _people() -> dict[str, str]:
    return {person.record.key: person.record.username for person in demo_people(SEED)}


async def load(database: Database, data: DemoData) -> None:
    """Write the demo in one transaction; a database that holds anything already stays as it is.

    Of two servers that start at once on one database, one loads the demo and the other finds it loaded.
    """
    await prepare_partitions(database, (one.at for one in data.interactions if one.at is not None))
    async with database.write() as connection:
        if not database.is_sqlite:  # SQLite's BEGIN IMMEDIATE lets in one writer at a time anyway
            await connection.execute(_LOCK)
        if await connection.scalar(_HAS_ROWS):
            return
        await _load_catalog(connection, data)
        await _load_interactions(connection, data.interactions)


async def _load_catalog(connection: AsyncConnection, data: DemoData) -> None:
    results = [
        await upsert_tools(connection, data.tools),
        await upsert_categories(connection, data.categories),
        await upsert_users(connection, data.users),
        await upsert_projects(connection, data.projects),
    ]
    for result in results:
        for refusal in result.refused:
            raise refusal.error


async def _load_interactions(connection: AsyncConnection, interactions: Sequence[InteractionRecord]) -> None:
    actors = {row.key: row.id for row in await connection.execute(_ACTORS)}
    projects = {row.key: row.id for row in await connection.execute(_PROJECTS)}
    events = [NewInteraction(actors[i.user], projects[i.project], i.type, i.at or UNKNOWN_TIME) for i in interactions]
    for start in range(0, len(events), BATCH_EVENTS):
        await record_interactions(connection, events[start : start + BATCH_EVENTS])
