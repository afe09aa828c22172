"""The real `openai` client against a local server: batches, retries, deadlines, rejections and costs."""

import asyncio
import time
from collections.abc import Sequence

import numpy as np
import pytest

from db.embeddings.openai import OpenAIEmbedder
from db.errors import InvalidRecord, Store, StoreMisconfigured, StoreUnavailable
from tests.db.embeddings.conftest import MakeEmbedder
from tests.doubles.openai import Fault, OpenAIDouble, embed_words
from tests.doubles.proxy import FaultProxy

pytestmark = pytest.mark.servers

TEXTS = ["a chess engine in Rust", "a chess engine in Zig", "watering plants with a Raspberry Pi"]


class TestVectors:
    async def test_texts_become_unit_vectors_in_their_order(self, embedder: OpenAIEmbedder) -> None:
        vectors = await embedder.embed(TEXTS)
        assert vectors.dtype == np.float32
        np.testing.assert_allclose(vectors, embed_words(TEXTS, 64), atol=1e-6)
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)

    async def test_texts_that_share_words_are_near(self, make_embedder: MakeEmbedder) -> None:
        one, similar, other = await make_embedder(dimension=1536).embed(TEXTS)
        assert one @ similar > 0.7
        assert one @ other < 0.4

    async def test_vectors_travel_as_base64_and_the_dimension_is_asked_for(
        self, embedder: OpenAIEmbedder, openai: OpenAIDouble
    ) -> None:
        await embedder.embed(TEXTS)
        (request,) = openai.requests
        assert (request["encoding_format"], request["dimensions"]) == ("base64", 64)

    async def test_a_model_is_not_asked_for_its_own_dimension(
        self, make_embedder: MakeEmbedder, openai: OpenAIDouble
    ) -> None:
        vectors = await make_embedder(dimension=1536, send_dimension=False).embed(TEXTS)
        assert vectors.shape == (3, 1536)
        assert "dimensions" not in openai.requests[0]

    async def test_a_server_that_knows_no_base64_gives_the_same(
        self, embedder: OpenAIEmbedder, openai: OpenAIDouble
    ) -> None:
        openai.only_floats = True
        np.testing.assert_allclose(await embedder.embed(TEXTS), embed_words(TEXTS, 64), atol=1e-6)

    async def test_vectors_of_any_length_are_scaled(self, embedder: OpenAIEmbedder, openai: OpenAIDouble) -> None:
        openai.always = Fault(change=lambda vectors: vectors * np.float32(1e20))
        np.testing.assert_allclose(await embedder.embed(TEXTS), embed_words(TEXTS, 64), atol=1e-6)

    async def test_an_empty_text_is_a_row_of_zeros_and_is_not_sent(
        self, embedder: OpenAIEmbedder, openai: OpenAIDouble
    ) -> None:
        vectors = await embedder.embed(["", "chess", " \n\0", "\ud800"])
        assert np.flatnonzero(vectors.any(axis=1)).tolist() == [1]
        assert openai.requests[0]["input"] == ["chess"]
        assert (await embedder.embed([])).shape == (0, 64)
        assert len(openai.requests) == 1

    async def test_half_characters_and_nul_do_no_harm(self, embedder: OpenAIEmbedder, openai: OpenAIDouble) -> None:
        await embedder.embed(["chess\0\ud83d", "日本語 🙂 عربي"])
        assert openai.requests[0]["input"] == ["chess", "日本語 🙂 عربي"]


class TestBatches:
    async def test_a_batch_ends_at_its_tokens_and_at_its_texts(
        self, make_embedder: MakeEmbedder, openai: OpenAIDouble
    ) -> None:
        texts = [f"{number:030}" for number in range(25)]  # 10 tokens each
        vectors = await make_embedder(batch_tokens=100, batch_texts=8, concurrency=1).embed(texts)
        assert [len(request["input"]) for request in openai.requests] == [4, 8, 8, 5]
        openai.requests.clear()
        await make_embedder(batch_tokens=55, batch_texts=8, concurrency=1).embed(texts)
        assert [len(request["input"]) for request in openai.requests] == [4, 5, 5, 5, 5, 1]
        np.testing.assert_allclose(vectors, embed_words(texts, 64), atol=1e-6)

    async def test_no_more_requests_than_allowed_are_under_way(
        self, make_embedder: MakeEmbedder, openai: OpenAIDouble
    ) -> None:
        openai.always = Fault(delay_s=0.05)
        await make_embedder(batch_texts=1, concurrency=3).embed([f"text {number}" for number in range(9)])
        assert openai.most_at_once == 3

    async def test_a_text_that_is_too_long_is_cut(self, make_embedder: MakeEmbedder, openai: OpenAIDouble) -> None:
        await make_embedder(text_tokens=10).embed(["a" * 1_000])
        assert openai.requests[0]["input"] == ["a" * 30]

    async def test_a_text_that_was_underestimated_is_cut_by_its_bytes(
        self, embedder: OpenAIEmbedder, openai: OpenAIDouble
    ) -> None:
        openai.text_tokens = len
        long = "§$%&/" * 4_000
        vectors = await embedder.embed([*TEXTS, long])
        np.testing.assert_allclose(vectors[:3], embed_words(TEXTS, 64), atol=1e-6)
        assert vectors[3].any()
        assert max(len(text) for text in openai.paid) <= 8_192

    async def test_a_server_that_takes_few_texts_gets_halves(
        self, embedder: OpenAIEmbedder, openai: OpenAIDouble
    ) -> None:
        openai.faults = [Fault(status=413)]
        np.testing.assert_allclose(await embedder.embed(TEXTS), embed_words(TEXTS, 64), atol=1e-6)
        assert [len(request["input"]) for request in openai.requests] == [1, 2]

    async def test_a_text_that_is_refused_is_named(self, embedder: OpenAIEmbedder, openai: OpenAIDouble) -> None:
        openai.always = Fault(status=400)
        with pytest.raises(InvalidRecord, match="as the test asked") as caught:
            await embedder.embed(["chess"])
        assert caught.value.path == (0,)


class TestPace:
    async def test_a_slow_server_is_sent_what_it_answers_in_time(
        self, make_embedder: MakeEmbedder, openai: OpenAIDouble
    ) -> None:
        openai.texts_per_s = 200.0
        texts = [f"text {number}" for number in range(60)]
        embedder = make_embedder(attempt_s=0.2)
        embedder._pace.texts = 256  # it was fast until now
        vectors = await embedder.embed(texts)
        np.testing.assert_allclose(vectors, embed_words(texts, 64), atol=1e-6)
        assert min(len(request["input"]) for request in openai.requests) < 60

    async def test_a_server_that_manages_one_text_at_a_time_gets_one(
        self, make_embedder: MakeEmbedder, openai: OpenAIDouble
    ) -> None:
        openai.takes_texts = 1
        texts = [f"text {number}" for number in range(10)]
        embedder = make_embedder()
        np.testing.assert_allclose(await embedder.embed(texts), embed_words(texts, 64), atol=1e-6)
        rejected = openai.received - len(texts)
        await embedder.embed(texts)
        assert (rejected, openai.received) == (3, 2 * len(texts) + rejected)  # 4, 2 and 2 texts, and none again

    async def test_all_of_a_long_call_may_take_longer_than_the_deadline(
        self, make_embedder: MakeEmbedder, openai: OpenAIDouble
    ) -> None:
        openai.always = Fault(delay_s=0.1)
        texts = [f"text {number}" for number in range(8)]
        await make_embedder(batch_texts=1, concurrency=1, deadline_s=0.6).embed(texts)
        assert openai.received == 8

    async def test_a_failure_says_how_far_it_came_and_keeps_what_was_answered(
        self, make_embedder: MakeEmbedder, openai: OpenAIDouble
    ) -> None:
        texts, kept = [f"text {number}" for number in range(20)], []

        async def keep(rows: Sequence[int], vectors: np.ndarray) -> None:
            kept.extend(rows)

        openai.faults = [Fault(), Fault(status=503), Fault(status=503)]
        with pytest.raises(StoreUnavailable, match=r"503: .*; 4 of 20 texts are embedded"):
            await make_embedder(tries=2).embed(texts, keep)
        assert kept == [0, 1, 2, 3]


class TestRetries:
    @pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 529])
    async def test_what_may_heal_is_tried_again(
        self, embedder: OpenAIEmbedder, openai: OpenAIDouble, status: int
    ) -> None:
        openai.faults = [Fault(status=status)] * 3
        np.testing.assert_allclose(await embedder.embed(TEXTS[:1]), embed_words(TEXTS[:1], 64), atol=1e-6)
        assert openai.received == 4

    @pytest.mark.parametrize("cut_after", [0, 1, 400])
    async def test_a_connection_cut_in_the_body_is_tried_again(
        self, embedder: OpenAIEmbedder, openai: OpenAIDouble, cut_after: int
    ) -> None:
        openai.faults = [Fault(cut_after=cut_after)]
        np.testing.assert_allclose(await embedder.embed(TEXTS[:1]), embed_words(TEXTS[:1], 64), atol=1e-6)
        assert openai.received == 2

    async def test_a_slow_answer_is_given_up_and_asked_for_again(
        self, make_embedder: MakeEmbedder, openai: OpenAIDouble
    ) -> None:
        openai.faults = [Fault(delay_s=5)]
        embedder = make_embedder(attempt_s=0.1)
        np.testing.assert_allclose(await embedder.embed(TEXTS[:1]), embed_words(TEXTS[:1], 64), atol=1e-6)
        assert openai.received == 2

    async def test_tries_end(self, make_embedder: MakeEmbedder, openai: OpenAIDouble) -> None:
        openai.always = Fault(status=503)
        embedder = make_embedder(tries=3)
        with pytest.raises(StoreUnavailable, match=r"503: .*as the test asked") as caught:
            await embedder.embed(TEXTS)
        assert caught.value.store is Store.EMBEDDINGS
        assert not isinstance(caught.value, StoreMisconfigured)
        assert openai.received == 3 + 1  # the last with a short text, to tell whether the first one is at fault

    @pytest.mark.parametrize(
        "headers",
        [
            (("Retry-After", "0.3"),),
            (("Retry-After", "20"), ("Retry-After-Ms", "300")),
            (("Retry-After", "Mon, 23 Nov 2026 10:00:01 GMT"), ("Date", "Mon, 23 Nov 2026 10:00:00 GMT")),
        ],
    )
    async def test_retry_after_is_honoured(
        self, embedder: OpenAIEmbedder, openai: OpenAIDouble, headers: tuple[tuple[str, str], ...]
    ) -> None:
        openai.faults = [Fault(status=429, headers=headers)]
        started = time.monotonic()
        await embedder.embed(TEXTS)
        assert time.monotonic() - started >= 0.3

    async def test_one_retry_after_holds_all_requests_back(
        self, make_embedder: MakeEmbedder, openai: OpenAIDouble
    ) -> None:
        openai.faults = [Fault(status=429, headers=(("Retry-After", "0.3"),))]
        embedder = make_embedder(batch_texts=1, concurrency=1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await embedder.embed(["first"])
        await embedder.embed(["second"])
        assert openai.requests[0]["input"] == ["second"]
        assert openai.received == 2

    async def test_nobody_waits_for_a_retry_after_beyond_the_deadline(
        self, embedder: OpenAIEmbedder, openai: OpenAIDouble
    ) -> None:
        openai.faults = [Fault(status=429, headers=(("Retry-After", "3600"),))]
        for _ in range(2):
            async with asyncio.timeout(1):
                with pytest.raises(StoreUnavailable):
                    await embedder.embed(TEXTS)
        assert openai.received == 1

    async def test_a_strange_retry_after_is_ignored(self, embedder: OpenAIEmbedder, openai: OpenAIDouble) -> None:
        openai.faults = [Fault(status=429, headers=(("Retry-After", "soon"),))]
        assert (await embedder.embed(TEXTS)).any()

    async def test_pauses_grow_and_are_random(self, make_embedder: MakeEmbedder, openai: OpenAIDouble) -> None:
        openai.always = Fault(status=503)
        asked: list[float] = []

        def jitter() -> float:
            asked.append(0.0)
            return 0.02

        started = time.monotonic()
        with pytest.raises(StoreUnavailable):
            await make_embedder(tries=5, jitter=jitter).embed(TEXTS)
        assert len(asked) == 5
        assert time.monotonic() - started >= 0.02 * (0.5 + 1 + 2 + 4)

    async def test_the_deadline_holds_whatever_happens(self, make_embedder: MakeEmbedder, openai: OpenAIDouble) -> None:
        async with FaultProxy("127.0.0.1", openai.port) as proxy:
            proxy.black_hole()
            embedder = make_embedder(base_url=f"http://127.0.0.1:{proxy.port}/v1", deadline_s=0.3)
            started = time.monotonic()
            with pytest.raises(StoreUnavailable, match=r"no answer within 0\.3 s"):
                await embedder.embed(TEXTS)
            assert time.monotonic() - started < 14  # an attempt alone may take 15
            await proxy.forward()
            assert (await embedder.embed(TEXTS)).any()

    async def test_a_server_that_is_away_is_unavailable(self, make_embedder: MakeEmbedder) -> None:
        with pytest.raises(StoreUnavailable, match="Connection") as caught:
            await make_embedder(base_url="http://127.0.0.1:9/v1", tries=2).embed(TEXTS)
        assert not isinstance(caught.value, StoreMisconfigured)


class TestWhatWillNotHeal:
    async def test_a_refused_key_is_one_sentence(self, make_embedder: MakeEmbedder, openai: OpenAIDouble) -> None:
        embedder = make_embedder("sk-wrong")
        with pytest.raises(StoreMisconfigured, match=r"rejects the key \(401\); check OPENAI_API_KEY") as caught:
            await embedder.embed(TEXTS)
        assert "sk-wrong" not in str(caught.value)
        assert openai.received == 1

    async def test_a_forbidden_key_too(self, embedder: OpenAIEmbedder, openai: OpenAIDouble) -> None:
        openai.always = Fault(status=403)
        with pytest.raises(StoreMisconfigured, match="check OPENAI_API_KEY"):
            await embedder.embed(TEXTS)

    async def test_an_unknown_model_is_one_sentence(self, make_embedder: MakeEmbedder) -> None:
        with pytest.raises(StoreMisconfigured, match=r"no-model at .* check WEAVIATE_EMBEDDING_MODEL"):
            await make_embedder(model="no-model").embed(TEXTS)

    async def test_an_address_without_embeddings_is_one_sentence(
        self, make_embedder: MakeEmbedder, openai: OpenAIDouble
    ) -> None:
        with pytest.raises(StoreMisconfigured, match="OPENAI_BASE_URL"):
            await make_embedder(base_url=openai.url + "/elsewhere").embed(TEXTS)

    async def test_an_address_that_is_none_is_one_sentence(self, make_embedder: MakeEmbedder) -> None:
        for address in ("no address", "ftp://127.0.0.1/v1", "http://"):
            with pytest.raises(StoreUnavailable):
                await make_embedder(base_url=address, tries=1).embed(TEXTS)

    @pytest.mark.parametrize("body", [b"<html>welcome</html>", b"{}", b'{"data": 3}', b'{"data": [{}]}', b"[]", b""])
    async def test_what_is_no_list_of_embeddings_is_one_sentence(
        self, embedder: OpenAIEmbedder, openai: OpenAIDouble, body: bytes
    ) -> None:
        openai.always = Fault(body=body)
        with pytest.raises(StoreUnavailable, match="not a list of embeddings; check OPENAI_BASE_URL"):
            await embedder.embed(TEXTS)

    async def test_another_dimension_than_asked_for_is_one_sentence(
        self, embedder: OpenAIEmbedder, openai: OpenAIDouble
    ) -> None:
        openai.always = Fault(change=lambda vectors: vectors[:, :32])
        message = "vectors of 32 components where 64 are expected; unset EMBEDDING_DIMENSION"
        with pytest.raises(StoreMisconfigured, match=message):
            await embedder.embed(TEXTS)

    async def test_another_dimension_than_before_is_one_sentence_and_told(
        self, make_embedder: MakeEmbedder, openai: OpenAIDouble
    ) -> None:
        openai.always = Fault(change=lambda vectors: vectors[:, :32])
        told: list[int] = []
        embedder = make_embedder(send_dimension=False, on_dimension=told.append)
        with pytest.raises(StoreMisconfigured, match="vectors of 32 components where 64 are expected; restart"):
            await embedder.embed(TEXTS)
        assert told == [32]

    async def test_a_dimension_that_the_model_cannot_give_is_one_sentence(self, make_embedder: MakeEmbedder) -> None:
        with pytest.raises(StoreMisconfigured, match=r"cannot give 64 components: .* unset EMBEDDING_DIMENSION"):
            await make_embedder(model="text-embedding-ada-002").embed(TEXTS)

    async def test_not_a_number_is_refused(self, embedder: OpenAIEmbedder, openai: OpenAIDouble) -> None:
        for value in (np.nan, np.inf):
            for openai.only_floats in (False, True):
                openai.always = Fault(change=lambda vectors, value=value: vectors * np.float32(value))
                with pytest.raises(StoreUnavailable, match="not finite"):
                    await embedder.embed(TEXTS)

    async def test_a_wrong_count_is_refused(self, embedder: OpenAIEmbedder, openai: OpenAIDouble) -> None:
        openai.always = Fault(change=lambda vectors: vectors[:2])
        with pytest.raises(StoreUnavailable, match="returned 2 vectors for 3 texts"):
            await embedder.embed(TEXTS)

    async def test_a_text_at_which_the_server_always_fails_is_named(
        self, embedder: OpenAIEmbedder, openai: OpenAIDouble
    ) -> None:
        openai.fails_at = "chess"
        for texts, row in ((["plants", "music", "chess", "birds"], 2), (["chess"], 0)):
            with pytest.raises(InvalidRecord, match=r"fails at the text: 500: .*input is too large") as caught:
                await embedder.embed(texts)
            assert caught.value.path == (row,)

    async def test_a_used_up_quota_is_not_tried_again(self, embedder: OpenAIEmbedder, openai: OpenAIDouble) -> None:
        openai.always = Fault(status=429, code="insufficient_quota")
        with pytest.raises(StoreUnavailable, match="quota is used up"):
            await embedder.embed(TEXTS)
        assert openai.received == 1


async def test_tokens_and_money_are_reported(make_embedder: MakeEmbedder) -> None:
    reported: list[tuple[int, float]] = []
    embedder = make_embedder(
        dollars_per_million=500_000.0, on_usage=lambda tokens, dollars: reported.append((tokens, dollars))
    )
    await embedder.embed(["one two three", "four"])  # the server counts 4 tokens
    await embedder.embed(["five"])
    assert reported == [(4, 2.0), (1, 0.5)]
