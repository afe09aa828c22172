"""What attackers try, against a gateway that really runs; what each costs in CPU and memory, `bench/abuse.py` tells."""

import socket
import time

import httpx
import pytest

from tests.gateway.limits.probes import HARMLESS, PROBES, Probe
from tests.running import address_in, serving

LEAKS = (
    "Traceback",
    "graphql-core",
    "site-packages",
    ".py",
    "sqlalchemy",
    "sqlite",
    "SELECT ",
    "Error(",
    "<class",
    "0x7f",
)
"""Words of Python's, of SQL's, and of the machine's, that no answer may hold."""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    """The address of a gateway that counts no points: each probe is to be refused for what it is."""
    settings = {"RATE_LIMIT": "0", "RATE_LIMIT_ADDRESS": "0", "LOG_LEVEL": "error", "BODY_TIMEOUT_S": "1"}
    with serving(tmp_path_factory.mktemp("abuse"), **settings) as (_process, welcome):
        yield address_in(welcome)


@pytest.fixture(scope="module")
def client(gateway):
    with httpx.Client(base_url=gateway, timeout=30) as opened:
        yield opened


def send(client: httpx.Client, probe: Probe) -> httpx.Response:
    headers = {"Content-Type": "application/json", **probe.headers} if probe.method == "POST" else probe.headers
    return client.request(probe.method, probe.path, content=probe.body, headers=headers)


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.name)
def test_what_asks_for_too_much_is_refused_with_one_clear_sentence(client, probe):
    answer = send(client, probe)
    assert answer.status_code in probe.statuses, answer.text[:300]
    if probe.code is None:
        assert "errors" not in (answer.json() if answer.content else {})
        return
    errors = answer.json()["errors"]
    assert errors[0]["extensions"]["code"] == probe.code
    assert all(len(error["message"]) < 1_000 for error in errors)
    assert not any(word in answer.text for word in LEAKS), answer.text[:500]
    assert len(answer.content) < 30_000


def test_the_gateway_goes_on_as_before(client):
    answer = send(client, HARMLESS)
    assert answer.json()["data"]["newest"] == {"edges": []}


def connection_to(gateway: str) -> socket.socket:
    host, port = gateway.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=20)


def all_of(connection: socket.socket) -> bytes:
    """Read an answer until the gateway hangs up: head and body may come apart."""
    return b"".join(iter(lambda: connection.recv(65_536), b""))


def test_a_body_that_dribbles_is_given_up(gateway):
    with connection_to(gateway) as connection:
        head = "POST /graphql HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
        connection.sendall(head.encode())
        started = time.monotonic()
        answer = all_of(connection)
    assert b" 408 " in answer.splitlines()[0]
    assert b"BODY_TOO_SLOW" in answer
    assert b"connection: close" in answer.lower()
    assert time.monotonic() - started >= 0.9


def test_a_chunk_of_a_body_without_an_end_is_given_up(gateway):
    with connection_to(gateway) as connection:
        head = (
            "POST /graphql HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        connection.sendall(head.encode() + b"ffffff\r\n{")
        assert b"BODY_TOO_SLOW" in all_of(connection)


def test_an_address_of_200_000_letters_is_refused(gateway):
    with connection_to(gateway) as connection:
        connection.sendall(b"GET /graphql?query=" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n")
        assert b" 431 " in connection.recv(65_536)


def test_a_head_without_an_end_is_cut_off(gateway):
    with connection_to(gateway) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n")
        answer = b""
        for _ in range(40):
            try:
                connection.sendall(b"X-A: " + b"a" * 10_000 + b"\r\n")
            except OSError:
                break
        try:
            answer = connection.recv(65_536)
        except OSError:
            return
    assert answer == b"" or b" 431 " in answer
