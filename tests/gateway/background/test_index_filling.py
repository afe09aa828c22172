"""An empty index does not wait for the night."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import delete

from db.database.engine import Database
from db.models import OutboxRow
from db.vectors.embedded import EmbeddedVectorStore
from gateway.background.tasks import fill_if_empty, needs_filling
from tests.world import World, embedded_world


@pytest.fixture
async def world(database: Database, tmp_path: Path) -> AsyncIterator[World]:
    async with embedded_world(database, tmp_path) as opened:
        yield opened


async def forget_the_outbox(database: Database) -> None:
    async with database.write() as connection:
        await connection.execute(delete(OutboxRow))


async def projects_in(world: World) -> int:
    return (await world.stores.vectors.counts())["Project"]


async def test_an_index_whose_file_was_lost_is_filled_from_the_truth(world: World, tmp_path: Path):
    await world.add_projects(5)
    await forget_the_outbox(world.stores.database)
    stop = asyncio.Event()
    filling = asyncio.create_task(fill_if_empty(world.stores, stop))
    async with asyncio.timeout(60):
        while await projects_in(world) < 5:  # noqa: ASYNC110 (another task fills it; there is no event)
            await asyncio.sleep(0.02)
        assert not filling.done()
        stop.set()
        await filling


async def test_what_the_outbox_will_bring_is_left_to_it(world: World):
    await world.add_projects(5)
    assert not await needs_filling(world.stores)


async def test_an_index_with_projects_and_a_truth_without_any_are_left_alone(world: World):
    assert not await needs_filling(world.stores)
    await world.add_projects(2)
    await world.settle()
    assert not await needs_filling(world.stores)


async def test_an_index_that_is_away_is_asked_again_until_told_to_stop(world: World, tmp_path: Path):
    away = replace(world.stores, vectors=EmbeddedVectorStore(tmp_path / "never" / "prepared.sqlite"))
    stop = asyncio.Event()
    filling = asyncio.create_task(fill_if_empty(away, stop))
    await asyncio.sleep(0.1)
    assert not filling.done()
    stop.set()
    async with asyncio.timeout(10):
        await filling
    await away.vectors.close()
