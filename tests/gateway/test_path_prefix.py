"""A gateway under a path of another site; tests/browser opens its pages behind an nginx."""

from ipaddress import ip_network

import pytest

from gateway.path_prefix import parse_path_prefix
from tests.gateway.conftest import EXPLORE
from tests.gateway.test_assets import BROWSER

IDENTITY = {"Accept-Encoding": "identity"}
TRUSTED = {"trusted_proxies": (ip_network("127.0.0.1"),)}


def based(page, root):
    return page.replace("<head>", f'<head><base href="{root}">')


@pytest.mark.parametrize("kept", ["", "/feed"], ids=["the proxy removes the prefix", "the proxy keeps it"])
@pytest.mark.parametrize(
    ("settings", "headers"),
    [({"path_prefix": "/feed"}, {}), (TRUSTED, {"X-Forwarded-Prefix": "/feed/"})],
    ids=["by setting", "by header"],
)
async def test_every_address_is_served_under_the_prefix(gateway, frontend, kept, settings, headers):
    async with gateway(frontend=frontend, **settings) as client:
        page = await client.get(f"{kept}/?tab=trending", headers=headers | IDENTITY)
        script = await client.get(f"{kept}/assets/index-4f3a.js", headers=headers)
        answer = await client.post(f"{kept}/graphql", json={"query": "{ echo }"}, headers=headers)
        health = await client.get(f"{kept}/healthz", headers=headers)
        lost = await client.get(f"{kept}/no/where", headers=headers | BROWSER)
        told = await client.get(f"{kept}/no/where", headers=headers)
    assert (page.status_code, page.text) == (200, based(EXPLORE, "/feed/"))
    assert "base-uri 'self'" in page.headers["content-security-policy"]
    assert script.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert (answer.json()["data"], health.status_code) == ({"echo": "0"}, 200)
    assert (lost.status_code, 'href="/feed/graphql"' in lost.text, 'href="/feed/"' in lost.text) == (404, True, True)
    assert "GraphQL is at /feed/graphql." in told.json()["errors"][0]["message"]


async def test_a_page_works_without_the_slash_at_the_end_and_is_kept_under_its_own_tag(gateway, frontend):
    async with gateway(frontend=frontend, path_prefix="/a/feed") as client:
        bare = await client.get("/a/feed", headers=IDENTITY)
        again = await client.get("/a/feed", headers={"If-None-Match": bare.headers["etag"]})
        neighbor = await client.get("/a/feedback")
    async with gateway(frontend=frontend) as client:
        elsewhere = await client.get("/", headers={"If-None-Match": bare.headers["etag"]})
    assert (bare.text, again.status_code, neighbor.status_code) == (based(EXPLORE, "/a/feed/"), 304, 404)
    assert elsewhere.status_code == 200


async def test_the_start_page_links_below_the_prefix(gateway):
    async with gateway(path_prefix="/feed") as client:
        assert 'href="/feed/readyz"' in (await client.get("/feed/")).text


async def test_a_prefix_of_whom_the_settings_do_not_trust_is_ignored(gateway, frontend):
    async with gateway(frontend=frontend, trusted_proxies=(ip_network("10.0.0.0/8"),)) as client:
        page = await client.get("/", headers={"X-Forwarded-Prefix": "/feed"} | IDENTITY)
        under = await client.get("/feed/", headers={"X-Forwarded-Prefix": "/feed"})
    assert (page.text, under.status_code) == (EXPLORE, 404)


BAD = ["feed", "//evil.example", "/a//b", "/..", "/a/../b", "/a/.", "/a b", '/a"><script>', "/a?b", "/a#b", "/%2e%2e"]
BAD += ["/a\r\nSet-Cookie: b", "/a\n", "https://evil.example", "/a,/b", "/graphql", "/assets/a", "/" + "a/" * 11]


@pytest.mark.parametrize("prefix", BAD)
async def test_a_malformed_prefix_is_refused_as_a_setting_and_ignored_as_a_header(gateway, frontend, prefix):
    with pytest.raises(ValueError, match="is not a path prefix"):
        parse_path_prefix(prefix)
    async with gateway(frontend=frontend, **TRUSTED) as client:
        page = await client.get("/", headers={"X-Forwarded-Prefix": prefix} | IDENTITY)
    assert page.text == EXPLORE


@pytest.mark.parametrize(("given", "prefix"), [("", ""), ("/", ""), ("/feed/", "/feed"), ("/a/.b/~c-1", "/a/.b/~c-1")])
def test_a_prefix_may_end_with_a_slash(given, prefix):
    assert parse_path_prefix(given) == prefix
