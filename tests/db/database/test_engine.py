"""The connection to the truth: transactions that hold, readers that do not wait, and sentences for bad URLs."""

import asyncio
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import bindparam, insert, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from db.database.address import parse_url
from db.database.column_types import IntegerList, TextList, UtcDateTime, in_list
from db.database.engine import Database
from db.errors import InvalidRecord, StoreUnavailable
from db.models import Actor, Project, Term, now
from tests.conftest import CountStatements, MakeDatabase

TERMS = select(Term.key).order_by(Term.key)


async def _add(connection: AsyncConnection, *keys: str) -> None:
    rows = [{"kind": "topic", "key": key, "name": key} for key in keys]
    await connection.execute(insert(Term), rows)


async def _keys(database: Database) -> list[str]:
    return [row.key for row in await database.fetch(TERMS)]


# --- transactions --------------------------------------------------------------------------------------------------


async def test_a_write_is_there_when_its_block_ends(database: Database) -> None:
    async with database.write() as connection:
        await _add(connection, "a", "b")
    assert await _keys(database) == ["a", "b"]


async def test_a_write_is_undone_when_its_block_fails(database: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        await _add_and_fail(database)
    assert await _keys(database) == []


async def _add_and_fail(database: Database) -> None:
    async with database.write() as connection:
        await _add(connection, "a")
        raise ZeroDivisionError


async def test_a_refused_statement_undoes_those_before_it(database: Database) -> None:
    with pytest.raises(IntegrityError):
        await _add_twice(database)
    assert await _keys(database) == []


async def _add_twice(database: Database) -> None:
    async with database.write() as connection:
        await _add(connection, "a")
        await _add(connection, "a")


async def test_a_cancelled_write_is_undone_and_frees_its_connection(database: Database) -> None:
    started = asyncio.Event()

    async def write_for_ever() -> None:
        async with database.write() as connection:
            await _add(connection, "a")
            started.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(write_for_ever())
    await started.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    async with database.write() as connection:
        await _add(connection, "b")
    assert await _keys(database) == ["b"]


async def test_a_read_does_not_see_nor_wait_for_an_open_write(database: Database) -> None:
    async with database.write() as connection:
        await _add(connection, "a")
        assert await _keys(database) == []
    assert await _keys(database) == ["a"]


async def test_a_read_is_one_statement_and_no_transaction_of_its_own(
    database: Database, statements: CountStatements
) -> None:
    with statements(database) as issued:
        await _keys(database)
        async with database.write() as connection:
            await _add(connection, "a", "b")
    assert len(issued) == 2


async def test_many_reads_at_once_are_more_than_the_pool_and_all_answer(database: Database) -> None:
    async with database.write() as connection:
        await _add(connection, "a")
    assert await asyncio.gather(*(_keys(database) for _ in range(60))) == [["a"]] * 60


# --- several writers -----------------------------------------------------------------------------------------------


async def _count_up(database: Database, meet: asyncio.Barrier | None = None) -> None:
    """Read, then write what was read plus one: without the right lock, updates get lost or SQLite refuses at once."""
    if meet is not None:
        await meet.wait()
    async with database.write() as connection:
        if not database.is_sqlite:
            await connection.execute(text("LOCK TABLE projects"))
        seen = (await connection.execute(select(Project.like_count))).scalar_one()
        await asyncio.sleep(0.002)
        await connection.execute(text("UPDATE projects SET like_count = :n"), {"n": seen + 1})


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
async def test_concurrent_writers_that_read_first_all_succeed_and_none_is_lost(
    engine: str, make_database: MakeDatabase
) -> None:
    async with make_database(engine) as one:
        other = Database(one.url.render_as_string(hide_password=False))
        async with one.write() as connection:
            await connection.execute(insert(Project), [{"key": "p", "title": "P", "type": "article"}])
        meet = asyncio.Barrier(10)
        await asyncio.gather(*(_count_up(database, meet) for database in (one, other) * 5))
        found = await one.fetch(select(Project.like_count))
        await other.close()
    assert found[0].like_count == 10


# --- values --------------------------------------------------------------------------------------------------------


async def test_a_time_comes_back_in_utc_to_the_microsecond(database: Database) -> None:
    at = now().replace(microsecond=123_456)
    async with database.write() as connection:
        await connection.execute(insert(Actor), [{"session_key": "s", "created_at": at}])
    found = (await database.fetch(select(Actor.created_at)))[0].created_at
    assert found == at
    assert found.utcoffset().total_seconds() == 0


async def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="without a zone"):
        UtcDateTime().process_bind_param(now().replace(tzinfo=None), None)  # type: ignore[arg-type]


async def test_documents_come_back_as_they_went(database: Database) -> None:
    document = {"subreddit": "r/x", "score": 12, "nested": [1, None, "й", {"a": 1.5}]}
    async with database.write() as connection:
        await connection.execute(
            insert(Project), [{"key": "p", "title": "P", "type": "reddit_thread", "source": document}]
        )
    assert (await database.fetch(select(Project.source)))[0].source == document


AMONG_KEYS = select(Term.key).where(in_list(Term.key, bindparam("keys", type_=TextList()))).order_by(Term.key)
AMONG_IDS = select(Term.key).where(in_list(Term.id, bindparam("ids", type_=IntegerList())))


async def test_a_list_of_any_length_is_one_bound_value(database: Database) -> None:
    async with database.write() as connection:
        await _add(connection, "a", "b'\"", "c")
    many = [f"none-{number}" for number in range(40_000)]
    assert [row.key for row in await database.fetch(AMONG_KEYS, {"keys": [*many, "c", "b'\""]})] == ["b'\"", "c"]
    assert await database.fetch(AMONG_KEYS, {"keys": []}) == []
    assert await database.fetch(AMONG_IDS, {"ids": [2**62]}) == []


# --- URLs and the end ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "cannot be read; write sqlite:///"),
        ("not a url", "cannot be read; write sqlite:///"),
        ("mysql://user@host/name", "'mysql'; SQLite and PostgreSQL are supported"),
        ("sqlite://", "needs a file: sqlite:///"),
        ("sqlite:///:memory:", "needs a file: sqlite:///"),
        ("postgresql://user@host:port/name", "cannot be read; write sqlite:///"),
    ],
)
def test_a_bad_url_is_refused_with_a_sentence_that_says_what_to_write(url: str, says: str) -> None:
    with pytest.raises(InvalidRecord) as refused:
        parse_url(url)
    assert says in refused.value.message


@pytest.mark.parametrize(
    ("url", "backend"),
    [
        ("postgres://user:secret@host/name", "postgresql"),
        ("postgresql+psycopg://host/name", "postgresql"),
        ("sqlite+aiosqlite:///{folder}/x.sqlite", "sqlite"),
    ],
)
def test_a_url_that_names_a_driver_of_its_own_is_taken_with_ours(url: str, backend: str, tmp_path: Path) -> None:
    assert parse_url(url.format(folder=tmp_path)).drivername == backend


def test_the_folder_of_an_sqlite_file_is_made(tmp_path: Path) -> None:
    parse_url(f"sqlite:///{tmp_path}/a/b/truth.sqlite")
    assert (tmp_path / "a" / "b").is_dir()


async def test_a_closed_database_leaves_no_thread_and_no_connection_behind(
    make_database: MakeDatabase,
) -> None:
    before = set(threading.enumerate())
    async with make_database("sqlite") as database:
        await asyncio.gather(*(_keys(database) for _ in range(10)))
        async with database.write() as connection:
            await _add(connection, "a")
        log = f"{database.url.database}-wal"
        assert os.path.exists(log)  # noqa: ASYNC240
    left = [thread.name for thread in set(threading.enumerate()) - before if not thread.name.startswith("asyncio")]
    assert left == []
    assert not os.path.exists(log)  # noqa: ASYNC240 (the last connection to close folds the log into the file)


async def test_a_closed_database_has_left_postgresql(
    make_database: MakeDatabase, postgresql_database: Database
) -> None:
    others: Any = text("SELECT count(*) AS n FROM pg_stat_activity WHERE datname = :name")
    async with make_database("postgresql") as database:
        await asyncio.gather(*(_keys(database) for _ in range(5)))
        name = {"name": str(database.url.database)}
        assert (await postgresql_database.fetch(others, name))[0].n > 0
        await database.close()
        for _ in range(100):  # a backend needs a moment to go after its client has said goodbye
            if not (await postgresql_database.fetch(others, name))[0].n:
                return
            await asyncio.sleep(0.05)
    pytest.fail("connections were left open")


async def test_an_unavailable_database_differs_from_a_wrong_statement():
    database = Database("postgresql://nobody@127.0.0.1:9/nothing")
    with pytest.raises(StoreUnavailable, match="database"):
        await database.fetch(text("SELECT 1"))
    with pytest.raises(StoreUnavailable):
        async with database.write():
            pytest.fail("there is nothing to write to")
    await database.close()


async def test_a_wrong_statement_is_a_fault_of_ours(database: Database):
    with pytest.raises(DBAPIError):
        await database.fetch(text("SELECT no_such_column FROM terms"))
    with pytest.raises(DBAPIError):
        async with database.write() as connection:
            await connection.execute(text("SELECT no_such_column FROM terms"))


async def test_a_read_survives_that_the_server_closed_its_connections(postgresql_database: Database):
    await postgresql_database.fetch(text("SELECT 1"))
    async with postgresql_database.write() as connection:
        await connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE pid <> pg_backend_pid() AND datname = current_database()"
            )
        )
    assert (await postgresql_database.fetch(text("SELECT 7")))[0][0] == 7


async def test_a_cut_connection_makes_the_database_unavailable(postgresql_database: Database):
    with pytest.raises(StoreUnavailable):
        async with postgresql_database.write() as connection:
            await connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))


async def test_a_read_that_takes_too_long_is_given_up_and_frees_its_thread(sqlite_database: Database):
    database = Database(str(sqlite_database.url), pool_size=1, read_deadline_s=0.2)
    endless = text("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n")
    with pytest.raises(StoreUnavailable, match=r"no answer within 0\.2 s"):
        await database.fetch(endless)
    assert (await database.fetch(text("SELECT 7")))[0][0] == 7  # with one thread, it must be free
    await database.close()


async def test_an_error_of_the_caller_leaves_a_transaction_as_it_is(database: Database):
    with pytest.raises(FileNotFoundError):
        async with database.write():
            raise FileNotFoundError("the caller's own file")
