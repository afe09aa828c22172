"""WordLlama embeddings: static word vectors that ship with the package. No key, no server, no network.

A text takes 0.06 ms CPU, so nothing is cached here.
"""

import asyncio
import logging
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError

from db.embeddings.base import Vectors, normalize_rows
from db.errors import Store, StoreUnavailable

MAX_CHARACTERS = 20_000
"""Characters of a text that are read: the mean of some 5,000 words hardly changes any more."""

MAX_TOKENS = 16_384
"""Token vectors gathered at once: 16 MB."""


class WordLlamaEmbedder:
    """The embedded default: means of word vectors with 256 components, loaded on first use (0.3 s)."""

    model = "wordllama-l2-supercat"
    dimension = 256

    def __init__(self) -> None:
        # One thread: the model is CPU bound and its tokenizer has its own threads for large batches.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="wordllama")
        self._weights: Vectors | None = None
        self._tokenizer: Any = None

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """Embed texts into unit vectors; a text without any known word gives a row of zeros."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._embed, tuple(texts))

    async def close(self) -> None:
        """End the thread."""
        await asyncio.to_thread(self._thread.shutdown)

    def _embed(self, texts: tuple[str, ...]) -> Vectors:
        weights, tokenizer = self._load()
        encoded = tokenizer.encode_batch([_readable(text) for text in texts], add_special_tokens=False)
        unknown = tokenizer.token_to_id("<unk>")
        vectors = np.zeros((len(texts), self.dimension), np.float32)
        for row, text in enumerate(encoded):
            known = np.array([token for token in text.ids if token != unknown and token < len(weights)], np.intp)
            for start in range(0, len(known), MAX_TOKENS):
                vectors[row] += weights[known[start : start + MAX_TOKENS]].sum(axis=0)
        # Not WordLlama's own norm=True: it divides an empty text by zero, and pads every text to the longest.
        normalize_rows(vectors)
        return vectors

    def _load(self) -> tuple[Vectors, Any]:
        if self._weights is None:
            try:
                self._weights, self._tokenizer = _weights_and_tokenizer(self.dimension)
            except (ImportError, OSError, SafetensorError) as error:
                raise StoreUnavailable(Store.EMBEDDINGS, f"WordLlama's weights cannot be loaded: {error}") from error
        return self._weights, self._tokenizer


def _readable(text: str) -> str:
    """Truncate a text and drop lone surrogates, which JSON allows and the tokenizer rejects."""
    return text.strip()[:MAX_CHARACTERS].encode(errors="ignore").decode()


_importing = threading.Lock()


def _weights_and_tokenizer(dimension: int) -> tuple[Vectors, Any]:
    root = logging.getLogger()
    with _importing:
        handlers, level = list(root.handlers), root.level
        import wordllama  # noqa: PLC0415 (0.25 s that only a process that embeds pays)

        # Its import calls logging.basicConfig(level=INFO); the gateway configures logging.
        root.handlers[:] = handlers
        root.setLevel(level)
    # Without cache_dir it looks for its tokenizer in a folder that the wheel does not have, then on the network.
    inference = wordllama.WordLlama.load(
        dim=dimension, cache_dir=Path(wordllama.__file__).parent, disable_download=True
    )
    inference.tokenizer.no_padding()
    return inference.embedding, inference.tokenizer
