"""Deadlines of connections, and caps on how many one client and all clients hold."""

import itertools
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

import pytest

from bench.abuse.wire import HEALTH, WEBSOCKET, get, head, post
from gateway.connections.connection_caps import RESERVED_CONNECTIONS
from gateway.connections.connection_limits import ConnectionLimits, StalledReader
from tests.gateway.wire.conftest import Edge, StartEdge, Wire, frame, running_edge

pytestmark = pytest.mark.servers

QUERY = "{ echo }"
SHORT = ConnectionLimits(
    head_timeout_s=0.5,
    over_cap_head_timeout_s=0.5,
    keep_alive_timeout_s=0.6,
    stall_interval_s=0.3,
    linger_timeout_s=0.5,
)
SHORT_BEYOND = ConnectionLimits(head_timeout_s=1_000, over_cap_head_timeout_s=0.1)


@pytest.fixture(scope="module")
def impatient(tmp_path_factory):
    """A gateway with short deadlines."""
    folder = tmp_path_factory.mktemp("edge")
    with running_edge(folder, SHORT, send_buffer=4_096, body_timeout_s=0.4) as started:
        yield started


# Deadlines.


@pytest.mark.parametrize(
    "sent",
    [b"", b"\r\n\r\n", b"GET /healthz HTTP/1.1\r\nX-A:", get("/graphql", *WEBSOCKET)[:-2]],
    ids=["nothing", "empty lines", "half a head", "half an upgrade"],
)
def test_a_head_that_does_not_end_is_not_waited_for(impatient: Edge, sent: bytes) -> None:
    with impatient.wire(sent) as wire:
        assert wire.is_closed


@pytest.mark.parametrize("sent", [b"\r\n", b"GET /healthz HTTP/1.1\r\nX-A:"], ids=["an empty line", "half a head"])
def test_the_second_head_of_a_connection_is_not_waited_for_either(impatient: Edge, sent: bytes) -> None:
    with impatient.wire(HEALTH) as wire:
        assert wire.answer().status == 200
        assert wire.send(sent).is_closed


def test_a_body_that_does_not_end_is_refused(impatient: Edge) -> None:
    with impatient.wire(post(QUERY)[:-1]) as wire:
        answer = wire.answer()
        assert (answer.status, answer.code) == (408, "BODY_TOO_SLOW")
        assert wire.is_closed


def test_a_body_that_nobody_reads_is_not_waited_for(impatient: Edge) -> None:
    with impatient.wire(get("/healthz", "Content-Length: 1000")) as wire:
        assert wire.answer().status == 200
        assert wire.send(b"x").is_closed


def test_a_body_behind_an_upgrade_that_does_not_end_is_refused(impatient: Edge) -> None:
    with impatient.wire(post(QUERY, *WEBSOCKET)[:-1]) as wire:
        assert wire.answer().status == 408
        assert wire.is_closed


def test_a_client_that_goes_on_sending_after_its_last_answer_is_closed(impatient: Edge) -> None:
    with impatient.wire(head("POST /graphql HTTP/1.1", "Content-Length: 9999", "Connection: close")) as wire:
        assert wire.answer().status == 415
        wire.send(b"x")
        impatient.wait_for_connections(0)


@pytest.mark.parametrize("length", [40_000, 200_000], ids=["below the transport's limit", "above it"])
@pytest.mark.parametrize("last", [(), ("Connection: close",)], ids=["kept alive", "closing"])
def test_a_client_that_does_not_read_its_answer_is_cut_off(impatient: Edge, length: int, last) -> None:
    asked = '{"query": "query($t: String!) { echo(text: $t) }", "variables": {"t": "%s"}}' % ("a" * length)
    started = head("POST /graphql HTTP/1.1", "Content-Type: application/json", f"Content-Length: {len(asked)}", *last)
    with impatient.wire(started + asked.encode(), receive_buffer=2_048):
        impatient.wait_for_connections(1)
        impatient.wait_for_connections(0)


def test_a_client_that_reads_slowly_is_given_its_answer(start_edge: StartEdge) -> None:
    asked = '{"query": "query($t: String!) { echo(text: $t) }", "variables": {"t": "%s"}}' % ("a" * 200_000)
    started = head("POST /graphql HTTP/1.1", "Content-Type: application/json", f"Content-Length: {len(asked)}")
    with start_edge(send_buffer=4_096) as edge, edge.wire(started + asked.encode(), receive_buffer=2_048) as wire:
        assert len(wire.answer().body) > 200_000


class Transport:
    """A transport whose client reads when a test says so."""

    def __init__(self, waiting: int) -> None:
        self.waiting = waiting
        self.is_aborted = False

    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def abort(self) -> None:
        self.is_aborted = True


class Loop:
    """An event loop whose timers run when a test says so."""

    def call_later(self, _delay: float, call: Callable[[], None]) -> None:
        self.run_timer = call


@pytest.mark.parametrize(("bytes_read", "is_cut_off"), [(1_023, True), (1_024, False)])
def test_a_client_must_take_so_many_bytes_in_each_period(bytes_read: int, is_cut_off: bool) -> None:
    loop, transport = Loop(), Transport(1_000_000)
    reader = StalledReader(cast(Any, loop), cast(Any, transport), ConnectionLimits(min_read_bytes=1_024))
    reader.pause()
    loop.run_timer()
    for _ in range(3):
        assert not transport.is_aborted
        transport.waiting -= 1_024
        loop.run_timer()
    transport.waiting -= bytes_read
    loop.run_timer()
    assert transport.is_aborted is is_cut_off


PING = frame("x" * 100, opcode=9)
PINGS = 20_000
"""2 MB: more than the gateway may hold, less than the kernel holds."""


def websocket_transport(edge: Edge) -> Any:
    (websocket,) = edge.server.server_state.connections
    return websocket.transport


def test_a_websocket_that_does_not_read_is_not_read_either_and_goes_on_when_it_does(start_edge: StartEdge) -> None:
    with start_edge(send_buffer=4_096) as edge, edge.wire(receive_buffer=2_048) as wire:
        edge.wait_for_connections(1)
        assert wire.send(get("/graphql", *WEBSOCKET)).answer().status == 101
        transport = websocket_transport(edge)
        wire.send(PING * PINGS)
        edge.wait_until(lambda: not transport.is_reading())
        assert transport.get_write_buffer_size() < 1_000_000
        pong = len(PING) - 4  # without the mask
        assert len(wire.read(PINGS * pong)) == PINGS * pong
        wire.send(frame({"type": "ping"}))
        assert b"pong" in wire.read(17)


def test_a_websocket_that_does_not_read_is_cut_off(impatient: Edge) -> None:
    with impatient.wire(get("/graphql", *WEBSOCKET), receive_buffer=2_048) as wire:
        assert wire.answer().status == 101
        wire.send(PING * PINGS)
        impatient.wait_for_connections(0)


def test_a_websocket_outlives_the_time_that_a_head_may_take(impatient: Edge) -> None:
    with impatient.wire(get("/graphql", *WEBSOCKET)) as wire, impatient.wire() as other:
        assert wire.answer().status == 101
        assert other.is_closed, "the time is over"
        wire.send(frame({"type": "ping"}))
        assert b"pong" in wire.read(17)


# Caps.


def test_an_address_holds_so_many_connections_and_its_health_checks_are_answered(start_edge: StartEdge) -> None:
    with start_edge(max_connections_address=3) as edge, ExitStack() as stack:
        held = [stack.enter_context(edge.wire()) for _ in range(3)]
        edge.wait_for_connections(3)
        with edge.wire(post(QUERY)) as wire:
            answer = wire.answer()
            assert (answer.status, answer.code) == (429, "TOO_MANY_CONNECTIONS")
            assert int(answer.headers["retry-after"]) > 0
            assert wire.is_closed
        with edge.wire(get("/graphql", *WEBSOCKET)) as wire:
            assert wire.answer().status == 429
        for path in ("/healthz", "/readyz"):
            with edge.wire(get(path)) as wire:
                assert wire.answer().json["status"] in ("ok", "unavailable")
                assert wire.is_closed
        with edge.wire(post(QUERY), source="127.0.0.2") as other:
            assert other.answer().status == 200
        held[0].socket.close()
        held[0]._file.close()
        edge.wait_for_connections(2)
        with edge.wire(post(QUERY)) as wire:
            assert wire.answer().status == 200


def test_websockets_count_as_connections_until_they_end(start_edge: StartEdge) -> None:
    with start_edge(max_connections_address=2) as edge:
        with edge.wire(get("/graphql", *WEBSOCKET)) as one, edge.wire(get("/graphql", *WEBSOCKET)) as two:
            assert (one.answer().status, two.answer().status) == (101, 101)
            with edge.wire(post(QUERY)) as wire:
                assert wire.answer().status == 429
        edge.wait_for_connections(0)
        with edge.wire(post(QUERY)) as wire:
            assert wire.answer().status == 200


def test_a_process_that_is_full_says_so_and_answers_health_checks(start_edge: StartEdge) -> None:
    with start_edge(max_connections=10, max_connections_address=4) as edge, ExitStack() as stack:
        for at in range(10):
            stack.enter_context(edge.wire(source=f"127.0.0.{2 + at // 4}"))
        edge.wait_for_connections(10)
        with edge.wire(post(QUERY), source="127.0.0.9") as wire:
            answer = wire.answer()
            assert (answer.status, answer.code) == (503, "TOO_MANY_CONNECTIONS")
        for source in ("127.0.0.2", "127.0.0.9"):
            with edge.wire(HEALTH, source=source) as wire:
                assert wire.answer().status == 200


def test_a_flood_from_one_address_leaves_room_for_its_health_checks_and_for_others(start_edge: StartEdge) -> None:
    with start_edge(max_connections=20, max_connections_address=10) as edge, ExitStack() as stack:
        for _ in range(10 + RESERVED_CONNECTIONS + 50):
            stack.enter_context(edge.wire())
        edge.wait_for_connections(10 + RESERVED_CONNECTIONS)
        with edge.wire(HEALTH) as wire:
            assert wire.answer().status == 200
        with edge.wire(post(QUERY), source="127.0.0.2") as other:
            assert other.answer().status == 200


def test_a_connection_over_the_cap_waits_for_a_shorter_time(start_edge: StartEdge) -> None:
    with start_edge(max_connections_address=1, limits=SHORT_BEYOND) as edge, edge.wire(), edge.wire() as excess:
        assert excess.is_closed


def behind(client: str, query: str) -> bytes:
    return post(query, f"X-Forwarded-For: {client}")


def test_a_trusted_proxy_holds_any_number_and_its_clients_are_capped(start_edge: StartEdge) -> None:
    with start_edge(max_connections_address=2, trusted_proxies="127.0.0.1") as edge, ExitStack() as stack:
        for client in itertools.repeat("203.0.113.1", 2):
            stack.enter_context(edge.wire(behind(client, QUERY)[:-1]))
        for _ in range(5):
            stack.enter_context(edge.wire())
        edge.wait_for_connections(7)
        _until_answered(edge, behind("203.0.113.1", QUERY), 429)
        with edge.wire(get("/graphql", *WEBSOCKET, "X-Forwarded-For: 203.0.113.1")) as wire:
            assert wire.answer().code == "TOO_MANY_CONNECTIONS"
        with edge.wire(get("/healthz", "X-Forwarded-For: 203.0.113.1")) as wire:
            assert wire.answer().status == 200
        with edge.wire(behind("203.0.113.2", QUERY) + HEALTH) as wire:
            assert (wire.answer().status, wire.answer().status) == (200, 200)


def test_a_client_behind_a_proxy_may_come_back_when_its_requests_are_answered(start_edge: StartEdge) -> None:
    with start_edge(max_connections_address=1, trusted_proxies="127.0.0.1") as edge, edge.wire() as wire:
        for _ in range(3):
            assert wire.send(behind("203.0.113.1", QUERY)).answer().status == 200


def test_a_forwarding_header_of_somebody_else_is_no_way_round_the_cap(start_edge: StartEdge) -> None:
    with start_edge(max_connections_address=1, trusted_proxies="127.0.0.9") as edge, edge.wire():
        edge.wait_for_connections(1)
        with edge.wire(behind("203.0.113.1", QUERY)) as wire:
            assert wire.answer().status == 429


def test_the_process_may_open_as_many_files_as_it_holds_connections() -> None:
    code = (
        "import resource; _, hard = resource.getrlimit(resource.RLIMIT_NOFILE); "
        "resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard)); "
        "from gateway.server import raise_file_limit; raise_file_limit(100); "
        "print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) == 100 + RESERVED_CONNECTIONS + 512


def _until_answered(edge: Edge, request: bytes, status: int) -> None:
    """Send a request until it is answered with a status: requests before it start in any order."""
    for _ in range(200):
        with Wire(edge.port).send(request) as wire:
            if wire.answer().status == status:
                return
    pytest.fail(f"never answered {status}")


# The end of a process.


def stop(edge: Edge) -> None:
    """Let a gateway stop, and wait until it accepts no connection any more."""

    def refuses() -> bool:
        try:
            edge.wire().__exit__()
        except ConnectionRefusedError:
            return True
        return False

    edge.server.should_exit = True
    edge.wait_until(refuses)


def test_a_gateway_that_stops_answers_one_more_request_of_each_connection(tmp_path: Path) -> None:
    with (
        running_edge(tmp_path, ConnectionLimits(drain_timeout_s=20, keep_alive_timeout_s=20)) as edge,
        edge.wire(HEALTH) as used,
        edge.wire() as unused,
        edge.wire(HEALTH[:-2]) as begun,
    ):
        assert "connection" not in used.answer().headers
        edge.wait_for_connections(3)
        stop(edge)
        for wire, rest in ((used, HEALTH), (unused, HEALTH), (begun, HEALTH[-2:])):
            answer = wire.send(rest).answer()
            assert (answer.status, answer.headers["connection"]) == (200, "close")
            assert wire.is_closed


def test_a_gateway_that_stops_closes_connections_without_a_request(tmp_path: Path) -> None:
    with running_edge(tmp_path, ConnectionLimits(drain_timeout_s=0.2)) as edge, edge.wire(HEALTH) as wire:
        assert wire.answer().status == 200
        stop(edge)
        assert wire.is_closed
