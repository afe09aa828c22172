"""A local server that speaks OpenAI's ``/v1/embeddings`` over plain HTTP, for the real client.

Its vectors mean something: a text is the sum of its words' random vectors, so that texts that share words are near.
It keeps OpenAI's rules (2,048 texts, 300,000 tokens, 8,192 tokens a text, no empty text, the key) and fails on demand.
"""

import asyncio
import base64
import contextlib
import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

KEY = "sk-double"
NATIVE_DIMENSION = 1536
MODELS = ("text-embedding-3-small", "text-embedding-ada-002", "local-model")
MOST_TEXTS, MOST_TOKENS, MOST_TEXT_TOKENS = 2_048, 300_000, 8_192


@dataclass(frozen=True)
class Fault:
    """A fault of one request. Unset fields leave the response correct."""

    status: int = 200  # answer with this error
    headers: tuple[tuple[str, str], ...] = ()
    code: str | None = None
    delay_s: float = 0.0  # wait first
    cut_after: int | None = None  # close the connection after so many bytes of the body
    body: bytes | None = None  # answer with these bytes
    # Applied to the vectors before they are sent.
    change: Callable[[NDArray[np.float32]], NDArray[np.float32]] | None = None


class Refused(Exception):
    """An error as OpenAI words it."""

    def __init__(self, status: int, message: str, code: str | None = None, param: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"message": message, "type": "invalid_request_error", "param": param, "code": code}}


@dataclass
class OpenAIDouble:
    """The server, on a free port of 127.0.0.1."""

    faults: list[Fault] = field(default_factory=list)  # for the next requests, one each, in order
    always: Fault = Fault()  # for every request once `faults` is used up
    received: int = 0  # number of requests received, failed ones included
    # Bodies of the requests that were not refused at the door.
    requests: list[dict[str, Any]] = field(default_factory=list)
    paid: Counter[str] = field(default_factory=Counter)  # how often each text was embedded
    most_at_once: int = 0  # the most requests that were under way together
    only_floats: bool = False  # be one of the servers that do not know base64
    fails_at: str | None = None  # be llama.cpp, and answer 500 for a text with this word
    texts_per_s: float | None = None  # be a model on a CPU: one request after the other, also if its client has left
    takes_texts: int = MOST_TEXTS  # reject requests of more texts as text-embeddings-inference does, with 413
    text_tokens: Callable[[str], int] = lambda text: len(re.findall(r"\w{1,6}|[^\w\s]", text))
    _at_once: int = 0
    _server: asyncio.Server | None = None
    _serving: set[asyncio.Task[None]] = field(default_factory=set)
    _processor: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def __aenter__(self) -> "OpenAIDouble":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving)

    @property
    def port(self) -> int:
        """Port of the server."""
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def url(self) -> str:
        """Base URL for a client."""
        return f"http://127.0.0.1:{self.port}/v1"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        # Cancelled at the end of a test: the streams of Python 3.11 would log that as an error.
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while await self._serve_one(reader, writer):
                pass
        self._serving.discard(task)
        writer.close()

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        headers = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head.splitlines())
        }
        content = await reader.readexactly(int(headers.get("content-length", "0")))
        self.received += 1
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            fault = self.faults.pop(0) if self.faults else self.always
            await asyncio.sleep(fault.delay_s)
            if self.texts_per_s is not None:
                async with self._processor:
                    await asyncio.sleep(len(json.loads(content)["input"]) / self.texts_per_s)
            status, body = self._answer(head.split()[1], headers, content, fault)
        finally:
            self._at_once -= 1
        lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", "Content-Type: application/json"]
        lines += [f"{name}: {value}" for name, value in fault.headers]
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode() + body[: fault.cut_after])
        await writer.drain()
        return fault.cut_after is None

    def _answer(self, path: str, headers: dict[str, str], content: bytes, fault: Fault) -> tuple[int, bytes]:
        try:
            _admit(path, headers, fault)
            body = self._embed(json.loads(content), fault)
        except Refused as refused:
            return refused.status, json.dumps(refused.body).encode()
        return 200, json.dumps(body).encode() if fault.body is None else fault.body

    def _embed(self, request: dict[str, Any], fault: Fault) -> dict[str, Any]:
        self.requests.append(request)
        texts, dimension = request["input"], request.get("dimensions", NATIVE_DIMENSION)
        tokens = self._checked_tokens(request, texts)
        if self.fails_at is not None and any(self.fails_at in text for text in texts):
            raise Refused(500, "input is too large to process. increase the physical batch size")
        vectors = embed_words(texts, dimension)
        if fault.change is not None:
            vectors = fault.change(vectors)
        self.paid.update(texts)
        as_base64 = request.get("encoding_format") == "base64" and not self.only_floats
        data = [
            {
                "object": "embedding",
                "index": index,
                "embedding": base64.b64encode(vector.tobytes()).decode() if as_base64 else vector.tolist(),
            }
            for index, vector in enumerate(vectors)
        ]
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return {"object": "list", "data": data[::-1], "model": request["model"], "usage": usage}

    def _checked_tokens(self, request: dict[str, Any], texts: list[str]) -> int:
        if request["model"] not in MODELS:
            raise Refused(404, f"The model {request['model']} does not exist", "model_not_found")
        if "dimensions" in request and not request["model"].startswith("text-embedding-3"):
            raise Refused(400, "This model does not support specifying dimensions.", param="dimensions")
        if len(texts) > self.takes_texts:
            raise Refused(413, f"batch size {len(texts)} > maximum allowed batch size {self.takes_texts}")
        if not 0 < len(texts) <= MOST_TEXTS or not all(texts):
            raise Refused(400, "'$.input' is invalid.", param="input")
        counts = [self.text_tokens(text) for text in texts]
        if max(counts) > MOST_TEXT_TOKENS:
            raise Refused(400, f"maximum context length is 8192 tokens, you requested {max(counts)}", param="input")
        if sum(counts) > MOST_TOKENS:
            raise Refused(400, f"max 300000 tokens per request, you requested {sum(counts)}", "max_tokens_per_request")
        return sum(counts)


def _admit(path: str, headers: dict[str, str], fault: Fault) -> None:
    if fault.status != 200:
        raise Refused(fault.status, "as the test asked", fault.code)
    if headers.get("authorization") != f"Bearer {KEY}":
        raise Refused(401, "Incorrect API key provided", "invalid_api_key")
    if path != "/v1/embeddings":
        raise Refused(404, f"Unknown request URL: {path}")


def embed_words(texts: list[str], dimension: int) -> NDArray[np.float32]:
    """Return for each text the sum of its words' vectors, truncated to a dimension and scaled to length 1."""
    vectors = np.zeros((len(texts), NATIVE_DIMENSION), np.float32)
    for row, text in enumerate(texts):
        for word in re.findall(r"\w+", text.lower()) or [text]:
            vectors[row] += _word(word)
    shortened = vectors[:, :dimension]
    lengths: NDArray[np.float32] = np.linalg.norm(shortened, axis=1, keepdims=True)
    return shortened / lengths


@lru_cache(10_000)
def _word(word: str) -> NDArray[np.float32]:
    seed = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest())
    return np.random.default_rng(seed).standard_normal(NATIVE_DIMENSION, np.float32)
