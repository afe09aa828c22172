"""Loading of the demo into an empty database, with the write functions that imports use."""

from collections.abc import Sequence
from functools import cache

from sqlalchemy import bindparam, exists, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from db.actors.users import upsert_users
from db.catalog.catalog_entries import upsert_categories, upsert_projects, upsert_tools
from db.database.column_types import UNKNOWN_TIME, TextList, in_list
from db.database.engine import Database
from db.demo.data import SEED, DemoData, demo_users
from db.interactions.interactions import NewInteraction, record_interactions
from db.models import Actor, Project, User
from db.partitions import prepare_partitions
from db.records import InteractionRecord

BATCH_EVENTS = 5_000

_HAS_ROWS = select(exists(select(User.id)) | exists(select(Project.id)))
_LOCK = select(func.pg_advisory_xact_lock(7_236_011))
_ACTORS = select(User.key, Actor.id).join(Actor, Actor.user_id == User.id)
_PROJECTS = select(Project.key, Project.id)
_USERNAMES = select(User.key, User.username).where(in_list(User.key, bindparam("keys", type_=TextList())))


async def is_empty(database: Database) -> bool:
    """Return whether the database has neither users nor projects. Only then the demo may be loaded."""
    [row] = await database.fetch(_HAS_ROWS)
    return not row[0]


async def holds_demo(database: Database) -> bool:
    """Return whether the database holds the demo: more than half of its users, matched by key and username.

    Demo users may have been deleted, so not all must match. The users of a platform do not match by key and username.
    """
    username_by_key = _usernames_by_key()
    rows = await database.fetch(_USERNAMES, {"keys": sorted(username_by_key)})
    matching = sum(1 for row in rows if username_by_key[row.key] == row.username)
    return 2 * matching > len(username_by_key)


@cache
def _usernames_by_key() -> dict[str, str]:
    return {user.record.key: user.record.username for user in demo_users(SEED)}


async def load(database: Database, data: DemoData) -> None:
    """Write the demo in one transaction, unless the database already has users or projects.

    If two servers start concurrently on one database, only the first one loads the demo.
    """
    await prepare_partitions(
        database, (interaction.at for interaction in data.interactions if interaction.at is not None)
    )
    async with database.write() as connection:
        if not database.is_sqlite:  # SQLite's BEGIN IMMEDIATE already admits one writer at a time
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
