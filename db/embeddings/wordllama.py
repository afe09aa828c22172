"""WordLlama embeddings: static word vectors included in the package. They need no key, server or network.

Embedding a text takes 0.06 ms of CPU, so vectors are not cached.
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

MODEL = "wordllama-l2-supercat"

MAX_CHARACTERS = 20_000
"""Maximum characters of a text; further characters are ignored. They would hardly change the mean."""

MAX_TOKENS = 16_384
"""Maximum token vectors in memory at once: 16 MB."""


class WordLlamaEmbedder:
    """The default embedder: the mean of word vectors with 256 components. The model is loaded on first use (0.3 s)."""

    model = MODEL
    dimension = 256

    def __init__(self) -> None:
        # One thread: the model is CPU-bound, and its tokenizer uses threads of its own for large batches.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="wordllama")
        self._weights: Vectors | None = None
        self._tokenizer: Any = None

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """Embed texts into unit vectors. The row of a text without any known word is zeros."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._embed, tuple(texts))

    async def close(self) -> None:
        """Stop the thread that embeds texts."""
        await asyncio.to_thread(self._thread.shutdown)

    def _embed(self, texts: tuple[str, ...]) -> Vectors:
        weights, tokenizer = self._load()
        tokenized_texts = tokenizer.encode_batch([_clean_text(text) for text in texts], add_special_tokens=False)
        unknown = tokenizer.token_to_id("<unk>")
        vectors = np.zeros((len(texts), self.dimension), np.float32)
        for row, text in enumerate(tokenized_texts):
            token_ids = np.array([token for token in text.ids if token != unknown and token < len(weights)], np.intp)
            for start in range(0, len(token_ids), MAX_TOKENS):
                vectors[row] += weights[token_ids[start : start + MAX_TOKENS]].sum(axis=0)
        # WordLlama's norm=True is not used: it divides by zero for an empty text, and pads every text to the longest.
        normalize_rows(vectors)
        return vectors

    def _load(self) -> tuple[Vectors, Any]:
        if self._weights is None:
            try:
                self._weights, self._tokenizer = _weights_and_tokenizer(self.dimension)
            except (ImportError, OSError, SafetensorError) as error:
                raise StoreUnavailable(Store.EMBEDDINGS, f"WordLlama's weights cannot be loaded: {error}") from error
        return self._weights, self._tokenizer


def _clean_text(text: str) -> str:
    """Truncate a text, and remove lone surrogates, which JSON allows and the tokenizer rejects."""
    return text.strip()[:MAX_CHARACTERS].encode(errors="ignore").decode()


_import_lock = threading.Lock()


def _weights_and_tokenizer(dimension: int) -> tuple[Vectors, Any]:
    root = logging.getLogger()
    with _import_lock:
        handlers, level = list(root.handlers), root.level
        import wordllama  # noqa: PLC0415 (0.25 s, only in processes that embed)

        # Importing wordllama calls logging.basicConfig(level=INFO), which would override the logging of the gateway.
        root.handlers[:] = handlers
        root.setLevel(level)
    # Without cache_dir, WordLlama searches for its tokenizer in a folder missing in the wheel, then downloads it.
    inference = wordllama.WordLlama.load(
        dim=dimension, cache_dir=Path(wordllama.__file__).parent, disable_download=True
    )
    inference.tokenizer.no_padding()
    return inference.embedding, inference.tokenizer
