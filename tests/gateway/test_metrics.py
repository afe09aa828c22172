"""Access to /metrics, and reports of proxies that are not trusted."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import httpx
import pytest
from prometheus_client import REGISTRY

from db.database.engine import Database
from gateway import telemetry
from tests.gateway.conftest import FakeRuntime

TOKEN = "a token for Prometheus"
Start = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]


async def scrape(started: httpx.AsyncClient, host: str, **headers: str) -> httpx.Response:
    """Ask for /metrics as if the connection came from this address."""
    transport = started._transport
    assert isinstance(transport, httpx.ASGITransport)
    transport.client = (host, 5000)
    sent = {"Host": "localhost:8000", **headers}
    return await started.get("/metrics", headers={name: value.encode("latin-1") for name, value in sent.items()})


@pytest.fixture
def runtime(sqlite_database: Database) -> FakeRuntime:
    """Give a runtime whose outbox can be counted."""
    fake = FakeRuntime()
    fake.stores.database = sqlite_database
    return fake


@pytest.mark.parametrize(
    ("host", "headers", "status"),
    [
        ("127.0.0.1", {}, 200),
        ("::1", {}, 200),
        ("::ffff:127.0.0.1", {}, 200),
        ("10.0.0.5", {}, 403),
        ("203.0.113.9", {}, 403),
        ("127.0.0.1", {"X-Forwarded-For": "127.0.0.1"}, 403),
        ("127.0.0.1", {"Forwarded": "for=127.0.0.1"}, 403),
        ("127.0.0.1", {"X-Real-IP": "127.0.0.1"}, 403),
        ("127.0.0.1", {"Via": "1.1 proxy"}, 403),
        ("127.0.0.1", {"X_Forwarded_For": "127.0.0.1"}, 403),
        ("127.0.0.1", {"X-Varnish": "32770"}, 403),
        ("127.0.0.1", {"Host": "rebound.example"}, 403),
        ("127.0.0.1", {"Host": "[::1].evil.example"}, 403),
        ("10.0.0.5", {"Authorization": "Bearer "}, 403),
    ],
)
async def test_without_a_token_only_this_machine_is_answered(
    gateway: Start, runtime: FakeRuntime, host: str, headers: dict[str, str], status: int
) -> None:
    async with gateway(runtime, trusted_proxies="127.0.0.1,10.0.0.5") as started:
        answer = await scrape(started, host, **headers)
    assert answer.status_code == status
    assert ("explore_outbox_rows" in answer.text) is (status == 200)


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        (f"Bearer {TOKEN}", 200),
        (f"bearer {TOKEN}", 200),
        (f"Bearer {TOKEN}x", 401),
        (TOKEN, 401),
        ("Bearer", 401),
        ("Bearer ÿ", 401),
        ("", 401),
    ],
)
async def test_with_a_token_whoever_has_it_is_answered_and_nobody_else(
    gateway: Start, runtime: FakeRuntime, authorization: str, status: int
) -> None:
    async with gateway(runtime, metrics_token=TOKEN) as started:
        for host in ("127.0.0.1", "203.0.113.9"):
            answer = await scrape(started, host, Authorization=authorization)
            assert answer.status_code == status
            assert TOKEN not in answer.text


async def test_an_untrusted_proxy_is_counted_and_told_by_readyz(gateway: Start, runtime: FakeRuntime) -> None:
    def counted(address: str) -> float:
        return REGISTRY.get_sample_value("explore_untrusted_forwarding_total", {"address": address}) or 0.0

    private, public = counted("private"), counted("public")
    async with gateway(runtime) as started:
        assert "warnings" not in (await started.get("/readyz")).json()
        for host in ("93.184.216.34", "10.0.0.5", "10.0.0.5"):
            started._transport.client = (host, 5000)  # type: ignore[attr-defined]
            await started.post("/graphql", json={"query": "{ echo }"}, headers={"X-Forwarded-For": "203.0.113.9"})
            warned = "warnings" in (await started.get("/readyz")).json()
            assert warned is (host == "10.0.0.5")  # anybody may forge the header, and few proxies are elsewhere
        answer = await started.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (200, "ok")
    assert "TRUSTED_PROXIES" in answer.json()["warnings"][0]
    assert (counted("private") - private, counted("public") - public) == (2, 1)


async def test_a_trusted_proxy_is_no_warning(gateway: Start, runtime: FakeRuntime) -> None:
    async with gateway(runtime, trusted_proxies="10.0.0.0/8") as started:
        started._transport.client = ("10.0.0.5", 5000)  # type: ignore[attr-defined]
        await started.post("/graphql", json={"query": "{ echo }"}, headers={"X-Forwarded-For": "203.0.113.9"})
        assert "warnings" not in (await started.get("/readyz")).json()


async def test_a_scrape_is_answered_while_the_database_does_not_answer(
    gateway: Start, runtime: FakeRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Silent:
        async def fetch(self, *_: object) -> None:
            await asyncio.sleep(3_600)

    monkeypatch.setattr(telemetry, "CHECK_TIMEOUT_S", 0.01)
    runtime.stores.database = Silent()
    async with gateway(runtime) as started, asyncio.timeout(60):
        answer = await scrape(started, "127.0.0.1")
    assert answer.status_code == 200
    assert "explore_request_seconds" in answer.text
    assert "explore_outbox_rows" not in answer.text
