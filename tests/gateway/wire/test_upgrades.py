"""Upgrades: no byte of a body is ever parsed as a request, alone and behind a real nginx."""

import pytest

from bench.abuse.wire import UPGRADES, WEBSOCKET, chunked, get, head, post
from tests.gateway.wire.conftest import Edge, Wire, frame, running_edge
from tests.servers import running_nginx

pytestmark = pytest.mark.servers

MINE = '{ echo(text: "mine") }'


@pytest.fixture(scope="module", params=[True, False], ids=["sockets served", "SUBSCRIPTIONS off"])
def either(request, tmp_path_factory):
    """A gateway with subscriptions, and one without."""
    with running_edge(tmp_path_factory.mktemp("edge"), subscriptions=request.param) as started:
        yield started


def answered(wire: Wire):
    answer = wire.answer()
    return wire.answer() if answer.status == 100 else answer


@pytest.mark.parametrize("name", UPGRADES)
def test_a_request_whose_upgrade_is_not_served_is_answered_as_if_it_had_none(either: Edge, name: str) -> None:
    for request in (post(MINE, *UPGRADES[name]), chunked(MINE, *UPGRADES[name]) + b"0\r\n\r\n"):
        with either.wire(request) as wire:
            answer = answered(wire)
            assert answer.json["data"] == {"echo": "mine0"}
            assert answer.headers["connection"] == "close"
            assert wire.is_closed


@pytest.mark.parametrize("padding", [0, 200_000, 400_000])
@pytest.mark.parametrize("name", UPGRADES)
def test_a_request_inside_such_a_body_is_never_run(either: Edge, name: str, padding: int) -> None:
    body = b"\r\n" * (padding // 2) + post("{ echo }")  # parsers skip empty lines before a request
    request = head(
        "POST /graphql HTTP/1.1", "Content-Type: text/plain", f"Content-Length: {len(body)}", *UPGRADES[name]
    )
    with either.wire(request + body) as wire:
        assert wire.answer().status == 415
        assert wire.is_closed


@pytest.mark.parametrize("at", [1, 30, -5, -1])
def test_the_answer_is_the_same_however_the_request_is_cut_into_packets(either: Edge, at: int) -> None:
    request = post(MINE, *UPGRADES["h2c"])
    with either.wire(request[:at]) as wire:
        wire.send(request[at:])
        assert wire.answer().json["data"] == {"echo": "mine0"}
        assert wire.is_closed


def test_what_follows_a_request_with_an_upgrade_is_dropped(either: Edge) -> None:
    with either.wire(post(MINE, *UPGRADES["h2c"]) + get("/healthz")) as wire:
        assert wire.answer().json["data"] == {"echo": "mine0"}
        assert wire.is_closed


def test_an_upgrade_by_http_1_0_is_ignored(either: Edge) -> None:
    with either.wire(head("GET /healthz HTTP/1.0", *WEBSOCKET)) as wire:
        assert wire.answer().status == 200
        assert wire.is_closed


def test_a_connect_is_refused_and_what_follows_is_dropped(edge: Edge) -> None:
    with edge.wire(head("CONNECT gateway.test:80 HTTP/1.1", "Content-Length: 5") + get("/healthz")) as wire:
        assert wire.answer().status == 405
        assert wire.is_closed


# WebSockets.


def test_a_websocket_is_served(edge: Edge) -> None:
    with edge.wire(get("/graphql", *WEBSOCKET)) as wire:
        assert wire.answer().status == 101
        wire.send(frame({"type": "ping"}))
        assert b"pong" in wire.read(17)


@pytest.mark.parametrize("body", [b"", b"5\r\nhello\r\n0\r\n\r\n"], ids=["in a packet of its own", "with the head"])
@pytest.mark.parametrize("framing", ["Content-Length: 5", "Transfer-Encoding: chunked"])
def test_a_websocket_with_a_body_is_answered_as_a_plain_request(edge: Edge, framing: str, body: bytes) -> None:
    with edge.wire(get("/graphql", *WEBSOCKET, framing) + body) as wire:
        assert wire.answer().status == 403
        assert wire.is_closed


def test_frames_that_come_with_the_handshake_are_never_parsed_as_requests(edge: Edge) -> None:
    with edge.wire(get("/graphql", *WEBSOCKET) + get("/healthz")) as wire:
        assert wire.answer().status == 403, "the upgrade is ignored"
        assert wire.is_closed


def test_frames_that_come_before_the_answer_to_the_handshake_break_nothing(edge: Edge) -> None:
    with edge.wire(get("/graphql", *WEBSOCKET)) as wire:
        wire.send(get("/healthz"))
        assert wire.answer().status in (101, 403), "403 if both came at once: the upgrade is ignored then"
        assert b"HTTP/1.1" not in wire.rest()
    with edge.wire(get("/healthz")) as wire:
        assert wire.answer().status == 200


def test_a_websocket_behind_a_request_that_is_not_answered_yet_is_a_plain_request(edge: Edge) -> None:
    with edge.wire(post("{ sleeps(seconds: 0.05) }") + get("/graphql", *WEBSOCKET)) as wire:
        assert wire.answer().json["data"] == {"sleeps": True}
        assert wire.answer().status == 403
        assert wire.is_closed


def test_an_expectation_does_not_hold_a_websocket_up(edge: Edge) -> None:
    with edge.wire(get("/graphql", *WEBSOCKET, "Expect: 100-continue")) as wire:
        assert wire.answer().status == 101


@pytest.mark.parametrize(
    ("handshake", "status"),
    [
        (get("/graphql", *WEBSOCKET, "X-Long: " + "a" * 9_000), 431),
        (get("/graphql", *WEBSOCKET, *(f"X-{at}: a" for at in range(150))), 431),
        (get("/graphql?" + "a" * 9_000, *WEBSOCKET), 414),
    ],
    ids=["a long header", "many headers", "a long address"],
)
def test_a_handshake_that_the_library_cannot_read_is_refused(edge: Edge, handshake: bytes, status: int) -> None:
    with edge.wire(handshake) as wire:
        assert wire.answer().status == status
        assert wire.is_closed


@pytest.mark.parametrize("without", ["Sec-WebSocket-Key", "Sec-WebSocket-Version"])
def test_a_handshake_that_lacks_a_header_is_refused(edge: Edge, without: str) -> None:
    headers = [header for header in WEBSOCKET if not header.startswith(without)]
    with edge.wire(get("/graphql", *headers)) as wire:
        assert wire.answer().status in (400, 426)
        assert wire.is_closed


@pytest.mark.parametrize("path", ["/", "/other", "/healthz", "/graphql/", "/metrics", "/demo/viewers"])
def test_a_websocket_to_an_address_that_has_none_is_a_404(edge: Edge, path: str) -> None:
    with edge.wire(get(path, *WEBSOCKET)) as wire:
        answer = wire.answer()
        assert (answer.status, answer.code) == (404, "NOT_FOUND")
        assert wire.is_closed


# Behind nginx.


def ask_as(edge: Edge, port: int, user: str) -> str:
    with Wire(port).send(post("{ caller }", f"Authorization: Bearer {edge.token(user)}", "Connection: close")) as wire:
        return str(wire.answer().json["data"]["caller"]).partition("|")[0]


@pytest.mark.parametrize("name", UPGRADES)
def test_behind_nginx_nobody_is_given_the_answer_to_another_request(edge: Edge, name: str) -> None:
    smuggled = post("{ caller }", f"Authorization: Bearer {edge.token('mallory')}")
    body = b"\r\n" * 100_000 + smuggled  # parsers skip empty lines before a request
    headers = ("Content-Type: application/json", f"Content-Length: {len(body)}", *UPGRADES[name])
    attack = head("POST /graphql HTTP/1.1", *headers) + body
    with running_nginx(edge.port) as port:
        assert ask_as(edge, port, "ada") == "ada"
        for _ in range(6):
            with Wire(port).send(attack) as mallory:
                assert answered(mallory).status == 400
                assert ask_as(edge, port, "ada") == "ada"
                assert ask_as(edge, port, "bob") == "bob"


def test_behind_nginx_a_websocket_is_served(edge: Edge) -> None:
    with running_nginx(edge.port) as port, Wire(port).send(get("/graphql", *WEBSOCKET)) as wire:
        assert wire.answer().status == 101
        wire.send(frame({"type": "ping"}))
        assert b"pong" in wire.read(17)
