"""An index that is far behind the database is filled while the gateway runs, and not searched until then."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import delete

from db import outbox
from db.database.engine import Database
from db.errors import Store
from db.models import OutboxKind, OutboxRow
from db.synchronization.index_coverage import find_shortfall, update_coverage
from db.vectors.base import PROJECT
from db.vectors.coverage import Shortfall
from db.vectors.embedded import EmbeddedVectorStore
from gateway.background import tasks
from gateway.background.tasks import keep_index_complete
from scoring.pipelines import search
from scoring.pipelines.search import SearchQuery
from tests.world import ANYTHING, BEGIN, World, embedded_world


@pytest.fixture
async def world(database: Database, tmp_path: Path) -> AsyncIterator[World]:
    async with embedded_world(database, tmp_path) as opened:
        yield opened


async def forget_the_outbox(database: Database) -> None:
    async with database.write() as connection:
        await connection.execute(delete(OutboxRow))


async def projects_in(world: World) -> int:
    return (await world.stores.vectors.counts())[PROJECT]


async def fill(world: World, projects: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the task of the worker run until the index is full."""
    monkeypatch.setattr(tasks, "COVERAGE_CHECK_S", 0.05)
    stop = asyncio.Event()
    filling = asyncio.create_task(keep_index_complete(world.stores, stop))
    async with asyncio.timeout(60):
        while await projects_in(world) < projects:  # noqa: ASYNC110 (another task fills it; there is no event)
            await asyncio.sleep(0.02)
        assert not filling.done()
        stop.set()
        await filling


async def test_an_index_whose_file_was_lost_is_filled_from_the_database(world: World, monkeypatch: pytest.MonkeyPatch):
    await world.add_projects(5)
    await forget_the_outbox(world.stores.database)
    await fill(world, 5, monkeypatch)


async def test_an_index_that_lost_a_part_is_filled_although_a_row_waits(world: World, monkeypatch: pytest.MonkeyPatch):
    keys = await world.add_projects(40)
    await world.settle()
    await world.stores.vectors.remove(PROJECT, keys[:4])
    async with world.stores.database.write() as connection:
        await outbox.enqueue(connection, OutboxKind.PROJECT, keys[39:])
    found = await find_shortfall(world.stores)
    assert found == Shortfall("project", total=40, indexed=36, waiting=1)
    await fill(world, 40, monkeypatch)
    assert await find_shortfall(world.stores) is None


async def test_collections_of_older_analyses_are_dropped_once_the_index_is_complete(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    await world.add_projects(5)
    await forget_the_outbox(world.stores.database)
    monkeypatch.setattr(tasks, "COVERAGE_CHECK_S", 0.05)
    stop, projects = asyncio.Event(), []

    async def drop() -> None:
        projects.append(await projects_in(world))
        stop.set()

    monkeypatch.setattr(world.stores.vectors, "drop_outdated", drop)
    async with asyncio.timeout(60):
        await keep_index_complete(world.stores, stop)
    assert projects == [5]


async def test_searches_use_the_database_while_the_index_is_far_behind(world: World):
    keys = await world.add_projects(40)
    await world.settle()
    query = SearchQuery.checked("chess", 0.7)
    await update_coverage(world.stores)
    whole = await search.rank(world.stores, query, ANYTHING, None, BEGIN)
    assert whole.degraded == ()
    await world.stores.vectors.remove(PROJECT, keys[:4])
    await update_coverage(world.stores)
    partial = await search.rank(world.stores, query, ANYTHING, None, BEGIN)
    assert partial.degraded == (Store.VECTORS,)
    assert {*await world.ids(keys[5::6])} <= {*partial.ids.tolist()}


async def test_one_project_that_is_written_between_the_counts_is_no_shortfall(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    await world.add_projects(5)
    await world.settle()
    true_counts, counted = world.stores.vectors.counts, []

    async def counts() -> dict[str, int]:
        counted.append(await true_counts())
        return counted[-1] | ({PROJECT: 6} if len(counted) == 1 else {})

    monkeypatch.setattr(world.stores.vectors, "counts", counts)
    assert await find_shortfall(world.stores) is None
    assert len(counted) == 2


async def test_the_pause_doubles_while_filling_fails_and_the_task_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    pauses: list[float] = []
    stop = asyncio.Event()

    async def note(_: asyncio.Event, seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:
            monkeypatch.setattr(tasks, "_fill_index", fill_index)
        if len(pauses) == 4:
            stop.set()

    async def fail(_: object) -> None:
        raise ValueError("as the test asked")

    fill_index = tasks._fill_index
    monkeypatch.setattr(tasks, "_fill_index", fail)
    monkeypatch.setattr(tasks, "pause", note)
    await world.add_projects(5)
    await forget_the_outbox(world.stores.database)
    await keep_index_complete(world.stores, stop)
    assert pauses == [40.0, 80.0, 160.0, 20.0]


@pytest.mark.parametrize(
    ("counts", "is_large", "needs_repair"),
    [
        ({"total": 20_012, "indexed": 1}, True, True),
        ({"total": 20_012, "indexed": 1, "waiting": 1}, True, True),
        ({"total": 100_000, "indexed": 99_900}, False, False),
        ({"total": 100_000, "indexed": 99_899}, True, True),
        ({"total": 100_000, "indexed": 96_000, "waiting": 4_000}, False, False),  # an import
        ({"total": 20_000, "indexed": 0, "waiting": 20_000}, True, False),  # the first import
        ({"total": 5, "indexed": 0, "waiting": 5}, False, False),
        ({"total": 20, "indexed": 19}, False, False),
        ({"total": 20, "indexed": 18}, True, True),
        ({"total": 20, "indexed": 18, "dead": 2}, False, False),  # it rejects them
        ({"total": 20_000, "indexed": 20_200}, True, True),  # the database was restored from a backup
        ({"total": 0, "indexed": 0}, False, False),
    ],
)
def test_the_limits(counts: dict[str, int], is_large: bool, needs_repair: bool):
    shortfall = Shortfall("project", **counts)
    assert (shortfall.is_large, shortfall.needs_repair) == (is_large, needs_repair)


async def test_an_index_that_is_away_is_asked_again_until_told_to_stop(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(tasks, "COVERAGE_CHECK_S", 0.01)
    away = replace(world.stores, vectors=EmbeddedVectorStore(tmp_path / "never" / "prepared.sqlite"))
    stop = asyncio.Event()
    filling = asyncio.create_task(keep_index_complete(away, stop))
    await asyncio.sleep(0.1)
    assert not filling.done()
    stop.set()
    async with asyncio.timeout(10):
        await filling
    await away.vectors.close()
