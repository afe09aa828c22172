"""A local server that speaks OpenAI's embeddings, and embedders that ask it."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from db.embeddings.openai import OpenAIEmbedder
from tests.doubles.openai import KEY, OpenAIDouble

MakeEmbedder = Callable[..., OpenAIEmbedder]


@pytest.fixture
async def openai() -> AsyncIterator[OpenAIDouble]:
    """Return a server of its own to each test."""
    async with OpenAIDouble() as double:
        yield double


@pytest.fixture
async def make_embedder(openai: OpenAIDouble) -> AsyncIterator[MakeEmbedder]:
    """Return a function that makes embedders on the server; they retry without a pause unless a test says otherwise."""
    made: list[OpenAIEmbedder] = []

    def make(api_key: str = KEY, **options: Any) -> OpenAIEmbedder:
        options = {
            "base_url": openai.url,
            "dimension": 64,
            "send_dimension": True,
            "jitter": lambda: 0.0,
            "deadline_s": 10.0,
        } | options
        made.append(OpenAIEmbedder(api_key, **options))
        return made[-1]

    yield make
    for embedder in made:
        await embedder.close()


@pytest.fixture
def embedder(make_embedder: MakeEmbedder) -> OpenAIEmbedder:
    """Return an embedder with 64 components."""
    return make_embedder()
