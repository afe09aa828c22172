"""The embedded cache beyond the contract: its size limit, a restart, a damaged file."""

import asyncio
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from db.cache.embedded import PURGE_EVERY_S, PURGE_SHARE, EmbeddedCache
from db.errors import Store, StoreUnavailable
from tests.preloaded import Code

pytestmark = pytest.mark.servers

PROCESS = """
import asyncio, sys
from pathlib import Path
from db.cache.embedded import EmbeddedCache

async def main(path: str, name: str) -> None:
    cache = EmbeddedCache(Path(path), max_bytes=200_000, busy_timeout_s=30)
    for number in range(200):
        await cache.put(f"{name}{number}", name.encode() * 1_000, 60)
        await cache.get(f"{name}{number}", extend_s=60)
    assert await cache.get(f"{name}199") == name.encode() * 1_000
    await cache.close()

asyncio.run(main(*sys.argv[1:]))
"""


@dataclass
class Clock:
    """A clock that a test sets."""

    now: float = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def make(tmp_path: Path, clock: Clock):
    opened: list[EmbeddedCache] = []

    def make(max_bytes: int = 10_000) -> EmbeddedCache:
        opened.append(EmbeddedCache(tmp_path / "var" / "cache.sqlite", max_bytes, clock, busy_timeout_s=0.05))
        return opened[-1]

    yield make
    for cache in opened:
        await cache.close()


Make = Callable[..., EmbeddedCache]


def rows(path: Path, statement: str) -> list[tuple]:
    connection = sqlite3.connect(path)
    found = connection.execute(statement).fetchall()
    connection.close()
    return found


def folder_of(path: Path) -> list[Path]:
    return sorted(path.parent.iterdir())


async def test_a_value_outlives_a_restart_but_not_its_time(make: Make, clock: Clock):
    cache = make()
    await cache.put("key", b"value", 60)
    await cache.close()
    clock.now += 59.9
    assert await make().get("key") == b"value"
    clock.now += 0.1
    assert await make().get("key") is None


async def test_values_stay_within_the_bound_and_what_expires_first_goes_first(make: Make, tmp_path: Path):
    cache = make(max_bytes=16_000)
    for number in range(100):
        await cache.put(f"key{number}", bytes(1_000), 600 + number % 10)
    kept = rows(tmp_path / "var" / "cache.sqlite", "SELECT sum(size), min(expires_at) FROM lifetimes")
    assert kept[0][0] <= 16_000 * (1 + PURGE_SHARE) + 1_000
    assert kept[0][1] >= 1_608.0


async def test_replacing_one_value_evicts_nothing(make: Make):
    cache = make(max_bytes=16_000)
    await cache.put("other", b"value", 600)
    for _ in range(100):
        await cache.put("key", bytes(10_000), 60)
    assert await cache.get("other") == b"value"


async def test_no_body_is_left_without_its_entry(make: Make, clock: Clock, tmp_path: Path):
    cache = make()
    await cache.put("short", b"value", 1)
    await cache.put("deleted", b"value", 600)
    await cache.delete("deleted")
    clock.now += PURGE_EVERY_S
    await cache.put("long", b"value", 600)
    for statement in ("SELECT key FROM lifetimes", "SELECT key FROM contents"):
        assert rows(tmp_path / "var" / "cache.sqlite", statement) == [("long",)]


async def test_a_value_larger_than_the_cache_is_not_kept_and_evicts_nothing(make: Make):
    cache = make(max_bytes=1_000)
    await cache.put("other", b"value", 60)
    await cache.put("key", b"small", 60)
    await cache.put("key", bytes(1_001), 60)
    assert await cache.get("key") is None
    assert await cache.get("other") == b"value"


async def test_a_damaged_file_is_set_aside_and_made_anew(make: Make, tmp_path: Path):
    path = tmp_path / "var" / "cache.sqlite"
    path.parent.mkdir()
    path.write_bytes(b"this is not a database, and it is long enough to be looked at" * 100)
    cache = make()
    assert await cache.get("key") is None
    await cache.put("key", b"value", 60)
    assert await cache.get("key") == b"value"
    assert [file.name for file in folder_of(path) if file.name.endswith("damaged")] == ["cache.sqlite.damaged"]
    await cache.scrub()
    assert not any(file.name.endswith("damaged") for file in folder_of(path))


async def test_a_file_damaged_while_open_is_set_aside_and_others_follow(make: Make, tmp_path: Path):
    path = tmp_path / "var" / "cache.sqlite"
    one, other = make(10_000_000), make(10_000_000)
    for number in range(50):
        await one.put(f"key{number}", bytes(20_000), 60)
    assert await other.get("key1") == bytes(20_000)
    rows(path, "PRAGMA wal_checkpoint(TRUNCATE)")
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4_096)
        file.write(b"\xff" * (size - 4_096))
    for number in range(50):
        assert await one.get(f"key{number}") is None
    await one.put("key", b"value", 60)
    assert await one.get("key") == b"value"
    assert await other.get("key") == b"value"


async def test_a_damaged_value_is_missing_and_the_others_stay(make: Make, tmp_path: Path):
    cache, path = make(), tmp_path / "var" / "cache.sqlite"
    await cache.put("key", b"a value to find" * 10, 60)
    await cache.put("other", b"value", 60)
    rows(path, "PRAGMA wal_checkpoint(TRUNCATE)")
    path.write_bytes(path.read_bytes().replace(b"a value to find", b"a value to fond", 1))
    again = make()
    assert await again.get("key") is None
    assert await again.get_many(["key", "other"]) == {"other": b"value"}


async def test_what_was_written_before_the_clock_was_set_back_is_missing(make: Make, clock: Clock, tmp_path: Path):
    clock.now = 100_000.0
    cache = make()
    await cache.put("degraded", b"value", 5)
    assert await cache.add("lock", b"value", 5)
    await cache.put("extended", b"value", 5)
    await cache.get("extended", extend_s=60)
    clock.now -= 86_400
    assert await cache.get_many(["degraded", "lock", "extended"]) == {}
    assert await cache.keys("") == []
    assert await cache.add("lock", b"mine", 5)
    assert await cache.get("lock") == b"mine"
    assert rows(tmp_path / "var" / "cache.sqlite", "SELECT key FROM contents") == [("lock",)]


async def test_a_file_that_went_away_is_made_anew(make: Make, tmp_path: Path):
    cache = make()
    await cache.put("key", b"value", 60)
    for file in folder_of(tmp_path / "var" / "cache.sqlite"):
        file.unlink()
    assert await cache.get("key") is None
    await cache.put("key", b"value", 60)
    assert await make().get("key") == b"value"


async def test_a_cache_that_cannot_be_opened_is_unavailable(tmp_path: Path):
    (tmp_path / "file").write_text("in the way")
    cache = EmbeddedCache(tmp_path / "file" / "cache.sqlite")
    with pytest.raises(StoreUnavailable) as caught:
        await cache.get("key")
    assert caught.value.store is Store.CACHE
    await cache.close()


async def test_a_locked_cache_is_unavailable_to_writers_and_serves_readers(make: Make, tmp_path: Path):
    cache = make()
    await cache.put("key", b"value", 60)
    other = sqlite3.connect(tmp_path / "var" / "cache.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="locked"):
        await cache.put("key", b"newer", 60)
    assert await cache.get("key") == b"value"
    other.rollback()
    other.close()
    await cache.put("key", b"newer", 60)
    assert await cache.get("key") == b"newer"


async def test_several_processes_open_and_use_one_new_file_at_once(tmp_path: Path):
    path = tmp_path / "cache.sqlite"
    processes = [Code(PROCESS, path, name) for name in "abcd"]
    for process in processes:
        _, errors = await asyncio.to_thread(process.communicate)
        assert process.returncode == 0, errors
    assert rows(path, "PRAGMA integrity_check") == [("ok",)]
