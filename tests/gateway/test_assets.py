"""Builds are made up here, so that these tests need no npm; tests/browser opens the true ones."""

import pytest

from gateway.assets import FRONTEND, read_explore_page, read_graphiql
from tests.gateway.conftest import EXPLORE, GRAPHIQL, SCRIPT

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture
async def client(gateway, frontend):
    async with gateway(frontend=frontend) as started:
        yield started


async def test_the_explore_page_is_the_front_page_and_may_run_its_own_scripts_only(client):
    page = await client.get("/", headers={"Accept-Encoding": "identity"})
    assert (page.status_code, page.text) == (200, EXPLORE)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = dict(part.strip().split(" ", 1) for part in page.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == policy["form-action"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"


@pytest.mark.parametrize("path", ["/", "/graphql"])
async def test_no_policy_lets_in_what_is_inline_or_from_another_host(client, path):
    policy = (await client.get(path, headers=BROWSER)).headers["content-security-policy"]
    scripts = [part for part in policy.split("; ") if not part.startswith("img-src")]
    assert "unsafe" not in policy
    assert "http" not in " ".join(scripts)


@pytest.mark.parametrize("path", ["/trending", "/projects/fjord", "/index.html", "/graphiql", "/graphiql/"])
async def test_an_address_of_nothing_is_404_as_a_page_for_a_person_and_as_json_for_a_program(client, path):
    for method in ("GET", "HEAD"):
        shown = await client.request(method, path, headers=BROWSER)
        assert (shown.status_code, shown.headers["content-type"]) == (404, "text/html; charset=utf-8")
        assert shown.headers["vary"] == "Accept"
        assert "default-src 'none'; style-src 'sha256-" in shown.headers["content-security-policy"]
    assert 'href="/graphql"' in (await client.get(path, headers=BROWSER)).text
    for told in (await client.get(path), await client.post(path, headers=BROWSER)):
        assert told.status_code == 404
        assert told.json()["errors"][0]["extensions"]["code"] == "NOT_FOUND"


async def test_what_the_page_shows_is_in_the_query_of_its_one_address(client):
    page = await client.get("/?tab=trending&q=music", headers={"Accept-Encoding": "identity"})
    assert (page.status_code, page.text) == (200, EXPLORE)


async def test_a_script_that_is_not_there_is_not_answered_with_the_page(client):
    assert (await client.get("/assets/index-0000.js", headers=BROWSER)).status_code == 404


async def test_a_file_with_a_hash_in_its_name_is_kept_for_ever_and_all_else_is_asked_for_again(client):
    script = await client.get("/assets/index-4f3a.js")
    assert script.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert script.headers["content-type"] == "text/javascript; charset=utf-8"
    assert script.headers["cross-origin-resource-policy"] == "same-origin"
    for path in ("/", "/favicon.svg"):
        assert (await client.get(path)).headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("path", ["/", "/graphql", "/favicon.svg", "/assets/index-4f3a.js"])
async def test_what_the_browser_has_already_is_not_sent_again(client, path):
    tag = (await client.get(path, headers=BROWSER)).headers["etag"]
    again = await client.get(path, headers={**BROWSER, "If-None-Match": f'"other", {tag}'})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == tag
    assert (await client.get(path, headers={**BROWSER, "If-None-Match": '"other"'})).status_code == 200


@pytest.mark.parametrize(
    ("path", "asked", "coding"),
    [
        ("/", "gzip, deflate, br", "br"),
        ("/", "gzip", None),
        ("/", "br;q=0, gzip;q=0.5", None),
        ("/assets/index-4f3a.js", "gzip, deflate, br;q=0.9", "gzip"),
        ("/assets/index-4f3a.js", "GZIP;q=1.0", "gzip"),
        ("/assets/index-4f3a.js", "gzip; q=0", None),
        ("/assets/index-4f3a.js", "", None),
    ],
)
async def test_a_file_comes_in_the_smallest_coding_that_is_there_and_taken(client, path, asked, coding):
    request = client.build_request("GET", path, headers={"Accept-Encoding": asked})
    answer = await client.send(request, stream=True)
    assert answer.headers.get("content-encoding") == coding
    assert "Accept-Encoding" in answer.headers["vary"]
    await answer.aclose()


async def test_a_compressed_script_is_the_same_script(client):
    assert (await client.get("/assets/index-4f3a.js", headers={"Accept-Encoding": "gzip"})).content == SCRIPT


@pytest.mark.parametrize(
    "path",
    [
        "/.built",
        "/index.html.br",
        "/assets/index-4f3a.js.gz",
        "/../package.json",
        "/%2e%2e/package.json",
        "/assets/..%2f..%2fpackage.json",
        "/graphiql/index.html",
        "/assets",
        "/assets/",
    ],
)
async def test_nothing_but_the_built_files_can_be_had(client, path):
    assert (await client.get(path)).status_code == 404


async def test_a_file_can_be_asked_for_its_headers_and_cannot_be_posted_to(client):
    assert (await client.head("/favicon.svg")).status_code == 200
    refused = await client.post("/favicon.svg")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")


async def test_a_person_at_graphql_gets_graphiql_and_a_program_the_endpoint(client):
    page = await client.get("/graphql", headers={**BROWSER, "Accept-Encoding": "identity"})
    assert page.text == GRAPHIQL
    assert page.headers["vary"] == "Accept, Accept-Encoding"
    assert (await client.get("/assets/index-9c1b.js")).content == SCRIPT
    assert (await client.post("/graphql", json={"query": "{ echo }"}, headers=BROWSER)).json()["data"]["echo"] == "0"


async def test_graphiql_that_is_switched_off_leaves_neither_page_nor_files(gateway, frontend):
    async with gateway(frontend=frontend, graphiql=False) as client:
        assert "graphiql" not in (await client.get("/graphql", headers=BROWSER)).text
        assert (await client.get("/assets/index-9c1b.js")).status_code == 404
        assert (await client.get("/")).status_code == 200


async def test_the_explore_page_can_be_switched_off(gateway, frontend):
    async with gateway(frontend=frontend, explore_page=False) as client:
        assert "<h1>explore-gateway</h1>" in (await client.get("/")).text
        assert (await client.get("/trending", headers=BROWSER)).status_code == 404
        assert (await client.get("/assets/index-4f3a.js")).status_code == 404


async def test_pages_that_are_not_built_say_how_to_build_them(gateway):
    async with gateway() as client:
        front, graphiql = await client.get("/"), await client.get("/graphql", headers=BROWSER)
    assert (front.status_code, graphiql.status_code) == (200, 404)
    assert "make pages" in front.text
    assert "make pages" in graphiql.text


def test_a_build_is_looked_for_where_npm_leaves_it():
    assert (FRONTEND / "graphiql" / "package.json").is_file()


def test_half_a_build_is_none(frontend):
    for folder in (frontend / "dist", frontend / "graphiql" / "dist"):
        (folder / "index.html").unlink()
    assert read_explore_page(frontend) == read_graphiql(frontend) == {}
