"""`explore worker` as a process of its own; tests/bench/test_kills.py kills it."""

import asyncio
import signal
from pathlib import Path

import pytest

from db.private_files import DataFile, paths_open_to_others
from tests.preloaded import Program
from tests.running import environment, explore
from tests.waiting import until

pytestmark = pytest.mark.servers

STOPS_WITHIN_S = 60


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_stops_the_worker_cleanly(tmp_path: Path, stop: signal.Signals):
    assert explore(tmp_path, "migrate").returncode == 0
    log = tmp_path / "log"
    with log.open("wb") as output:
        worker = Program(["worker"], tmp_path, environment(tmp_path, LOG_FORMAT="json"), output, output)
    try:
        await until(lambda: "worker started" in log.read_text())
        await until((tmp_path / "var" / DataFile.WORKER_ALIVE).exists)
        assert list(paths_open_to_others(tmp_path / "var")) == []
        worker.send_signal(stop)
        assert await asyncio.to_thread(worker.wait, STOPS_WITHIN_S) == 0, log.read_text()
    finally:
        worker.kill()
    assert "Traceback" not in log.read_text()


def test_a_truth_that_is_not_there_is_one_sentence(tmp_path: Path):
    (tmp_path / "var").mkdir()
    failed = explore(tmp_path, "worker", DATABASE_URL="postgresql://ada:hunter2@127.0.0.1:1/explore")
    assert failed.returncode == 1
    (line,) = failed.stderr.strip().splitlines()
    assert line.startswith("explore: ")
    assert "hunter2" not in line
