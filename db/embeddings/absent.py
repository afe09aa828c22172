"""The stand-in for an embedder where only the platform can embed, and sends the vectors of projects."""

from collections.abc import Sequence

import numpy as np

from db.embeddings.base import Vectors


class AbsentEmbedder:
    """An embedder that knows no word: the vector of every text is zeros, which searches treat as no vector.

    It names the model and dimension of the vectors that the platform sends.
    """

    def __init__(self, model: str, dimension: int) -> None:
        self.model, self.dimension = model, dimension

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """Return zeros."""
        return np.zeros((len(texts), self.dimension), np.float32)

    async def close(self) -> None:
        """Do nothing."""
