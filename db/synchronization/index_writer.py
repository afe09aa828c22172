"""Writing of index documents: embedding their texts, and writing or removing them in generations of the index."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from db.embeddings.base import Embedder, Vectors
from db.errors import InvalidRecord, RefusedObjects
from db.models import OutboxKind
from db.synchronization.index_documents import IndexChanges
from db.vectors.base import PROFILE, PROJECT, TOOL, IndexDocument, VectorStore

DocumentName = tuple[OutboxKind, str]
"""The collection and the outbox key of a document."""

COLLECTIONS = {OutboxKind.PROJECT: PROJECT, OutboxKind.PROFILE: PROFILE, OutboxKind.TOOL: TOOL}
"""Name of the index collection of each kind."""


class IndexWriter:
    """Embeds, writes and removes documents. `generations` of the index: None is the active one (see `VectorStore`)."""

    def __init__(self, vectors: VectorStore, embedder: Embedder) -> None:
        self._vectors = vectors
        self._embedder = embedder

    async def remove(self, kind: OutboxKind, keys: Sequence[str], generations: Sequence[str | None]) -> None:
        """Remove documents from each generation. The embedder is not used."""
        for generation in generations if keys else ():
            await self._vectors.remove(COLLECTIONS[kind], keys, generation)

    async def write(
        self, changes: Mapping[OutboxKind, IndexChanges], generations: Sequence[str | None]
    ) -> dict[DocumentName, str]:
        """Embed all documents in one call, write them to each generation, and return the reason of each rejected one.

        Raises `StoreUnavailable` if the index or the embedder is unavailable. Some documents may have been written by
        then; writes are idempotent.
        """
        names: list[DocumentName] = [(kind, key) for kind, change in changes.items() for key in change.documents]
        vectors, rejected = await self._embed([changes[kind].texts[key] for kind, key in names], names)
        rows = dict(zip(names, vectors, strict=True))
        for kind, change in changes.items():
            documents = [
                replace(document, vector=rows[kind, key])
                for key, document in change.documents.items()
                if (kind, key) not in rejected
            ]
            for generation in generations if documents else ():
                reasons = await self._put(documents, generation)
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

    async def _put(self, documents: Sequence[IndexDocument], generation: str | None) -> dict[str, str]:
        """Write documents in one call, and return the reason of each rejected one by key.

        If the store does not name the rejected documents, each document is written separately.
        """
        try:
            await self._vectors.upsert(documents, generation)
        except RefusedObjects as error:
            keys = {document.key for document in documents}
            return {key: reason for key, reason in error.refused.items() if key in keys}
        except InvalidRecord as error:
            if len(documents) == 1:
                return {documents[0].key: error.message}
        else:
            return {}
        rejected: dict[str, str] = {}
        for document in documents:
            rejected |= await self._put([document], generation)
        return rejected
