"""Privileges on PostgreSQL: what docs/operations.md grants suffices, and what is missing is named with its GRANT."""

import re
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, text

from db.database.engine import Database
from db.errors import StoreMisconfigured
from db.interactions.interactions import NewInteraction
from db.interactions.retention import delete_expired
from db.models import InteractionType, Term, now
from db.partitions import create_upcoming_partitions
from db.schema import migrate, require_current
from gateway.background.tasks import build_scheduler
from gateway.commands.prepare import migrate_only, prepare
from gateway.errors import CannotStart
from gateway.settings import Settings
from gateway.stores import open_stores
from tests.db.interactions.test_interactions import populate, write
from tests.servers import PostgresqlServer, postgresql_program, running_postgresql

pytestmark = pytest.mark.servers
OPERATIONS = Path(__file__).parents[3] / "docs" / "operations.md"


@pytest.fixture
def server() -> Iterator[PostgresqlServer]:
    """Start a server whose roles are those of docs/operations.md; roles belong to all databases of a server."""
    with running_postgresql() as server:
        script = re.search(r"```sql\n(CREATE ROLE.*?)```", OPERATIONS.read_text(), re.DOTALL)
        assert script is not None
        psql(server, script[1])
        yield server


def psql(server: PostgresqlServer, script: str, database: str = "postgres") -> None:
    address = ["-h", "127.0.0.1", "-p", str(server.port), "-U", "postgres", "-d", database]
    subprocess.run(
        [postgresql_program("psql"), "-v", "ON_ERROR_STOP=1", "-q", *address], input=script, text=True, check=True
    )


def url(server: PostgresqlServer, role: str) -> str:
    return f"postgresql://{role}:secret@127.0.0.1:{server.port}/explore"


def settings(server: PostgresqlServer, role: str, folder: Path) -> Settings:
    return Settings(_env_file=None, var_dir=folder, database_url=url(server, role))


async def test_the_documented_roles_migrate_and_serve(server: PostgresqlServer, tmp_path: Path) -> None:
    assert await migrate_only(settings(server, "explore_owner", tmp_path))
    serving = settings(server, "explore", tmp_path)
    await prepare(serving, demo=False, say=print)
    async with open_stores(serving) as stores:
        await build_scheduler(stores, serving).catch_up()
    database, owner = Database(url(server, "explore")), Database(url(server, "explore_owner"))
    old = datetime(2016, 3, 14, tzinfo=UTC)
    (ann, *_), (one, *_) = await populate(database)
    await write(database, NewInteraction(ann, one, InteractionType.VIEW, old))
    await create_upcoming_partitions(database)
    await delete_expired(database, now(), timedelta(days=400))
    count = text("SELECT count(*) FROM interactions WHERE at = '2016-03-14'")
    assert (await database.fetch(count))[0][0] == 0
    await require_current(owner)
    jobs = await database.fetch(text("SELECT name, error FROM jobs"))
    assert [job for job in jobs if job.error] == []
    assert len(jobs) > 5
    await database.close()
    await owner.close()


async def test_a_serving_role_cannot_migrate_and_is_told(server: PostgresqlServer, tmp_path: Path) -> None:
    with pytest.raises(StoreMisconfigured, match=r"GRANT CREATE, USAGE ON SCHEMA public TO explore;$"):
        await migrate_only(settings(server, "explore", tmp_path))


@pytest.mark.parametrize(
    ("script", "grant"),
    [
        ("REVOKE CONNECT ON DATABASE explore FROM explore", "GRANT CONNECT ON DATABASE explore TO explore;"),
        ("REVOKE USAGE ON SCHEMA public FROM explore, PUBLIC", "GRANT USAGE ON SCHEMA public TO explore;"),
        (
            "REVOKE SELECT ON ALL TABLES IN SCHEMA public FROM explore",
            "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO explore;",
        ),
    ],
)
async def test_a_missing_privilege_is_named_with_its_grant(
    server: PostgresqlServer, tmp_path: Path, script: str, grant: str
) -> None:
    await migrate_only(settings(server, "explore_owner", tmp_path))
    psql(server, script, "explore")
    with pytest.raises((StoreMisconfigured, CannotStart)) as refused:
        await prepare(settings(server, "explore", tmp_path), demo=False, say=print)
    assert str(refused.value).endswith(grant)
    psql(server, grant, "explore")
    await prepare(settings(server, "explore", tmp_path), demo=False, say=print)


async def test_a_write_without_its_privilege_is_named_and_heals(server: PostgresqlServer) -> None:
    owner, database = Database(url(server, "explore_owner")), Database(url(server, "explore"))
    await migrate(owner)
    add = insert(Term).values(kind="topic", key="a", name="a")
    async with owner.write() as connection:
        await connection.exec_driver_sql("REVOKE INSERT ON terms FROM explore")
    with pytest.raises(
        StoreMisconfigured, match="permission denied for table terms; as a superuser or the owner: GRANT"
    ):
        async with database.write() as connection:
            await connection.execute(add)
    async with owner.write() as connection:
        await connection.exec_driver_sql("GRANT INSERT ON terms TO explore")
    async with database.write() as connection:
        await connection.execute(add)
    await owner.close()
    await database.close()
