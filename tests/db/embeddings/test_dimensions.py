"""The dimension of a model that is not set is known by its name, or learned from its endpoint once."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from db.embeddings.dimensions import LearnedDimensions
from db.errors import StoreMisconfigured
from db.private_files import DataFile
from gateway.errors import CannotStart
from gateway.settings import Settings
from gateway.stores import open_stores
from tests.doubles.openai import KEY, Fault, OpenAIDouble

pytestmark = pytest.mark.servers


def settings_for(folder: Path, url: str, **options: Any) -> Settings:
    options = {"weaviate_embedding_model": "local-model"} | options
    return Settings(_env_file=None, var_dir=folder, openai_api_key=KEY, openai_base_url=url, **options)


async def dimension_at_start(settings: Settings) -> int:
    async with open_stores(settings) as stores:
        return stores.embedder.dimension


async def test_an_unknown_dimension_is_asked_for_once(openai: OpenAIDouble, tmp_path: Path) -> None:
    openai.always = Fault(change=lambda vectors: vectors[:, :384])
    settings = settings_for(tmp_path, openai.url)
    assert await dimension_at_start(settings) == 384
    assert [len(request["input"]) for request in openai.requests] == [1]
    assert "dimensions" not in openai.requests[0]
    openai.always = Fault(status=503)  # the next start does not need it
    assert await dimension_at_start(settings) == 384


@pytest.mark.parametrize(
    ("options", "dimension"),
    [
        ({"weaviate_embedding_model": "text-embedding-3-small"}, 1536),
        ({"weaviate_embedding_model": "text-embedding-3-large"}, 3072),
        ({"embedding_dimension": 64}, 64),
        ({"project_embedding_model": "other", "project_embedding_dimension": 3}, 3),
    ],
)
async def test_a_known_dimension_needs_no_call(
    openai: OpenAIDouble, tmp_path: Path, options: dict[str, Any], dimension: int
) -> None:
    assert await dimension_at_start(settings_for(tmp_path, openai.url, **options)) == dimension
    assert openai.received == 0


async def test_only_a_dimension_that_is_set_is_asked_for(openai: OpenAIDouble, tmp_path: Path) -> None:
    for options in ({}, {"embedding_dimension": 64}):
        settings = settings_for(tmp_path, openai.url, weaviate_embedding_model="text-embedding-3-small", **options)
        async with open_stores(settings) as stores:
            await stores.embedder.embed(["chess"])
    assert [request.get("dimensions") for request in openai.requests] == [None, 64]


async def test_models_that_cannot_shorten_their_vectors_are_not_asked_to(openai: OpenAIDouble, tmp_path: Path) -> None:
    async with open_stores(settings_for(tmp_path, openai.url, embedding_dimension=1536)) as stores:
        assert (await stores.embedder.embed(["chess"])).any()
    assert "dimensions" not in openai.requests[0]
    async with open_stores(settings_for(tmp_path, openai.url, embedding_dimension=64)) as stores:
        with pytest.raises(
            StoreMisconfigured, match="1536 components where 64 are expected; unset EMBEDDING_DIMENSION"
        ):
            await stores.embedder.embed(["checkers"])
    assert not (tmp_path / DataFile.DIMENSIONS).exists()


async def test_an_endpoint_whose_dimension_changed_is_another_model_at_the_next_start(
    openai: OpenAIDouble, tmp_path: Path
) -> None:
    settings = settings_for(tmp_path, openai.url)
    assert await dimension_at_start(settings) == 1536
    openai.always = Fault(change=lambda vectors: vectors[:, :384])
    async with open_stores(settings) as stores:
        with pytest.raises(StoreMisconfigured, match="restart the gateway"):
            await stores.embedder.embed(["chess"])
    async with open_stores(settings) as stores:
        assert np.any(await stores.embedder.embed(["chess"]))
        assert stores.embedder.dimension == 384


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Fault(status=503), "503: .*; start the endpoint, or set EMBEDDING_DIMENSION"),
        (Fault(status=401), "OPENAI_API_KEY$"),
    ],
)
async def test_a_first_start_without_the_endpoint_is_one_sentence(
    openai: OpenAIDouble, tmp_path: Path, fault: Fault, message: str
) -> None:
    openai.always = fault
    with pytest.raises(CannotStart, match=f"must be learned from its endpoint: .*{message}"):
        await dimension_at_start(settings_for(tmp_path, openai.url))


@pytest.mark.parametrize("content", [b"", b"\xff\x00", b"[]", b'{"a at http://b": "x"}'])
def test_a_damaged_file_knows_nothing_and_is_written_anew(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / DataFile.DIMENSIONS
    path.write_bytes(content)
    learned = LearnedDimensions(path)
    assert learned.get("a", "http://b") is None
    learned.put("a", "http://b", 3)
    learned.put("c", "http://user:secret@b", 4)
    assert (learned.get("a", "http://b"), learned.get("c", "http://b")) == (3, 4)
    written = path.stat()
    learned.put("a", "http://b", 3)  # every failed query tells it
    assert path.stat() == written
    assert b"secret" not in path.read_bytes()
    assert path.stat().st_mode & 0o077 == 0
