"""Counts and spent points that several processes share, also when one of them is killed."""

import asyncio
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.limits.rate_limits import WINDOW_S, MemoryRateLimitStore
from gateway.limits.shared_rate_limits import SharedRateLimitStore
from gateway.sharing import open_counts
from gateway.sharing.open_counts import LocalCounts, OpenCounts, SharedCounts
from gateway.sharing.shared_table import BUCKET_ROWS, EMPTY, KEY_BYTES, Row, SharedTable

OTHER_PROCESS = """
import sys
from pathlib import Path
from gateway.sharing.open_counts import SharedCounts
from gateway.sharing.shared_table import SharedTable
counts = SharedCounts(SharedTable(Path(sys.argv[1])))
print([counts.try_acquire("a", 3) for _ in range(int(sys.argv[2]))], flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    SharedTable.create(tmp_path / "table", 64)
    return tmp_path / "table"


@contextmanager
def other_process(path: Path, acquires: int) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-c", OTHER_PROCESS, str(path), str(acquires)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip()


def test_rows_are_seen_through_another_mapping_and_only_under_their_key(path: Path) -> None:
    one = SharedTable(path)
    other: SharedTable = pickle.loads(pickle.dumps(one))  # noqa: S301 (of this test)
    key = one.key("a")
    assert key == other.key("a") != other.key("b")
    with one.bucket(key) as bucket:
        bucket.write(3, Row(key, 1, 2, 3, 2**32 - 1))
        bucket.write(5, Row(key, 7))
    with other.bucket(key) as bucket:
        assert bucket.find(key) == [3, 5]
        assert bucket.read(3) == Row(key, 1, 2, 3, 2**32 - 1)
        assert len(bucket.find(EMPTY.key)) == BUCKET_ROWS - 2


def test_numbers_that_look_like_a_key_are_none(path: Path) -> None:
    table = SharedTable(path)
    key = bytes([1, 0, 0, 0] * 4)
    with table.bucket(key) as bucket:
        bucket.write(0, Row(b"x" * KEY_BYTES, 1, 1, 1, 1))
        assert bucket.find(key) == []
        bucket.write(1, Row(key))
        assert bucket.find(key) == [1]


def test_two_tables_give_a_name_different_keys(tmp_path: Path) -> None:
    for name in ("one", "other"):
        SharedTable.create(tmp_path / name, 4)
    assert SharedTable(tmp_path / "one").key("a") != SharedTable(tmp_path / "other").key("a")


def test_what_one_process_holds_counts_in_the_other_until_it_is_killed(path: Path) -> None:
    counts = SharedCounts(SharedTable(path))
    with other_process(path, 2) as (process, acquired):
        assert acquired == "[True, True]"
        assert [counts.try_acquire("a", 3) for _ in range(2)] == [True, False]
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert [counts.try_acquire("a", 3) for _ in range(3)] == [True, True, False]


def test_counts_of_an_earlier_process_with_this_id_are_none(path: Path) -> None:
    table = SharedTable(path)
    key = table.key("a")
    with table.bucket(key) as bucket:
        bucket.write(0, Row(key, os.getpid(), 0, 5))
    assert SharedCounts(table).try_acquire("a", 1)


def test_a_full_bucket_refuses_and_takes_again_what_ended_processes_have_left(tmp_path: Path) -> None:
    SharedTable.create(tmp_path / "table", 1)
    table = SharedTable(tmp_path / "table")
    counts = SharedCounts(table)
    assert [counts.try_acquire(str(n), 1) for n in range(BUCKET_ROWS + 1)] == [True] * BUCKET_ROWS + [False]
    counts.release("3")
    assert counts.try_acquire("another", 1)
    with table.bucket(EMPTY.key) as bucket:
        bucket.write(0, bucket.read(0)._replace(first=2**22 + 1))  # above the largest process id
    assert counts.try_acquire("one more", 1)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.booleans()), max_size=30))
def test_shared_counts_are_those_of_one_process(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, bool]]
) -> None:
    path = tmp_path_factory.mktemp("counts") / "table"
    SharedTable.create(path, 2)
    stores: tuple[OpenCounts, ...] = (LocalCounts(), SharedCounts(SharedTable(path)))
    held = {"a": 0, "b": 0}
    for name, acquires in steps:
        if acquires:
            results = {store.try_acquire(name, 3) for store in stores}
            assert results == {held[name] < 3}
            held[name] += results == {True}
        elif held[name]:
            held[name] -= 1
            for store in stores:
                store.release(name)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 60), st.integers(0, 90)), max_size=20))
def test_shared_points_are_those_of_one_process(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int, int]]
) -> None:
    path = tmp_path_factory.mktemp("points") / "table"
    SharedTable.create(path, 2)
    now_s = 1_000.0
    local, shared = MemoryRateLimitStore(clock=lambda: now_s), SharedRateLimitStore(SharedTable(path), lambda: now_s)

    async def spend() -> None:
        nonlocal now_s
        for caller, points, pause_s in steps:
            assert await local.spend(caller, points, 100) == await shared.spend(caller, points, 100)
            assert await local.spent(caller) == await shared.spent(caller)
            now_s += pause_s

    asyncio.run(spend())


async def test_in_a_full_bucket_the_caller_who_was_idle_longest_starts_again(tmp_path: Path) -> None:
    SharedTable.create(tmp_path / "table", 1)
    now_s = 1_000.0
    store = SharedRateLimitStore(SharedTable(tmp_path / "table"), lambda: now_s)
    assert await store.spend("idle", 10, 10)
    now_s += WINDOW_S
    for number in range(BUCKET_ROWS - 1):
        assert await store.spend(str(number), 10, 10)
    assert (await store.spent("idle")).previous == 10
    assert await store.spend("new", 10, 10)
    assert (await store.spent("idle")).points == 0
    assert not await store.spend("3", 10, 10)


def test_as_many_processes_as_a_server_has_hold_something_of_one_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    processes = 64
    SharedTable.create(tmp_path / "table", 1, BUCKET_ROWS + processes)
    counts = SharedCounts(SharedTable(tmp_path / "table"))
    monkeypatch.setattr(open_counts, "is_running", lambda _: True)
    for process in range(1, processes + 1):
        monkeypatch.setattr(open_counts.os, "getpid", lambda process=process: process)
        assert counts.try_acquire("all", 2 * processes)
    assert [counts.try_acquire(f"client {number}", 1) for number in range(BUCKET_ROWS)] == [True] * BUCKET_ROWS
    assert not counts.try_acquire("all", processes)
