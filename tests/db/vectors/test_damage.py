"""A damaged index file is set aside, and an empty one replaces it."""

import logging
import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from db.errors import StoreDamaged, StoreMisconfigured, StoreUnavailable
from db.vectors.base import ProfileDocument, ProjectDocument, ToolDocument, VectorFilter, unit
from db.vectors.embedded import EmbeddedVectorStore, generations

DIMENSION, PROJECTS = 32, 150
PAGE = 4_096

Damage = Callable[[bytearray, random.Random], None]


def documents() -> list[list[ProjectDocument | ProfileDocument | ToolDocument]]:
    vectors = np.random.default_rng(0).standard_normal((PROJECTS + 1, DIMENSION), np.float32)
    at = datetime(2026, 1, 1, tzinfo=UTC)
    texts = ("words", "words", (), (), (), "u", "article", at, 1, (1, 2))
    projects = [ProjectDocument(i, f"p{i}", f"title {i}", *texts, vectors[i]) for i in range(1, PROJECTS)]
    profile = ProfileDocument(1, "x", (), (), "a", "t", 1, vectors[0])
    return [[*projects], [profile], [ToolDocument(1, "t1", "n", "d", "t", "c", (), "u", vectors[0])]]


@pytest.fixture(scope="module")
async def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return the content of an index file."""
    path = tmp_path_factory.mktemp("index") / "vectors.sqlite"
    store = EmbeddedVectorStore(path)
    await store.prepare("m", DIMENSION)
    for kind in documents():
        await store.upsert(kind)
    await store.scrub()
    await store.close()
    return path.read_bytes()


async def use(store: EmbeddedVectorStore) -> None:
    vector = np.ones(DIMENSION, np.float32)
    await store.prepare("m", DIMENSION)
    await store.preload()
    await store.near(vector, 10, VectorFilter())
    await store.hybrid("title words", vector, 0.5, 10, VectorFilter())
    await store.nearest_tools(vector, 3)
    await store.profile(1)
    await store.listing("Project", None, PROJECTS)
    await store.remove("Project", ["p2"])


def header(content: bytearray, rng: random.Random) -> None:
    content[:16] = rng.randbytes(16)


def schema(content: bytearray, rng: random.Random) -> None:
    content[100:PAGE] = content[100:PAGE].replace(b"Project_m", b"Proj\xd0ct_m")


def page(content: bytearray, rng: random.Random) -> None:
    at = PAGE * rng.randrange(1, len(content) // PAGE)
    content[at : at + PAGE] = rng.randbytes(PAGE)


def everywhere(content: bytearray, rng: random.Random) -> None:
    for _ in range(300):
        content[rng.randrange(len(content))] ^= rng.randrange(1, 256)


def cut_short(content: bytearray, rng: random.Random) -> None:
    del content[PAGE * 3 :]


@pytest.mark.parametrize("damage", [header, schema, page, everywhere, cut_short])
@pytest.mark.parametrize("seed", [0, 1])
async def test_a_damaged_file_is_set_aside_at_the_start(
    content: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: Damage, seed: int
) -> None:
    damaged = bytearray(content)
    damage(damaged, random.Random(seed))
    (tmp_path / "vectors.sqlite").write_bytes(damaged)
    store = EmbeddedVectorStore(tmp_path / "vectors.sqlite")
    with caplog.at_level(logging.WARNING):
        await use(store)
    assert (tmp_path / "vectors.sqlite.damaged").exists()
    assert [record.message[:25] for record in caplog.records] == ["the index file is damaged"]
    await store.upsert(documents()[0])
    assert (await store.counts())["Project"] == PROJECTS - 1
    await store.close()


async def test_a_file_damaged_while_running_is_set_aside_and_other_processes_follow(
    content: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "vectors.sqlite"
    path.write_bytes(content)
    one, other = EmbeddedVectorStore(path), EmbeddedVectorStore(path)
    for store in (one, other):
        await store.prepare("m", DIMENSION)
    await one.scrub()
    damaged = bytearray(content)
    damaged[PAGE:] = b"\xff" * (len(damaged) - PAGE)
    with path.open("r+b") as file:  # in place: both have the file open
        file.write(damaged)
    for store in (one, other):
        await use(store)
    await one.upsert(documents()[0])
    assert (await other.counts())["Project"] == PROJECTS - 1
    for store in (one, other):
        await store.close()


async def test_a_vector_that_was_never_written_is_damage(content: bytes, tmp_path: Path) -> None:
    vector = documents()[0][0].vector
    stored = unit(vector).astype("<f4").tobytes()
    assert content.count(stored) == 1
    (tmp_path / "vectors.sqlite").write_bytes(content.replace(stored, np.full(DIMENSION, 1e20, "<f4").tobytes()))
    store = EmbeddedVectorStore(tmp_path / "vectors.sqlite")
    await use(store)
    assert (tmp_path / "vectors.sqlite.damaged").exists()
    await store.scrub()
    assert not (tmp_path / "vectors.sqlite.damaged").exists()
    await store.close()


async def test_a_file_of_a_newer_version_is_left_as_it_is(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "vectors.sqlite"
    path.write_bytes(content)
    store = EmbeddedVectorStore(path)
    await use(store)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {generations.FILE_VERSION + 1}")
        connection.execute("ALTER TABLE generations RENAME COLUMN identity TO identifier")
    for call in (
        lambda: store.prepare("m", DIMENSION),
        lambda: store.near(np.ones(DIMENSION, np.float32), 10, VectorFilter()),
        lambda: store.upsert(documents()[0]),
        store.preload,
    ):
        with pytest.raises(StoreMisconfigured, match="of a newer explore-gateway; run that version, or delete"):
            await call()
    await store.close()
    assert not (tmp_path / "vectors.sqlite.damaged").exists()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(identifier) FROM generations").fetchall() == [(1,)]


def test_damage_is_an_outage_to_those_who_cannot_repair_it() -> None:
    assert issubclass(StoreDamaged, StoreUnavailable)
