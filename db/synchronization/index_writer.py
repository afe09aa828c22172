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
"""A document's collection and its outbox key."""

COLLECTIONS = {OutboxKind.PROJECT: PROJECT, OutboxKind.PROFILE: PROFILE, OutboxKind.TOOL: TOOL}
"""Names of the collections in the index."""


class IndexWriter:
    """Writes documents to the index and removes them. A *generation* of None is the active one (see `VectorStore`)."""

    def __init__(self, vectors: VectorStore, embedder: Embedder) -> None:
        self._vectors = vectors
        self._embedder = embedder

    async def remove(self, kind: OutboxKind, keys: Sequence[str], generations: Sequence[str | None]) -> None:
        """Remove documents from each generation; needs no embedder."""
        for generation in generations if keys else ():
            await self._vectors.remove(COLLECTIONS[kind], keys, generation)

    async def write(
        self, changes: Mapping[OutboxKind, IndexChanges], generations: Sequence[str | None]
    ) -> dict[DocumentName, str]:
        """Embed all documents in one call, write them to each generation, and return rejected ones with the reasons.

        Raises `StoreUnavailable` if the index or the embedder is unavailable. Some documents may have been written;
        writes are idempotent.
        """
        names: list[DocumentName] = [(kind, key) for kind, change in changes.items() for key in change.documents]
        vectors, refused = await self._embed([changes[kind].texts[key] for kind, key in names], names)
        rows = dict(zip(names, vectors, strict=True))
        for kind, change in changes.items():
            documents = [
                replace(document, vector=rows[kind, key])
                for key, document in change.documents.items()
                if (kind, key) not in refused
            ]
            for generation in generations if documents else ():
                reasons = await self._put(documents, generation)
                refused |= {(kind, key): reason for key, reason in reasons.items()}
        return refused

    async def _embed(
        self, texts: Sequence[str], names: Sequence[DocumentName]
    ) -> tuple[Vectors, dict[DocumentName, str]]:
        """Embed all texts in one call; if one is rejected, one by one, with a row of zeros for each rejected text."""
        vectors = np.zeros((len(texts), self._embedder.dimension), np.float32)
        refused: dict[DocumentName, str] = {}
        try:
            return (await self._embedder.embed(texts) if texts else vectors), refused
        except InvalidRecord:
            for row, (name, text) in enumerate(zip(names, texts, strict=True)):
                try:
                    vectors[row] = (await self._embedder.embed([text]))[0]
                except InvalidRecord as error:
                    refused[name] = error.message
        return vectors, refused

    async def _put(self, documents: Sequence[IndexDocument], generation: str | None) -> dict[str, str]:
        """Write documents in one call, and return the rejected ones by key.

        A store that names the rejected documents has written the others; otherwise each is written separately.
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
        refused: dict[str, str] = {}
        for document in documents:
            refused |= await self._put([document], generation)
        return refused
