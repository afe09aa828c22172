"""`explore outbox` shows what waits and what is dead, and does what it is told with the dead."""

import io
from datetime import timedelta

import pytest
from rich.console import Console

from db import outbox
from db.database.engine import Database
from db.errors import InvalidRecord
from db.models import OutboxKind
from gateway.commands import outbox_command


@pytest.fixture(autouse=True)
async def one_dead_and_two_waiting(database: Database) -> None:
    async with database.write() as connection:
        await outbox.enqueue(connection, OutboxKind.PROJECT, ["[dead]"])
    for _ in range(outbox.MAX_ATTEMPTS):
        await outbox.reject(database, await outbox.take(database, 9, 60), "a vector of [bold]nothing", timedelta())
    async with database.write() as connection:
        await outbox.enqueue(connection, OutboxKind.PROJECT, ["a", "b"])


async def shown(database: Database) -> tuple[int, str]:
    text = io.StringIO()
    code = await outbox_command.show(database, Console(file=text, width=200))
    return code, text.getvalue()


async def test_the_backlog_and_the_dead_are_shown(database: Database):
    code, text = await shown(database)
    assert code == 1
    assert text.startswith("2 rows wait, the oldest for ")
    assert "project:[dead]" in text
    assert "a vector of [bold]nothing" in text


async def test_without_dead_rows_there_is_one_line(database: Database):
    assert await outbox_command.retry_rows(database, []) == ["project:[dead]"]
    code, text = await shown(database)
    assert code == 0
    assert len(text.splitlines()) == 1


async def test_a_row_is_forgotten(database: Database):
    assert await outbox_command.drop_rows(database, ["project:[dead]"]) == ["project:[dead]"]
    assert (await outbox.backlog(database)).dead == 0


@pytest.mark.parametrize("names", [["project:a"], ["project:unknown"], ["nonsense"]])
async def test_what_is_not_dead_is_one_sentence(database: Database, names: list[str]):
    with pytest.raises(InvalidRecord):
        await outbox_command.retry_rows(database, names)
    with pytest.raises(InvalidRecord):
        await outbox_command.drop_rows(database, names)
    assert (await outbox.backlog(database)).rows == 2


async def test_to_forget_all_at_once_is_refused(database: Database):
    with pytest.raises(InvalidRecord, match="--drop KIND:KEY"):
        await outbox_command.drop_rows(database, [])
