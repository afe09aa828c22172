import asyncio
from types import SimpleNamespace

import pytest

from db.errors import Store, StoreUnavailable
from tests.gateway.conftest import FakeRuntime, FakeStore


async def stores_of(database, **others):
    fakes = {name: FakeStore() for name in ("vectors", "embedder", "cache")}
    return FakeRuntime(SimpleNamespace(database=database, **{**fakes, **others}))


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
        preflight = await client.options(
            "/graphql",
            headers={
                "Origin": "https://shop.example",
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "authorization, content-type, x-explore-request, x-session-id",
            },
        )
        called = await client.post("/graphql", json={"query": "{ echo }"}, headers={"Origin": "https://shop.example"})
        stranger = await client.post("/graphql", json={"query": "{ echo }"}, headers={"Origin": "https://evil.example"})
    assert preflight.status_code == 200
    assert preflight.headers["access-control-max-age"] == "7200"
    assert called.headers["access-control-allow-origin"] == "https://shop.example"
    assert "X-Session-Id" in called.headers["access-control-expose-headers"]
    assert "access-control-allow-origin" not in stranger.headers
    assert "access-control-allow-credentials" not in called.headers


async def test_no_page_of_another_origin_may_call_by_default(client):
    answer = await client.post("/graphql", json={"query": "{ echo }"}, headers={"Origin": "https://shop.example"})
    assert "access-control-allow-origin" not in answer.headers
