"""The protocol of embedding models."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]

OnBatch = Callable[[Sequence[int], Vectors], Awaitable[None]]
"""Callback that receives the indices and the vectors of embedded texts, batch by batch."""


class Embedder(Protocol):
    """Converts texts to vectors. Vectors of different models are not comparable."""

    @property
    def model(self) -> str:
        """Name of the model, stored beside each vector."""

    @property
    def dimension(self) -> int:
        """Number of components of each vector."""

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """Embed texts.

        Returns
        -------
        (len(texts), dimension) array of unit vectors. The row of a text without any known word is zeros.

        Raises `StoreUnavailable` if the model is unavailable.
        """

    async def close(self) -> None:
        """Close connections and threads."""


class BatchEmbedder(Embedder, Protocol):
    """An embedder that reports the vectors of each batch before all texts are embedded."""

    async def embed(self, texts: Sequence[str], on_batch: OnBatch | None = None) -> Vectors:
        """Embed texts as `Embedder.embed`. `on_batch` receives the vectors of each batch."""


def prefixed_name(model: str, prefix: str) -> str:
    """Return the name of a model whose documents have a prefix."""
    return f'{model} with prefix "{prefix}"'


def unprefixed_name(model: str) -> str:
    """Return the name of a model without the prefix of `prefixed_name`."""
    return model.partition(' with prefix "')[0]


def normalize_rows(vectors: Vectors) -> None:
    """Scale each row to unit length in place, except rows of zeros."""
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    np.divide(vectors, lengths, out=vectors, where=lengths > 0, casting="same_kind")
