"""Dead letters can be listed, retried and dropped."""

from datetime import timedelta

import pytest

from db import dead_letters, outbox
from db.database.engine import Database
from db.errors import InvalidRecord
from db.models import OutboxKind

PROJECT, TOOL = OutboxKind.PROJECT, OutboxKind.TOOL


@pytest.fixture(autouse=True)
async def three_dead_and_one_alive(database: Database) -> None:
    for kind, key in ((PROJECT, "a:1"), (PROJECT, "b"), (TOOL, "b")):
        async with database.write() as connection:
            await outbox.enqueue(connection, kind, [key])
    for _ in range(outbox.MAX_ATTEMPTS):
        await outbox.reject(database, await outbox.take(database, 9, 60), f"no {_}", timedelta())
    async with database.write() as connection:
        await outbox.enqueue(connection, PROJECT, ["alive"])


async def names(database: Database) -> list[str]:
    return [f"{row.kind.value}:{row.key}" for row in await dead_letters.list_dead_letters(database, 9)]


async def test_dead_rows_are_listed_with_their_error(database: Database):
    assert await names(database) == ["project:a:1", "project:b", "tool:b"]
    assert [(row.attempts, row.error) for row in await dead_letters.list_dead_letters(database, 1)] == [(3, "no 2")]


async def test_one_row_is_tried_again(database: Database):
    assert await dead_letters.retry(database, ["project:a:1", "project:alive"]) == ["project:a:1"]
    assert await names(database) == ["project:b", "tool:b"]
    assert {lease.key for lease in await outbox.take(database, 9, 60)} == {"a:1", "alive"}


async def test_all_rows_are_tried_again(database: Database):
    assert sorted(await dead_letters.retry(database)) == ["project:a:1", "project:b", "tool:b"]
    assert await names(database) == []
    assert len(await outbox.take(database, 9, 60)) == 4


async def test_a_dead_row_is_forgotten_and_a_living_one_is_not(database: Database):
    assert await dead_letters.drop(database, ["tool:b", "project:alive"]) == ["tool:b"]
    assert await names(database) == ["project:a:1", "project:b"]
    assert [lease.key for lease in await outbox.take(database, 9, 60)] == ["alive"]


@pytest.mark.parametrize("name", ["a", "thing:a", "project:", ""])
async def test_a_name_that_is_none_says_how_to_write_one(database: Database, name: str):
    with pytest.raises(InvalidRecord, match="KIND:KEY"):
        await dead_letters.drop(database, [name])
