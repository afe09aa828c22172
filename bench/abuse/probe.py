"""Probes (abusive requests with their expected responses) and functions that send them."""

import json
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import httpx

NO_ANSWER = 0
"""Status of a connection that the gateway closes without an answer."""

WITHIN_S = 30.0
"""Seconds to wait for an answer."""

FAULTS = frozenset({500, 502, 504})
"""Statuses that are right for no probe. 501, 503 and 505 are answers of HTTP: a probe may expect them."""

INTERNALS = ("Traceback", "graphql-core", "site-packages", ".py", "sqlalchemy", "sqlite", "SELECT ", "Error(", "0x7f")
"""Words of Python, SQL and the machine that no error may contain."""

LONGEST_MESSAGE = 1_000
"""Characters of an error's message."""

MAX_ERROR_LENGTH = 30_000
"""Bytes of an answer that holds errors only."""


@dataclass(frozen=True)
class Target:
    """The gateway under test."""

    host: str
    port: int
    client: httpx.Client  # keeps connections open and sends to `host` and `port`
    secret: str  # TOKEN_SECRET of the gateway, to sign tokens with

    def connect(self) -> socket.socket:
        """Open a TCP connection."""
        return socket.create_connection((self.host, self.port), timeout=WITHIN_S)


@dataclass(frozen=True)
class Answer:
    """The response to a probe."""

    status: int  # HTTP status, the close code of a WebSocket (1000 and above), or `NO_ANSWER`
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)  # by name in lower case

    @property
    def json(self) -> Any:
        """The body as JSON; an empty object if it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return {}

    @property
    def errors(self) -> list[Any]:
        """The GraphQL errors."""
        content = self.json
        return content.get("errors", []) if isinstance(content, dict) else []

    @property
    def points(self) -> int:
        """Points that the gateway charged for the operation, 0 if it charged none."""
        content = self.json
        extensions = content.get("extensions", {}) if isinstance(content, dict) else {}
        return int(extensions.get("cost", {}).get("asked", 0))


Send = Callable[[Target], Answer]
Check = Callable[[Answer], str | None]
"""Says what is wrong with an answer; None if nothing is."""


@dataclass(frozen=True)
class Probe:
    """One abusive request, with its check."""

    name: str
    statuses: tuple[int, ...]  # the statuses that are right
    send: Send  # sends it and gives the answer
    code: str | None = None  # `extensions.code` of the first error; None if nothing is said about errors
    check: Check | None = None  # looks at the rest of the answer
    requests: int = 1  # requests or connections that one sending consists of: the CPU is counted for each

    def fault_of(self, answer: Answer) -> str | None:
        """Say what is wrong with an answer, in a few words; None if nothing is."""
        if answer.status in FAULTS or answer.status not in self.statuses:
            return f"status {answer.status} instead of {self.statuses}: {answer.body[:300]!r}"
        errors = answer.errors
        if self.code is not None:
            code = errors[0].get("extensions", {}).get("code") if errors else None
            if code != self.code:
                return f"code {code} instead of {self.code}: {answer.body[:300]!r}"
        if errors and not answer.json.get("data"):
            leaked = [word for word in INTERNALS if word.encode() in answer.body]
            if leaked:
                return f"an error tells of {leaked}"
            if len(answer.body) > MAX_ERROR_LENGTH or any(len(one["message"]) > LONGEST_MESSAGE for one in errors):
                return f"an error of {len(answer.body)} bytes"
        return None if self.check is None else self.check(answer)


Headers = Mapping[str, str] | Callable[[Target], Mapping[str, str]]
"""Headers of a request, or what makes them for a target: a token is signed when it is sent."""

NONE: Mapping[str, str] = MappingProxyType({})
GRAPHQL_TYPE = {"Accept": "application/graphql-response+json"}
READING = {"X-Explore-Request": "1"}
"""Lets a GET through that a page of another site cannot send."""


def request(
    name: str,
    statuses: tuple[int, ...],
    *,
    method: str = "GET",
    path: str = "/graphql",
    headers: Headers = NONE,
    body: bytes = b"",
    code: str | None = None,
    check: Check | None = None,
) -> Probe:
    """Return a probe of one well-formed HTTP request."""

    def send(target: Target) -> Answer:
        made = headers(target) if callable(headers) else headers
        return answer_of(target.client.request(method, path, content=body, headers=dict(made)))

    return Probe(name, statuses, send, code, check)


def asking(
    name: str,
    query: str,
    code: str | None,
    *,
    variables: object = None,
    statuses: tuple[int, ...] = (400,),
    headers: Headers = NONE,
    check: Check | None = None,
) -> Probe:
    """Return a probe of one GraphQL operation. With `code` None, a response without errors is expected."""
    body = json.dumps({"query": query, "variables": variables}).encode()
    return posting(name, body, code, statuses, with_headers(GRAPHQL_TYPE, headers), check)


def posting(
    name: str,
    body: bytes,
    code: str | None,
    statuses: tuple[int, ...] = (400,),
    headers: Headers = NONE,
    check: Check | None = None,
) -> Probe:
    """Return a probe of a JSON POST to `/graphql`. With `code` None, a response without errors is expected."""
    return request(
        name,
        statuses,
        method="POST",
        headers=with_headers({"Content-Type": "application/json"}, headers),
        body=body,
        code=code,
        check=check or (without_errors if code is None else None),
    )


def raw(
    name: str, statuses: tuple[int, ...], data: bytes, *, code: str | None = None, check: Check | None = None
) -> Probe:
    """Make a probe of bytes on a connection of its own, read until the gateway closes it.

    The data must make the gateway close the connection (`Connection: close` or an error), or time runs out.
    """

    def send(target: Target) -> Answer:
        with target.connect() as connection:
            connection.sendall(data)
            return parsed(received(connection))

    return Probe(name, statuses, send, code, check)


def with_headers(first: Mapping[str, str], then: Headers) -> Headers:
    """Return the headers, with additional ones that replace headers of the same name."""
    if callable(then):
        return lambda target: {**first, **then(target)}
    return {**first, **then}


def answer_of(response: httpx.Response) -> Answer:
    """Convert a response of httpx to an `Answer`."""
    return Answer(response.status_code, response.content, {k.lower(): v for k, v in response.headers.items()})


def received(connection: socket.socket) -> bytes:
    """Read until the gateway closes the connection."""
    chunks: list[bytes] = []
    try:
        while chunk := connection.recv(65_536):
            chunks.append(chunk)
    except ConnectionResetError:
        pass  # it closed with some of our bytes unread
    return b"".join(chunks)


def parsed(data: bytes) -> Answer:
    """Parse the first response in the bytes. All bytes after its head are its body."""
    head, _, body = data.partition(b"\r\n\r\n")
    line, *fields = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
    status = line.split(" ")[1] if line.startswith("HTTP/") else str(NO_ANSWER)
    return Answer(int(status), body, headers)


def without_errors(answer: Answer) -> str | None:
    """Check that the response has no GraphQL errors."""
    return f"errors: {answer.body[:300]!r}" if answer.errors else None
