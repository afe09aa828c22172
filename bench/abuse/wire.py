# ruff: noqa: E501 (a probe is a line)
"""HTTP below GraphQL: ambiguous, malformed, truncated and oversized requests. Also used by `tests/gateway/wire`."""

import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from typing import BinaryIO

from bench.abuse.probe import NO_ANSWER, Answer, Probe, Target

WAIT_AT_MOST_S = 20.0


def head(line: str, *headers: str, host: bool = True) -> bytes:
    """Return the head of a request."""
    lines = [line, *(["Host: gateway.test"] if host else []), *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1")


def get(path: str, *headers: str) -> bytes:
    """Return a GET request."""
    return head(f"GET {path} HTTP/1.1", *headers)


def post(query: str, *headers: str, padding: int = 0) -> bytes:
    """Return a POST of an operation to `/graphql`, its body padded with spaces."""
    body = json.dumps({"query": query}).encode() + b" " * padding
    return (
        head("POST /graphql HTTP/1.1", "Content-Type: application/json", f"Content-Length: {len(body)}", *headers)
        + body
    )


def chunked(query: str, *headers: str) -> bytes:
    """Return the head of a chunked POST, and all chunks except the last one."""
    body = json.dumps({"query": query}).encode()
    started = head("POST /graphql HTTP/1.1", "Content-Type: application/json", "Transfer-Encoding: chunked", *headers)
    return started + b"%x\r\n%s\r\n" % (len(body), body)


WEBSOCKET = (
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Protocol: graphql-transport-ws",
)
"""Headers of a handshake."""


UPGRADES = {
    "h2c": ("Connection: Upgrade", "Upgrade: h2c"),
    "h2c as Java and curl send it": ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk"),
    "an unknown protocol": ("Connection: keep-alive, Upgrade", "Upgrade: foo/2"),
    "a WebSocket": WEBSOCKET,
    "a WebSocket by Proxy-Connection": ("Proxy-Connection: Upgrade", "Upgrade: websocket"),
    "several protocols": ("Connection: Upgrade", "Upgrade: websocket, h2c"),
    "two Upgrade headers": ("Connection: Upgrade", "Upgrade: h2c", "Upgrade: websocket"),
    "two Connection headers": ("Connection: Upgrade", "Connection: keep-alive", "Upgrade: h2c"),
    "an expectation": ("Connection: Upgrade", "Upgrade: h2c", "Expect: 100-continue"),
}


QUERY = "{ __typename }"
HEALTH = get("/healthz")
IN_CHUNKS = head("POST /graphql HTTP/1.1", "Content-Type: application/json", "Transfer-Encoding: chunked")

MALFORMED = {
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(50),
    "a preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/0.9": b"GET /healthz\r\n\r\n",
    "HTTP/0.9, named": head("GET /healthz HTTP/0.9"),
    "HTTP/1.2": head("GET /healthz HTTP/1.2"),
    "HTTP/2.0": head("GET /healthz HTTP/2.0"),
    "a method in small letters": head("get /healthz HTTP/1.1"),
    "an unknown method": head("FOO /healthz HTTP/1.1"),
    "a tab behind the method": head("GET\t/healthz HTTP/1.1"),
    "a blank in the address": head("GET /a b HTTP/1.1"),
    "NUL in the address": head("GET /a\0b HTTP/1.1"),
    "an address that is not ASCII": head("GET /\xff HTTP/1.1"),
    "a relative address": head("GET healthz HTTP/1.1"),
    "no Host": head("GET /healthz HTTP/1.1", host=False),
    "two Hosts": get("/healthz", "Host: other.test"),
    "the same Host twice": get("/healthz", "Host: gateway.test"),
    "two Hosts by HTTP/1.0": head("GET /healthz HTTP/1.0", "Host: a"),
    "two Hosts in one": head("GET /healthz HTTP/1.1", "Host: a, b", host=False),
    "a Host with a path": head("GET /healthz HTTP/1.1", "Host: a/b", host=False),
    "a Host with a user": head("GET /healthz HTTP/1.1", "Host: ada@b", host=False),
    "a Host with a blank": head("GET /healthz HTTP/1.1", "Host: a b", host=False),
    "a folded header": get("/healthz", "X-A: b\r\n c"),
    "a folded header without a value": get("/healthz", "X-A:\r\n\tc"),
    "a first header that is folded": b"GET /healthz HTTP/1.1\r\n X-A: b\r\nHost: a\r\n\r\n",
    "a blank before the colon": get("/healthz", "X-A : b"),
    "a blank in a name": get("/healthz", "X A: b"),
    "a name that is empty": get("/healthz", ": b"),
    "a header without a colon": get("/healthz", "X-A"),
    "NUL in a name": get("/healthz", "X\0A: b"),
    "a name that is not ASCII": get("/healthz", "X\xff: b"),
    "NUL in a value": get("/healthz", "X-A: b\0c"),
    "a control character in a value": get("/healthz", "X-A: b\x01c"),
    "CR in a value": get("/healthz", "X-A: b\rX-B: c"),
    "LF in a value": get("/healthz", "X-A: b\nX-B: c"),
    "two CR at the end of a line": get("/healthz", "X-A: b\r"),
    "lines that end with LF": b"GET /healthz HTTP/1.1\nHost: a\n\n",
    "lines that end with CR": b"GET /healthz HTTP/1.1\rHost: a\r\r",
    "Content-Length with a plus": head("POST /graphql HTTP/1.1", "Content-Length: +5"),
    "Content-Length below zero": head("POST /graphql HTTP/1.1", "Content-Length: -5"),
    "Content-Length in hexadecimal": head("POST /graphql HTTP/1.1", "Content-Length: 0x5"),
    "Content-Length with a blank": head("POST /graphql HTTP/1.1", "Content-Length: 5 5"),
    "Content-Length as a list": head("POST /graphql HTTP/1.1", "Content-Length: 5, 5"),
    "Content-Length without a value": head("POST /graphql HTTP/1.1", "Content-Length: "),
    "Content-Length beyond 64 bits": head("POST /graphql HTTP/1.1", "Content-Length: 99999999999999999999"),
    "Content-Length twice": head("POST /graphql HTTP/1.1", "Content-Length: 5", "Content-Length: 5"),
    "two Content-Lengths": head("POST /graphql HTTP/1.1", "Content-Length: 5", "Content-Length: 6"),
}

CODINGS = {
    "identity": ("Transfer-Encoding: identity",),
    "gzip": ("Transfer-Encoding: gzip",),
    "chunked within gzip": ("Transfer-Encoding: chunked, gzip",),
    "gzip within chunked": ("Transfer-Encoding: gzip, chunked",),
    "chunked twice": ("Transfer-Encoding: chunked, chunked",),
    "chunked in two headers": ("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
    "chunked and identity": ("Transfer-Encoding: chunked", "Transfer-Encoding: identity"),
    "a word like chunked": ("Transfer-Encoding: xchunked",),
    "chunked in quotes": ('Transfer-Encoding: "chunked"',),
    "chunked behind a control character": ("Transfer-Encoding: \x0bchunked",),
    "nothing": ("Transfer-Encoding: ",),
    "chunked and a length": ("Transfer-Encoding: chunked", "Content-Length: 5"),
    "a length and chunked": ("Content-Length: 5", "Transfer-Encoding: chunked"),
}

CHUNKS = {
    "a size that is no number": b"g\r\n",
    "a size below zero": b"-1\r\n",
    "a size with 0x": b"0x1\r\nx\r\n0\r\n\r\n",
    "a size beyond 64 bits": b"fffffffffffffffff\r\nx",
    "a blank behind the size": b"1 \r\nx\r\n0\r\n\r\n",
    "sizes that end with LF": b"1\nx\n0\n\n",
    "a chunk longer than its size": b"1\r\nxy\r\n0\r\n\r\n",
    "a chunk without an end": b"1\r\nx0\r\n\r\n",
    "an empty line before the size": b"\r\n1\r\nx\r\n0\r\n\r\n",
    "an extension that ends with LF": b"1;a=b\nx\r\n0\r\n\r\n",
    "a line within a quoted extension": b'1;a="b\r\nc"\r\nx\r\n0\r\n\r\n',
    "NUL in an extension": b"1;a\0\r\nx\r\n0\r\n\r\n",
    "20 KB of an extension without an end": b"1;" + b"a" * 20_000,
    "20 KB of extensions in chunks without an end": b"1;aaaaaaaaaaaaaaaaaaaaaaaa\r\nx\r\n" * 900,
    "a trailer of 20 KB without an end": b"1\r\nx\r\n0\r\nX-A: " + b"a" * 20_000,
    "2,000 trailers without an end": b"1\r\nx\r\n0\r\n" + b"X-A: aaaaaaaaaaaa\r\n" * 2_000,
    "a folded trailer": b"1\r\nx\r\n0\r\nX-A: b\r\n c\r\n\r\n",
    "20,000 chunks of one byte": b"1\r\nx\r\n" * 20_000 + b"0\r\n\r\n",
    "20,000 chunks of eight bytes": b"8\r\n12345678\r\n" * 20_000 + b"0\r\n\r\n",
    "20,000 leading zeros without an end": b"0" * 20_000,
}


def exchange(address: tuple[str, int], data: bytes, expected: int) -> list[int]:
    """Send bytes on a new connection; return the statuses of the responses, without `100 Continue`.

    After the expected number of responses the client sends no more, so that the gateway closes the connection.
    """
    with (
        socket.create_connection(address, WAIT_AT_MOST_S) as connection,
        connection.makefile("rb") as answers,
    ):
        with suppress(BrokenPipeError, ConnectionResetError):  # the gateway has answered and reads no more
            connection.sendall(data)
        statuses = (status for status in _statuses(answers) if status != 100)
        received = list(islice(statuses, expected))
        with suppress(OSError):  # the gateway has closed the connection
            connection.shutdown(socket.SHUT_WR)
        return [*received, *statuses]


def _statuses(answers: BinaryIO) -> Iterator[int]:
    while line := answers.readline():
        yield int(line.split()[1])
        length = 0
        while (field := answers.readline()) not in (b"\r\n", b""):
            name, _, value = field.lower().partition(b":")
            length = int(value) if name == b"content-length" else length
        answers.read(length)


def sending(name: str, data: bytes, statuses: tuple[int, ...]) -> Probe:
    """Make a probe of bytes on a connection of their own.

    Parameters
    ----------
    statuses
        The status of each answer that is right, in order; none where the gateway closes without an answer.
    """
    received: list[int] = []

    def send(target: Target) -> Answer:
        received[:] = exchange((target.host, target.port), data, len(statuses))
        return Answer(received[-1] if received else NO_ANSWER)

    def check(_: Answer) -> str | None:
        return None if tuple(received) == statuses else f"answers {received} instead of {statuses}"

    return Probe(name, statuses[-1:] or (NO_ANSWER,), send, check=check)


def _inside(name: str, padding: int) -> Probe:
    """Return a request hidden in the body of an upgrade request, after empty lines that parsers skip."""
    body = b"\r\n" * (padding // 2) + post(QUERY)
    started = head("POST /graphql HTTP/1.1", f"Content-Length: {len(body)}", *UPGRADES[name])
    return sending(f"a request in {padding:,} bytes of body, upgrade: {name}", started + body, (415,))


PROBES: list[Probe] = [
    *(sending(f"head: {name}", data + HEALTH, (400,)) for name, data in MALFORMED.items()),
    *(
        sending(f"coding: {name}", head("POST /graphql HTTP/1.1", *headers) + b"5\r\nhello\r\n0\r\n\r\n", (400,))
        for name, headers in CODINGS.items()
    ),
    *(
        sending(f"chunks: {name}", IN_CHUNKS.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n") + data, (400,))
        for name, data in CHUNKS.items()
        if "without an end" not in name  # these need a further packet: `tests/gateway/wire/test_requests.py`
    ),
    *(_inside(name, padding) for name in UPGRADES for padding in (0, 200_000)),
    *(sending(f"upgrade: {name}", post(QUERY, *more), (200,)) for name, more in UPGRADES.items()),
    *(
        sending(f"a WebSocket to {path}", get(path, *WEBSOCKET), (404,))
        for path in ("/", "/other", "/healthz", "/graphql/", "/metrics", "/demo/viewers")
    ),
    *(
        sending(f"a redirect of {path}", head(f"GET {path} HTTP/1.1", "Host: evil.test", host=False), (404,))
        for path in ("/graphql/", "/healthz/", "//evil.test/graphql", "/%2f%2fevil.test")
    ),
    sending("a WebSocket with a body", get("/graphql", *WEBSOCKET, "Content-Length: 5") + b"hello", (403,)),
    sending("a WebSocket with chunks", get("/graphql", *WEBSOCKET, "Transfer-Encoding: chunked") + b"0\r\n\r\n", (403,)),
    sending("a WebSocket and a request", get("/graphql", *WEBSOCKET) + HEALTH, (403,)),
    sending("a WebSocket by HTTP/1.0", head("GET /healthz HTTP/1.0", *WEBSOCKET), (200,)),
    sending("a WebSocket by POST", head("POST /graphql HTTP/1.1", *WEBSOCKET), (415,)),
    sending("a WebSocket with a long header", get("/graphql", *WEBSOCKET, "X-A: " + "a" * 9_000), (431,)),
    sending("a WebSocket with 150 headers", get("/graphql", *WEBSOCKET, *(f"X-{at}: a" for at in range(150))), (431,)),
    sending("CONNECT", head("CONNECT gateway.test:80 HTTP/1.1") + HEALTH, (405,)),
    sending("trailers", chunked(QUERY) + b"0\r\nAuthorization: Bearer forged\r\n\r\n" + HEALTH, (200, 200)),
    sending("an address of 70,000 letters", get("/healthz?" + "a" * 70_000), (431,)),
    sending("a header of 70,000 letters", get("/healthz", "X-A: " + "a" * 70_000), (431,)),
    sending("a header without an end", b"GET / HTTP/1.1\r\nX-A: " + b"a" * 300_000, (431,)),
    sending("201 headers", get("/healthz", *(f"X-{at}: a" for at in range(200))), (431,)),
    sending("16,000 headers", b"GET / HTTP/1.1\r\n" + b"A:\r\n" * 16_000, (431,)),
    sending("HTTP/1.0 kept alive", head("GET /healthz HTTP/1.0", "Connection: keep-alive") * 2, (200,)),
    sending("a request behind the last one", get("/healthz", "Connection: close") + HEALTH, (200,)),
    sending("a request behind an error", HEALTH + MALFORMED["two Hosts"] + HEALTH, (200, 400)),
    sending("a request behind a bad chunk", HEALTH + IN_CHUNKS + b"g\r\n" + HEALTH, (200, 400)),
    sending("a body that is not asked for", head("POST /graphql HTTP/1.1", "Content-Length: 5", "Expect: 100-continue") + HEALTH, (415,)),
    sending("half a head", HEALTH[:20], ()),
    sending("half a body", post(QUERY)[:-1], ()),
    sending("nothing", b"", ()),
    sending("300,000 empty lines", b"\r\n" * 150_000, ()),
    sending("OPTIONS *", head("OPTIONS * HTTP/1.1"), (404,)),
    sending("TRACE", head("TRACE /graphql HTTP/1.1"), (405,)),
    sending("a body of 5 MB that is not read", post(QUERY, padding=5_000_000), (413,)),
]  # fmt: skip
