"""The vector stores that the contract is tested on. A new engine joins by its name here."""

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from db.vectors.base import VectorStore
from db.vectors.embedded import EmbeddedVectorStore

VECTOR_STORES = ("embedded",)
MODEL, DIMENSION = "test-model", 8

MakeStore = Callable[[], Awaitable[VectorStore]]

_numbers = itertools.count(1)


@pytest.fixture(params=VECTOR_STORES)
async def make_store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[MakeStore]:
    """Give a function that makes a fresh, prepared store of each engine in turn."""
    opened: list[VectorStore] = []

    async def make() -> VectorStore:
        assert request.param == "embedded"
        store = EmbeddedVectorStore(tmp_path / f"vectors_{next(_numbers)}.sqlite")
        opened.append(store)
        await store.prepare(MODEL, DIMENSION)
        return store

    yield make
    for store in opened:
        await store.close()


@pytest.fixture
async def vector_store(make_store: MakeStore) -> VectorStore:
    """Give a fresh, prepared store of each engine in turn."""
    return await make_store()
