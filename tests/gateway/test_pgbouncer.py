"""The whole gateway behind a PgBouncer in transaction mode."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from db.models import Role
from tests.at_scale import FOR_YOU, SEARCH, AtScale, running_at_scale
from tests.pgbouncer import through

pytestmark = pytest.mark.servers

PROJECTS = 30
PAGE = """{ forYou(first: 10) { edges { node { key title viewerHasLiked likeCount activity categories { key } }
explanation { summary reasons { text } } } } popular(first: 5) { nodes { key } } }"""
WRITES = """mutation ($key: String!) { likeProject(key: $key) { changed } saveProject(key: $key) { changed }
dismissProject(key: "p0003") { changed } mute(kind: CATEGORY, key: "chess") { changed } }"""


@pytest.fixture(scope="module")
async def behind_pgbouncer(
    postgresql_template, pgbouncer: int, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[AtScale]:
    folder: Path = tmp_path_factory.mktemp("behind_pgbouncer")
    async with postgresql_template.copy(folder) as database:
        url = through(database.url.render_as_string(hide_password=False), pgbouncer)
        async with running_at_scale(f"{url}?pgbouncer=true", folder) as running:
            await running.fill(PROJECTS)
            yield running


async def data(answer: Any) -> dict[str, Any]:
    body = await answer
    assert "errors" not in body, body["errors"]
    found: dict[str, Any] = body["data"]
    return found


async def test_concurrent_viewers_get_their_own_pages(behind_pgbouncer: AtScale) -> None:
    users = [f"viewer-{number}" for number in range(12)]
    keys = [f"p{10 + number:04}" for number in range(12)]
    written = await asyncio.gather(
        *(data(behind_pgbouncer.ask(WRITES, user, key=key)) for user, key in zip(users, keys, strict=True))
    )
    assert all(value == {"changed": True} for answer in written for value in answer.values())
    for _ in range(3):
        pages = await asyncio.gather(*(data(behind_pgbouncer.ask(PAGE, user)) for user in users))
        for key, page in zip(keys, pages, strict=True):
            nodes = [edge["node"] for edge in page["forYou"]["edges"]]
            assert "p0003" not in [node["key"] for node in nodes]
            assert {"key": "chess"} not in [category for node in nodes for category in node["categories"]]
            assert [node["key"] for node in nodes if node["viewerHasLiked"]] in ([], [key])


async def test_search_changes_of_the_catalog_and_erasure(behind_pgbouncer: AtScale) -> None:
    assert len((await data(behind_pgbouncer.ask(SEARCH)))["search"]["edges"]) > 3
    hide = 'mutation { removeProjects(keys: ["p0000"]) { removed } }'
    assert (await data(behind_pgbouncer.ask(hide, "platform", Role.SERVICE)))["removeProjects"]["removed"] == 1
    for query in (FOR_YOU, "{ newest(first: 30) { edges { node { key } } } }"):
        (feed,) = (await data(behind_pgbouncer.ask(query))).values()
        assert "p0000" not in [edge["node"]["key"] for edge in feed["edges"]]
    erased = await data(
        behind_pgbouncer.ask("mutation { deleteMyData(projects: KEEP) { receipt { id } } }", "viewer-1")
    )
    assert erased["deleteMyData"]["receipt"]["id"]
