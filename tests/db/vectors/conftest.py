"""The vector stores under the contract tests. A new engine is added by its name here.

Weaviate is a double that speaks its protocols, or the true server that WEAVIATE_TEST_URL (and WEAVIATE_TEST_GRPC_URL,
WEAVIATE_TEST_API_KEY) names.
"""

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from db.vectors.base import VectorStore
from db.vectors.embedded import EmbeddedVectorStore
from db.vectors.weaviate import Address, WeaviateVectorStore
from tests.db.vectors.objects import DIMENSION, MODEL
from tests.doubles.weaviate import running_weaviate
from tests.doubles.weaviate.cleaning import drop_collections

VECTOR_STORES = ("embedded", "weaviate")

MakeStore = Callable[[], Awaitable[VectorStore]]
MakeWeaviateStore = Callable[..., WeaviateVectorStore]

_numbers = itertools.count(1)


@pytest.fixture(params=VECTOR_STORES)
async def make_store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[MakeStore]:
    """Return a function that makes a fresh, prepared store of each engine in turn."""
    opened: list[VectorStore] = []

    async def make() -> VectorStore:
        store: VectorStore
        if request.param == "weaviate":
            store = request.getfixturevalue("make_weaviate_store")()
        else:
            store = EmbeddedVectorStore(tmp_path / f"vectors_{next(_numbers)}.sqlite")
        opened.append(store)
        await store.prepare(MODEL, DIMENSION)
        return store

    yield make
    for store in opened:
        await store.close()


@pytest.fixture(scope="session")
def weaviate_address() -> Iterator[Address]:
    """Return the address of the Weaviate that tests run on."""
    if url := os.environ.get("WEAVIATE_TEST_URL"):
        grpc_url, key = os.environ.get("WEAVIATE_TEST_GRPC_URL", ""), os.environ.get("WEAVIATE_TEST_API_KEY")
        yield Address(url, grpc_url, key)
        return
    with running_weaviate() as double:
        yield Address(double.url, double.grpc_url)


@pytest.fixture(scope="session")
def weaviate_prefix(weaviate_address: Address) -> Iterator[str]:
    """Return a prefix for the collections of this run, which are dropped at the end."""
    prefix = f"Test{os.getpid()}x"
    yield prefix
    asyncio.run(drop_collections(weaviate_address, prefix))


@pytest.fixture
def make_weaviate_store(weaviate_address: Address, weaviate_prefix: str) -> MakeWeaviateStore:
    """Return a function that makes stores with collections of their own, neither prepared nor closed."""

    def make(**arguments: Any) -> WeaviateVectorStore:
        arguments = {"prefix": f"{weaviate_prefix}{next(_numbers)}_", "drop_after_s": 0.0, **arguments}
        return WeaviateVectorStore(weaviate_address, **arguments)

    return make


@pytest.fixture
async def vector_store(make_store: MakeStore) -> VectorStore:
    """Return a fresh, prepared store of each engine in turn."""
    return await make_store()
