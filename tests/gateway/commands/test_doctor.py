"""What the doctor, and a start, say of stores that are away or refuse us: one clear sentence, and what to do."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import insert

from db.catalog.catalog_entries import upsert_projects
from db.embeddings.wordllama import MODEL as WORDLLAMA
from db.models import Project
from db.private_files import DataFile
from db.records import ProjectRecord
from db.synchronization.reindex import Reindex
from db.vectors.base import VectorFilter
from gateway.commands.console import console
from gateway.commands.doctor import Finding, Verdict, print_findings, run_checks
from gateway.commands.prepare import migrate_only, prepare
from gateway.errors import CannotStart
from gateway.settings import Settings
from gateway.stores import open_migrated
from tests.doubles.openai import KEY, Fault, OpenAIDouble
from tests.doubles.weaviate import running_weaviate
from tests.servers import free_port, running_redis

pytestmark = pytest.mark.servers


def settings(folder: Path, **given: Any) -> Settings:
    return Settings(_env_file=None, **{"var_dir": folder, **given})


async def finding(subject: str, made: Settings) -> Finding:
    await migrate_only(made)
    found = {one.subject: one for one in await run_checks(made)}
    return found[subject]


async def assert_broken(subject: str, message: str, made: Settings) -> None:
    found = await finding(subject, made)
    assert found.verdict is Verdict.BROKEN
    assert message in found.message
    assert "\n" not in found.message


async def test_everything_embedded_is_well(tmp_path: Path):
    await migrate_only(settings(tmp_path))
    assert all(one.verdict is Verdict.OK for one in await run_checks(settings(tmp_path)))


async def test_a_weaviate_that_is_away_wants_to_be_started(tmp_path: Path):
    away = f"http://127.0.0.1:{free_port()}"
    await assert_broken("vectors", "start Weaviate, correct WEAVIATE_URL", settings(tmp_path, weaviate_url=away))


async def test_what_is_no_weaviate_and_an_address_that_is_none_are_told_apart(tmp_path: Path):
    with running_weaviate() as other:
        other.faults.rest_status, other.faults.rest_body = 404, "<h1>not here</h1>"
        await assert_broken("vectors", "no Weaviate answers at", settings(tmp_path, weaviate_url=other.url))
    made = settings(tmp_path, weaviate_url="http://host/path")
    await assert_broken("vectors", "has a path; the client supports only host and port", made)


async def test_a_weaviate_that_refuses_the_key_names_the_setting(tmp_path: Path):
    with running_weaviate(api_key="right") as double:
        urls = {"weaviate_url": double.url, "weaviate_grpc_url": double.grpc_url}
        await assert_broken("vectors", "correct WEAVIATE_API_KEY", settings(tmp_path, weaviate_api_key="wrong", **urls))
        with pytest.raises(CannotStart, match="correct WEAVIATE_API_KEY"):
            await prepare(settings(tmp_path, weaviate_api_key="wrong", **urls), demo=False, say=print)


async def test_a_redis_that_is_away_wants_to_be_started_and_one_that_refuses_us_a_password(tmp_path: Path):
    away = settings(tmp_path, redis_url=f"redis://127.0.0.1:{free_port()}/0")
    await assert_broken("cache", "start Redis, correct REDIS_URL", away)
    await prepare(away, demo=False, say=print)
    with running_redis("--requirepass", "right") as server:
        refused = settings(tmp_path, redis_url=server.url)
        await assert_broken("cache", "check user and password in REDIS_URL", refused)
        with pytest.raises(CannotStart, match="check user and password in REDIS_URL"):
            await prepare(refused, demo=False, say=print)


async def test_an_endpoint_that_is_away_before_its_dimension_is_known_hides_no_other_finding(tmp_path: Path):
    made = settings(tmp_path, weaviate_embedding_model="m", openai_base_url=f"http://127.0.0.1:{free_port()}/v1")
    await migrate_only(made)
    (tmp_path / DataFile.VECTORS).touch()
    found = {one.subject: one for one in await run_checks(made)}
    assert {one.subject for one in found.values() if one.verdict is Verdict.BROKEN} == {"embeddings"}
    assert "start the endpoint, correct OPENAI_BASE_URL" in found["embeddings"].message
    assert "dimension of the embedding model is unknown" in found["vectors"].message
    assert {"database", "schema", "outbox", "cache"} <= found.keys()
    async with open_migrated(made):  # as explore import, models and trends do
        pass


async def test_a_model_that_refuses_the_key_or_gives_other_vectors_is_told_at_the_start(tmp_path: Path):
    async with OpenAIDouble() as double:
        wrong = settings(tmp_path, openai_api_key="sk-wrong", openai_base_url=double.url)
        await assert_broken("embeddings", "rejects the key (401); check OPENAI_API_KEY", wrong)
        with pytest.raises(CannotStart, match=r"rejects the key \(401\); check OPENAI_API_KEY"):
            await prepare(wrong, demo=False, say=print)
        double.always = Fault(change=lambda vectors: vectors[:, :3])
        other = settings(tmp_path, openai_api_key=KEY, openai_base_url=double.url)
        await assert_broken("embeddings", "gives vectors of 3 components where 1536 are expected", other)
        other = settings(tmp_path / "new", openai_api_key=KEY, openai_base_url=double.url)
        with pytest.raises(CannotStart, match="gives vectors of 3 components"):
            await prepare(other, demo=False, say=print)


async def test_a_start_pays_the_model_for_its_question_once(tmp_path: Path):
    async with OpenAIDouble() as double:
        made = settings(tmp_path, openai_api_key=KEY, openai_base_url=double.url)
        for _ in range(2):
            await prepare(made, demo=False, say=print)
        assert double.paid.total() == 1


async def test_a_damaged_index_is_replaced_and_a_damaged_database_is_to_be_restored(tmp_path: Path):
    made = settings(tmp_path)
    (tmp_path / "vectors.sqlite").write_bytes(b"this is no database" * 100)
    assert (await finding("vectors", made)).verdict is not Verdict.BROKEN
    assert (tmp_path / "vectors.sqlite.damaged").exists()
    (tmp_path / "explore.sqlite-wal").unlink(missing_ok=True)
    (tmp_path / "explore.sqlite").write_bytes(b"this is no database" * 100)
    [found] = [one for one in await run_checks(made) if one.subject == "database"]
    assert found.verdict is Verdict.BROKEN
    assert "restore a damaged file from a backup, or correct DATABASE_URL" in found.message
    with pytest.raises(CannotStart, match="restore a damaged file from a backup"):
        await migrate_only(made)
    assert (tmp_path / "explore.sqlite").read_bytes() == b"this is no database" * 100


async def test_an_index_that_lacks_projects_which_nothing_will_bring_is_to_be_looked_at(tmp_path: Path):
    made = settings(tmp_path)
    await migrate_only(made)
    async with open_migrated(made) as stores:
        await stores.vectors.prepare(stores.embedder.model, stores.embedder.dimension)
        async with stores.database.write() as connection:
            await connection.execute(insert(Project).values(key="a", title="A", type="article"))
    found = await finding("vectors", made)
    assert found.verdict is Verdict.WARNING
    assert found.message.startswith("the index holds 0 of 1 projects; it is being filled if explore serve")


async def test_the_findings_are_whole_where_the_output_is_no_terminal(tmp_path: Path, capsys):
    long = Finding("folder", Verdict.BROKEN, f"{'x' * 300} explore migrate")
    assert print_findings(console(), [long]) == 1
    assert long.message in capsys.readouterr().out


TYPES = '[watched]\nlabel = "watched"\n[shared]\nlabel = "shared"\n'


async def test_a_stored_type_that_is_no_longer_configured_is_named(tmp_path: Path):
    file = tmp_path / "types.toml"
    file.write_text(TYPES)
    made = settings(tmp_path, interaction_types=file)
    found = await finding("interactions", made)
    assert (found.verdict, "the next start stores watched, shared" in found.message) == (Verdict.OK, True)
    async with open_migrated(made):
        pass
    assert (await finding("interactions", made)).message == "types of the platform's own: watched, shared"
    found = await finding("interactions", settings(tmp_path))
    assert found.verdict is Verdict.WARNING
    assert found.message.startswith("rankings ignore the stored types shared, watched;")
    file.write_text("[x")
    assert (await finding("interactions", made)).verdict is Verdict.BROKEN


VECTORS = {"project_embedding_model": "their-model", "project_embedding_dimension": 2}


@pytest.mark.parametrize("engine", ["embedded", "weaviate"])
async def test_projects_bring_vectors_to_both_engines_and_what_is_not_used_is_counted(tmp_path: Path, engine: str):
    with ExitStack() as stack:
        more: dict[str, Any] = {}
        if engine == "weaviate":
            weaviate = stack.enter_context(running_weaviate())
            more = {"weaviate_url": weaviate.url, "weaviate_grpc_url": weaviate.grpc_url}
        made = settings(tmp_path, **VECTORS, **more)
        records = [
            ProjectRecord(key=f"p{n}", title="T", type="a", embedding=vector)
            for n, vector in enumerate([(3.0, 4.0), (0.0, 1.0), None])
        ]
        async with open_migrated(made) as stores:
            async with stores.database.write() as connection:
                await upsert_projects(connection, records, stores.platform.embedding_space)
            await Reindex(stores.database, stores.vectors, stores.embedder).run(lambda *_: None)
            ids, rows = await stores.vectors.project_vectors(np.array([1, 2, 3]))
            assert dict(zip(ids.tolist(), rows.round(6).tolist(), strict=True)) == {
                1: [pytest.approx(0.6), pytest.approx(0.8)],
                2: [0.0, 1.0],
                3: [0.0, 0.0],
            }
            assert (await stores.vectors.near(np.array([0, 1], np.float32), 2, VectorFilter())).ids.tolist() == [2, 1]
        found = await finding("project vectors", made)
        assert found.verdict is Verdict.WARNING
        assert found.message.startswith(
            "2 of 3 public projects have one of their-model, 2 dimensions; projects without"
        )
        assert "searches use keywords" in (await finding("embeddings", made)).message
        found = await finding(
            "project vectors", settings(tmp_path, **VECTORS | {"project_embedding_model": "b"}, **more)
        )
        assert "2 of other models are not used: send them again" in found.message


@pytest.mark.parametrize(
    ("given", "fix"),
    [
        ({"project_embedding_model": "x"}, "set PROJECT_EMBEDDING_DIMENSION to the number of components"),
        (
            {"project_embedding_model": WORDLLAMA, "project_embedding_dimension": 8},
            "PROJECT_EMBEDDING_DIMENSION to 256",
        ),
    ],
)
async def test_a_dimension_that_is_missing_or_wrong_for_the_text_model_is_named(
    tmp_path: Path, given: dict[str, Any], fix: str
):
    await assert_broken("stores", fix, settings(tmp_path, **given))


async def test_vectors_of_the_text_model_are_used_beside_its_own(tmp_path: Path):
    made = settings(tmp_path, project_embedding_model=WORDLLAMA, project_embedding_dimension=256)
    async with open_migrated(made) as stores:
        assert (await stores.embedder.embed(["a project about music"])).any()
        assert stores.platform.embedding_space == (WORDLLAMA, 256)
