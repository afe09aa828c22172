"""Two workers race a project that goes private and public at random: in the end the index is as the truth is."""

import asyncio
import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert, update

from db import outbox
from db.database.engine import Database
from db.embeddings.base import Vectors
from db.models import OutboxKind, Project
from db.synchronization.reindex import Reindex
from db.synchronization.synchronizer import IndexSynchronizer
from db.vectors.embedded import EmbeddedVectorStore
from tests.conftest import ENGINES, MakeDatabase

DIMENSION = 4
KEYS = ("a", "b")
_numbers = itertools.count()


class SlowEmbedder:
    """Takes as long as the example says, call by call, so that another overtakes it; or is killed in that call."""

    model = "slow"
    dimension = DIMENSION

    def __init__(self, delays_ms: Sequence[int]) -> None:
        self._delays = itertools.cycle(delays_ms or [0])

    async def embed(self, texts: Sequence[str]) -> Vectors:
        await asyncio.sleep(next(self._delays) / 1_000)
        return np.array([[len(text), 1, 2, 3] for text in texts], np.float32)

    async def close(self) -> None:
        """Have nothing to let go of."""


async def change(database: Database, key: str, fate: str, number: int) -> None:
    is_hidden = fate in ("private", "archived", "deleted")
    async with database.write() as connection:
        if fate == "deleted":
            await connection.execute(delete(Project).where(Project.key == key))
        else:
            values = {"private": fate == "private", "archived": fate == "archived", "title": f"{key} {number}"}
            found = await connection.execute(update(Project).where(Project.key == key).values(**values))
            if not found.rowcount:
                await connection.execute(insert(Project).values(key=key, type="article", **values))
        await outbox.enqueue(connection, OutboxKind.PROJECT, [key], urgent=is_hidden)


async def work(synchronizer: IndexSynchronizer, done: asyncio.Event) -> None:
    while not done.is_set():
        if not await synchronizer.drain(1):
            await asyncio.sleep(0.001)


Changes = list[tuple[str, str, int]]

CHANGES = st.lists(
    st.tuples(st.sampled_from(KEYS), st.sampled_from(["public", "private", "archived", "deleted"]), st.integers(0, 8)),
    min_size=1,
    max_size=12,
)
DELAYS = st.lists(st.integers(0, 25), max_size=6)


@pytest.mark.parametrize("engine", ENGINES)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=CHANGES, delays=st.tuples(DELAYS, DELAYS), with_rebuild=st.booleans())
async def test_in_the_end_the_index_is_as_the_truth_is(
    engine: str,
    make_database: MakeDatabase,
    tmp_path: Path,
    changes: Changes,
    delays: tuple[list[int], list[int]],
    with_rebuild: bool,
) -> None:
    vectors = EmbeddedVectorStore(tmp_path / f"vectors_{next(_numbers)}.sqlite")
    await vectors.prepare("slow", DIMENSION)
    async with make_database(engine) as database:
        done = asyncio.Event()
        racing = [
            asyncio.create_task(work(IndexSynchronizer(database, vectors, SlowEmbedder(one)), done)) for one in delays
        ]
        rebuild = Reindex(database, vectors, SlowEmbedder(delays[0]))
        rebuilding = asyncio.create_task(rebuild.run(lambda *_: None)) if with_rebuild else None
        for number, (key, fate, pause_ms) in enumerate(changes):
            await change(database, key, fate, number)
            await asyncio.sleep(pause_ms / 1_000)
        if rebuilding is not None:
            await rebuilding
        async with asyncio.timeout(60):
            while (await outbox.backlog(database)).rows:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        done.set()
        await asyncio.gather(*racing)
        assert not await Reindex(database, vectors, SlowEmbedder([0])).compare()
        listed = [key for key, _ in await vectors.listing("Project", None, 99)]
        assert sorted(set(listed)) == listed
    await vectors.close()
