"""Faults of the database: each makes it unavailable in words that say what to do, and ends when its cause ends."""

import asyncio
import os
import resource
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import insert, text
from sqlalchemy.exc import DBAPIError

from db.database.driver_errors import FAULTS, Fault, fault_of
from db.database.engine import Database
from db.errors import StoreMisconfigured, StoreUnavailable, WritesRefused
from db.models import Term
from tests.doubles.proxy import FaultProxy
from tests.servers import PostgresqlServer, running_postgresql

SQLSTATES = {
    "08006": "connection_failure", "08P01": "protocol_violation", "25006": "read_only_sql_transaction",
    "25P03": "idle_in_transaction_session_timeout", "25P04": "transaction_timeout", "28P01": "invalid_password",
    "3D000": "invalid_catalog_name", "3F000": "invalid_schema_name", "40001": "serialization_failure",
    "40P01": "deadlock_detected", "40003": "statement_completion_unknown", "42501": "insufficient_privilege",
    "42P01": "undefined_table", "53100": "disk_full", "53200": "out_of_memory", "53300": "too_many_connections",
    "53400": "configuration_limit_exceeded", "55000": "object_not_in_prerequisite_state", "55006": "object_in_use",
    "55P03": "lock_not_available", "57014": "query_canceled", "57P01": "admin_shutdown", "57P02": "crash_shutdown",
    "57P03": "cannot_connect_now", "57P05": "idle_session_timeout", "58030": "io_error", "XX001": "data_corrupted",
    "XX002": "index_corrupted",
}  # fmt: skip
DEFECTS = {
    "23514": "check_violation",
    "42601": "syntax_error",
    "42703": "undefined_column",
    "22012": "division_by_zero",
}
UNTIL_CORRECTED = {"28P01", "3D000", "3F000", "42501", "42P01"}
ADD = insert(Term).values(kind="topic", key="a", name="a")


def raising(sqlstate: str) -> str:
    return f"DO $$ BEGIN RAISE 'a fault' USING ERRCODE = '{sqlstate}'; END $$"


async def failure(database: Database, *statements: str) -> Exception:
    """Return the error of a write."""
    with pytest.raises(Exception) as raised:  # noqa: PT011 (the caller looks at it)
        await run(database, *statements)
    return raised.value


async def run(database: Database, *statements: str) -> None:
    async with database.write() as connection:
        for statement in statements:
            await connection.exec_driver_sql(statement)


async def test_each_fault_in_the_table_makes_the_database_unavailable(postgresql_database: Database) -> None:
    assert all(any(code.startswith(prefix) for code in SQLSTATES) for prefix in FAULTS if "SQLITE" not in prefix)
    for sqlstate in SQLSTATES:
        error = await failure(postgresql_database, raising(sqlstate))
        assert isinstance(error, StoreUnavailable), sqlstate
        assert isinstance(error, StoreMisconfigured) == (sqlstate in UNTIL_CORRECTED), sqlstate
        await add_and_remove(postgresql_database)  # the next write finds no broken connection


async def test_each_fault_of_a_read_does_too(postgresql_database: Database) -> None:
    async with postgresql_database.write() as connection:
        await connection.exec_driver_sql(
            "CREATE FUNCTION fail(code text) RETURNS int LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE 'a fault' USING ERRCODE = code; END $$"
        )
    for sqlstate in SQLSTATES:
        for fetch in (postgresql_database.fetch, postgresql_database.fetch_short):
            with pytest.raises(StoreUnavailable):
                await fetch(text(f"SELECT fail('{sqlstate}')"), {})


async def test_other_errors_are_defects_of_the_gateway(postgresql_database: Database) -> None:
    for sqlstate in DEFECTS:
        error = await failure(postgresql_database, raising(sqlstate))
        assert isinstance(error, DBAPIError), sqlstate
        assert fault_of(error) is None


async def add_and_remove(database: Database) -> None:
    async with database.write() as connection:
        await connection.execute(ADD)
        await connection.exec_driver_sql("DELETE FROM terms")


# --- true faults of PostgreSQL -------------------------------------------------------------------------------------


async def test_a_statement_and_a_lock_that_take_too_long(postgresql_database: Database) -> None:
    error = await failure(postgresql_database, "SET LOCAL statement_timeout = '10ms'", "SELECT pg_sleep(9)")
    assert (type(error), "statement timeout" in str(error)) == (WritesRefused, True)
    async with postgresql_database.write() as connection:
        await connection.exec_driver_sql("LOCK TABLE terms")
        error = await failure(postgresql_database, "SET LOCAL lock_timeout = '10ms'", "LOCK TABLE terms")
    assert (type(error), "lock timeout" in str(error)) == (WritesRefused, True)


async def test_a_deadlock_and_a_serialization_failure(postgresql_database: Database) -> None:
    async with postgresql_database.write() as connection:
        await connection.execute(insert(Term), [{"kind": "topic", "key": key, "name": key} for key in "ab"])
    for begin in ("SET LOCAL deadlock_timeout = '10ms'", "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"):
        meet = asyncio.Barrier(2)

        async def update(keys: str, begin: str = begin, meet: asyncio.Barrier = meet) -> None:
            async with postgresql_database.write() as connection:
                await connection.exec_driver_sql(begin)
                for key in keys:
                    await connection.exec_driver_sql(f"UPDATE terms SET name = 'x' WHERE key = '{key}'")  # noqa: S608
                    if key == keys[0]:
                        await meet.wait()

        results = await asyncio.gather(update("ab"), update("ba"), return_exceptions=True)
        failed = [result for result in results if result is not None]
        assert failed
        assert all(type(error) is WritesRefused for error in failed), failed


async def test_a_missing_database_table_and_login(postgresql_database: Database) -> None:
    error = await failure(postgresql_database, "SELECT * FROM no_such_table")
    assert str(error).endswith("run `explore migrate`, or correct DATABASE_URL")
    for url, says in [
        (postgresql_database.url.set(database="nowhere"), "create the database, or correct its name in DATABASE_URL"),
        (postgresql_database.url.set(username="nobody"), "check user and password in DATABASE_URL"),
    ]:
        other = Database(url.render_as_string(hide_password=False))
        with pytest.raises(StoreMisconfigured, match=says):
            await other.fetch(text("SELECT 1"))
        await other.close()


async def test_too_many_connections() -> None:
    with running_postgresql(max_connections="2", superuser_reserved_connections="0") as server:
        database = Database(server.url("postgres"), pool_size=3)
        reads = (database.fetch(text("SELECT pg_sleep(0.3)")) for _ in range(3))
        results = await asyncio.gather(*reads, return_exceptions=True)
        (failed,) = [result for result in results if isinstance(result, Exception)]
        assert (type(failed), "too many clients" in str(failed)) == (WritesRefused, True)
        await database.fetch(text("SELECT 1"))
        await database.close()


# --- a server that accepts no writes -------------------------------------------------------------------------------


@asynccontextmanager
async def read_only(database: Database) -> AsyncIterator[None]:
    """Make new sessions of this database read-only, and end the old ones."""
    name = database.url.database
    async with database.write() as connection:
        await connection.exec_driver_sql(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    await database._discard_connections()
    yield
    owner = Database(database.url.set(database="postgres").render_as_string())
    async with owner.write() as connection:
        await connection.exec_driver_sql(f"ALTER DATABASE {name} RESET default_transaction_read_only")
    await owner.close()


async def test_a_read_only_primary_is_read_and_heals_with_the_first_write(postgresql_database: Database) -> None:
    database = postgresql_database
    async with read_only(database):
        for _ in range(2):
            with pytest.raises(StoreUnavailable, match="read-only transaction"):
                await add_and_remove(database)
            with pytest.raises(WritesRefused, match="accepts no writes"):
                await database.check_writable()
            # The pools keep these connections, whose sessions are read-only until they end.
            await asyncio.gather(*(database.fetch(text("SELECT pg_sleep(0.05)")) for _ in range(5)))
            await asyncio.gather(*(database.fetch_short(text("SELECT 1"), {}) for _ in range(5)))
    await add_and_remove(database)
    await asyncio.gather(*(add_and_remove(database) for _ in range(5)))
    await database.check_writable()


async def test_connections_to_a_demoted_primary_are_discarded(postgresql_server: PostgresqlServer) -> None:
    port = text("SELECT current_setting('port')::int")
    with running_postgresql() as old:
        async with FaultProxy("127.0.0.1", old.port) as proxy:
            database = Database(
                f"postgresql://postgres@127.0.0.1:{proxy.port}/postgres", pool_size=2, read_deadline_s=30
            )
            await asyncio.gather(*(fetch(port, {}) for fetch in (database.fetch, database.fetch_short) * 2))
            async with database.write() as connection:
                await connection.exec_driver_sql("ALTER DATABASE postgres SET default_transaction_read_only = on")
            proxy.lead_to(postgresql_server.port)
            error = await failure(
                database, "SET default_transaction_read_only = on", "COMMIT", "CREATE TABLE t (a int)"
            )
            assert isinstance(error, StoreUnavailable)
            for fetch in (database.fetch, database.fetch_short):
                assert (await fetch(port, {}))[0][0] == postgresql_server.port
            await database.check_writable()
            await database.close()


# --- SQLite --------------------------------------------------------------------------------------------------------


@contextmanager
def full_disk() -> Iterator[None]:
    """Let no file of this process grow."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


Write = Callable[[Database], Awaitable[None]]


@pytest.mark.parametrize("write", [add_and_remove, Database.check_writable])
async def test_a_file_that_cannot_grow_is_noticed_and_heals(sqlite_database: Database, write: Write) -> None:
    await write(sqlite_database)
    with full_disk(), pytest.raises(StoreUnavailable, match="disk"):
        await write(sqlite_database)
    assert await sqlite_database.fetch(text("SELECT key FROM terms")) == []
    await write(sqlite_database)


async def test_a_full_file_is_unavailable_and_heals(sqlite_database: Database) -> None:
    error = await failure(
        sqlite_database, "PRAGMA max_page_count = 1", "INSERT INTO terms SELECT * FROM terms", "CREATE TABLE a (b)",
        "INSERT INTO a VALUES (zeroblob(1000000))",
    )  # fmt: skip
    assert (type(error), "full" in str(error)) == (WritesRefused, True)
    async with sqlite_database.write() as connection:
        await connection.exec_driver_sql("PRAGMA max_page_count = 4294967294")
    await add_and_remove(sqlite_database)


async def test_a_read_only_connection_is_discarded(sqlite_database: Database) -> None:
    async with sqlite_database.write() as connection:
        await connection.exec_driver_sql("PRAGMA query_only = ON")
    with pytest.raises(StoreUnavailable, match="readonly"):
        await add_and_remove(sqlite_database)
    await add_and_remove(sqlite_database)


async def test_a_table_that_is_missing_in_a_file_is_named(sqlite_database: Database) -> None:
    error = await failure(sqlite_database, "SELECT * FROM no_such_table")
    assert isinstance(error, StoreMisconfigured)
    assert str(error).endswith("run `explore migrate`, or correct DATABASE_URL")


async def test_a_check_does_not_create_a_missing_file(sqlite_database: Database, tmp_path: Path) -> None:
    before = os.listdir(tmp_path)
    sqlite_database.url = sqlite_database.url.set(database=str(tmp_path / "missing.sqlite"))
    with pytest.raises(WritesRefused, match="unable to open"):
        await sqlite_database.check_writable()
    assert sorted(os.listdir(tmp_path)) == sorted(before)


async def test_a_check_does_not_wait_for_a_writer(sqlite_database: Database) -> None:
    async with sqlite_database.write() as connection:
        await connection.execute(ADD)
        await sqlite_database.check_writable()


def names_of_sqlite() -> list[str]:
    return [name for name in dir(sqlite3) if name.startswith("SQLITE_") and isinstance(getattr(sqlite3, name), int)]


def test_each_extended_error_of_sqlite_has_the_fault_of_its_group() -> None:
    faults = {name: _fault_named(name) for name in names_of_sqlite()}
    assert {faults["SQLITE_FULL"], faults["SQLITE_READONLY_DBMOVED"], faults["SQLITE_IOERR_FSYNC"]} == {
        Fault.EXHAUSTED, Fault.READ_ONLY, Fault.DAMAGED,
    }  # fmt: skip
    assert faults["SQLITE_CONSTRAINT_UNIQUE"] is None


def _fault_named(name: str) -> Fault | None:
    error = sqlite3.OperationalError("x")
    error.sqlite_errorname = name
    return fault_of(error)
