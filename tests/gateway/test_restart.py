"""Several server processes: a restart loses no request, and limits count for all of them together."""

import http.client
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from uvicorn.supervisors import Multiprocess

from gateway.server import ServerProcesses
from tests.running import START_WITHIN_S, address_in, children, serving, until

pytestmark = pytest.mark.servers


def servers_of(parent: int) -> set[int]:
    """Find the running server processes of a server; Python's tracker of resources is none of them."""
    return set(children(parent, "spawn_main"))


class Clients:
    """Clients that send one request after another, on connections that stay open and on new ones."""

    def __init__(self, address: str) -> None:
        self._host = address.removeprefix("http://")
        self._stop = threading.Event()
        self.answered = 0
        self.failures: list[str] = []
        self._threads = [threading.Thread(target=self._run, args=(keeps,)) for keeps in (True, True, False)]

    def _run(self, keeps: bool) -> None:
        connection = http.client.HTTPConnection(self._host, timeout=60)
        while not self._stop.is_set():
            try:
                connection.request("GET", "/healthz", headers={} if keeps else {"Connection": "close"})
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
                connection.close()
            else:
                self.answered += 1
                if answer.status != 200:
                    self.failures.append(str(answer.status))
            time.sleep(0.02)
        connection.close()

    @contextmanager
    def running(self) -> Iterator[None]:
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in self._threads:
                thread.join()


def test_neither_a_restart_nor_the_end_of_one_process_loses_a_request(tmp_path: Path) -> None:
    log = tmp_path / "stderr"
    with serving(tmp_path, "--workers", "2", START_WORKER="on") as (server, welcome):
        until(lambda: httpx.get(f"{address_in(welcome)}/healthz", timeout=START_WITHIN_S).status_code == 200)
        until(lambda: len(servers_of(server.pid)) == 2 and "worker started" in log.read_text())
        first = servers_of(server.pid)
        clients = Clients(address_in(welcome))
        with clients.running():
            until(lambda: clients.answered > 100)
            server.send_signal(signal.SIGHUP)
            until(lambda: len(servers_of(server.pid) - first) == 2 and not servers_of(server.pid) & first)
            second = servers_of(server.pid)
            # The parent of the processes has replaced the worker process too.
            until(lambda: log.read_text().count("worker started") == 2)
            os.kill(min(second), signal.SIGTERM)
            until(lambda: len(servers_of(server.pid) - second) == 1 and min(second) not in servers_of(server.pid))
            answered = clients.answered
            until(lambda: clients.answered > answered + 100)
        assert clients.failures == []
    assert "Traceback" not in log.read_text()
    assert "worker process failed" not in log.read_text()


@contextmanager
def paused(process: int) -> Iterator[None]:
    """Pause a server process, so that another one answers."""
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)


def test_budgets_count_for_all_processes_together(tmp_path: Path) -> None:
    with serving(tmp_path, "--workers", "2") as (server, welcome):
        until(lambda: len(servers_of(server.pid)) == 2)
        left = []
        for process in servers_of(server.pid):
            with paused(process):
                for _ in range(3):
                    url = f"{address_in(welcome)}/graphql"
                    answer = httpx.post(url, json={"query": "{ __typename }"}, timeout=START_WITHIN_S)
                    left.append(answer.json()["extensions"]["cost"]["remaining"])
    assert len(set(left)) == 6
    assert left == sorted(left, reverse=True)


@pytest.mark.parametrize("limit", ["MAX_STREAMS", "MAX_STREAMS_ADDRESS", "MAX_CONNECTIONS_ADDRESS"])
def test_streams_and_connections_count_for_all_processes_until_one_is_killed(tmp_path: Path, limit: str) -> None:
    body = {"query": "subscription { feedChanged { feed } }"}
    with serving(tmp_path, "--workers", "2", **{limit: "3"}) as (server, welcome), ExitStack() as streams:

        def open_one() -> int:
            client = streams.enter_context(httpx.Client(timeout=START_WITHIN_S))
            request = client.stream(
                "POST", f"{address_in(welcome)}/graphql", json=body, headers={"Accept": "text/event-stream"}
            )
            return streams.enter_context(request).status_code

        until(lambda: len(servers_of(server.pid)) == 2)
        one, other = servers_of(server.pid)
        for process in (one, other):  # both must answer: a process that is paused for long loses its streams
            with paused(process):
                httpx.get(f"{address_in(welcome)}/healthz", timeout=START_WITHIN_S)
        with paused(one):
            assert [open_one() for _ in range(2)] == [200, 200]
        refused = 503 if limit == "MAX_STREAMS" else 429
        with paused(other):
            assert [open_one() for _ in range(2)] == [200, refused]
        os.kill(one, signal.SIGKILL)
        until(lambda: not Path(f"/proc/{one}").exists())
        assert [open_one() for _ in range(2)] == [200, refused]


@pytest.mark.parametrize("replaced", [0, 1, 2])
def test_the_worker_is_replaced_only_after_all_server_processes(replaced: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def restart(self: ServerProcesses) -> None:
        self.processes[:replaced] = [SimpleNamespace(pid=10 + number) for number in range(replaced)]

    errors: list[str] = []
    monkeypatch.setattr(Multiprocess, "handle_hup", restart)
    monkeypatch.setattr("gateway.server.log", SimpleNamespace(error=errors.append))
    calls: list[bool] = []
    processes = object.__new__(ServerProcesses)
    processes.processes = [SimpleNamespace(pid=number) for number in range(2)]
    processes.should_exit = threading.Event()
    processes._on_restart = lambda: calls.append(True)
    processes.handle_hup()
    assert calls == [True] * (replaced == 2)
    assert [error.partition(":")[0] for error in errors] == ["restart ended early"] * (replaced < 2)
