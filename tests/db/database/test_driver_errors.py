"""Errors of the database name types and constraints, and no value of any row."""

import traceback
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import bindparam, insert, text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.database.batches import insert_batch
from db.database.column_types import BigIntId
from db.database.engine import Database
from db.models import Project, User, now

CANARY = "xyzzy secret title"

Fails = Callable[[AsyncConnection], Any]


def project(**values: Any) -> Fails:
    row = {"key": CANARY, "title": CANARY, "type": "article"} | values
    return lambda connection: connection.execute(insert(Project), row)


async def _twice(connection: AsyncConnection) -> None:
    await project()(connection)
    await project(title=f"{CANARY} too")(connection)


FAULTS: dict[str, Fails] = {
    "a key twice": _twice,
    "a check": project(like_count=-1),
    "nothing where something must be": project(title=None, description=CANARY),
    "a foreign key": project(owner_id=77),
    "a wrong type": lambda connection: connection.execute(
        text(
            "INSERT INTO users (id, key, username, created_at, updated_at) VALUES (:id, 'a', 'b', :at, :at)"
        ).bindparams(bindparam("id", type_=BigIntId), bindparam("at", now())),
        {"id": CANARY},
    ),
    "a batch of wrong types": lambda connection: connection.execute(
        insert_batch(User, "id", "key", "username", "created_at", "updated_at"),
        {"rows": [(CANARY, CANARY, CANARY, now(), now())]},
    ),
    "a batch that cannot be written": lambda connection: connection.execute(
        insert_batch(User, "key", "username", "created_at", "updated_at"),
        {"rows": [(CANARY, CANARY, timedelta(days=1), CANARY, CANARY)]},
    ),
    "a cast": lambda connection: connection.execute(text("SELECT CAST(:value AS BIGINT) / 0"), {"value": CANARY}),
    "no such table": lambda connection: connection.execute(text("SELECT * FROM nowhere WHERE a = :a"), {"a": CANARY}),
}
SQLITE_TAKES_IT = {"a cast"}


@pytest.mark.parametrize("fault", FAULTS)
async def test_an_error_shows_no_value_wherever_it_is_printed(database: Database, fault: str) -> None:
    if database.is_sqlite and fault in SQLITE_TAKES_IT:
        pytest.skip("SQLite makes 0 of a text that is no number, and null of a division by it")
    with pytest.raises(Exception) as raised:  # noqa: PT011 (each fault has an error of its own)
        async with database.write() as connection:
            await FAULTS[fault](connection)
    printed = "".join(traceback.format_exception(raised.value)) + str(raised.value) + repr(raised.value)
    assert CANARY not in printed
    assert type(raised.value).__name__ in printed


async def test_a_constraint_keeps_its_name(database: Database) -> None:
    with pytest.raises(Exception, match="like_count_not_negative"):
        async with database.write() as connection:
            await project(like_count=-1)(connection)
