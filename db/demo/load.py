"""Putting the demo into an empty store, through the same writes that everything else goes through."""

from collections.abc import Mapping
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
from db.upsert_results import UpsertResult

EVENTS_A_BATCH = 5_000

_HAS_ROWS = select(exists(select(User.id)) | exists(select(Project.id)))
_ONE_AT_A_TIME = select(func.pg_advisory_xact_lock(7_236_011))
_ACTORS = select(User.key, Actor.id).join(Actor, Actor.user_id == User.id)
_PROJECTS = select(Project.key, Project.id)
_NAMES = select(User.key, User.username).where(in_list(User.key, bindparam("keys", type_=TextList())))


async def is_empty(database: Database) -> bool:
    """Tell whether the store holds neither users nor projects, so that the demo may go in."""
    [row] = await database.fetch(_HAS_ROWS)
    return not row[0]


async def holds_demo(database: Database) -> bool:
    """Tell whether the store holds the demo data: most of its people, each by key and name.

    A platform's own store holds none of them, whatever the keys of its users are; from the demo's store some may have
    been deleted.
    """
    people = _people()
    rows = await database.fetch(_NAMES, {"keys": sorted(people)})
    found = sum(1 for row in rows if people[row.key] == row.username)
    return 2 * found > len(people)


@cache
def _people() -> dict[str, str]:
    return {person.record.key: person.record.username for person in demo_people(SEED)}


async def load(database: Database, data: DemoData) -> None:
    """Write the demo in one transaction; a store that holds anything already stays as it is.

    Of two servers that start at once on one store, one loads and the other finds it done.
    """
    await prepare_partitions(database, (one.at for one in data.interactions if one.at is not None))
    async with database.write() as connection:
        if not database.is_sqlite:  # SQLite's BEGIN IMMEDIATE lets in one writer at a time anyway
            await connection.execute(_ONE_AT_A_TIME)
        if await connection.scalar(_HAS_ROWS):
            return
        await _load_catalogue(connection, data)
        actors = {row.key: row.id for row in await connection.execute(_ACTORS)}
        await _load_interactions(connection, data.interactions, actors)


async def _load_catalogue(connection: AsyncConnection, data: DemoData) -> None:
    _require_all(await upsert_tools(connection, data.tools))
    _require_all(await upsert_categories(connection, data.categories))
    _require_all(await upsert_users(connection, data.users))
    _require_all(await upsert_projects(connection, data.projects))


def _require_all(result: UpsertResult) -> None:
    for refusal in result.refused:
        raise refusal.error


async def _load_interactions(
    connection: AsyncConnection, interactions: tuple[InteractionRecord, ...], actors: Mapping[str, int]
) -> None:
    projects = {row.key: row.id for row in await connection.execute(_PROJECTS)}
    events = [NewInteraction(actors[i.user], projects[i.project], i.type, i.at or UNKNOWN_TIME) for i in interactions]
    for start in range(0, len(events), EVENTS_A_BATCH):
        await record_interactions(connection, events[start : start + EVENTS_A_BATCH])
