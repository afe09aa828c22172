"""Prefixes of queries and documents, for models that distinguish them."""

from pathlib import Path

import numpy as np
import pytest

from db.embeddings.cached import CachedEmbedder
from db.embeddings.prefixed import with_prefix
from db.vectors.base import collection_name
from gateway import stores as gateway_stores
from gateway.settings import Settings
from tests.db.embeddings.conftest import MakeEmbedder
from tests.doubles.memory_cache import MemoryCache
from tests.doubles.openai import KEY, OpenAIDouble, embed_words

pytestmark = pytest.mark.servers


async def test_each_text_is_embedded_behind_the_prefix_and_an_empty_one_stays_zeros(
    make_embedder: MakeEmbedder,
) -> None:
    embedder = with_prefix(make_embedder(), "passage: ")
    vectors = await embedder.embed(["a chess board", "", " "])
    np.testing.assert_allclose(vectors[0], embed_words(["passage: a chess board"], 64)[0], atol=1e-6)
    assert not vectors[1:].any()


async def test_another_document_prefix_is_another_model_with_collections_of_its_own(
    make_embedder: MakeEmbedder,
) -> None:
    plain = make_embedder()
    assert with_prefix(plain, "") is plain
    names = {collection_name("Project", with_prefix(plain, prefix).model, 64) for prefix in ("", "a: ", "b: ")}
    assert len(names) == 3


async def test_queries_and_documents_share_one_cache_and_no_entry(
    openai: OpenAIDouble, make_embedder: MakeEmbedder
) -> None:
    cached = CachedEmbedder(make_embedder(), MemoryCache())
    for embedder in (with_prefix(cached, "query: "), with_prefix(cached, "passage: "), with_prefix(cached, "query: ")):
        await embedder.embed(["chess"])
    assert [text for request in openai.requests for text in request["input"]] == ["query: chess", "passage: chess"]


async def test_the_settings_choose_the_prefixes(openai: OpenAIDouble, tmp_path: Path) -> None:
    settings = Settings(
        _env_file=None,
        var_dir=tmp_path,
        openai_api_key=KEY,
        openai_base_url=openai.url,
        embedding_dimension=64,
        embedding_query_prefix="query: ",
        embedding_document_prefix="passage: ",
    )
    async with gateway_stores.open_stores(settings) as stores:
        assert stores.embedder.model == 'text-embedding-3-small with prefix "passage: "'
        await stores.embedder.embed(["chess"])
        await stores.embed_query("chess")
    assert [text for request in openai.requests for text in request["input"]] == ["passage: chess", "query: chess"]
