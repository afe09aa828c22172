"""The pages behind a real nginx that serves the gateway at `/feed/`, and removes the prefix or keeps it."""

import json
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest
from playwright.async_api import expect
from websockets.asyncio.client import connect

from tests.browser.conftest import running_demo
from tests.browser.explore_page import cards, settled
from tests.browser.test_graphiql import run
from tests.servers import running_nginx

REMOVED, KEPT = "removed", "kept"


@pytest.fixture(scope="module")
def sites(demo_data, tmp_path_factory) -> Iterator[dict[str, str]]:
    """Give the addresses of one gateway behind two nginx."""
    with ExitStack() as stack:
        folder = tmp_path_factory.mktemp("prefix")
        demo = stack.enter_context(running_demo(folder, demo_data, PATH_PREFIX="/feed"))
        port = int(demo.address.rpartition(":")[2])
        removes = stack.enter_context(running_nginx(port, location="/feed/", target="/"))
        keeps = stack.enter_context(running_nginx(port, location="/feed"))
        yield {REMOVED: f"http://127.0.0.1:{removes}", KEPT: f"http://127.0.0.1:{keeps}"}


@pytest.mark.parametrize("site", [REMOVED, KEPT])
async def test_both_pages_render_and_query_under_a_path_of_another_site(open_page, sites, site):
    page = await open_page("/feed", base_url=sites[site])  # nginx or the page itself adds the slash
    await settled(page)
    popular = await cards(page).count()
    await page.get_by_role("tab", name="Trending").click()
    await expect(page).to_have_url(f"{sites[site]}/feed/?tab=trending")
    await settled(page)
    assert min(popular, await cards(page).count()) > 0
    graphiql = await open_page("/feed/graphql", base_url=sites[site])
    assert (await run(graphiql))["data"]["forYou"]["edges"]
    await graphiql.get_by_role("link", name="explore-gateway").click()
    await settled(graphiql)
    await expect(graphiql).to_have_url(f"{sites[site]}/feed/")


@pytest.mark.parametrize("site", [REMOVED, KEPT])
async def test_files_streams_and_sockets_pass_under_the_path(sites, site):
    query = "subscription { feedChanged(feeds: [TRENDING]) { __typename } }"
    async with httpx.AsyncClient(base_url=f"{sites[site]}/feed") as client:
        page = await client.get("/")
        script = page.text.partition(' src="./')[2].partition('"')[0]
        file = await client.get(f"/{script}")
        lost = await client.get("/no/where", headers={"Accept": "text/html"})
        stream = {"Accept": "text/event-stream"}
        async with client.stream("POST", "/graphql", json={"query": query}, headers=stream) as events:
            assert (events.status_code, await anext(events.aiter_lines())) == (200, ":")
    assert file.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert (lost.status_code, 'href="/feed/graphql"' in lost.text) == (404, True)
    address = f"{sites[site].replace('http', 'ws')}/feed/graphql"
    async with connect(address, subprotocols=["graphql-transport-ws"]) as socket:
        await socket.send(json.dumps({"type": "connection_init"}))
        assert json.loads(await socket.recv())["type"] == "connection_ack"
