"""Concurrent requests over keep-alive HTTP/1.1 connections, and their latencies.

The client runs in the process of the bench, whose CPU is not counted.
"""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from bench.serving.scenarios import Scenario, Sent

WITHIN_S = 60.0


@dataclass
class Load:
    """Requests of one measurement: latencies in seconds, bytes of all responses, and the number of errors."""

    seconds: list[float] = field(default_factory=list)
    size: int = 0
    errors: int = 0
    error: str = ""
    """The first response with an error."""
    degraded: int = 0
    """Pages that were ranked without one of the stores."""
    nulls: int = 0
    """Responses whose document has a null where the scenario asks for data."""

    @property
    def count(self) -> int:
        """Number of requests."""
        return len(self.seconds)


class Connection(asyncio.Protocol):
    """One connection, which has one request at a time; all servers send a content length."""

    def __init__(self) -> None:
        self._received = bytearray()
        self._answered: asyncio.Future[bytes] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 (of TCP)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Resolve the future of the response when it is complete."""
        self._received += data
        head = self._received.find(b"\r\n\r\n")
        if head < 0 or self._answered is None or self._answered.done():  # done: the run was stopped
            return
        fields = bytes(self._received[:head]).lower()
        length = int(fields.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        if len(self._received) >= head + 4 + length:
            answer, self._received = bytes(self._received), bytearray()
            self._answered.set_result(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail the request that waits."""
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(ConnectionError("the server closed the connection"))

    @property
    def is_closed(self) -> bool:
        """Whether the server has closed the connection."""
        return self._transport.is_closing()

    async def send(self, request: bytes) -> bytes:
        """Send a request; return the response with its head."""
        self._answered = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await asyncio.wait_for(self._answered, WITHIN_S)

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()


async def connect(port: int) -> Connection:
    """Open a connection to a server of this machine."""
    _, connection = await asyncio.get_running_loop().create_connection(Connection, "127.0.0.1", port)
    return connection


def request(document: str, sent: Sent, token: Callable[[str], str]) -> bytes:
    """Return the bytes of a POST."""
    body = json.dumps({"query": document, "variables": sent.variables or {}}).encode()
    bearer = f"Authorization: Bearer {token(sent.user)}\r\n" if sent.user else ""
    head = (
        "POST /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Accept: application/json\r\nAccept-Encoding: identity\r\n{bearer}Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def run(
    port: int, scenario: Scenario, token: Callable[[str], str], clients: int, seconds: float, first: int, least: int
) -> Load:
    """Send requests from the number `first` on, for a time and at least `least`, or up to the scenario's limit."""
    load, numbers = Load(), iter(range(first, first + (scenario.limit or 10**9)))
    connections = [await connect(port) for _ in range(clients)]
    until = time.perf_counter() + seconds

    async def work(connection: Connection) -> None:
        for number in numbers:
            sending = request(scenario.document, scenario.sent(number), token)
            began = time.perf_counter()
            answer = await connection.send(sending)
            load.seconds.append(time.perf_counter() - began)
            load.size += len(answer)
            if b" 200 " not in answer[:15] or b'"errors":' in answer:
                load.errors += 1
                load.error = load.error or answer[-400:].decode(errors="replace")
            load.degraded += b'"degraded":["' in answer
            load.nulls += b":null}}}" in answer
            if load.count >= least and time.perf_counter() > until:
                return

    try:
        await asyncio.gather(*map(work, connections))
    finally:
        for connection in connections:
            connection.close()
    return load
