"""No text is paid for twice: not in a call, not in a later one, not after a failure, not by two callers at once."""

import asyncio

import numpy as np
import pytest

from db.embeddings.cached import CachedEmbedder
from db.embeddings.openai import OpenAIEmbedder
from db.errors import InvalidRecord, Store, StoreUnavailable
from tests.db.embeddings.conftest import MakeEmbedder
from tests.doubles.memory_cache import MemoryCache
from tests.doubles.openai import Fault, OpenAIDouble, embed_words

pytestmark = pytest.mark.servers

TEXTS = ["chess in Rust", "chess in Zig", "plants"]


@pytest.fixture
def remembered(embedder: OpenAIEmbedder) -> CachedEmbedder:
    return CachedEmbedder(embedder, MemoryCache())


async def test_an_unchanged_text_is_never_paid_for_twice(remembered: CachedEmbedder, openai: OpenAIDouble) -> None:
    first = await remembered.embed([*TEXTS, TEXTS[0]])
    again = await remembered.embed([TEXTS[2], "new", TEXTS[0]])
    np.testing.assert_allclose(first, embed_words([*TEXTS, TEXTS[0]], 64), atol=1e-6)
    assert again[[0, 2]].tobytes() == first[[2, 0]].tobytes()
    assert dict(openai.paid) == dict.fromkeys([*TEXTS, "new"], 1)


async def test_nothing_is_asked_for_nothing(remembered: CachedEmbedder, openai: OpenAIDouble) -> None:
    assert (await remembered.embed([])).shape == (0, 64)
    assert openai.requests == []


async def test_another_model_or_dimension_is_another_vector(make_embedder: MakeEmbedder, openai: OpenAIDouble) -> None:
    cache = MemoryCache()
    for options in ({}, {"dimension": 32}, {"dimension": 1536}, {"model": "local-model", "dimension": None}):
        embedder = make_embedder(**{"send_dimension": "model" not in options} | options)
        if not embedder.dimension:
            await embedder.learn_dimension()
        remembered = CachedEmbedder(embedder, cache)
        assert (await remembered.embed(TEXTS)).shape == (3, remembered.dimension)
    assert openai.paid[TEXTS[0]] == 4


async def test_what_was_answered_before_and_beside_a_failure_is_kept(
    make_embedder: MakeEmbedder, openai: OpenAIDouble
) -> None:
    remembered = CachedEmbedder(make_embedder(tries=1, batch_texts=4), MemoryCache())
    texts = [f"text {number}" for number in range(40)]
    # One request of four texts, then two at once, then four at once: of these all fail but the slow one.
    openai.faults = [*[Fault()] * 3, Fault(delay_s=0.2), *[Fault(status=401)] * 3]
    with pytest.raises(StoreUnavailable):
        await remembered.embed(texts)
    assert len(openai.paid) == 16
    await remembered.embed(texts)
    assert (max(openai.paid.values()), len(openai.paid)) == (1, 40)


async def test_callers_at_the_same_moment_pay_once_for_a_query(
    make_embedder: MakeEmbedder, openai: OpenAIDouble
) -> None:
    openai.always = Fault(delay_s=0.05)
    cache = MemoryCache()
    workers = [CachedEmbedder(make_embedder(), cache) for _ in range(3)]
    answers = await asyncio.gather(*(worker.embed(["chess"]) for worker in workers for _ in range(5)))
    assert openai.paid["chess"] == 1
    assert {answer.tobytes() for answer in answers} == {answers[0].tobytes()}


async def test_a_damaged_value_is_made_anew(remembered: CachedEmbedder, openai: OpenAIDouble) -> None:
    for damage in (b"short", np.full(64, np.nan, "<f4").tobytes()):
        cache = MemoryCache()
        damaged = CachedEmbedder(remembered, cache)
        await damaged.embed(["chess"])
        await cache.put(damaged._key("chess"), damage, 60)
        np.testing.assert_allclose(await damaged.embed(["chess"]), embed_words(["chess"], 64), atol=1e-6)


async def test_a_text_that_fails_is_named_by_its_place_and_the_others_are_kept(
    remembered: CachedEmbedder, openai: OpenAIDouble
) -> None:
    openai.fails_at = "plants"
    await remembered.embed(TEXTS[:1])
    with pytest.raises(InvalidRecord) as caught:
        await remembered.embed(TEXTS)
    assert caught.value.path == (2,)
    assert (await remembered.embed(TEXTS[:2])).any()
    assert openai.paid[TEXTS[0]] == openai.paid[TEXTS[1]] == 1


class AwayCache(MemoryCache):
    """An unavailable cache."""

    async def get(self, key: str, *, extend_s: float | None = None) -> bytes | None:
        raise StoreUnavailable(Store.CACHE, "away")

    async def get_many(self, keys: object) -> dict[str, bytes]:
        raise StoreUnavailable(Store.CACHE, "away")

    async def put(self, key: str, value: bytes, ttl_s: float) -> None:
        raise StoreUnavailable(Store.CACHE, "away")

    async def put_many(self, values: object) -> None:
        raise StoreUnavailable(Store.CACHE, "away")

    async def add(self, key: str, value: bytes, ttl_s: float) -> bool:
        raise StoreUnavailable(Store.CACHE, "away")


async def test_without_its_cache_it_embeds_all_the_same(embedder: OpenAIEmbedder) -> None:
    remembered = CachedEmbedder(embedder, AwayCache())
    np.testing.assert_allclose(await remembered.embed(TEXTS), embed_words(TEXTS, 64), atol=1e-6)
    np.testing.assert_allclose(await remembered.embed(TEXTS[:1]), embed_words(TEXTS[:1], 64), atol=1e-6)


async def test_a_model_that_is_away_is_unavailable_to_one_and_to_many(
    make_embedder: MakeEmbedder, openai: OpenAIDouble
) -> None:
    openai.always = Fault(status=500)
    remembered = CachedEmbedder(make_embedder(tries=1), MemoryCache())
    for texts in (TEXTS, TEXTS[:1]):
        with pytest.raises(StoreUnavailable):
            await remembered.embed(texts)
