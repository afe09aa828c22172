"""Short reads give what other reads give, and leave to them what is long, locked or lost."""

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import bindparam, literal, select, text

from db.database.column_types import IDS, in_list
from db.database.engine import Database
from db.database.short_reads import MAX_STEPS, NotShort, SqliteShortReads
from db.errors import StoreUnavailable
from db.models import Project, now
from tests.doubles.proxy import FaultProxy
from tests.servers import PostgresqlServer
from tests.waiting import WAIT_AT_MOST_S

LISTED = select(Project.id, Project.key, literal("always").label("constant")).where(in_list(Project.id, IDS))
LISTED = LISTED.order_by(Project.id)
COUNTED = text("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :limit) SELECT max(i) FROM n")
COUNTED = COUNTED.bindparams(bindparam("limit"))
SLEEPING = text("SELECT pg_sleep(:seconds)").bindparams(bindparam("seconds"))


async def add_projects(database: Database, count: int) -> list[int]:
    async with database.write() as connection:
        rows = [
            {"key": f"p{number}", "title": "t", "type": "a", "created_at": now(), "updated_at": now()}
            for number in range(count)
        ]
        await connection.execute(Project.__table__.insert(), rows)  # type: ignore[attr-defined]
    return [row.id for row in await database.fetch(select(Project.id).order_by(Project.id))]


async def test_a_short_read_gives_what_another_read_gives(database: Database) -> None:
    ids = await add_projects(database, 5)
    for some in (ids, ids[1:3], []):
        short = await database.short_reads.fetch(LISTED, {"ids": some})
        assert [tuple(row) for row in short] == [tuple(row) for row in await database.fetch(LISTED, {"ids": some})]


async def test_a_short_read_sees_what_was_just_written(database: Database) -> None:
    assert len(await database.fetch_short(LISTED, {"ids": [1, 2, 3]})) == 0
    ids = await add_projects(database, 3)
    assert len(await database.fetch_short(LISTED, {"ids": ids})) == 3


async def test_concurrent_short_reads_get_their_own_rows(database: Database) -> None:
    ids = await add_projects(database, 20)
    found = await asyncio.gather(*(database.fetch_short(LISTED, {"ids": [id_]}) for id_ in ids))
    assert [[row[0] for row in rows] for rows in found] == [[id_] for id_ in ids]


async def test_short_reads_go_on_after_the_server_has_closed_their_connections(postgresql_database: Database) -> None:
    ids = await add_projects(postgresql_database, 3)
    for _ in range(3):
        assert len(await postgresql_database.fetch_short(LISTED, {"ids": ids})) == 3
        await postgresql_database.fetch(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    await postgresql_database.fetch_short(LISTED, {"ids": ids})
    assert len(await postgresql_database.short_reads.fetch(LISTED, {"ids": ids})) == 3


async def test_a_server_that_does_not_answer_is_waited_for_once() -> None:
    connections: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _, writer: connections.append(writer), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    silent = Database(f"postgresql://nobody@127.0.0.1:{port}/nothing", read_deadline_s=0.2)
    with pytest.raises(StoreUnavailable, match="no answer within"):
        await silent.fetch_short(LISTED, {"ids": [1]})
    assert len(connections) == 1
    await silent.close()
    for writer in connections:
        writer.close()
    server.close()


async def test_connections_that_stop_answering_are_replaced(postgresql_server: PostgresqlServer) -> None:
    async with FaultProxy("127.0.0.1", postgresql_server.port) as proxy:
        database = Database(f"postgresql://postgres@127.0.0.1:{proxy.port}/postgres", pool_size=3, read_deadline_s=0.3)
        await asyncio.gather(*(database.fetch_short(SLEEPING, {"seconds": 0.1}) for _ in range(3)))
        proxy.black_hole()
        reads = [asyncio.create_task(database.fetch_short(SLEEPING, {"seconds": 0.0})) for _ in range(3)]
        await asyncio.wait(reads, timeout=10)
        assert [str(read.exception()) for read in reads] == ["database: fetch: no answer within 0.3 s"] * 3
        await proxy.forward()
        assert len(await database.short_reads.fetch(SLEEPING, {"seconds": 0.0})) == 1
        await database.close()


async def test_a_canceled_read_leaves_no_statement_and_no_occupied_connection(
    postgresql_server: PostgresqlServer,
) -> None:
    database = Database(postgresql_server.url("postgres"), pool_size=1)
    read = asyncio.create_task(database.fetch_short(SLEEPING, {"seconds": 60.0}))
    await until_sleepers(database, 1)
    read.cancel()
    await asyncio.wait([read])
    assert len(await database.short_reads.fetch(SLEEPING, {"seconds": 0.0})) == 1
    await until_sleepers(database, 0)
    await database.close()


async def until_sleepers(database: Database, count: int) -> None:
    """Wait until the server runs this number of `SLEEPING` statements."""
    running = text("SELECT pid FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'SELECT pg_sleep%'")
    async with asyncio.timeout(WAIT_AT_MOST_S):
        while len(await database.fetch(running)) != count:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_long_statement_leaves_the_event_loop(sqlite_database: Database) -> None:
    long = {"limit": MAX_STEPS}
    with pytest.raises(NotShort):
        await sqlite_database.short_reads.fetch(COUNTED, long)
    assert (await sqlite_database.fetch_short(COUNTED, long))[0][0] == MAX_STEPS


async def test_many_runs_of_a_short_statement_are_not_one_long_one(sqlite_database: Database) -> None:
    for _ in range(200):  # 20 times the limit in all
        await sqlite_database.short_reads.fetch(COUNTED, {"limit": MAX_STEPS // 100})


@pytest.fixture
def reads_of_a_locked_file(tmp_path: Path, sqlite_database: Database) -> Iterator[SqliteShortReads]:
    """Short reads of a file that another connection has locked."""
    path = tmp_path / "locked.sqlite"
    lock = sqlite3.connect(path, isolation_level=None)
    lock.execute("CREATE TABLE things (id)")
    lock.execute("BEGIN EXCLUSIVE")
    yield SqliteShortReads(sqlite_database.engines[0].dialect, path)
    lock.close()


async def test_a_locked_file_is_not_waited_for(reads_of_a_locked_file: SqliteShortReads) -> None:
    with pytest.raises(NotShort):
        await reads_of_a_locked_file.fetch(text("SELECT id FROM things"), {})


def empty_folder(parent: Path) -> Path:
    folder = parent / "empty"
    folder.mkdir()
    return folder


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def test_a_missing_file_is_not_created(tmp_path: Path, sqlite_database: Database) -> None:
    folder = empty_folder(tmp_path)
    reads = SqliteShortReads(sqlite_database.engines[0].dialect, folder / "missing.sqlite")
    with pytest.raises(NotShort):
        await reads.fetch(LISTED, {"ids": [1]})
    assert names_in(folder) == []
