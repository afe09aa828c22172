"""Files of the embedded stores are for their owner only, under any umask."""

import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from db.cache.embedded import EmbeddedCache
from db.database.engine import Database
from db.private_files import make_private_file, make_private_folder, paths_open_to_others
from db.vectors.embedded import EmbeddedVectorStore

pytestmark = pytest.mark.servers


@pytest.fixture(params=[0o000, 0o022, 0o077, 0o177], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    """Set the umask of the process for one test."""
    before = os.umask(request.param)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _modes(folder: Path) -> dict[str, str]:
    return {path.name: oct(mode(path)) for path in folder.iterdir()}


def _widen(folder: Path) -> None:
    for file in folder.iterdir():
        file.chmod(0o644)


@pytest.mark.usefixtures("umask")
async def test_every_file_of_the_stores_is_private_while_they_are_open_and_after(tmp_path: Path) -> None:
    folder = tmp_path / "var"
    make_private_folder(folder)
    database = Database(f"sqlite:///{folder / 'explore.sqlite'}")
    vectors, cache = EmbeddedVectorStore(folder / "vectors.sqlite"), EmbeddedCache(folder / "cache.sqlite")
    try:
        async with database.write() as connection:
            await connection.execute(text("CREATE TABLE a (b TEXT)"))
        await database.fetch(text("SELECT * FROM a"))
        await vectors.prepare("model", 4)
        await cache.put("a", b"b", 60)
        modes = _modes(folder)
        assert {"explore.sqlite-wal", "explore.sqlite-shm", "vectors.sqlite-wal", "cache.sqlite-wal"} <= modes.keys()
        assert set(modes.values()) == {"0o600"}, modes
        assert mode(folder) == 0o700
        assert list(paths_open_to_others(folder)) == []
    finally:
        for store in (cache, vectors, database):
            await store.close()


async def test_a_database_of_an_earlier_release_is_narrowed_with_what_lies_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "explore.sqlite"
    with sqlite3.connect(path) as held:  # its -wal and -shm stay while it is open
        held.execute("PRAGMA journal_mode = WAL")
        held.execute("CREATE TABLE a (b TEXT)")
        held.commit()
        _widen(tmp_path)
        database = Database(f"sqlite:///{path}")
        await database.fetch(text("SELECT * FROM a"))
        assert set(_modes(tmp_path).values()) == {"0o600"}
        await database.close()
    held.close()


def test_a_folder_with_nothing_but_files_of_ours_is_narrowed(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    for name in ("explore.sqlite", "explore.sqlite-wal", "token_secret", "cache.sqlite.damaged", "worker_alive"):
        (tmp_path / name).touch(0o644)
    make_private_folder(tmp_path)
    assert mode(tmp_path) == 0o700
    assert {oct(mode(file)) for file in tmp_path.iterdir()} == {"0o600"}


def test_a_shared_folder_stays_as_it_is_and_is_reported(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "index.html").touch()
    (tmp_path / "index.html").chmod(0o644)
    (tmp_path / "explore.sqlite").touch(0o644)
    make_private_folder(tmp_path)
    assert (mode(tmp_path), mode(tmp_path / "index.html")) == (0o755, 0o644)
    assert mode(tmp_path / "explore.sqlite") == 0o600
    assert list(paths_open_to_others(tmp_path)) == [tmp_path]


def test_a_file_that_a_database_holds_locks_on_is_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "explore.sqlite"
    make_private_file(path)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("CREATE TABLE a (b TEXT)")
    holder.execute("BEGIN EXCLUSIVE")
    make_private_file(path)
    # Only another process can tell whether a lock was lost: within one, SQLite itself keeps account of them.
    probe = "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=0).execute('BEGIN EXCLUSIVE')"
    ended = subprocess.run([sys.executable, "-c", probe, path], capture_output=True, text=True, check=False)
    holder.close()
    assert "database is locked" in ended.stderr
