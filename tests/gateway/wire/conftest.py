"""A gateway on a real socket and on uvloop, in a thread of its own, and clients that write bytes."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from bench.abuse.wire import get
from gateway.app import build
from gateway.callers.token_authority import TokenAuthority
from gateway.connections.connection_limits import DEFAULT_CONNECTION_LIMITS, ConnectionLimits
from gateway.server import server_config
from gateway.settings import Settings
from tests.gateway.conftest import GRAPH, SECRET, FakeRuntime

WAIT_AT_MOST_S = 20.0
"""Tells what comes from what hangs; nothing is timed by it."""


@dataclass(frozen=True)
class Answer:
    """One answer, as it stood on the wire."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The code of its error."""
        return str(self.json["errors"][0]["extensions"]["code"])


class Wire:
    """One connection, from the client's side."""

    def __init__(self, port: int, source: str = "127.0.0.1", receive_buffer: int | None = None) -> None:
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(WAIT_AT_MOST_S)
        self.socket.bind((source, 0))
        self.socket.connect(("127.0.0.1", port))
        self._file = self.socket.makefile("rb")

    def __enter__(self) -> "Wire":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self.socket.close()

    def send(self, data: bytes) -> "Wire":
        self.socket.sendall(data)
        return self

    def finish(self) -> "Wire":
        """Send no more; still read."""
        self.socket.shutdown(socket.SHUT_WR)
        return self

    def answer(self, *, is_head: bool = False) -> Answer:
        """Read one answer to its end."""
        line = self._file.readline()
        assert line.startswith(b"HTTP/1.1 "), line
        headers = {}
        while (field := self._file.readline()) != b"\r\n":
            assert field, f"the head ended early: {headers}"
            name, _, value = field.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        status = int(line.split()[1])
        if status < 200 or status in (204, 304) or is_head:
            return Answer(status, headers, b"")
        return Answer(status, headers, self._body(headers))

    def _body(self, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding") != "chunked":
            return self._file.read(int(headers["content-length"]))
        body = b""
        while size := int(self._file.readline(), 16):
            body += self._file.read(size)
            self._file.readline()
        self._file.readline()
        return body

    def read(self, number: int) -> bytes:
        """Read so many bytes."""
        return self._file.read(number)

    def rest(self) -> bytes:
        """Read until the gateway closes the connection."""
        try:
            return self._file.read()
        except ConnectionResetError:
            return b""

    @property
    def is_closed(self) -> bool:
        """Whether the gateway closes the connection, and says nothing before."""
        return self.rest() == b""


@dataclass(frozen=True)
class Edge:
    """A running gateway."""

    port: int
    server: uvicorn.Server
    authority: TokenAuthority

    def wire(self, data: bytes = b"", **options: Any) -> Wire:
        """Open a connection, and send."""
        return Wire(self.port, **options).send(data)

    def token(self, user: str) -> str:
        return self.authority.issue(user)

    def wait_for_connections(self, number: int) -> None:
        """Wait until the gateway holds so many connections."""
        self.wait_until(lambda: len(self.server.server_state.connections) == number)

    def wait_until(self, condition: Callable[[], bool]) -> None:
        until = time.monotonic() + WAIT_AT_MOST_S
        while not condition():
            assert time.monotonic() < until, self.server.server_state.connections
            time.sleep(0.01)


StartEdge = Callable[..., AbstractContextManager[Edge]]


@contextmanager
def running_edge(
    folder: Path, limits: ConnectionLimits = DEFAULT_CONNECTION_LIMITS, send_buffer: int | None = None, **settings: Any
) -> Iterator[Edge]:
    """Start a gateway on the small graph of the tests (0.1 s); `send_buffer` is the kernel's for each connection."""

    @asynccontextmanager
    async def opened() -> Any:
        yield FakeRuntime()

    given = {"var_dir": folder, "token_secret": SECRET, "rate_limit": 0, "rate_limit_address": 0, **settings}
    made = Settings(_env_file=None, **given)
    with socket.create_server(("127.0.0.1", 0), backlog=2048) as listening:
        if send_buffer:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
        server = uvicorn.Server(server_config(made, build(made, GRAPH, opened, folder), limits=limits))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        port = listening.getsockname()[1]
        try:
            with Wire(port) as first:  # the kernel queues the connection until the server has started
                assert first.send(get("/healthz")).answer().status == 200
            yield Edge(port, server, TokenAuthority(SECRET.encode(), "explore-gateway", "explore"))
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture
def start_edge(tmp_path: Path) -> StartEdge:
    """Start a gateway: `with start_edge(max_connections=10) as edge`."""

    def start(**settings: Any) -> AbstractContextManager[Edge]:
        return running_edge(tmp_path, **settings)

    return start


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    """A gateway with the default settings, for all tests of a file."""
    with running_edge(tmp_path_factory.mktemp("edge")) as started:
        yield started


def frame(message: object, opcode: int = 1) -> bytes:
    """Write a frame (1 text, 9 ping) as a client sends it, masked with zeros."""
    payload = json.dumps(message).encode()
    assert len(payload) < 126
    return bytes([0x80 | opcode, 0x80 | len(payload)]) + bytes(4) + payload
