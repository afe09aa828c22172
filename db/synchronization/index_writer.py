"""Writing of index documents: embedding their texts, and writing or removing them in generations of the index."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

from db.embeddings.base import Embedder
from db.errors import InvalidRecord
from db.models import OutboxKind
from db.stores import Stores
from db.synchronization.index_documents import IndexChanges, IndexDocumentReader
from db.vectors.base import PROFILE, PROJECT, TOOL, Vector, VectorStore

DocumentName = tuple[OutboxKind, str]
"""The collection and the outbox key of a document."""

COLLECTIONS = {OutboxKind.PROJECT: PROJECT, OutboxKind.PROFILE: PROFILE, OutboxKind.TOOL: TOOL}
"""Name of the index collection of each kind."""

EMBEDDING_LIMIT_S = 40.0
"""Seconds in which the texts of a batch are embedded: less than the lease of the batch, so that no document is written
long after it was read, and more than the 30 s without an answer after which a model is unavailable."""

MAX_TEXTS = 1_000
"""Maximum texts of a call of the embedder."""


class IndexWriter:
    """Embeds, writes and removes documents, in one or several generations.

    None is the active generation (see `VectorStore`).
    """

    def __init__(self, vectors: VectorStore, embedder: Embedder) -> None:
        self._vectors = vectors
        self._embedder = embedder
        self._max_texts = MAX_TEXTS  # of a call; fewer while the embedder is too slow for a batch

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
    ) -> tuple[dict[DocumentName, str], set[DocumentName]]:
        """Embed the texts, and write the documents to each generation.

        Returns the reasons for rejections, and the documents whose texts were not embedded within `EMBEDDING_LIMIT_S`.

        Raises `StoreUnavailable` if the index or the embedder is unavailable. Some documents may have been written by
        then; writes are idempotent.
        """
        texts: dict[DocumentName, str] = {
            (kind, key): text for kind, change in changes.items() for key, text in change.texts.items()
        }
        vector_by_name, rejected = await self._embed(texts)
        postponed = texts.keys() - vector_by_name.keys() - rejected.keys()
        for kind, change in changes.items():
            documents = [
                replace(document, vector=vector_by_name.get((kind, key), document.vector))
                for key, document in change.documents.items()
                if (kind, key) not in rejected and (kind, key) not in postponed
            ]
            for generation in generations if documents else ():
                reasons = await self._vectors.upsert(documents, generation)
                rejected |= {(kind, key): reason for key, reason in reasons.items()}
        return rejected, postponed

    async def _embed(
        self, texts: Mapping[DocumentName, str]
    ) -> tuple[dict[DocumentName, Vector], dict[DocumentName, str]]:
        """Embed texts until `EMBEDDING_LIMIT_S` has passed. Return the vectors and the reasons for rejections.

        Usually in one call. If a call does not end in time, later calls have fewer texts, and a cache of embeddings has
        kept what is embedded.
        """
        vectors: dict[DocumentName, Vector] = {}
        rejected: dict[DocumentName, str] = {}
        waiting = list(texts)
        try:
            async with asyncio.timeout(EMBEDDING_LIMIT_S) as limit:
                while waiting:
                    names = waiting[: self._max_texts]
                    try:
                        embedded = await self._embedder.embed([texts[name] for name in names])
                    except InvalidRecord as error:
                        text = texts[names[int(error.path[0])]]
                        rejected |= {name: error.message for name in waiting if texts[name] == text}
                    else:
                        vectors |= zip(names, embedded, strict=True)
                    waiting = [name for name in waiting if name not in vectors and name not in rejected]
        except TimeoutError:
            if not limit.expired():
                raise
            if not vectors:
                self._max_texts = max(1, len(names) // 4)
        else:
            self._max_texts = min(2 * self._max_texts, MAX_TEXTS)
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
