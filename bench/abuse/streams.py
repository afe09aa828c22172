# ruff: noqa: E501 (a probe is a line)
"""WebSockets and event streams: messages that are large, malformed, many, or in the wrong order."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

from bench.abuse.probe import (
    GRAPHQL_TYPE,
    NONE,
    READING,
    WITHIN_S,
    Answer,
    Headers,
    Probe,
    Target,
    posting,
    request,
    with_headers,
)
from bench.abuse.tokens import bearer, signed

PROTOCOL = "graphql-transport-ws"
OPEN = 101
"""Status of a socket that stays open; the body is the last message, with the errors where an answer has them."""

INIT = {"type": "connection_init"}
FEED = "subscription { feedChanged { feed } }"


def subscribe(query: Any, id_: Any = "1", **more: Any) -> dict[str, Any]:
    """Return a message that starts a subscription."""
    return {"type": "subscribe", "id": id_, "payload": {"query": query, **more}}


PING = {"type": "ping"}


def talking(
    name: str,
    statuses: tuple[int, ...],
    *messages: Any,
    code: str | None = None,
    origin: str | None = None,
    protocols: Sequence[str] = (PROTOCOL,),
    headers: Headers = NONE,
    path: str = "/graphql",
    until: str | None = None,
) -> Probe:
    """Make a probe of a conversation.

    Parameters
    ----------
    messages
        What is said: bytes and text as they stand, anything else as JSON, functions of the target first called.
    until
        Type of the message after which nobody listens any more; None listens until the socket closes.
    """

    def send(target: Target) -> Answer:
        made = headers(target) if callable(headers) else headers
        try:
            with connect(
                f"ws://{target.host}:{target.port}{path}",
                origin=None if origin is None else Origin(origin),
                subprotocols=[Subprotocol(one) for one in protocols],
                additional_headers=dict(made),
                compression=None,
                open_timeout=WITHIN_S,
                close_timeout=2,
            ) as socket:
                return _talk(socket, target)
        except InvalidStatus as refused:
            return Answer(refused.response.status_code, bytes(refused.response.body or b""))

    def _talk(socket: Any, target: Target) -> Answer:
        last: dict[str, Any] = {}
        try:
            for message in messages:
                said = message(target) if callable(message) else message
                socket.send(said if isinstance(said, str | bytes) else json.dumps(said))
            while True:
                last = json.loads(socket.recv(WITHIN_S))
                if last["type"] == until:
                    break
        except ConnectionClosed as closed:
            return Answer(closed.rcvd.code if closed.rcvd else 0, (closed.rcvd.reason if closed.rcvd else "").encode())
        payload = last.get("payload")
        errors = payload if isinstance(payload, list) else (payload or {}).get("errors", [])
        return Answer(OPEN, json.dumps({"errors": errors} if errors else {}).encode())

    return Probe(name, statuses, send, code)


def streaming(name: str, query: str, variables: Mapping[str, Any] | None = None, headers: Headers = NONE) -> Probe:
    """Return a probe that starts an event stream, reads its first bytes, and disconnects."""

    def send(target: Target) -> Answer:
        made = with_headers({"Accept": "text/event-stream"}, headers)
        sent = dict(made(target) if callable(made) else made)
        with target.client.stream(
            "POST", "/graphql", json={"query": query, "variables": variables}, headers=sent
        ) as answer:
            return Answer(answer.status_code, next(answer.iter_raw()), dict(answer.headers))

    return Probe(name, (200,), send)


EVENTS = {"Accept": "text/event-stream"}

PROBES: list[Probe] = [
    # the handshake
    talking("a socket of another site", (403,), INIT, origin="https://evil.example"),
    talking("a socket of no site", (403,), INIT, origin="null"),
    talking("a socket of a site whose name ends like ours", (403,), INIT, origin="http://127.0.0.1.evil.example"),
    talking("a socket of our host on another port", (403,), INIT, origin="http://127.0.0.1:1"),
    talking("a socket of an old protocol", (4406,), protocols=("graphql-ws",)),
    talking("a socket of 200 protocols", (4406,), protocols=tuple(f"p{at}" for at in range(200))),
    talking("a token of 8,000 letters in the handshake", (4403,), INIT, headers={"Authorization": "Bearer " + "a" * 8_000}),
    # the first message
    talking("a token that is no good", (4403,), {**INIT, "payload": {"Authorization": "Bearer x"}}),
    talking("a token that has expired", (4403,), lambda target: {**INIT, "payload": {"Authorization": f"Bearer {bearer(target, exp=1)}"}}),
    talking("a token that is a list", (4400,), {**INIT, "payload": {"Authorization": ["Bearer x"]}}),
    talking("a token that is a number", (4400,), {**INIT, "payload": {"X-Session-Id": 7}}),
    talking("a token twice in two spellings", (4403,), {**INIT, "payload": {"authorization": "Bearer x", "AUTHORIZATION": "Bearer y"}}),
    talking("a payload that is text", (4400,), {**INIT, "payload": "a"}),
    talking("a payload of 10,000 fields", (OPEN,), {**INIT, "payload": {f"a{at}": at for at in range(10_000)}}, until="connection_ack"),
    talking("a payload nested deep", (4400,), '{"type": "connection_init", "payload": ' + "[" * 50_000 + "]" * 50_000 + "}"),
    talking("a subscription before the first message", (4401,), subscribe(FEED)),
    talking("two first messages", (4429,), INIT, INIT),
    # messages
    talking("bytes", (4400,), b"\x00\xff"),
    talking("text that is no JSON", (4400,), "a"),
    talking("a list", (4400,), "[]"),
    talking("a message without a type", (4400,), {}),
    talking("a message of a type that is not there", (4400,), {"type": "start"}),
    talking("a message whose type is a list", (4400,), {"type": ["ping"]}),
    talking("a message of 300 KB", (1009,), "a" * 300_000),
    talking("a message of NUL", (4400,), "\x00" * 1_000),
    talking("500 pings", (OPEN,), INIT, *[PING] * 500, INIT | {"type": "ping"}, until="connection_ack"),
    talking("an id that is a number", (4400,), INIT, subscribe(FEED, 7)),
    talking("an id that is empty", (4400,), INIT, subscribe(FEED, "")),
    talking("an id of 50,000 letters", (4400,), INIT, subscribe(FEED, "a" * 50_000)),
    talking("an id twice", (4409,), INIT, subscribe(FEED), subscribe(FEED)),
    talking("an end of what never began", (OPEN,), INIT, {"type": "complete", "id": "x"}, PING, until="pong"),
    talking("an end without an id", (4400,), INIT, {"type": "complete"}),
    # subscriptions
    talking("a subscription without a payload", (OPEN,), INIT, {"type": "subscribe", "id": "1"}, until="error", code="BAD_REQUEST"),
    talking("a subscription whose query is a list", (OPEN,), INIT, subscribe(["a"]), until="error", code="BAD_REQUEST"),
    talking("a query over a socket", (OPEN,), INIT, subscribe("{ __typename }"), until="error", code="BAD_REQUEST"),
    talking("a mutation over a socket", (OPEN,), INIT, subscribe('mutation { likeProject(key: "a") { changed } }'), until="error", code="METHOD_NOT_ALLOWED"),
    talking("a document of 100,000 letters over a socket", (OPEN,), INIT, subscribe("subscription { " + "a " * 50_000 + "}"), until="error", code="DOCUMENT_TOO_LONG"),
    talking("introspection over a socket", (OPEN,), INIT, subscribe("subscription { __schema { types { name } } }"), until="error", code="GRAPHQL_VALIDATION_FAILED"),
    talking("two fields in a subscription", (OPEN,), INIT, subscribe("subscription { a: feedChanged { feed } b: feedChanged { feed } }"), until="error", code="GRAPHQL_VALIDATION_FAILED"),
    talking("fragments that go round over a socket", (OPEN,), INIT, subscribe("subscription { ...a } fragment a on Subscription { ...a }"), until="error", code="FRAGMENT_CYCLE"),
    talking("variables that do not fit over a socket", (OPEN,), INIT, subscribe("subscription($n: Int!) { feedChanged(since: $n) { feed } }", variables={"n": "1"}), until="error", code="BAD_USER_INPUT"),
    talking("10,001 values over a socket", (OPEN,), INIT, subscribe("subscription($f: [FeedKind!]!) { feedChanged(feeds: $f) { feed } }", variables={"f": ["TRENDING"] * 10_001}), until="error", code="TOO_MANY_VALUES"),
    talking("9,000 feeds over a socket", (OPEN,), INIT, subscribe("subscription($f: [FeedKind!]!) { feedChanged(feeds: $f) { feed } }", variables={"f": ["NOTHING"] * 9_000}), until="error", code="BAD_USER_INPUT"),
    talking("variables that are a list over a socket", (OPEN,), INIT, subscribe(FEED, variables=[]), until="error", code="BAD_REQUEST"),
    talking("eleven subscriptions on a socket", (OPEN,), INIT, *[subscribe(FEED, str(at)) for at in range(11)], until="error", code="TOO_MANY_STREAMS"),
    # event streams
    streaming("a stream that is left at once", FEED),
    streaming("a stream of 400 feeds", "subscription($f: [FeedKind!]!) { feedChanged(feeds: $f) { feed } }", {"f": ["TRENDING"] * 400}),
    streaming("a stream since a float", "subscription($n: Int) { feedChanged(since: $n) { feed } }", {"n": 1.0}, signed()),
    posting("a stream of variables that do not fit", json.dumps({"query": "subscription($n: Int) { feedChanged(since: $n) { feed } }", "variables": {"n": "1"}}).encode(), "BAD_USER_INPUT", (400,), EVENTS),
    posting("a stream with a token that is no good", json.dumps({"query": FEED}).encode(), "UNAUTHENTICATED", (401,), {**EVENTS, "Authorization": "Bearer x"}),
    posting("a subscription that is no stream", json.dumps({"query": FEED}).encode(), "NOT_ACCEPTABLE", (406,), GRAPHQL_TYPE),
    request("a stream by a link", (403,), path="/graphql?query=subscription{feedChanged{feed}}", headers=EVENTS, code="PREFLIGHT_REQUIRED"),
    request("a stream by HEAD", (405,), method="HEAD", path="/graphql?query=subscription{feedChanged{feed}}", headers={**EVENTS, **READING}),
]  # fmt: skip
