"""Subscriptions over a real WebSocket: what is told, to whom, and how a conversation may end."""

import asyncio
import json
import socket as sockets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from starlette.requests import HTTPConnection
from websockets.exceptions import InvalidStatus

from gateway.callers.session_ids import HEADER
from gateway.load_shedding import LoadShedder, Overloaded
from gateway.subscriptions import websockets as protocol
from gateway.subscriptions.allowed_origins import AllowedOrigins
from tests.gateway.subscriptions.conftest import SUBSCRIBE, Running


async def test_an_act_on_one_device_is_told_on_another(gateway: Running) -> None:
    async with gateway.socket(gateway.bearer("ada")) as phone:
        await phone.subscribe()
        version = await gateway.like("ada", "p0003")
        assert await phone.told() == {"feed": "FOR_YOU", "reason": "VIEWER", "version": version}


async def test_nobody_is_told_of_anothers_acts(gateway: Running) -> None:
    async with gateway.socket(gateway.bearer("bob")) as bob, gateway.socket(gateway.bearer("ada")) as ada:
        await bob.subscribe()
        await ada.subscribe()
        await gateway.like("ada", "p0003")
        await ada.told()
        await gateway.like("bob", "p0005")
        assert (await bob.told())["version"] == 1  # the first that he hears of, and it is his own


async def test_what_came_before_is_told_to_who_says_what_they_knew(gateway: Running) -> None:
    version = await gateway.like("ada", "p0003")
    async with gateway.socket(gateway.bearer("ada")) as talk:
        await talk.subscribe(since=version - 1)
        assert (await talk.told())["version"] == version
        await talk.subscribe("2", since=version)
        newer = await gateway.like("ada", "p0004")
        messages = [await talk.hear("next") for _ in range(2)]
        versions = {message["id"]: message["payload"]["data"]["feedChanged"]["version"] for message in messages}
        assert versions == {"1": newer, "2": newer}


async def test_a_burst_of_acts_is_told_as_fewer_changes_and_the_last_one_is_among_them(gateway: Running) -> None:
    async with gateway.socket(gateway.bearer("ada")) as talk:
        await talk.subscribe()
        versions = await asyncio.gather(*(gateway.like("ada", f"p{number:04}") for number in range(12)))
        told = []
        while not told or told[-1]["version"] < max(versions):
            told.append(await talk.told())
        assert len(told) < len(versions)


async def test_a_session_without_a_token_is_told_too_and_learns_its_id(gateway: Running) -> None:
    async with gateway.socket() as talk:
        session = talk.ack["payload"][HEADER]
        await talk.subscribe()
        await gateway.ask('mutation { saveProject(key: "p0001") { changed } }', {HEADER: session})
        assert (await talk.told())["version"] == 1


async def test_a_session_that_is_claimed_is_told_of_the_accounts_acts(gateway: Running) -> None:
    async with gateway.socket() as talk:
        session = talk.ack["payload"][HEADER]
        await gateway.ask('mutation { saveProject(key: "p0001") { changed } }', {HEADER: session})
        await talk.subscribe(since=1)
        await gateway.ask("mutation { claimSession { status } }", {HEADER: session, **gateway.bearer("ada")})
        claimed = await talk.told()
        version = await gateway.like("ada", "p0007")
        while claimed["version"] < version:
            claimed = await talk.told()


async def test_who_asks_may_be_said_in_headers_as_well(gateway: Running) -> None:
    async with gateway.socket(additional_headers=gateway.bearer("ada")) as talk:
        assert "payload" not in talk.ack
        await talk.subscribe()
        await gateway.like("ada", "p0003")
        await talk.told()


async def test_what_the_first_message_says_of_who_asks_stands_before_the_headers(gateway: Running) -> None:
    async with gateway.socket(gateway.bearer("ada"), additional_headers=gateway.bearer("bob")) as talk:
        await talk.subscribe()
        await gateway.like("bob", "p0001")
        await gateway.like("ada", "p0003")
        assert (await talk.told())["version"] == 1
        await talk.subscribe("2", "subscription { feedChanged(since: 99) { version } }")
        assert (await talk.told("2"))["version"] == 1


async def test_two_good_tokens_in_two_spellings_are_refused(gateway: Running) -> None:
    async with gateway.socket(init=False) as talk:
        (ada,) = gateway.bearer("ada").values()
        await talk.say(type="connection_init", payload={"Authorization": ada, "authorization": ada})
        assert await talk.closed() == (4403, "Forbidden: Send one Authorization header, not several.")


async def test_complete_ends_a_subscription_and_its_id_is_free_again(gateway: Running) -> None:
    async with gateway.socket(gateway.bearer("ada")) as talk:
        await talk.subscribe()
        await talk.say(type="complete", id="1")
        await talk.say(type="ping")
        await talk.hear("pong")
        await talk.subscribe("1", since=7)
        await talk.told()


# What is refused, and leaves the socket open.


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{ viewer { role } }", "BAD_REQUEST"),
        ('mutation { likeProject(key: "p0001") { changed } }', "METHOD_NOT_ALLOWED"),
        ("subscription { nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription {", "GRAPHQL_PARSE_FAILED"),
        ("subscription { feedChanged(feeds: [SEARCH]) { feed } }", "BAD_USER_INPUT"),
        ("subscription ($n: Int!) { feedChanged(since: $n) { feed } }", "BAD_USER_INPUT"),
        ("subscription { a: feedChanged { feed } b: feedChanged { feed } }", "GRAPHQL_VALIDATION_FAILED"),
        ("", "BAD_REQUEST"),
    ],
)
async def test_what_cannot_be_subscribed_to_is_refused_with_a_code(gateway: Running, query: str, code: str) -> None:
    async with gateway.socket(gateway.bearer("ada")) as talk:
        await talk.subscribe("x", query)
        async with asyncio.timeout(20):
            message = json.loads(await talk.socket.recv())
        errors = message["payload"] if message["type"] == "error" else message["payload"]["errors"]
        assert errors[0]["extensions"]["code"] == code
        assert (await gateway.ask("{ viewer { version } }", gateway.bearer("ada")))["viewer"]["version"] == 0


@pytest.mark.parametrize("is_open", [True, False])
async def test_names_are_suggested_while_introspection_is_open_and_not_otherwise(serve, is_open: bool) -> None:
    query = "subscription ($feeds: [FeedKind!]!) { feedChanged(feeds: $feeds) { feed } }"
    async with serve(introspection=is_open) as gateway, gateway.socket() as talk:
        await talk.subscribe("x", query, feeds=["TRENDIN"])
        (error,) = (await talk.hear("error"))["payload"]
        assert error["extensions"]["code"] == "BAD_USER_INPUT"
        assert ("TRENDING" in error["message"]) is is_open


@pytest.mark.parametrize("is_socket", [True, False], ids=["WebSocket", "event stream"])
async def test_an_overloaded_server_refuses_a_subscription(
    gateway: Running, monkeypatch: pytest.MonkeyPatch, is_socket: bool
) -> None:
    @asynccontextmanager
    async def refuse(*_: object) -> AsyncIterator[None]:
        raise Overloaded
        yield

    monkeypatch.setattr(LoadShedder, "turn", refuse)
    if is_socket:
        async with gateway.socket(gateway.bearer("ada")) as talk:
            await talk.subscribe()
            errors = (await talk.hear("error"))["payload"]
    else:
        async with httpx.AsyncClient() as client:
            headers = {**gateway.bearer("ada"), "Accept": "text/event-stream"}
            answer = await client.post(gateway.url, json={"query": SUBSCRIBE}, headers=headers)
        assert answer.status_code == 503
        errors = answer.json()["errors"]
    assert errors[0]["extensions"] == {"code": "OVERLOADED"}


async def test_a_socket_carries_so_many_subscriptions_and_no_more(gateway: Running) -> None:
    async with gateway.socket(gateway.bearer("ada")) as talk:
        for number in range(protocol.MAX_SUBSCRIPTIONS + 1):
            await talk.subscribe(str(number))
        refused = await talk.hear("error")
        assert refused["id"] == str(protocol.MAX_SUBSCRIPTIONS)
        assert refused["payload"][0]["extensions"]["code"] == "TOO_MANY_STREAMS"


# What closes the socket.


@pytest.mark.parametrize(
    ("messages", "code"),
    [
        (["{"], 4400),
        (["[]"], 4400),
        ([b"\x00"], 4400),
        ([{"type": "unheard-of"}], 4400),
        ([{"type": 7}], 4400),
        ([{"no": "type"}], 4400),
        ([{"type": "connection_init", "payload": []}], 4400),
        ([{"type": "connection_init", "payload": {"Authorization": 7}}], 4400),
        ([{"type": "connection_init"}, {"type": "connection_init"}], 4429),
        ([{"type": "connection_init", "payload": {"Authorization": "Bearer x"}}], 4403),
        ([{"type": "subscribe", "id": "1", "payload": {"query": SUBSCRIBE}}], 4401),
        ([{"type": "connection_init"}, {"type": "subscribe", "payload": {"query": SUBSCRIBE}}], 4400),
        ([{"type": "connection_init"}, {"type": "subscribe", "id": 1, "payload": {"query": SUBSCRIBE}}], 4400),
        (
            [{"type": "connection_init"}, *2 * [{"type": "subscribe", "id": "1", "payload": {"query": SUBSCRIBE}}]],
            4409,
        ),
        ([json.dumps({"type": "ping", "payload": {"x": "y" * 300_000}})], 1009),
        (["[" * 200_000], 4400),
    ],
)
async def test_what_breaks_the_protocol_closes_the_socket_with_its_code(gateway: Running, messages, code) -> None:
    async with gateway.socket(init=False) as talk:
        for message in messages:
            await talk.socket.send(json.dumps(message) if isinstance(message, dict) else message)
        assert (await talk.closed())[0] == code


async def test_a_client_that_speaks_another_protocol_is_told_so(gateway: Running) -> None:
    async with gateway.socket(init=False, subprotocols=["graphql-ws"]) as talk:
        assert (await talk.closed())[0] == 4406


async def test_a_bad_token_closes_with_a_sentence_that_does_not_repeat_it(gateway: Running) -> None:
    async with gateway.socket(init=False) as talk:
        await talk.say(type="connection_init", payload=gateway.bearer("ada", hours=-1))
        code, reason = await talk.closed()
        assert (code, reason.partition(".")[0]) == (4403, "Forbidden: The token has expired")


async def test_who_does_not_say_who_they_are_is_not_waited_for(gateway: Running, monkeypatch) -> None:
    monkeypatch.setattr(protocol, "INIT_TIMEOUT_S", 0.2)
    async with gateway.socket(init=False) as talk:
        assert (await talk.closed())[0] == 4408


async def test_a_socket_that_is_not_used_is_closed_and_one_that_is_stays(serve) -> None:
    # Three seconds to subscribe in; both sockets open within the 1.5 that the second one is looked at for longer.
    async with serve(stream_idle_s=3) as gateway, gateway.socket() as idle, gateway.socket() as used:
        await used.subscribe(since=5)
        assert (await idle.closed())[0] == 1000
        await used.told()
        await asyncio.sleep(1.5)
        await used.say(type="ping")
        await used.hear("pong")


async def test_the_server_says_that_it_restarts(serve) -> None:
    async with serve() as gateway:
        opened = gateway.socket(gateway.bearer("ada"))
        talk = await opened.__aenter__()
        await talk.subscribe()
    code, _ = await talk.closed()
    assert code == 1012
    await opened.__aexit__(None, None, None)


# How many.


async def test_a_viewer_has_so_many_seats_and_one_that_is_left_is_free_again(serve) -> None:
    async with serve(max_streams_viewer=1) as gateway:
        async with gateway.socket(gateway.bearer("ada")), gateway.socket(init=False) as second:
            await second.say(type="connection_init", payload=gateway.bearer("ada"))
            code, reason = await second.closed()
            assert (code, reason) == (4429, "You have 1 streams open, which is the maximum. Close one.")
            async with gateway.socket(gateway.bearer("bob")):
                pass
        async with gateway.socket(gateway.bearer("ada")):
            pass


@pytest.mark.parametrize("limit", ["max_streams", "max_streams_address"])
async def test_a_process_and_an_address_have_so_many_seats(serve, limit: str) -> None:
    async with serve(**{limit: 2}) as gateway, gateway.socket(), gateway.socket():
        async with gateway.socket(init=False) as third:
            assert (await third.closed())[0] == 1013
        answer = httpx.Client().post
        told = await asyncio.to_thread(
            lambda: answer(gateway.url, json={"query": SUBSCRIBE}, headers={"Accept": "text/event-stream"})
        )
        assert told.json()["errors"][0]["extensions"]["code"] == "TOO_MANY_STREAMS"


async def test_somebody_who_does_not_read_holds_nothing_up(gateway: Running) -> None:
    async with gateway.socket(gateway.bearer("ada")) as talk:
        slow = await _deaf(gateway)
        try:
            for number in range(5):
                await gateway.like("ada", f"p{number:04}")
            await talk.subscribe(since=0)
            await talk.told()
        finally:
            slow.close()


async def _deaf(gateway: Running) -> sockets.socket:
    """Open a socket by hand, subscribe, and never read again."""
    host, port = gateway.url.removeprefix("http://").removesuffix("/graphql").split(":")
    raw = sockets.create_connection((host, int(port)))
    raw.setblocking(False)
    loop = asyncio.get_running_loop()
    handshake = (
        f"GET /graphql HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
    )
    await loop.sock_sendall(raw, handshake.encode())
    assert b"101" in await loop.sock_recv(raw, 4_096)
    for message in ({"type": "connection_init"}, {"type": "subscribe", "id": "1", "payload": {"query": SUBSCRIBE}}):
        text = json.dumps(message).encode()
        await loop.sock_sendall(raw, bytes([0x81, 0x80 | len(text)]) + bytes(4) + text)
    return raw


# Whose pages.


async def test_a_page_of_another_site_cannot_open_a_socket(gateway: Running) -> None:
    for origin in ("https://evil.example", "null", "http://127.0.0.1:1"):
        with pytest.raises(InvalidStatus) as refused:
            async with gateway.socket(origin=origin):
                pass
        assert refused.value.response.status_code == 403


async def test_a_page_of_our_own_and_of_a_listed_origin_can(serve) -> None:
    async with serve(allow_origins=("https://www.example.com",)) as gateway:
        for origin in (gateway.url.removesuffix("/graphql"), "https://www.example.com"):
            async with gateway.socket(origin=origin):
                pass


@pytest.mark.parametrize(
    ("allowed", "host", "origins", "may"),
    [
        ((), "gateway.example", ["https://gateway.example"], True),
        ((), "gateway.example:443", ["https://gateway.example"], True),
        ((), "gateway.example:8000", ["http://gateway.example"], False),
        ((), "gateway.example", ["https://gateway.example.evil.example"], False),
        ((), "gateway.example", ["https://user@gateway.example:444"], False),
        ((), "", ["https://"], False),
        ((), "", ["null"], False),
        (("https://www.example.com",), "x", ["https://WWW.example.com:443"], True),
        (("https://www.example.com",), "x", ["http://www.example.com"], False),
        (("https://www.example.com",), "x", ["https://www.example.com", "https://evil.example"], False),
        (("*",), "x", ["https://evil.example"], True),
        ((), "x", [], True),
    ],
)
def test_an_origin_is_ours_listed_or_refused(allowed, host, origins, may) -> None:
    headers = [(b"host", host.encode()), *((b"origin", origin.encode()) for origin in origins)]
    assert AllowedOrigins(allowed).allow(HTTPConnection({"type": "websocket", "headers": headers})) is may


async def test_subscriptions_can_be_switched_off(serve) -> None:
    async with serve(subscriptions=False) as gateway:
        with pytest.raises(InvalidStatus):
            async with gateway.socket():
                pass
        headers = {"Accept": "text/event-stream"}
        async with httpx.AsyncClient() as client:
            answer = await client.post(gateway.url, json={"query": SUBSCRIBE}, headers=headers)
        assert "SUBSCRIPTIONS is off" in answer.json()["errors"][0]["message"]
