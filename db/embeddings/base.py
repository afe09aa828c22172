"""The protocol of embedding models."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]


class Embedder(Protocol):
    """Turns texts into vectors of one space. Spaces of different models do not mix."""

    @property
    def model(self) -> str:
        """Name of the model, stored beside each vector."""

    @property
    def dimension(self) -> int:
        """Components of each vector."""

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """Embed texts.

        Returns
        -------
        (len(texts), dimension) array of unit vectors; a text without any known word gives a row of zeros.

        Raises `StoreUnavailable` if the model cannot be reached; nothing was embedded.
        """

    async def close(self) -> None:
        """Release connections."""


def normalize_rows(vectors: Vectors) -> None:
    """Scale each row to unit length in place; a row of zeros stays as it is."""
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    np.divide(vectors, lengths, out=vectors, where=lengths > 0, casting="same_kind")
