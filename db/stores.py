"""The stores of a process: database, vector index, embedding model, cache, and the database's columns in memory."""

from dataclasses import dataclass, field

from db.cache.base import Cache
from db.columns.column_store import ColumnStore
from db.database.engine import Database
from db.embeddings.base import Embedder
from db.platform_inputs import NO_PLATFORM_INPUTS, PlatformInputs
from db.vectors.base import Vector, VectorStore
from db.vectors.coverage import IndexCoverage


@dataclass(frozen=True, slots=True)
class Stores:
    """The stores of a process. The database is authoritative; index and cache can be rebuilt from it."""

    database: Database
    vectors: VectorStore
    embedder: Embedder
    cache: Cache
    columns: ColumnStore | None = None  # None: rankings read the database
    platform: PlatformInputs = NO_PLATFORM_INPUTS
    query_embedder: Embedder | None = None  # shares the connections of `embedder`; None: `embedder` embeds queries too
    coverage: IndexCoverage = field(default_factory=IndexCoverage)  # whether searches may use `vectors`

    async def embed_query(self, text: str) -> Vector:
        """Embed the text of a search; zeros if it has no known word. Raises `StoreUnavailable`."""
        vector: Vector = (await (self.query_embedder or self.embedder).embed([text]))[0]
        return vector

    async def close(self) -> None:
        """Close the connections of all stores."""
        await self.vectors.close()
        await self.embedder.close()
        await self.cache.close()
        await self.database.close()
