"""The stores that a server, a job and a command open."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from sqlalchemy import text

from db.errors import StoreUnavailable
from db.stores import Stores
from gateway import stores
from gateway.settings import Settings
from tests.servers import free_port

ONE = text("SELECT 1")
SLOW = text(
    "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 1000000000) "
    "SELECT count(*) FROM numbers"
)

Open = Callable[[Settings], AbstractAsyncContextManager[Stores]]


@pytest.mark.parametrize(
    ("opened", "deadline_s"),
    [
        (stores.open_migrated, 0.05),
        (lambda settings: stores.open_stores(settings, read_deadline_s=0.07), 0.07),
    ],
    ids=["command", "worker"],
)
async def test_a_read_of_a_command_has_the_deadline_of_batch_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opened: Open, deadline_s: float
) -> None:
    monkeypatch.setattr(stores, "BATCH_READ_DEADLINE_S", 0.05)
    async with opened(Settings(_env_file=None, var_dir=tmp_path)) as made:
        with pytest.raises(StoreUnavailable, match=f"no answer within {deadline_s} s"):
            await made.database.fetch(SLOW)


@pytest.mark.parametrize("is_server", [True, False])
async def test_only_the_database_of_a_server_has_a_circuit_breaker(tmp_path: Path, is_server: bool) -> None:
    url = f"postgresql://ada@127.0.0.1:{free_port()}/explore"
    async with stores.open_stores(
        Settings(_env_file=None, var_dir=tmp_path, database_url=url), is_server=is_server
    ) as made:
        reasons = []
        for _ in range(3):
            with pytest.raises(StoreUnavailable) as failed:
                await made.database.fetch(ONE)
            reasons.append("the circuit is open" in failed.value.reason)
    assert reasons == [False, False, is_server]
