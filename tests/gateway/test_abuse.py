"""Each probe of `bench.abuse`, sent once to a running gateway."""

import shutil
import socket
import time

import pytest

from bench.abuse.groups import GROUPS
from bench.abuse.measuring import running_gateway
from bench.abuse.probe import Target

pytestmark = pytest.mark.servers

PROBES = [pytest.param(probe, id=f"{group}: {probe.name}") for group, probes in GROUPS.items() for probe in probes]


@pytest.fixture(scope="module")
def target(demo_data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("abuse")
    shutil.copytree(demo_data, folder / "var")
    with running_gateway(folder) as (_process, target):
        yield target


@pytest.fixture(scope="module")
def gateway(target):
    return f"http://{target.host}:{target.port}"


@pytest.mark.parametrize("probe", PROBES)
def test_each_probe_is_answered_as_it_should_be(target: Target, probe):
    assert probe.fault_of(probe.send(target)) is None


def test_the_gateway_goes_on_as_before(target: Target):
    answer = target.client.post("/graphql", json={"query": "{ newest(first: 30) { edges { node { key } } } }"})
    assert len(answer.json()["data"]["newest"]["edges"]) == 30


def test_names_of_probes_are_unique_within_their_group():
    for probes in GROUPS.values():
        names = [probe.name for probe in probes]
        assert len(set(names)) == len(names)


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
