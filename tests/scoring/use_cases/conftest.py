"""A small world on SQLite: use cases have no statements of their own, and tests/db runs theirs on PostgreSQL too."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from db.database.engine import Database
from db.interactions.decayed_counters import decayed_counts
from db.models import now
from scoring.use_cases.unit_of_work import Caller, UnitOfWork
from tests.world import World, embedded_world

ADA = Caller(user_key="ada")
SESSION = Caller(session_key="s1")


def work_of(world: World, caller: Caller = ADA, *, trending_requires_impression: bool = False) -> UnitOfWork:
    """A unit of work of one request by this caller."""
    return UnitOfWork(world.stores, caller, trending_requires_impression=trending_requires_impression)


async def counted(world: World, *keys: str) -> list[float]:
    """The decayed counts of the distinct actors of each project."""
    return [float(one) for one in (await decayed_counts(world.stores.database, await world.ids(keys), now()))[:, 3]]


@pytest.fixture
async def world(sqlite_database: Database, tmp_path: Path) -> AsyncIterator[World]:
    """Give a maker with a private project, and a viewer."""
    async with embedded_world(sqlite_database, tmp_path) as world:
        await world.add_users("maker", "ada")
        await world.add_projects(6, topics=("daily",), owner="maker")
        await world.add_projects(1, start=900, private=True, owner="maker")
        yield world
