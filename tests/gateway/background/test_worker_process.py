"""The worker process that a server starts: it is there, it comes back, and it never outlives its server."""

import os
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from gateway.background import worker_process
from gateway.background.worker_process import WorkerProcess
from tests.running import START_WITHIN_S, address_in, children, serving, until

pytestmark = pytest.mark.servers

WORKER = "gateway.background.worker_process"


def is_alive(process: int) -> bool:
    try:
        return "Z (zombie)" not in Path(f"/proc/{process}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_all_processes_of_a_server_end_when_it_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "stderr"
    with serving(tmp_path, "--workers", "2", START_WORKER="on", TMPDIR=str(tmp_path)) as (server, welcome):
        until(lambda: "worker started" in log.read_text() and len(children(server.pid, "spawn_main")) == 2)
        (worker,) = children(server.pid, WORKER)
        assert os.getpriority(os.PRIO_PROCESS, worker) == worker_process.NICENESS
        assert httpx.get(f"{address_in(welcome)}/healthz", timeout=START_WITHIN_S).status_code == 200
        metrics = f"{address_in(welcome)}/metrics"
        read_at = "explore_columns_read_timestamp_seconds 1"  # the worker, which has no columns, does not count as 0
        until(lambda: read_at in httpx.get(metrics, timeout=START_WITHIN_S).text)
        processes = [worker, *children(server.pid, "spawn_main")]
        os.kill(server.pid, signal.SIGKILL)
        until(lambda: not any(map(is_alive, processes)))
    assert "Traceback" not in log.read_text()
    assert len(list(tmp_path.glob("explore-*"))) == 2
    with serving(tmp_path, "--workers", "2", TMPDIR=str(tmp_path)) as (server, _):
        until(lambda: {path.name.split("-")[2] for path in tmp_path.glob("explore-*")} == {str(server.pid)})


def index_counts(welcome: str) -> float:
    """Read how often processes have counted the documents of the index."""
    metrics = httpx.get(f"{address_in(welcome)}/metrics", timeout=START_WITHIN_S).text
    found = re.search(r'explore_store_calls_total{operation="counts",outcome="ok",store="vectors"} (.*)', metrics)
    return float(found[1]) if found else 0.0


def test_a_worker_that_is_killed_is_started_again_and_the_server_serves_meanwhile(tmp_path: Path) -> None:
    log = tmp_path / "stderr"
    with serving(tmp_path, START_WORKER="on") as (server, welcome):
        until(lambda: "worker started" in log.read_text())
        (worker,) = children(server.pid, WORKER)
        until(lambda: index_counts(welcome) > 0)
        before = index_counts(welcome)
        os.kill(worker, signal.SIGKILL)
        until(lambda: "worker process failed, restarting" in log.read_text())
        assert httpx.get(f"{address_in(welcome)}/healthz", timeout=START_WITHIN_S).status_code == 200
        until(lambda: log.read_text().count("worker started") == 2)
        assert children(server.pid, WORKER) != [worker]
        until(lambda: index_counts(welcome) > before)  # the metrics of a process that has ended still count


@contextmanager
def running(*command: str, first_pause_s: float = 0.01) -> Iterator[WorkerProcess]:
    worker = WorkerProcess(command, first_pause_s)
    worker.start()
    try:
        yield worker
    finally:
        worker.stop()


@pytest.fixture
def failures(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The fields of the logged failures. Where the log is written depends on the tests that ran before."""
    logged: list[dict[str, Any]] = []
    monkeypatch.setattr(worker_process, "log", SimpleNamespace(error=lambda _event, **fields: logged.append(fields)))
    return logged


def test_a_worker_that_cannot_start_is_tried_again_after_growing_pauses(failures: list[dict[str, Any]]) -> None:
    with running(str(Path(sys.executable).with_name("no-such-program"))):
        until(lambda: len(failures) >= 3)
    assert [failure["after_s"] for failure in failures[:3]] == [0.01, 0.02, 0.04]
    assert "No such file or directory" in failures[0]["reason"]


def test_a_worker_that_does_not_stop_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_process, "STOP_TIMEOUT_S", 0.2)
    noted = tmp_path / "process"
    deaf = "import os, pathlib, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    note = f"pathlib.Path({str(noted)!r}).write_text(f'{{os.getpid()}}.')"
    with running(sys.executable, "-c", f"{deaf}; {note}; time.sleep(600)"):
        until(lambda: noted.exists() and noted.read_text().endswith("."))
        process = int(noted.read_text()[:-1])
    assert not is_alive(process)


def test_a_worker_is_replaced_at_once_and_without_a_failure(tmp_path: Path, failures: list[dict[str, Any]]) -> None:
    note = f"import os, pathlib, time; pathlib.Path({str(tmp_path)!r}, str(os.getpid())).touch(); time.sleep(600)"
    with running(sys.executable, "-c", note) as worker:
        until(lambda: len(list(tmp_path.iterdir())) == 1)
        worker.replace()
        until(lambda: len(list(tmp_path.iterdir())) == 2)
    assert not failures


def test_a_replaced_worker_that_does_not_stop_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_process, "STOP_TIMEOUT_S", 0.2)
    deaf = "import os, pathlib, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    note = f"pathlib.Path({str(tmp_path)!r}, str(os.getpid())).touch()"
    with running(sys.executable, "-c", f"{deaf}; {note}; time.sleep(600)") as worker:
        until(lambda: len(list(tmp_path.iterdir())) == 1)
        worker.replace()
        until(lambda: len(list(tmp_path.iterdir())) == 2)


def test_a_replacement_ends_the_pause_after_a_failure_and_the_next_failure_is_logged(
    tmp_path: Path, failures: list[dict[str, Any]]
) -> None:
    note = f"import os, pathlib; pathlib.Path({str(tmp_path)!r}, str(os.getpid())).touch()"
    with running(sys.executable, "-c", note, first_pause_s=600) as worker:
        until(lambda: len(failures) == 1)
        worker.replace()
        until(lambda: len(failures) == 2)
    assert len(list(tmp_path.iterdir())) == 2
