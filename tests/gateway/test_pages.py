import asyncio
from contextlib import AsyncExitStack
from ipaddress import ip_network
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from db.errors import Store, StoreUnavailable
from db.vectors.coverage import IndexCoverage
from gateway import pages
from gateway.repeated_lines import RepeatedLines
from tests.gateway.conftest import FakeRuntime, FakeStore

FROM_SHOP = {"Origin": "https://shop.example"}


async def stores_of(database, **others):
    fakes = {name: FakeStore() for name in ("vectors", "embedder", "cache")}
    return FakeRuntime(SimpleNamespace(database=database, coverage=IndexCoverage(), **{**fakes, **others}))


async def test_the_process_says_that_it_is_alive_without_asking_a_store(client):
    answer = await client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


async def test_a_gateway_with_all_its_stores_is_ready(gateway, database):
    async with gateway(await stores_of(database)) as client:
        answer = await client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ok",
        "stores": {"database": "ok", "vectors": "ok", "embeddings": "ok", "cache": "ok"},
    }


@pytest.mark.parametrize("name", ["vectors", "embedder", "cache"])
async def test_a_gateway_without_a_shadow_is_degraded_but_serves(gateway, sqlite_database, name):
    lost = FakeStore(StoreUnavailable(Store.VECTORS, "10.0.0.7 refused"))
    async with gateway(await stores_of(sqlite_database, **{name: lost})) as client:
        answer = await client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json()["status"] == "degraded"
    assert "10.0.0.7" not in answer.text
    assert list(answer.json()["stores"].values()).count("ok") == 3


async def test_a_store_that_does_not_answer_does_not_hold_up_the_check(gateway, sqlite_database):
    async with gateway(await stores_of(sqlite_database, cache=FakeStore(silent=True))) as client, asyncio.timeout(10):
        answer = await client.get("/readyz")
    assert answer.json()["stores"]["cache"] == "no answer within 2 s"


async def test_a_gateway_without_the_truth_is_not_ready(gateway):
    class Away:
        async def fetch(self, *_):
            raise ConnectionRefusedError(111, "postgresql://ada:secret@10.0.0.7 refused")

    async with gateway(await stores_of(Away())) as client:
        answer = await client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["status"] == "unavailable"
    assert "secret" not in answer.text


async def test_a_gateway_whose_connections_are_all_in_use_is_busy_and_keeps_its_place(
    gateway, sqlite_database, monkeypatch
):
    monkeypatch.setattr(pages, "BUSY_AFTER_S", 0.01)
    async with gateway(await stores_of(sqlite_database)) as client, AsyncExitStack() as in_use:
        while not sqlite_database._slots._free.locked():
            await in_use.enter_async_context(sqlite_database._slots)
        answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    assert answer.json()["stores"]["database"] == pages.BUSY


async def test_a_gateway_whose_database_does_not_answer_is_not_ready(gateway, monkeypatch):
    class Silent:
        connection_wait_s = 0.0

        async def fetch(self, *_):
            await asyncio.sleep(60)

    monkeypatch.setattr(pages, "BUSY_AFTER_S", 0.01)
    monkeypatch.setattr(pages, "CHECK_TIMEOUT_S", 0.02)
    async with gateway(await stores_of(Silent())) as client:
        answer = await client.get("/readyz")
    assert answer.status_code == 503


async def test_checks_of_an_unavailable_store_log_one_line(gateway, sqlite_database, monkeypatch):
    lost = FakeStore(StoreUnavailable(Store.VECTORS, "refused"))
    with capture_logs() as lines:
        monkeypatch.setattr(pages, "log", pages.structlog.get_logger())
        monkeypatch.setattr(pages, "_lines", RepeatedLines(lambda: 0.0))
        async with gateway(await stores_of(sqlite_database, vectors=lost)) as client:
            for _ in range(3):
                assert (await client.get("/readyz")).json()["status"] == "degraded"
    assert [line["store"] for line in lines if line["event"] == "store unavailable"] == ["vectors"]


async def test_a_gateway_whose_database_accepts_no_writes_serves_and_says_so(gateway, sqlite_database, monkeypatch):
    async def refuse(_self):
        raise StoreUnavailable(Store.DATABASE, "database or disk is full")

    monkeypatch.setattr(type(sqlite_database), "check_writable", refuse)
    async with gateway(await stores_of(sqlite_database)) as client:
        answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    assert answer.json()["stores"]["database"] == "accepts no writes: the reason is in the log"


async def test_the_front_page_says_what_this_is_and_where_to_go(client):
    page = await client.get("/")
    assert page.status_code == 200
    assert 'href="/graphql"' in page.text
    assert "forYou" in page.text
    assert "make pages" in page.text
    assert "<script" not in page.text


@pytest.mark.parametrize("path", ["/nothing", "/%00", "/../etc/passwd", "/graphql/x"])
async def test_a_wrong_address_is_answered_in_json(client, path):
    answer = await client.get(path)
    assert answer.status_code == 404
    assert answer.json()["errors"][0]["extensions"]["code"] == "NOT_FOUND"


async def test_a_wrong_method_is_answered_in_json(client):
    answer = await client.post("/healthz")
    assert answer.status_code == 405
    assert answer.json()["errors"]


@pytest.mark.parametrize("path", ["/", "/graphql", "/healthz", "/nothing"])
async def test_every_answer_carries_the_security_headers(client, path):
    headers = (await client.get(path)).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert "default-src 'none'" in headers["content-security-policy"]


async def test_a_page_of_a_listed_origin_may_call_and_read_its_session(gateway):
    async with gateway(allow_origins=("https://shop.example",)) as client:
        asked = await client.options(
            "/graphql", headers=preflight("authorization, content-type, x-explore-request, x-session-id")
        )
        called = await client.post("/graphql", json={"query": "{ echo }"}, headers=FROM_SHOP)
        stranger = await client.post("/graphql", json={"query": "{ echo }"}, headers={"Origin": "https://evil.example"})
    assert asked.status_code == 200
    assert asked.headers["access-control-max-age"] == "7200"
    assert called.headers["access-control-allow-origin"] == "https://shop.example"
    assert "X-Session-Id" in called.headers["access-control-expose-headers"]
    assert "access-control-allow-origin" not in stranger.headers
    assert "access-control-allow-credentials" not in called.headers


def preflight(headers, origin="https://shop.example"):
    """Give the headers of the question that a browser asks first."""
    return {"Origin": origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": headers}


APOLLO = (
    "accept,apollographql-client-name,apollographql-client-version,apollographql-library-name,"
    "apollographql-library-version,apollo-require-preflight,content-type,x-apollo-operation-id,x-apollo-operation-name,"
    "x-apollo-operation-type"
)


@pytest.mark.parametrize(
    "headers",
    [APOLLO, "baggage,content-type,sentry-trace,traceparent,tracestate,x-request-id", "accept,content-type"],
    ids=["apollo", "tracing", "urql and relay"],
)
async def test_headers_that_clients_and_tracing_add_by_themselves_pass_the_preflight(gateway, headers):
    async with gateway(allow_origins=("https://shop.example",)) as client:
        answer = await client.options("/graphql", headers=preflight(headers))
        stranger = await client.options("/graphql", headers=preflight(headers, "https://evil.example"))
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, "https://shop.example")
    assert (stranger.status_code, "access-control-allow-origin" in stranger.headers) == (400, False)


async def test_other_headers_pass_if_the_setting_names_them(gateway):
    async with gateway(allow_origins=("*",)) as client:
        unnamed = await client.options("/graphql", headers=preflight("x-tenant"))
    async with gateway(allow_origins=("*",), allow_headers=("X-Tenant",)) as client:
        named = await client.options("/graphql", headers=preflight("x-tenant,traceparent"))
    async with gateway(allow_origins=("*",), allow_headers=("*",)) as client:
        any_name = await client.options("/graphql", headers=preflight("authorization,x-anything"))
    assert [unnamed.status_code, named.status_code, any_name.status_code] == [400, 200, 200]
    assert any_name.headers["access-control-allow-headers"] == "authorization,x-anything"


async def test_a_page_can_read_why_and_for_how_long_it_is_refused(gateway):
    behind_proxy = {"trusted_proxies": (ip_network("127.0.0.1"),), "max_connections_address": 1}
    waits = {"query": "{ sleeps(seconds: 60) }"}
    async with gateway(allow_origins=("https://shop.example",), **behind_proxy) as client:
        first = asyncio.create_task(client.post("/graphql", json=waits))
        answer = await client.post("/graphql", json={}, headers=FROM_SHOP)
        while answer.status_code != 429:
            await asyncio.sleep(0)
            answer = await client.post("/graphql", json={}, headers=FROM_SHOP)
        first.cancel()
    assert answer.headers["access-control-allow-origin"] == "https://shop.example"
    assert {"Retry-After", "X-Request-Id"} <= set(answer.headers["access-control-expose-headers"].split(", "))
    assert answer.headers["retry-after"]


async def test_no_page_of_another_origin_may_call_by_default(client):
    answer = await client.post("/graphql", json={"query": "{ echo }"}, headers=FROM_SHOP)
    assert "access-control-allow-origin" not in answer.headers
