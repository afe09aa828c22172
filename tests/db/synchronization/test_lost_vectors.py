"""Vectors that a killed Weaviate has lost are found by a search of their own, and restored."""

from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from sqlalchemy import insert, update

from db import outbox
from db.database.engine import Database
from db.embeddings.base import Vectors
from db.errors import LeaseLost, Store, StoreUnavailable
from db.models import OutboxKind, Project
from db.synchronization.reindex import Reindex
from db.synchronization.synchronizer import IndexSynchronizer
from db.vectors.base import PROJECT
from db.vectors.weaviate import Address, WeaviateVectorStore
from tests.db.vectors.objects import project
from tests.doubles.weaviate import WeaviateDouble, running_weaviate

KEYS = [f"p{number}" for number in range(30)]


class NumberEmbedder:
    """Gives the n-th text a vector of its own."""

    model, dimension = "numbers", 64

    async def embed(self, texts: list[str]) -> Vectors:
        vectors = np.zeros((len(texts), self.dimension), np.float32)
        for row, text in enumerate(texts):
            vectors[row, int(text.split()[-1])] = 1.0
        return vectors

    async def close(self) -> None:
        """Do nothing."""


@pytest.fixture
def database(sqlite_database: Database) -> Database:
    return sqlite_database


@pytest.fixture
def weaviate() -> Iterator[WeaviateDouble]:
    with running_weaviate() as server:
        yield server


@pytest.fixture
async def vectors(weaviate: WeaviateDouble) -> AsyncIterator[WeaviateVectorStore]:
    store = WeaviateVectorStore(Address(weaviate.url, weaviate.grpc_url), drop_after_s=0.0)
    yield store
    await store.close()


@pytest.fixture
async def synchronizer(database: Database, vectors: WeaviateVectorStore) -> IndexSynchronizer:
    """Return a synchronizer that has written all projects, and checked the server."""
    rows = [{"key": key, "title": f"title {number}", "type": "article"} for number, key in enumerate(KEYS)]
    async with database.write() as connection:
        await connection.execute(insert(Project).values(rows))
        await outbox.enqueue(connection, OutboxKind.PROJECT, KEYS)
    made = IndexSynchronizer(database, vectors, NumberEmbedder())
    while await made.drain():
        pass
    return made


async def lost_keys(vectors: WeaviateVectorStore, generation: str | None = None) -> list[str]:
    return await vectors.unsearchable(PROJECT, KEYS, generation)


async def drain(synchronizer: IndexSynchronizer) -> None:
    """Drain until no row waits; the first calls to a restarted server may fail."""
    for _ in range(20):
        with suppress(StoreUnavailable):
            while await synchronizer.drain():
                pass
            return
    raise AssertionError("the server does not answer")


def lose(server: WeaviateDouble, count: int) -> None:
    """Lose the vectors of the last objects, without a restart that anybody notices."""
    for collection in server.state.collections.values():
        collection.lose_vectors(count)


def crash(server: WeaviateDouble, lost: int) -> None:
    server.kill(lost)
    server.start()


def written_last(server: WeaviateDouble) -> str:
    [collection] = [one for one in server.state.collections.values() if one.name.startswith(PROJECT)]
    return str(list(collection.objects.values())[-1].properties["key"])


async def test_vectors_that_a_killed_server_lost_are_written_anew(
    weaviate: WeaviateDouble, vectors: WeaviateVectorStore, synchronizer: IndexSynchronizer, database: Database
):
    assert await vectors.unsearchable(PROJECT) == []
    crash(weaviate, lost=3)
    await drain(synchronizer)
    assert await lost_keys(vectors) == []
    assert (await vectors.counts())[PROJECT] == len(KEYS)
    assert (await outbox.backlog(database)).rows == 0
    written = synchronizer.written
    await drain(synchronizer)
    assert synchronizer.written == written == len(KEYS) + 3


async def test_lost_vectors_are_looked_for_before_other_rows_are_written(
    weaviate: WeaviateDouble, vectors: WeaviateVectorStore, synchronizer: IndexSynchronizer, database: Database
):
    """Only the last documents are searched; those of a long outbox would take their place."""
    crash(weaviate, lost=2)
    async with database.write() as connection:
        await connection.execute(insert(Project).values(key="new", title="title 40", type="article"))
        await outbox.enqueue(connection, OutboxKind.PROJECT, ["new"])
    await drain(synchronizer)
    assert written_last(weaviate) == "new"
    assert await lost_keys(vectors) == []


async def test_the_documents_of_a_failed_batch_are_removed_before_they_are_written_again(
    weaviate: WeaviateDouble, vectors: WeaviateVectorStore, synchronizer: IndexSynchronizer, database: Database
):
    async with database.write() as connection:
        await connection.execute(update(Project).where(Project.key == "p7").values(title="title 50"))
        await outbox.enqueue(connection, OutboxKind.PROJECT, ["p7"])
    upsert = vectors.upsert

    async def write_and_fail(*arguments: Any) -> dict[str, str]:
        await upsert(*arguments)
        lose(weaviate, 1)
        raise StoreUnavailable(Store.VECTORS, "lost")

    vectors.upsert = write_and_fail  # type: ignore[method-assign]
    with pytest.raises(StoreUnavailable):
        await synchronizer.drain()
    vectors.upsert = upsert  # type: ignore[method-assign]
    assert await lost_keys(vectors) == ["p7"]
    await drain(synchronizer)
    assert await lost_keys(vectors) == []


async def test_a_comparison_finds_lost_vectors_and_the_repair_restores_them(
    weaviate: WeaviateDouble, vectors: WeaviateVectorStore, synchronizer: IndexSynchronizer, database: Database
):
    reindex = Reindex(database, vectors, NumberEmbedder())
    assert not await reindex.compare()
    lose(weaviate, 4)
    for sample in (len(KEYS), None):
        assert len((await reindex.compare(sample)).unsearchable) == 4
    found = await reindex.compare(0)  # the last documents are searched in any case
    assert len(found) == len(found.unsearchable) == 4
    assert "4 unsearchable (project:" in found.summary()
    await reindex.repair(found)
    assert not await reindex.compare(None)


async def test_a_resumed_rebuild_restores_the_vectors_that_the_crash_lost(
    weaviate: WeaviateDouble, vectors: WeaviateVectorStore, synchronizer: IndexSynchronizer, database: Database
):
    async def lose_lease() -> None:
        raise LeaseLost("another worker")

    with pytest.raises(LeaseLost):
        await Reindex(database, vectors, NumberEmbedder()).run(lambda *_: None, lose_lease)
    assert await lost_keys(vectors, await vectors.staged()) == []
    crash(weaviate, lost=5)
    await drain(synchronizer)  # the connection works again
    lose(weaviate, 5)
    report = await Reindex(database, vectors, NumberEmbedder()).run(lambda *_: None)
    assert (report.written, report.kept) == (5, len(KEYS))  # the lost ones, written to both generations
    assert await lost_keys(vectors) == []


async def test_equal_vectors_and_vectors_of_zeros_do_not_count_as_lost(vectors: WeaviateVectorStore):
    await vectors.prepare("numbers", 64)
    equal, zeros = np.eye(1, 64, dtype=np.float32)[0], np.zeros(64, np.float32)
    await vectors.upsert([project(number, equal) for number in range(1, 130)])
    await vectors.upsert([project(200, zeros)])
    assert await vectors.unsearchable(PROJECT) == []
    assert await vectors.unsearchable(PROJECT, ["p1", "p200", "unknown"]) == []
