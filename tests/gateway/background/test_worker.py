"""`explore worker` as a process of its own, and what is left when it is killed."""

import asyncio
import signal
from pathlib import Path

import pytest

from bench.outbox_chaos import Outcome, run
from db.private_files import DataFile, paths_open_to_others
from tests.preloaded import Program
from tests.running import environment, explore
from tests.waiting import until

pytestmark = pytest.mark.servers

STOPS_WITHIN_S = 60


def whole(outcome: Outcome) -> bool:
    return outcome.differences == outcome.twice == [] and outcome.dead == 0 and outcome.public == outcome.indexed > 0


async def test_killed_workers_leave_the_index_as_the_truth_is(tmp_path: Path):
    outcome = await run(tmp_path, changes=300, kills=3, lives_s=(0.3, 1.5), expire_leases=True)
    assert (outcome.changes, outcome.kills) == (300, 3)
    assert whole(outcome), outcome


async def test_killed_workers_leave_the_index_whole_on_postgresql(tmp_path: Path, make_url):
    async with make_url("postgresql") as url:
        outcome = await run(tmp_path, url=url, changes=300, kills=3, lives_s=(0.3, 1.5), expire_leases=True, seed=3)
    assert whole(outcome), outcome


async def test_an_index_that_was_away_is_brought_up_to_date_and_no_row_dies(tmp_path: Path):
    outcome = await run(
        tmp_path, changes=300, kills=1, workers=1, cut_off_s=6.5, lives_s=(6.5, 7.5), expire_leases=True
    )
    assert whole(outcome), outcome


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
