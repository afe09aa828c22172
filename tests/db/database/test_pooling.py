"""Clients of a PgBouncer in transaction mode get the rows of their own statements."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import Integer, bindparam, cast, insert, literal, select
from sqlalchemy.engine import make_url

from db.database.engine import Database
from db.database.pooling import split_pooling
from db.errors import InvalidRecord, StoreMisconfigured
from db.models import Project, now
from db.schema import migrate
from tests.conftest import MakeUrl
from tests.pgbouncer import through

NUMBER = cast(bindparam("number"), Integer)
ONE_COLUMN, TWO_COLUMNS = select(NUMBER), select(NUMBER, literal("second"))


@pytest.fixture
async def pooled_url(make_url: MakeUrl, pgbouncer: int) -> AsyncIterator[str]:
    """Give the URL of an empty database through PgBouncer, without the parameter."""
    async with make_url("postgresql") as url:
        yield through(url, pgbouncer)


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    database = Database(url, pool_size=3)
    yield database
    await database.close()


async def test_concurrent_clients_get_their_own_rows(pooled_url: str) -> None:
    async def read(database: Database, number: int) -> None:
        fetch = database.fetch_short if number % 3 else database.fetch
        statement, expected = (TWO_COLUMNS, (number, "second")) if number % 2 else (ONE_COLUMN, (number,))
        assert [tuple(row) for row in await fetch(statement, {"number": number})] == [expected]

    async with opened(f"{pooled_url}?pgbouncer=true") as one, opened(f"{pooled_url}?pgbouncer=true") as other:
        for start in range(0, 200, 20):
            await asyncio.gather(*(read((one, other)[n % 2], n) for n in range(start, start + 20)))


async def test_a_database_can_be_migrated_and_written(pooled_url: str) -> None:
    async with opened(f"{pooled_url}?pgbouncer=true") as database:
        await asyncio.gather(migrate(database), migrate(database))
        rows = [
            {"key": f"p{number}", "title": "t", "type": "a", "source": {"n": number}, "created_at": now()}
            for number in range(500)
        ]
        async with database.write() as connection:
            await connection.execute(insert(Project), rows)
        found = await database.fetch(select(Project.key, Project.source).order_by(Project.id))
        assert [(row.key, row.source["n"]) for row in found] == [(f"p{number}", number) for number in range(500)]


async def test_a_pooler_without_the_parameter_is_refused(pooled_url: str) -> None:
    """Otherwise a statement could run under the name of another client's statement."""
    async with opened(pooled_url) as database:
        for fetch in (database.fetch, database.fetch_short):
            with pytest.raises(StoreMisconfigured, match="Append \\?pgbouncer=true to it"):
                await fetch(ONE_COLUMN, {"number": 1})
        with pytest.raises(StoreMisconfigured, match="pgbouncer=true"):
            async with database.write():
                pass


@pytest.mark.parametrize("parameters", ["pgbouncer=true", "mode=ro", "timeout=5&cache=shared"])
def test_sqlite_takes_no_parameters(tmp_path: Path, parameters: str) -> None:
    with pytest.raises(InvalidRecord, match="takes no parameters; remove "):
        Database(f"sqlite:///{tmp_path}/explore.sqlite?{parameters}")
    assert not list(tmp_path.iterdir())


async def test_the_parameter_has_two_values() -> None:
    with pytest.raises(InvalidRecord, match="is 'yes'; write true or false"):
        Database("postgresql://ada@127.0.0.1/explore?pgbouncer=yes")
    url, is_pooled = split_pooling(make_url("postgresql://ada@127.0.0.1/explore?ssl=prefer&pgbouncer=false"))
    assert (dict(url.query), is_pooled) == ({"ssl": "prefer"}, False)
