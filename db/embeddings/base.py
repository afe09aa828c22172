"""What an embedding model is to this product."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]


class Embedder(Protocol):
    """Turns texts into vectors of one space. Spaces of different models do not mix."""

    @property
    def model(self) -> str:
        """The model's name, stored beside each vector it makes."""

    @property
    def dimension(self) -> int:
        """Components of each vector."""

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """Embed texts.

        Returns
        -------
        (len(texts), dimension) array of unit vectors; a text without any known word gives a row of zeros.

        Raises
        ------
        StoreUnavailable
            If the model cannot be reached; nothing was embedded.
        """

    async def close(self) -> None:
        """Let go of connections."""
