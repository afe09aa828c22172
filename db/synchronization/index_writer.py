"""Writing of index documents: embedding their texts, and writing or removing them in generations of the index."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from db.embeddings.base import Embedder, Vectors
from db.errors import InvalidRecord
from db.models import OutboxKind
from db.stores import Stores
from db.synchronization.index_documents import IndexChanges, IndexDocumentReader
from db.vectors.base import PROFILE, PROJECT, TOOL, VectorStore

DocumentName = tuple[OutboxKind, str]
"""The collection and the outbox key of a document."""

COLLECTIONS = {OutboxKind.PROJECT: PROJECT, OutboxKind.PROFILE: PROFILE, OutboxKind.TOOL: TOOL}
"""Name of the index collection of each kind."""


class IndexWriter:
    """Embeds, writes and removes documents, in one or several generations.

    None is the active generation (see `VectorStore`).
    """

    def __init__(self, vectors: VectorStore, embedder: Embedder) -> None:
        self._vectors = vectors
        self._embedder = embedder

    async def generations(self) -> list[str | None]:
        """Return the generations to which changes are written: active (None), and during a rebuild the staged one."""
        staged = await self._vectors.staged()
        return [None] if staged is None else [None, staged]

    async def remove(self, kind: OutboxKind, keys: Sequence[str], generations: Sequence[str | None]) -> None:
        """Remove documents from each generation. The embedder is not used."""
        for generation in generations if keys else ():
            await self._vectors.remove(COLLECTIONS[kind], keys, generation)

    async def write(
        self, changes: Mapping[OutboxKind, IndexChanges], generations: Sequence[str | None]
    ) -> dict[DocumentName, str]:
        """Embed all texts in one call, write the documents to each generation, and return the reasons for rejections.

        Raises `StoreUnavailable` if the index or the embedder is unavailable. Some documents may have been written by
        then; writes are idempotent.
        """
        names: list[DocumentName] = [(kind, key) for kind, change in changes.items() for key in change.texts]
        vectors, rejected = await self._embed([changes[kind].texts[key] for kind, key in names], names)
        vector_by_name = dict(zip(names, vectors, strict=True))
        for kind, change in changes.items():
            documents = [
                replace(document, vector=vector_by_name.get((kind, key), document.vector))
                for key, document in change.documents.items()
                if (kind, key) not in rejected
            ]
            for generation in generations if documents else ():
                reasons = await self._vectors.upsert(documents, generation)
                rejected |= {(kind, key): reason for key, reason in reasons.items()}
        return rejected

    async def _embed(
        self, texts: Sequence[str], names: Sequence[DocumentName]
    ) -> tuple[Vectors, dict[DocumentName, str]]:
        """Embed all texts in one call, or one by one if a text is rejected. The row of a rejected text is zeros."""
        vectors = np.zeros((len(texts), self._embedder.dimension), np.float32)
        rejected: dict[DocumentName, str] = {}
        try:
            return (await self._embedder.embed(texts) if texts else vectors), rejected
        except InvalidRecord:
            for row, (name, text) in enumerate(zip(names, texts, strict=True)):
                try:
                    vectors[row] = (await self._embedder.embed([text]))[0]
                except InvalidRecord as error:
                    rejected[name] = error.message
        return vectors, rejected


async def refresh_profile(stores: Stores, actor_id: int) -> None:
    """Write the current profile of a viewer to the index at once, for a request whose result depends on its vector.

    The outbox row of the change is kept, and a worker processes it within a second. The index is therefore also correct
    after a crash, and if a worker has written an older profile meanwhile. Writes are idempotent.

    Raises `StoreUnavailable` if the index or the embedding model is unavailable; the outbox row is processed later.
    """
    writer = IndexWriter(stores.vectors, stores.embedder)
    documents = IndexDocumentReader(stores.database, (stores.embedder.model, stores.embedder.dimension))
    changes = await documents.read(OutboxKind.PROFILE, [str(actor_id)])
    generations = await writer.generations()
    await writer.remove(OutboxKind.PROFILE, changes.remove, generations)
    await writer.write({OutboxKind.PROFILE: changes}, generations)
