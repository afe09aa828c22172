"""An embedder that puts a prefix before each text, for models that distinguish queries from documents."""

from collections.abc import Sequence

from db.embeddings.base import Embedder, Vectors, prefixed_name


class PrefixedEmbedder:
    """An embedder that puts a prefix before each text. The prefix is part of the model's name.

    A model with two prefixes has two of these over one embedder: the vectors of documents are stored in an index of
    that name, and vectors of queries are only cached. Empty texts get no prefix, so that their vectors are zeros.
    """

    def __init__(self, embedder: Embedder, prefix: str) -> None:
        self.model, self.dimension = prefixed_name(embedder.model, prefix), embedder.dimension
        self._embedder = embedder
        self._prefix = prefix

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """Embed texts behind the prefix into unit vectors. The row of an empty text is zeros."""
        return await self._embedder.embed([f"{self._prefix}{text}" if text.strip() else "" for text in texts])

    async def close(self) -> None:
        """Close the embedder."""
        await self._embedder.close()


def with_prefix(embedder: Embedder, prefix: str) -> Embedder:
    """Return an embedder that puts a prefix before each text; without a prefix, the embedder itself."""
    return PrefixedEmbedder(embedder, prefix) if prefix else embedder
