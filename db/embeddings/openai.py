"""Embeddings by OpenAI and by servers with the same interface (Ollama, vLLM, text-embeddings-inference).

The retries of the client library are switched off. The retries here stop at the deadline, and a Retry-After header of
one response delays all requests.
"""

import asyncio
import base64
import binascii
import json
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from openai import APIConnectionError, APIError, APIStatusError, AsyncOpenAI, OpenAIError

from db.embeddings.base import Vectors, normalize_rows
from db.embeddings.tokens import estimate_tokens, truncate, truncate_bytes
from db.errors import InvalidRecord, Store, StoreMisconfigured, StoreUnavailable
from db.redaction import display_url

BASE_URL = "https://api.openai.com/v1"
MODEL = "text-embedding-3-small"
DIMENSION = 1536
DOLLARS_PER_MILLION = 0.02
"""OpenAI's price of a million tokens of text-embedding-3-small."""

TEXT_TOKENS = 8_191
"""Maximum tokens of a text for OpenAI's models."""

BATCH_TOKENS = 50_000
"""Maximum estimated tokens of a request. OpenAI allows 300,000; retrying a smaller request costs less."""

BATCH_TEXTS = 256
"""Maximum texts of a request. OpenAI allows 2,048; the response for 256 vectors of 1,536 components has 2 MB."""

CONCURRENCY = 4
TRIES = 6
FIRST_PAUSE_S, MAX_PAUSE_S = 0.5, 8.0
"""The n-th retry waits a random share of min(8, 0.5 × 2ⁿ) seconds (full jitter), or the time in Retry-After."""

DEADLINE_S = 30.0
ATTEMPT_S = 15.0

_TRANSIENT_STATUSES = frozenset({408, 409, 425, 429})
_KEY_REJECTED = frozenset({401, 403})
_INPUT_REJECTED = frozenset({400, 413, 422})


class OpenAIEmbedder:
    """Converts texts to unit vectors with a model behind ``/v1/embeddings``.

    Parameters
    ----------
    api_key
        Empty for a server that requires none.
    base_url
        Address, including ``/v1``.
    send_dimension
        Whether requests include the dimension. None: only for OpenAI's ``text-embedding-3`` models, which support it.
    deadline_s, attempt_s
        Time limits of `embed` including retries, and of one request, in seconds.
    batch_tokens, batch_texts, text_tokens
        Limits of a request, and of a text. Longer texts are truncated.
    concurrency, tries
        Maximum concurrent requests, and maximum attempts of each request.
    jitter
        Returns a random number from 0 to 1.
    on_usage
        Called with the tokens and the price in dollars of each response.
    """

    def __init__(
        self,
        api_key: str,
        *,
        model: str = MODEL,
        dimension: int = DIMENSION,
        base_url: str = BASE_URL,
        send_dimension: bool | None = None,
        deadline_s: float = DEADLINE_S,
        attempt_s: float = ATTEMPT_S,
        batch_tokens: int = BATCH_TOKENS,
        batch_texts: int = BATCH_TEXTS,
        text_tokens: int = TEXT_TOKENS,
        concurrency: int = CONCURRENCY,
        tries: int = TRIES,
        dollars_per_million: float = DOLLARS_PER_MILLION,
        jitter: Callable[[], float] = random.random,
        on_usage: Callable[[int, float], None] | None = None,
    ) -> None:
        self.model = model
        self.dimension = dimension
        self._base_url = base_url
        if send_dimension is None:
            send_dimension = model.startswith("text-embedding-3")
        self._optional_parameters: dict[str, Any] = {"dimensions": dimension} if send_dimension else {}
        self._deadline_s = deadline_s
        self._batch_tokens, self._batch_texts, self._text_tokens = batch_tokens, batch_texts, text_tokens
        self._request_slots = asyncio.Semaphore(concurrency)
        self._tries = tries
        self._price = dollars_per_million / 1e6
        self._jitter = jitter
        self._on_usage = on_usage
        self._resume_at = 0.0
        try:
            _ = urlsplit(base_url).port  # raises ValueError; the client would raise an error of its HTTP library
            # The client rejects an empty key. A server that requires no key ignores "none".
            self._client = AsyncOpenAI(api_key=api_key or "none", base_url=base_url, timeout=attempt_s, max_retries=0)
        except (OpenAIError, ValueError):  # the error message quotes parts of the address
            raise self._misconfigured("cannot be used; check OPENAI_BASE_URL") from None

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """Embed texts into unit vectors. Empty texts are not sent; their rows are zeros.

        Raises `StoreMisconfigured` if the key is rejected, the model is unknown, or its vectors have another dimension,
        `StoreUnavailable` if no valid response arrives within the deadline, and `InvalidRecord` if the model rejects a
        text. The path of the `InvalidRecord` holds the index of the text.
        """
        readable = [truncate(_clean_text(text), self._text_tokens) for text in texts]
        vectors = np.zeros((len(texts), self.dimension), np.float32)
        deadline = asyncio.get_running_loop().time() + self._deadline_s
        try:
            async with asyncio.timeout_at(deadline), asyncio.TaskGroup() as group:
                for rows in self._batches([row for row, text in enumerate(readable) if text], readable):
                    group.create_task(self._embed_batch(rows, readable, vectors, deadline))
        except TimeoutError as error:
            raise self._unavailable(f"no answer within {self._deadline_s:g} s") from error
        except BaseExceptionGroup as errors:
            first_error = errors.exceptions[0]  # it has canceled the other batches
            raise first_error from first_error.__cause__
        return vectors

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    def _batches(self, rows: Sequence[int], texts: Sequence[str]) -> Iterator[list[int]]:
        batch: list[int] = []
        tokens = 0
        for row in rows:
            cost = estimate_tokens(texts[row])
            if batch and (len(batch) == self._batch_texts or tokens + cost > self._batch_tokens):
                yield batch
                batch, tokens = [], 0
            batch.append(row)
            tokens += cost
        if batch:
            yield batch

    async def _embed_batch(self, rows: list[int], texts: list[str], vectors: Vectors, deadline: float) -> None:
        """Embed a batch. If it is rejected, embed each half separately; truncate a single rejected text, and retry."""
        try:
            async with self._request_slots:
                vectors[rows] = await self._request([texts[row] for row in rows], deadline)
        except APIStatusError as error:
            if len(rows) > 1:
                middle = len(rows) // 2
                await self._embed_batch(rows[:middle], texts, vectors, deadline)
                await self._embed_batch(rows[middle:], texts, vectors, deadline)
                return
            row = rows[0]
            shorter_text = truncate_bytes(texts[row], self._text_tokens)
            if shorter_text == texts[row]:
                raise InvalidRecord(f"the embedding model rejects the text: {error.message}", (row,)) from error
            texts[row] = shorter_text
            await self._embed_batch(rows, texts, vectors, deadline)

    async def _request(self, texts: list[str], deadline: float) -> Vectors:
        """Send a request, with retries.

        Raises `APIStatusError` if the texts are rejected.
        """
        clock = asyncio.get_running_loop().time
        for attempt in range(self._tries):
            if self._resume_at >= deadline:
                raise self._unavailable(f"it asks for a pause of {self._resume_at - clock():.0f} s")
            await asyncio.sleep(max(0.0, self._resume_at - clock()))
            try:
                return await self._attempt(texts)
            except APIError as error:
                self._raise_unless_transient(error)
                pause_s = self._pause_s(error, attempt)
                if attempt + 1 == self._tries or clock() + pause_s >= deadline:
                    raise self._unavailable(_error_message(error)) from error
            await asyncio.sleep(pause_s)
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def _attempt(self, texts: list[str]) -> Vectors:
        response = await self._client.embeddings.with_raw_response.create(
            input=texts, model=self.model, encoding_format="base64", **self._optional_parameters
        )
        try:
            body = json.loads(response.content)
            items = sorted(body["data"], key=lambda item: item["index"])
            indices, rows = [item["index"] for item in items], [_parse_vector(item["embedding"]) for item in items]
            tokens = (body.get("usage") or {}).get("total_tokens") or sum(estimate_tokens(text) for text in texts)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise self._unavailable("its response is not a list of embeddings; check OPENAI_BASE_URL") from error
        if self._on_usage is not None:
            self._on_usage(tokens, tokens * self._price)
        return self._check_vectors(indices, rows, len(texts))

    def _check_vectors(self, indices: list[int], rows: list[Vectors], expected: int) -> Vectors:
        """Check the number, dimension and values of the vectors, and return the vectors scaled to unit length."""
        if indices != list(range(expected)):
            raise self._unavailable(f"it returned {len(rows)} vectors for {expected} texts")
        wrong_dimension = next((row.size for row in rows if row.shape != (self.dimension,)), None)
        if wrong_dimension is not None:
            raise self._misconfigured(
                f"gives vectors of {wrong_dimension} components where {self.dimension} are expected; "
                "set the model's own dimension and run `explore reindex`"
            )
        vectors = np.stack(rows)
        if not np.isfinite(vectors).all():
            raise self._unavailable("it returned vectors that are not finite")
        normalize_rows(vectors)
        return vectors

    def _raise_unless_transient(self, error: APIError) -> None:
        """Raise `StoreMisconfigured` for wrong settings and `error` for rejected texts; return for transient errors."""
        if isinstance(error, APIConnectionError) or not isinstance(error, APIStatusError):
            return
        status = error.status_code
        if status in _KEY_REJECTED:
            raise self._misconfigured(f"rejects the key ({status}); check OPENAI_API_KEY") from error
        if status == 404:
            raise self._misconfigured(
                "does not know the model or the address (404); check WEAVIATE_EMBEDDING_MODEL and OPENAI_BASE_URL"
            ) from error
        if error.code == "insufficient_quota":
            raise self._unavailable("the account's quota is used up") from error
        if status in _INPUT_REJECTED:
            if error.param == "dimensions":
                raise self._misconfigured(f"cannot give {self.dimension} components: {error.message}") from error
            raise error
        if status < 500 and status not in _TRANSIENT_STATUSES:
            raise self._misconfigured(f"rejects the request ({status}): {error.message}") from error

    def _pause_s(self, error: APIError, attempt: int) -> float:
        requested_s = _retry_after_s(error)
        backoff_s: float = self._jitter() * min(MAX_PAUSE_S, FIRST_PAUSE_S * 2**attempt)
        if requested_s is None:
            return backoff_s
        self._resume_at = max(self._resume_at, asyncio.get_running_loop().time() + requested_s)
        return requested_s + self._jitter() * FIRST_PAUSE_S  # so that not all clients retry at the same time

    def _unavailable(self, reason: str) -> StoreUnavailable:
        return StoreUnavailable(Store.EMBEDDINGS, f"{self.model} at {display_url(self._base_url)}: {reason}")

    def _misconfigured(self, reason: str) -> StoreMisconfigured:
        return StoreMisconfigured(Store.EMBEDDINGS, f"{self.model} at {display_url(self._base_url)} {reason}")


def _clean_text(text: str) -> str:
    """Remove lone surrogates, which cannot be encoded, and NUL, which some servers reject."""
    return text.replace("\0", " ").encode(errors="ignore").decode().strip()


def _parse_vector(embedding: str | list[float]) -> Vectors:
    if isinstance(embedding, str):
        try:
            return np.frombuffer(base64.b64decode(embedding, validate=True), "<f4").astype(np.float32)
        except binascii.Error as error:
            raise ValueError("not base64") from error
    return np.asarray(embedding, np.float32)  # some servers do not support base64


def _retry_after_s(error: APIError) -> float | None:
    """Return the delay of a `retry-after-ms` or `retry-after` header (seconds or a date), or None."""
    if not isinstance(error, APIStatusError):
        return None
    headers = error.response.headers
    for name, unit_s in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        with suppress(KeyError, ValueError):
            return max(0.0, float(headers[name]) * unit_s)
    with suppress(KeyError, ValueError, TypeError):
        # Both dates are of the server's clock.
        delay = parsedate_to_datetime(headers["retry-after"]) - parsedate_to_datetime(headers["date"])
        return max(0.0, delay.total_seconds())
    return None


def _error_message(error: APIError) -> str:
    if isinstance(error, APIStatusError):
        return f"{error.status_code}: {error.message}"
    return f"{error.message} ({type(error.__cause__).__name__})" if error.__cause__ else error.message
