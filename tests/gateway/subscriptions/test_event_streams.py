"""Subscriptions as event streams, over real HTTP."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from gateway.callers.session_ids import HEADER
from gateway.subscriptions import event_streams
from tests.gateway.subscriptions.conftest import SUBSCRIBE, WAIT_AT_MOST_S, Running
from tests.running import address_in, serving, token_of

pytestmark = pytest.mark.servers

EVENTS = {"Accept": "text/event-stream"}


class Heard:
    """An event stream, from the client's side."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self._lines = answer.aiter_lines()

    async def event(self) -> tuple[str, Any]:
        """Give the next event; comments are passed over."""
        name, data = "", ""
        async with asyncio.timeout(WAIT_AT_MOST_S):
            async for line in self._lines:
                if line.startswith("event:"):
                    name = line.removeprefix("event:").strip()
                elif line.startswith("data:"):
                    data = line.removeprefix("data:").strip()
                elif not line and name:
                    return name, json.loads(data) if data else None
        raise AssertionError("the stream ended")

    async def told(self) -> dict[str, Any]:
        name, data = await self.event()
        assert name == "next", (name, data)
        changed: dict[str, Any] = data["data"]["feedChanged"]
        return changed

    async def line(self) -> str:
        async with asyncio.timeout(WAIT_AT_MOST_S):
            return await anext(self._lines)


@asynccontextmanager
async def stream(url: str, headers: dict[str, str] | None = None, **variables: Any) -> AsyncIterator[Heard]:
    body = {"query": SUBSCRIBE, "variables": variables}
    async with (
        httpx.AsyncClient(timeout=WAIT_AT_MOST_S) as client,
        client.stream("POST", url, json=body, headers={**EVENTS, **(headers or {})}) as answer,
    ):
        yield Heard(answer)


async def test_an_act_is_told_as_an_event(gateway: Running) -> None:
    async with stream(gateway.url, gateway.bearer("ada")) as heard:
        assert heard.answer.status_code == 200
        assert heard.answer.headers["content-type"].startswith("text/event-stream")
        assert heard.answer.headers["cache-control"] == "no-store"
        assert "content-encoding" not in heard.answer.headers
        version = await gateway.like("ada", "p0003")
        assert await heard.told() == {"feed": "FOR_YOU", "reason": "VIEWER", "version": version}


async def test_a_session_gets_its_id_in_the_header_as_with_every_answer(gateway: Running) -> None:
    async with stream(gateway.url) as heard:
        session = heard.answer.headers[HEADER]
        await gateway.ask('mutation { saveProject(key: "p0001") { changed } }', {HEADER: session})
        assert (await heard.told())["version"] == 1


async def test_a_stream_by_get_wants_the_header_that_no_other_site_can_send(gateway: Running) -> None:
    async with httpx.AsyncClient(timeout=WAIT_AT_MOST_S) as client:
        address = httpx.URL(gateway.url, params={"query": "subscription { feedChanged(since: 5) { version } }"})
        refused = await client.get(address, headers=EVENTS)
        assert refused.json()["errors"][0]["extensions"]["code"] == "PREFLIGHT_REQUIRED"
        headers = {**EVENTS, "X-Explore-Request": "1"}
        async with client.stream("GET", address, headers=headers) as answer:
            assert (await Heard(answer).told())["version"] == 0
        assert (await client.head(address, headers=headers)).status_code == 405


async def test_a_subscription_without_a_stream_is_told_how_to_ask(gateway: Running) -> None:
    async with httpx.AsyncClient(timeout=WAIT_AT_MOST_S) as client:
        answer = await client.post(gateway.url, json={"query": SUBSCRIBE})
    (error,) = answer.json()["errors"]
    assert answer.status_code == 406
    assert "text/event-stream" in error["message"]


async def test_a_query_of_a_client_that_takes_streams_too_is_answered_as_ever(gateway: Running) -> None:
    accepts = "application/graphql-response+json, application/json, text/event-stream, multipart/mixed"
    answer = await gateway.ask("{ viewer { version } }", {**gateway.bearer("ada"), "Accept": accepts})
    assert answer == {"viewer": {"version": 0}}


@pytest.mark.parametrize(
    ("body", "code", "status"),
    [
        ({"query": "subscription {"}, "GRAPHQL_PARSE_FAILED", 400),
        ({"query": "subscription { nothing }"}, "GRAPHQL_VALIDATION_FAILED", 400),
        ({"query": SUBSCRIBE, "variables": {"since": "x"}}, "BAD_USER_INPUT", 400),
        ({"query": ""}, "BAD_REQUEST", 400),
    ],
)
async def test_what_cannot_begin_is_an_answer_with_a_status(gateway: Running, body, code, status) -> None:
    async with httpx.AsyncClient(timeout=WAIT_AT_MOST_S) as client:
        answer = await client.post(gateway.url, json=body, headers=EVENTS)
    assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (status, code)


async def test_a_bad_token_is_refused_before_anything_is_streamed(gateway: Running) -> None:
    async with stream(gateway.url, {"Authorization": "Bearer x"}) as heard:
        assert heard.answer.status_code == 401


async def test_a_stream_with_nothing_to_tell_is_kept_alive(gateway: Running, monkeypatch) -> None:
    monkeypatch.setattr(event_streams, "KEEP_ALIVE_S", 0.05)
    async with stream(gateway.url, gateway.bearer("ada")) as heard:
        lines = [await heard.line() for _ in range(6)]
    assert set(lines) == {":", ""}


async def test_a_seat_is_free_again_when_its_client_has_gone(serve) -> None:
    async with serve(max_streams_viewer=1) as gateway:
        async with stream(gateway.url, gateway.bearer("ada")) as first:
            assert first.answer.status_code == 200
            async with stream(gateway.url, gateway.bearer("ada")) as second:
                assert second.answer.status_code == 429
        async with asyncio.timeout(WAIT_AT_MOST_S):
            while True:
                async with stream(gateway.url, gateway.bearer("ada")) as again:
                    if again.answer.status_code == 200:
                        break
                await asyncio.sleep(0.05)


async def test_what_the_field_refuses_is_told_as_its_error(gateway: Running) -> None:
    async with httpx.AsyncClient(timeout=WAIT_AT_MOST_S) as client:
        body = {"query": "subscription { feedChanged(feeds: []) { feed } }"}
        async with client.stream("POST", gateway.url, json=body, headers=EVENTS) as answer:
            name, data = await Heard(answer).event()
    assert name == "next"
    assert data["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


async def test_a_server_that_stops_ends_its_streams_and_does_not_wait_for_them(tmp_path) -> None:
    with serving(tmp_path) as (process, welcome):
        token = {"Authorization": f"Bearer {token_of(tmp_path, 'ada')}"}
        async with stream(f"{address_in(welcome)}/graphql", token) as heard:
            assert await heard.line() == ":"
            process.send_signal(signal.SIGTERM)
            assert await heard.event() == ("complete", None)
        # uvicorn stops cleanly, and then raises the signal once more for whoever called it.
        assert await asyncio.to_thread(process.wait, WAIT_AT_MOST_S) in (0, -signal.SIGTERM)
        assert "Cancel 1 running" not in (tmp_path / "stderr").read_text()


async def test_a_client_that_goes_gives_its_seat_back_though_a_request_waits_behind_the_stream(
    serve, monkeypatch
) -> None:
    """Nothing is read meanwhile, so the next comment on the stream finds out."""
    monkeypatch.setattr(event_streams, "KEEP_ALIVE_S", 0.05)
    body = json.dumps({"query": SUBSCRIBE}).encode()
    started = f"POST /graphql HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\nContent-Length: {len(body)}\r\n"
    request = f"{started}Content-Type: application/json\r\n\r\n".encode() + body
    async with serve(max_streams=1) as gateway, asyncio.timeout(WAIT_AT_MOST_S):
        address = httpx.URL(gateway.url)
        reader, writer = await asyncio.open_connection(address.host, address.port)
        writer.write(request + b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        assert b" 200 " in await reader.readline()
        writer.transport.abort()
        await writer.wait_closed()
        while (await _status(gateway.url)) != 200:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def _status(url: str) -> int:
    async with stream(url) as heard:
        return heard.answer.status_code
