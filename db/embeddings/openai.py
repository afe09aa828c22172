"""Embeddings by OpenAI and by servers with the same interface (Ollama, vLLM, text-embeddings-inference).

The number of texts of a request and the number of concurrent requests follow the speed of the server (`Pace`): a local
model on a CPU embeds 5 to 30 texts a second, OpenAI thousands. The retries of the client library are switched off. The
retries here send fewer texts, stop if no response arrives within the deadline, and a Retry-After header of one response
delays all requests.
"""

import asyncio
import base64
import binascii
import json
import random
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from openai import APIConnectionError, APIError, APIStatusError, AsyncOpenAI, OpenAIError

from db.embeddings.base import OnBatch, Vectors, normalize_rows
from db.embeddings.pace import Pace, retry_after_s
from db.embeddings.tokens import estimate_tokens, truncate, truncate_bytes
from db.errors import InvalidRecord, Store, StoreMisconfigured, StoreUnavailable
from db.redaction import display_url

BASE_URL = "https://api.openai.com/v1"
MODEL = "text-embedding-3-small"
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
"""Maximum seconds without a response of the server, retries included."""

ATTEMPT_S = 15.0

_SHORT_TEXT = "dimension"
"""A text that every model can embed."""

_TRANSIENT_STATUSES = frozenset({408, 409, 425, 429})
_KEY_REJECTED = frozenset({401, 403})
_INPUT_REJECTED = frozenset({400, 413, 422})


class OpenAIEmbedder:
    """Converts texts to unit vectors with a model behind ``/v1/embeddings``.

    Parameters
    ----------
    api_key
        Empty for a server that requires none.
    dimension
        Components of each vector. None: unknown until `learn_dimension` has asked the server.
    base_url
        Address, including ``/v1``.
    send_dimension
        Whether requests ask for the dimension, which only models that can shorten their vectors support.
    deadline_s, attempt_s
        Time limits without a response including retries, and of one request, in seconds.
    batch_tokens, batch_texts, text_tokens
        Limits of a request, and of a text. Longer texts are truncated.
    concurrency, tries
        Maximum concurrent requests, and maximum successive attempts without a response.
    jitter
        Returns a random number from 0 to 1.
    on_usage
        Called with the tokens and the price in dollars of each response.
    on_dimension
        Called with a dimension that differs from `dimension`. None: an operator has set the dimension.
    """

    def __init__(
        self,
        api_key: str,
        *,
        model: str = MODEL,
        dimension: int | None = None,
        base_url: str = BASE_URL,
        send_dimension: bool = False,
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
        on_dimension: Callable[[int], None] | None = None,
    ) -> None:
        self.model = model
        self.dimension = dimension or 0
        self._base_url = base_url
        self._optional_parameters: dict[str, Any] = {"dimensions": dimension} if send_dimension else {}
        self._deadline_s = deadline_s
        self._batch_tokens, self._text_tokens = batch_tokens, text_tokens
        self._request_slots = asyncio.Semaphore(concurrency)
        self._pace = Pace(batch_texts, concurrency)
        self._tries = tries
        self._price = dollars_per_million / 1e6
        self._jitter = jitter
        self._on_usage = on_usage
        self._on_dimension = on_dimension
        self._resume_at = 0.0
        try:
            _ = urlsplit(base_url).port  # raises ValueError; the client would raise an error of its HTTP library
            # The client rejects an empty key. A server that requires no key ignores "none".
            self._client = AsyncOpenAI(api_key=api_key or "none", base_url=base_url, timeout=attempt_s, max_retries=0)
        except (OpenAIError, ValueError):  # the error message quotes parts of the address
            raise self._misconfigured("cannot be used; check OPENAI_BASE_URL") from None

    async def embed(self, texts: Sequence[str], on_batch: OnBatch | None = None) -> Vectors:
        """Embed texts into unit vectors. Empty texts are not sent; their rows are zeros.

        `on_batch` receives the vectors of each response. If a request fails, concurrent ones are completed first.

        Raises `StoreMisconfigured` if the key is rejected, the model is unknown, or its vectors have another dimension,
        `StoreUnavailable` if no valid response arrives within the deadline, and `InvalidRecord` if the model rejects a
        text, or fails at it in the last attempt and embeds another one. The path of the `InvalidRecord` holds the index
        of the text.
        """
        readable = [truncate(_clean_text(text), self._text_tokens) for text in texts]
        vectors = np.zeros((len(texts), self.dimension), np.float32)
        work = _Work(readable, vectors, on_batch, asyncio.timeout(self._deadline_s))
        try:
            async with work.deadline:
                await self._embed_all(work)
        except TimeoutError as error:
            raise self._unavailable(f"no answer within {self._deadline_s:g} s{work.progress}") from error
        return work.vectors

    async def learn_dimension(self) -> None:
        """Learn the dimension of the model from the vector of a short text.

        Raises `StoreUnavailable` if no answer arrives within the deadline, and `StoreMisconfigured` as `embed`.
        """
        try:
            async with asyncio.timeout(self._deadline_s):
                await self._request([_SHORT_TEXT])
        except TimeoutError as error:
            raise self._unavailable(f"no answer within {self._deadline_s:g} s") from error
        except APIError as error:
            raise self._unavailable(_error_message(error)) from error
        except _TextsRejected as rejected:
            raise self._misconfigured(f"rejects a text: {rejected.error.message}") from rejected.error

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _embed_all(self, work: "_Work") -> None:
        """Send rounds of concurrent requests until all texts are embedded."""
        failures = 0
        while work.rows:
            if self._resume_at >= (work.deadline.when() or 0.0):
                pause_s = self._resume_at - asyncio.get_running_loop().time()
                raise self._unavailable(f"it asks for a pause of {pause_s:.0f} s{work.progress}")
            await asyncio.sleep(max(0.0, self._resume_at - asyncio.get_running_loop().time()))
            batches = [self._next_batch(work) for _ in range(self._pace.requests) if work.rows]
            results = await asyncio.gather(
                *(self._embed_batch(batch, work) for batch in batches), return_exceptions=True
            )
            errors = [result for result in results if isinstance(result, BaseException)]
            failures = failures + 1 if len(errors) == len(batches) else 0
            for batch in batches:
                work.rows.extendleft(row for row in reversed(batch) if row not in work.done)
            for error in errors:
                if not isinstance(error, APIError):
                    raise error
            if errors:
                self._pace.slow_down()
                if failures == self._tries and len(batches[0]) == 1:
                    await self._reject_if_at_fault(batches[0][0], errors[0])  # type: ignore[arg-type]
                await self._pause(errors[0], failures, work)  # type: ignore[arg-type]  # the loop has raised others

    async def _reject_if_at_fault(self, row: int, error: APIError) -> None:
        """Raise `InvalidRecord` if the server fails at one text (llama.cpp: 500 for a long one) and embeds another."""
        if not isinstance(error, APIStatusError) or error.status_code < 500:
            return
        with suppress(APIError, _TextsRejected):
            await self._request([_SHORT_TEXT])
            raise InvalidRecord(f"the embedding model fails at the text: {_error_message(error)}", (row,)) from error

    async def _pause(self, error: APIError, failures: int, work: "_Work") -> None:
        """Wait before the next attempt. Raises `StoreUnavailable` after the last one."""
        pause_s = self._pause_s(error, failures)
        when = asyncio.get_running_loop().time() + pause_s
        if failures == self._tries or when >= (work.deadline.when() or 0.0):
            raise self._unavailable(f"{_error_message(error)}{work.progress}") from error
        await asyncio.sleep(pause_s)

    def _next_batch(self, work: "_Work") -> list[int]:
        batch = [work.rows.popleft()]
        tokens = estimate_tokens(work.texts[batch[0]])
        while work.rows and len(batch) < self._pace.texts:
            tokens += estimate_tokens(work.texts[work.rows[0]])
            if tokens > self._batch_tokens:
                break
            batch.append(work.rows.popleft())
        return batch

    async def _embed_batch(self, rows: list[int], work: "_Work") -> bool:
        """Embed a batch. If it is rejected, embed each half separately; truncate a single rejected text, and retry.

        Returns whether the server accepted the batch as a whole.
        """
        clock, is_last = asyncio.get_running_loop().time, not work.rows
        try:
            async with self._request_slots:
                began_at = clock()
                vectors = await self._request([work.texts[row] for row in rows])
        except _TextsRejected as rejected:
            await self._embed_rejected(rows, work, rejected)
            return False
        self._pace.speed_up(len(rows), clock() - began_at, is_last=is_last)
        if not work.deadline.expired():
            work.deadline.reschedule(clock() + self._deadline_s)
        await work.keep(rows, vectors)
        return True

    async def _embed_rejected(self, rows: list[int], work: "_Work", rejected: "_TextsRejected") -> None:
        if len(rows) > 1:
            middle = len(rows) // 2
            halves = [await self._embed_batch(half, work) for half in (rows[:middle], rows[middle:])]
            if rejected.error.status_code != 400 and all(halves):
                self._pace.limit(len(rows) - middle)
            return
        row = rows[0]
        shorter_text = truncate_bytes(work.texts[row], self._text_tokens)
        if shorter_text == work.texts[row]:
            message = f"the embedding model rejects the text: {rejected.error.message}"
            raise InvalidRecord(message, (row,)) from rejected.error
        work.texts[row] = shorter_text
        await self._embed_batch(rows, work)

    async def _request(self, texts: list[str]) -> Vectors:
        """Send one request. Raises `_TextsRejected`, and `APIError` for a transient error."""
        try:
            return await self._attempt(texts)
        except APIError as error:
            self._raise_unless_transient(error)
            raise

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
        if not self.dimension:
            self.dimension = rows[0].size
            if self._on_dimension is not None:
                self._on_dimension(self.dimension)
        wrong_dimension = next((row.size for row in rows if row.shape != (self.dimension,)), None)
        if wrong_dimension is not None:
            raise self._other_dimension(wrong_dimension)
        vectors = np.stack(rows)
        if not np.isfinite(vectors).all():
            raise self._unavailable("it returned vectors that are not finite")
        normalize_rows(vectors)
        return vectors

    def _other_dimension(self, dimension: int) -> StoreMisconfigured:
        """Return the error for vectors of another dimension, and report the dimension."""
        fault = f"gives vectors of {dimension} components where {self.dimension} are expected"
        if self._on_dimension is None:
            return self._misconfigured(f"{fault}; unset EMBEDDING_DIMENSION, and run `explore reindex`")
        self._on_dimension(dimension)
        return self._misconfigured(f"{fault}; restart the gateway, which then fills an index of {dimension} dimensions")

    def _raise_unless_transient(self, error: APIError) -> None:
        """Raise `StoreMisconfigured` for wrong settings, `_TextsRejected` for texts; return for transient errors."""
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
            if self._optional_parameters and (error.param == "dimensions" or "dimension" in error.message):
                fault = f"cannot give {self.dimension} components: {error.message}"
                raise self._misconfigured(f"{fault}; unset EMBEDDING_DIMENSION for the model's own") from error
            raise _TextsRejected(error)
        if status < 500 and status not in _TRANSIENT_STATUSES:
            raise self._misconfigured(f"rejects the request ({status}): {error.message}") from error

    def _pause_s(self, error: APIError, failures: int) -> float:
        requested_s = retry_after_s(error.response.headers) if isinstance(error, APIStatusError) else None
        backoff_s: float = self._jitter() * min(MAX_PAUSE_S, FIRST_PAUSE_S * 2 ** max(failures - 1, 0))
        if requested_s is None:
            return backoff_s
        self._resume_at = max(self._resume_at, asyncio.get_running_loop().time() + requested_s)
        return requested_s + self._jitter() * FIRST_PAUSE_S  # so that not all clients retry at the same time

    def _unavailable(self, reason: str) -> StoreUnavailable:
        return StoreUnavailable(Store.EMBEDDINGS, f"{self.model} at {display_url(self._base_url)}: {reason}")

    def _misconfigured(self, reason: str) -> StoreMisconfigured:
        return StoreMisconfigured(Store.EMBEDDINGS, f"{self.model} at {display_url(self._base_url)} {reason}")


@dataclass(slots=True)
class _Work:
    """The texts of one call, and their vectors so far."""

    texts: list[str]
    vectors: Vectors
    on_batch: OnBatch | None
    deadline: asyncio.Timeout
    rows: deque[int] = field(init=False)  # not embedded yet
    done: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.rows = deque(row for row, text in enumerate(self.texts) if text)

    @property
    def progress(self) -> str:
        """Addition to an error message if some texts are embedded."""
        return f"; {len(self.done):,} of {len(self.texts):,} texts are embedded" if self.done else ""

    async def keep(self, rows: list[int], vectors: Vectors) -> None:
        """Add the vectors of a response."""
        self.vectors[rows] = vectors
        self.done.update(rows)
        if self.on_batch is not None:
            await self.on_batch(rows, vectors)


class _TextsRejected(Exception):
    """The server rejects the texts of a request."""

    def __init__(self, error: APIStatusError) -> None:
        super().__init__(error.message)
        self.error = error


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


def _error_message(error: APIError) -> str:
    if isinstance(error, APIStatusError):
        return f"{error.status_code}: {error.message}"
    return f"{error.message} ({type(error.__cause__).__name__})" if error.__cause__ else error.message
