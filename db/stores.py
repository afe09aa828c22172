"""The four stores, opened and handed down together."""

from dataclasses import dataclass

from db.cache.base import Cache
from db.database.engine import Database
from db.embeddings.base import Embedder
from db.vectors.base import VectorStore


@dataclass(frozen=True, slots=True)
class Stores:
    """What the floors above read from and write to. Only `database` holds the truth; the rest can be rebuilt."""

    database: Database
    vectors: VectorStore
    embedder: Embedder
    cache: Cache

    async def close(self) -> None:
        """Close all four."""
        await self.vectors.close()
        await self.embedder.close()
        await self.cache.close()
        await self.database.close()
