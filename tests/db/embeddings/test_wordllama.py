"""The embedded embedder with its real weights and without network."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import wordllama
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from db.embeddings.wordllama import WordLlamaEmbedder

pytestmark = pytest.mark.servers

WITHOUT_NETWORK = """
import asyncio, logging, socket, sys

def refuse(*arguments, **names):
    raise AssertionError("asked for the network")

socket.socket.connect = socket.getaddrinfo = refuse
from db.embeddings.wordllama import WordLlamaEmbedder
assert "wordllama" not in sys.modules, "loaded before it was needed"
vectors = asyncio.run(WordLlamaEmbedder().embed(["a saw"]))
assert vectors.shape == (1, 256)
root = logging.getLogger()
assert (root.handlers, root.level) == ([], logging.WARNING), "set up logging, which is the edge's to do"
"""


@pytest.fixture(scope="module")
async def embedder() -> AsyncIterator[WordLlamaEmbedder]:
    embedder = WordLlamaEmbedder()
    yield embedder
    await embedder.close()


async def test_texts_become_unit_vectors_of_256(embedder: WordLlamaEmbedder):
    vectors = await embedder.embed(["a hammer and nails", "x"])
    assert vectors.shape == (2, embedder.dimension) == (2, 256)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


async def test_alike_texts_have_alike_vectors(embedder: WordLlamaEmbedder):
    dog, puppy, tax = await embedder.embed(["training a dog", "puppy training", "corporate income tax law"])
    assert dog @ puppy > dog @ tax + 0.3


async def test_vectors_are_those_that_the_package_makes(embedder: WordLlamaEmbedder):
    texts = ["a hammer and nails", "one much longer text about vector search in Python, with numbers: 1, 2, 3"]
    package = Path(wordllama.__file__).parent
    theirs = wordllama.WordLlama.load(cache_dir=package, disable_download=True).embed(texts, norm=True)
    assert np.allclose(await embedder.embed(texts), theirs, atol=1e-6)


@pytest.mark.parametrize("text", ["", "   ", "\n\t", "<unk>", "\ud800"])
async def test_a_text_without_any_known_word_gives_zeros(embedder: WordLlamaEmbedder, text: str):
    vectors = await embedder.embed(["known", text])
    assert not vectors[1].any()
    assert vectors[0].any()


async def test_no_texts_give_no_rows(embedder: WordLlamaEmbedder):
    assert (await embedder.embed([])).shape == (0, 256)


async def test_a_very_long_text_is_cut(embedder: WordLlamaEmbedder):
    long, cut = await embedder.embed(["word " * 100_000, "word " * 4_000])
    assert np.allclose(long, cut, atol=1e-4)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(st.characters(codec=None), max_size=50), max_size=5))
async def test_any_text_gives_a_unit_vector_or_zeros_and_company_changes_nothing(
    embedder: WordLlamaEmbedder, texts: list[str]
):
    vectors = await embedder.embed(texts)
    lengths = np.linalg.norm(vectors, axis=1)
    assert np.all(np.isclose(lengths, 1, atol=1e-5) | (lengths == 0))
    for text, vector in zip(texts, vectors, strict=True):
        assert np.allclose((await embedder.embed([text]))[0], vector, atol=1e-6)


async def test_many_callers_at_once_get_their_own_vectors(embedder: WordLlamaEmbedder):
    texts = [f"text number {number} about {'wood' * (number % 7)}" for number in range(60)]
    together = await embedder.embed(texts)
    apart = await asyncio.gather(*(embedder.embed([text]) for text in texts))
    assert np.allclose(np.concatenate(apart), together, atol=1e-6)


def test_it_loads_when_first_needed_without_network_and_leaves_logging_alone():
    finished = subprocess.run([sys.executable, "-c", WITHOUT_NETWORK], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
