"""The stand-in for an embedder that cannot be used: only the platform can embed, or its endpoint is unavailable."""

from collections.abc import Sequence

import numpy as np

from db.embeddings.base import Vectors
from db.errors import StoreUnavailable


class AbsentEmbedder:
    """An embedder that knows no word: the vector of every text is zeros, which searches treat as no vector.

    It names the model and dimension of the vectors that the platform sends. With `error` it embeds nothing.
    """

    def __init__(self, model: str, dimension: int, error: StoreUnavailable | None = None) -> None:
        self.model, self.dimension = model, dimension
        self._error = error

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """Return zeros, or raise the error."""
        if self._error is not None:
            raise self._error
        return np.zeros((len(texts), self.dimension), np.float32)

    async def close(self) -> None:
        """Do nothing."""
