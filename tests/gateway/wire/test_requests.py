"""Requests that are malformed, ambiguous, cut or out of order: each gets one right answer, or none."""

import pytest

from bench.abuse.wire import CHUNKS, CODINGS, HEALTH, IN_CHUNKS, MALFORMED, chunked, get, head, post
from tests.gateway.wire.conftest import Edge

QUERY = '{ echo(text: "a") }'


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_head_is_refused_and_nothing_behind_it_is_read(edge: Edge, name: str) -> None:
    with edge.wire(MALFORMED[name] + HEALTH) as wire:
        answer = wire.answer()
        assert (answer.status, answer.code) == (400, "BAD_REQUEST")
        assert answer.headers["connection"] == "close"
        assert wire.is_closed


@pytest.mark.parametrize("name", CODINGS)
def test_a_body_whose_framing_is_ambiguous_is_refused(edge: Edge, name: str) -> None:
    request = head("POST /graphql HTTP/1.1", "Content-Type: application/json", *CODINGS[name])
    with edge.wire(request + b"5\r\nhello\r\n0\r\n\r\n" + HEALTH) as wire:
        answer = wire.answer()
        assert (answer.status, answer.code) == (400, "BAD_REQUEST")
        assert wire.is_closed


@pytest.mark.parametrize("coding", ["Chunked", "chunked  ", "CHUNKED"])
def test_chunked_may_be_written_in_capitals_and_with_blanks(edge: Edge, coding: str) -> None:
    request = chunked(QUERY).replace(b"chunked", coding.encode()) + b"0\r\n\r\n"
    with edge.wire(request + HEALTH) as wire:
        assert wire.answer().json["data"] == {"echo": "a0"}
        assert wire.answer().status == 200


def test_chunks_by_http_1_0_are_refused(edge: Edge) -> None:
    with edge.wire(chunked(QUERY).replace(b"HTTP/1.1", b"HTTP/1.0") + b"0\r\n\r\n") as wire:
        assert wire.answer().status == 400
        assert wire.is_closed


@pytest.mark.parametrize("name", CHUNKS)
def test_a_chunk_that_is_malformed_or_mostly_framing_is_refused(edge: Edge, name: str) -> None:
    """The chunks come behind the head: framing that comes in one packet with it is counted from the next one on."""
    with edge.wire(IN_CHUNKS.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n")) as wire:
        assert wire.answer().status == 100
        wire.send(CHUNKS[name])
        answer = wire.answer()
        assert (answer.status, answer.code) == (400, "BAD_REQUEST")
        assert "x-request-id" not in answer.headers, "refused by the connection, not by the application"
        assert wire.is_closed


def test_a_body_in_chunks_of_ordinary_size_is_read_whole(edge: Edge) -> None:
    body = b'{"query": "{ echo }", "variables": {"a": "' + b"x" * 200_000 + b'"}}'
    pieces = [body[at : at + 100] for at in range(0, len(body), 100)]
    with edge.wire(IN_CHUNKS + b"".join(b"%x;a=b\r\n%s\r\n" % (len(piece), piece) for piece in pieces)) as wire:
        wire.send(b"0\r\nX-A: b\r\n\r\n")
        assert wire.answer().json["data"] == {"echo": "0"}


# Trailers.


def test_trailers_are_no_headers_of_their_request_nor_of_the_next(edge: Edge) -> None:
    trailers = f"0\r\nAuthorization: Bearer {edge.token('mallory')}\r\nX-Request-Id: trailer\r\n\r\n".encode()
    with edge.wire(chunked("{ caller }") + trailers + post("{ caller }")) as wire:
        for _ in range(2):
            answer = wire.answer()
            assert answer.json["data"]["caller"].startswith("None|")
            assert answer.headers["x-request-id"] != "trailer"


def test_trailers_that_come_before_the_application_looks_are_no_headers(edge: Edge) -> None:
    trailers = b"0\r\nContent-Encoding: gzip\r\nAccept: text/html\r\n\r\n"
    with edge.wire(chunked(QUERY) + trailers) as wire:
        assert wire.answer().json["data"] == {"echo": "a0"}


# Heads that are too large.


@pytest.mark.parametrize(
    "request_",
    [
        get("/healthz", "X-A: " + "a" * 70_000),
        get("/healthz?" + "a" * 70_000),
        get("/healthz", *(f"X-{at}: {'a' * 300}" for at in range(199))).replace(b"a" * 300, b"a" * 400),
        get("/healthz", *(f"X-{at}: a" for at in range(200))),
        b"GET /" + b"a" * 300_000,
        b"GET / HTTP/1.1\r\nX-A: " + b"a" * 300_000,
    ],
    ids=["a header", "the address", "many headers", "201 headers", "an address without an end", "no end"],
)
def test_a_head_that_is_too_large_is_refused(edge: Edge, request_: bytes) -> None:
    with edge.wire(request_) as wire:
        answer = wire.answer()
        assert (answer.status, answer.code) == (431, "HEADERS_TOO_LARGE")
        assert wire.is_closed


# HTTP/1.0, pipelining, expectations, half-closed clients.


@pytest.mark.parametrize("headers", [(), ("Connection: keep-alive",)])
def test_http_1_0_is_answered_and_closed(edge: Edge, headers: tuple[str, ...]) -> None:
    request = post(QUERY, *headers).replace(b"HTTP/1.1", b"HTTP/1.0")
    with edge.wire(request + request) as wire:
        answer = wire.answer()
        assert answer.json["data"] == {"echo": "a0"}
        assert (answer.headers["connection"], answer.headers.get("transfer-encoding")) == ("close", None)
        assert wire.is_closed


def test_http_1_0_needs_no_host(edge: Edge) -> None:
    with edge.wire(head("GET /healthz HTTP/1.0", host=False)) as wire:
        assert wire.answer().status == 200


def test_pipelined_requests_are_answered_in_order(edge: Edge) -> None:
    slow, fast = post("{ sleeps(seconds: 0.05) }"), post(QUERY)
    with edge.wire(slow + fast + HEALTH + fast) as wire:
        assert wire.answer().json["data"] == {"sleeps": True}
        assert wire.answer().json["data"] == {"echo": "a0"}
        assert wire.answer().json == {"status": "ok"}
        assert wire.answer().json["data"] == {"echo": "a0"}


def test_an_error_does_not_overtake_the_answers_before_it(edge: Edge) -> None:
    with edge.wire(post("{ sleeps(seconds: 0.05) }") + HEALTH + MALFORMED["two Hosts"] + HEALTH) as wire:
        assert wire.answer().json["data"] == {"sleeps": True}
        assert wire.answer().json == {"status": "ok"}
        assert wire.answer().status == 400
        assert wire.is_closed


def test_a_broken_body_does_not_overtake_the_answers_before_it(edge: Edge) -> None:
    with edge.wire(post("{ sleeps(seconds: 0.05) }") + IN_CHUNKS + b"g\r\n" + HEALTH) as wire:
        assert wire.answer().json["data"] == {"sleeps": True}
        assert wire.answer().status == 400
        assert wire.is_closed


def test_an_error_of_the_application_does_not_end_the_connection(edge: Edge) -> None:
    with edge.wire(post("{ noSuchField }") + get("/nothing") + HEALTH) as wire:
        assert wire.answer().json["errors"]
        assert wire.answer().status == 404
        assert wire.answer().status == 200


def test_requests_behind_the_last_one_are_dropped(edge: Edge) -> None:
    with edge.wire(get("/healthz", "Connection: close") + post('{ fails(how: "key") }')) as wire:
        assert wire.answer().status == 200
        assert wire.is_closed


def test_only_so_many_requests_wait_for_an_earlier_one(edge: Edge) -> None:
    with edge.wire(post("{ sleeps(seconds: 0.05) }") + HEALTH * 3_000) as wire:
        statuses = [wire.answer().status for _ in range(22)]
        assert statuses == [200] * 21 + [429]
        assert wire.is_closed


def test_a_body_is_asked_for_once_it_is_wanted(edge: Edge) -> None:
    request = post(QUERY, "Expect: 100-continue")
    started, body = request.split(b"\r\n\r\n")
    with edge.wire(started + b"\r\n\r\n") as wire:
        assert wire.answer().status == 100
        wire.send(body)
        assert wire.answer().json["data"] == {"echo": "a0"}
        assert wire.is_closed, "what follows cannot be told from a body that was left out"


def test_a_body_that_is_not_wanted_is_not_asked_for(edge: Edge) -> None:
    request = head("POST /graphql HTTP/1.1", "Content-Length: 5", "Expect: 100-continue")
    with edge.wire(request) as wire:
        wire.send(HEALTH)  # a client that leaves the body out
        assert wire.answer().status == 415
        assert wire.is_closed


def test_http_1_0_is_not_told_to_continue(edge: Edge) -> None:
    request = post(QUERY, "Expect: 100-continue").replace(b"HTTP/1.1", b"HTTP/1.0")
    with edge.wire(request) as wire:
        assert wire.answer().status == 200


def test_an_unknown_expectation_is_ignored(edge: Edge) -> None:
    with edge.wire(post(QUERY, "Expect: miracles")) as wire:
        assert wire.answer().status == 200


def test_a_client_that_closes_its_sending_side_has_left(edge: Edge) -> None:
    """It cannot be distinguished from one that has closed the connection, whose operation must not go on."""
    with edge.wire(post("{ sleeps(seconds: 3600) }") + HEALTH) as wire:
        assert wire.finish().is_closed


@pytest.mark.parametrize("sent", [b"", HEALTH[:10], post(QUERY)[:-3], IN_CHUNKS + b"5\r\nhe"])
def test_a_client_that_stops_within_a_request_is_closed(edge: Edge, sent: bytes) -> None:
    with edge.wire(sent) as wire:
        assert wire.finish().is_closed


def test_a_client_that_is_still_sending_is_not_reset_by_an_early_answer(edge: Edge) -> None:
    """nginx takes a reset connection for a failure, and answers 502 in place of the answer."""
    with edge.wire(head("POST /graphql HTTP/1.1", "Content-Length: 9999", "Connection: close")) as wire:
        assert wire.answer().status == 415
        assert wire.is_closed
        for _ in range(100):
            wire.send(b"x" * 10)


# Addresses.


@pytest.mark.parametrize("path", ["/graphql/", "/healthz/", "/readyz/", "/metrics/", "//evil.test/graphql"])
def test_no_redirect_is_made_of_the_host_header(edge: Edge, path: str) -> None:
    for method in ("GET", "POST"):
        request = head(f"{method} {path} HTTP/1.1", "Host: evil.test", "Content-Length: 0", host=False)
        with edge.wire(request) as wire:
            answer = wire.answer()
            assert (answer.status, answer.headers.get("location")) == (404, None)


@pytest.mark.parametrize("path", ["http://gateway.test/healthz", "http://evil.test/healthz"])
def test_an_absolute_address_is_read_without_its_host(edge: Edge, path: str) -> None:
    with edge.wire(get(path)) as wire:
        assert wire.answer().json == {"status": "ok"}
