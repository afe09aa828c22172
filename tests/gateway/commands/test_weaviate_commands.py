"""Commands on a damaged, shared or absent Weaviate: sentences, repairs, and no traceback."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert
from typer.testing import CliRunner

from db.embeddings.wordllama import MODEL as WORDLLAMA
from db.models import Project
from db.vectors.weaviate.schema import Space
from gateway.background.tasks import keep_prepared
from gateway.cli import app
from gateway.commands.doctor import Verdict, run_checks
from gateway.commands.prepare import migrate_only, prepare
from gateway.commands.reindex_command import drop_unused_collections, rebuild, take_over_index
from gateway.commands.shared import errors
from gateway.errors import CannotStart
from gateway.settings import Settings
from gateway.stores import open_migrated, prepare_index
from tests.doubles.weaviate import WeaviateDouble, running_weaviate
from tests.servers import free_port

pytestmark = pytest.mark.servers

ALIAS = Space("", WORDLLAMA, 256).alias("Project")


@pytest.fixture
def double() -> Iterator[WeaviateDouble]:
    with running_weaviate() as server:
        yield server


def settings(folder: Path, double: WeaviateDouble, **given: Any) -> Settings:
    urls = {"weaviate_url": double.url, "weaviate_grpc_url": double.grpc_url}
    return Settings(_env_file=None, **{"var_dir": folder, **urls, **given})


async def vectors_finding(made: Settings) -> tuple[Verdict, str]:
    await migrate_only(made)
    found = next(one for one in await run_checks(made) if one.subject == "vectors")
    assert "\n" not in found.message
    return found.verdict, found.message


async def prepared(made: Settings) -> None:
    await prepare(made, demo=False, say=print)


def drop_project_collection(double: WeaviateDouble) -> None:
    double.state.drop(double.state.aliases[ALIAS])


async def test_the_doctor_names_a_damage_and_repairs_nothing(tmp_path: Path, double: WeaviateDouble):
    made = settings(tmp_path, double)
    verdict, message = await vectors_finding(made)
    assert verdict is Verdict.WARNING
    assert "there is no collection for Project_" in message
    await prepared(made)
    assert (await vectors_finding(made))[0] is Verdict.OK
    drop_project_collection(double)
    before = set(double.state.collections)
    verdict, message = await vectors_finding(made)
    assert verdict is Verdict.WARNING
    assert f"the alias {ALIAS} points to {ALIAS}_g1, which does not exist; explore serve" in message
    assert set(double.state.collections) == before


async def test_the_doctor_tells_a_closed_port_from_a_server_that_is_not_ready(tmp_path: Path, double: WeaviateDouble):
    made = settings(tmp_path, double)
    await prepared(made)
    double.faults.not_ready = True
    verdict, message = await vectors_finding(made)
    assert verdict is Verdict.BROKEN
    assert "is not ready; wait until it has started" in message
    double.faults.not_ready = False
    double.stop_grpc()
    verdict, message = await vectors_finding(made)
    assert verdict is Verdict.BROKEN
    assert "gRPC at 127.0.0.1:" in message
    double.faults.rest_status = 503
    assert "it answers 503 (without a reason; wait" in (await vectors_finding(made))[1]


@pytest.mark.parametrize("command", ["serve", "reindex"])
async def test_a_start_and_a_rebuild_repair_a_dangling_alias(tmp_path: Path, double: WeaviateDouble, command: str):
    made = settings(tmp_path, double)
    await prepared(made)
    async with open_migrated(made) as stores, stores.database.write() as connection:
        await connection.execute(insert(Project).values(key="a", title="A", type="article"))
    drop_project_collection(double)
    if command == "serve":
        await prepared(made)
    else:
        await rebuild(made, errors)
        assert len(double.state.find(ALIAS).objects) == 1
    assert double.state.aliases[ALIAS] in double.state.collections


async def test_a_worker_repairs_what_breaks_while_it_runs(
    tmp_path: Path, double: WeaviateDouble, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("gateway.background.tasks.REPAIR_EVERY_S", 0.01)
    made, stop = settings(tmp_path, double), asyncio.Event()
    await prepared(made)
    async with open_migrated(made) as stores:
        task = asyncio.create_task(keep_prepared(stores, stop))
        drop_project_collection(double)
        async with asyncio.timeout(60):
            while double.state.aliases[ALIAS] not in double.state.collections:  # noqa: ASYNC110 (there is no event)
                await asyncio.sleep(0.01)
        stop.set()
        await task


async def test_a_second_installation_is_refused_and_has_two_ways_out(tmp_path: Path, double: WeaviateDouble):
    one, other = (settings(tmp_path / name, double) for name in ("one", "other"))
    await prepared(one)
    with pytest.raises(CannotStart, match=r"another installation \([0-9a-f-]{36}\); set WEAVIATE_PREFIX"):
        await prepared(other)
    with pytest.raises(CannotStart, match=r"^Weaviate at .* holds the index of another installation"):
        await rebuild(other, errors)
    verdict, message = await vectors_finding(other)
    assert (verdict, "explore reindex --take-over" in message) == (Verdict.BROKEN, True)
    await prepared(settings(tmp_path / "other", double, weaviate_prefix="other"))
    assert f"Other_{ALIAS}" in double.state.aliases
    await prepared(one)
    await take_over_index(other)
    await prepared(other)
    with pytest.raises(CannotStart, match="another installation"):
        await prepared(one)


@pytest.mark.parametrize("prefix", ["tool", "Project", "a_b", "1a", "é", "a" * 41, " "])
def test_a_prefix_that_makes_other_names_is_refused(tmp_path: Path, prefix: str):
    with pytest.raises(ValueError, match="weaviate_prefix"):
        Settings(_env_file=None, var_dir=tmp_path, weaviate_prefix=prefix)


async def test_collections_of_an_earlier_model_are_told_and_dropped(
    tmp_path: Path, double: WeaviateDouble, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    made = settings(tmp_path, double)
    async with open_migrated(made) as stores:
        await stores.vectors.prepare("earlier", 4)
        assert await prepare_index(stores) is None
    assert "collections not used any more: 3, explore reindex --drop-unused" in (await vectors_finding(made))[1]
    monkeypatch.setattr("typer.confirm", lambda *_, **__: False)
    assert await drop_unused_collections(made, asks=True) == "nothing was dropped"
    assert await drop_unused_collections(made, asks=False) == "3 collections were dropped"
    assert capsys.readouterr().out.count(Space("", "earlier", 4).collection("Project", 1)) == 2
    assert await drop_unused_collections(made, asks=True) == "0 collections were dropped"
    double.state.create({"class": Space("", "earlier", 4).collection("Project", 1)})
    assert await drop_unused_collections(made, asks=False) == "1 collection was dropped"
    assert double.state.aliases[ALIAS] in double.state.collections


@pytest.mark.parametrize(
    "command", [["import", "{data}"], ["token", "nobody"], ["models"], ["outbox"], ["trends"]], ids=lambda one: one[0]
)
def test_commands_on_the_database_work_while_weaviate_is_away(
    tmp_path: Path, command: list[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WEAVIATE_URL", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("VAR_DIR", str(tmp_path / "var"))
    monkeypatch.setenv("TOKEN_SECRET", "s" * 40)
    (tmp_path / "users.jsonl").write_text('{"key": "u", "username": "u"}\n')
    runner = CliRunner()
    assert runner.invoke(app, ["migrate"]).exit_code == 0
    result = runner.invoke(app, [one.format(data=tmp_path) for one in command])
    assert result.exit_code == 0, result.output
