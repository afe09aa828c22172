"""Processing of outbox rows: reads documents from the database, embeds them, and writes them to the index."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta

from sqlalchemy.exc import SQLAlchemyError

from db import outbox
from db.database.engine import Database
from db.embeddings.base import Embedder
from db.errors import Store, StoreUnavailable
from db.models import OutboxKind
from db.outbox import Lease
from db.synchronization.index_documents import IndexChanges, IndexDocumentReader
from db.synchronization.index_writer import COLLECTIONS, DocumentName, IndexWriter
from db.vectors.base import VectorStore

log = logging.getLogger(__name__)

BATCH = 100
"""Outbox rows of one batch. A batch takes about 25 ms with embedded stores."""

LEASE_S = 60.0
"""Seconds of the lease of a batch. After that time another worker may process the rows again. Writes are idempotent."""

POLL_S = 0.25
"""Interval of checks for new rows, which other processes write."""

RESTART_CHECK_S = 5.0
"""Interval of checks for a restart of the index's server while no row waits. A check takes 5 ms."""

FIRST_PAUSE_S, MAX_PAUSE_S = 0.5, 8.0
"""Seconds before the first and before later retries while a store is unavailable. The index is complete within 15 s
after an outage."""


class IndexSynchronizer:
    """Keeps the vector index up to date. Several instances can run concurrently, in several processes.

    Only public projects are in the index. Removals are processed first and do not need the embedder. If a project
    becomes private, archived or deleted, or an actor is erased, while its batch is written, the document is removed
    before the batch is settled. Texts that a slow embedder has not embedded in time are left to a later batch. A later
    change makes the outbox row available again, so the row is not deleted. While a new generation is filled, documents
    are written to both generations. A row that an available store rejects is retried after `retry_after`. `written` and
    `rejected` count documents since the start.

    A crash of the index's server may lose the vectors of the last documents, and the server ignores an unchanged
    document that is written again. So after each restart of the server, vectors that are lost are restored before other
    rows are processed, and the documents of a failed batch are removed before they are written again.
    """

    def __init__(
        self,
        database: Database,
        vectors: VectorStore,
        embedder: Embedder,
        *,
        retry_after: timedelta = outbox.RETRY_AFTER,
    ) -> None:
        self.written = self.rejected = 0
        self._database = database
        self._vectors = vectors
        self._embedding_space = (embedder.model, embedder.dimension)
        self._documents = IndexDocumentReader(database, self._embedding_space)
        self._writer = IndexWriter(vectors, embedder)
        self._retry_after = retry_after
        self._is_prepared = False
        self._checked_start = ""  # the start of the server after which the last documents were searched
        self._failed: set[DocumentName] = set()  # documents of failed batches
        self._unfinished: Sequence[Lease] = ()  # leases of the last batch, if the database failed before it was settled

    async def run(self, stop: asyncio.Event) -> None:
        """Process rows until `stop` is set. If a store is unavailable, retry after a pause that doubles up to 8 s."""
        pause_s = FIRST_PAUSE_S
        while not stop.is_set():
            try:
                if not await self.drain():
                    await self._wait_for_rows(stop)
            except (StoreUnavailable, SQLAlchemyError, OSError) as error:
                log.warning("the index cannot be updated, retrying in %.1f s: %s", pause_s, error)
                await self._wait_for_store(error, stop, pause_s)
                pause_s = min(2 * pause_s, MAX_PAUSE_S)
            else:
                pause_s = FIRST_PAUSE_S

    async def drain_all(self, progress: Callable[[float, int], None]) -> None:
        """Process rows until the outbox is empty. `progress` receives the finished share and the number of rows."""
        backlog_rows, total = (await outbox.backlog(self._database)).rows, 0
        progress(0.0, 0)
        while processed := await self.drain():
            total += processed
            progress(min(total / max(backlog_rows, 1), 0.99), total)
        progress(1.0, total)

    async def drain(self, limit: int = BATCH, *, only_urgent: bool = False) -> int:
        """Process up to `limit` outbox rows, and return the number of rows; 0 if no row is available.

        Raises `StoreUnavailable` if the index or the embedder is unavailable. The rows are then released without
        counting an attempt.
        """
        await outbox.release(self._database, self._unfinished)  # settled and released rows stay as they are
        if not only_urgent:
            await self.restore_lost_vectors()
        self._unfinished = leases = await outbox.take(self._database, limit, LEASE_S, only_urgent=only_urgent)
        if leases:
            await self.process(leases)
        self._unfinished = ()
        return len(leases)

    async def process(self, leases: Sequence[Lease], generation: str | None = None) -> None:
        """Write and remove the documents of leased rows, and settle, release or reject the rows.

        Writes to `generation` only; if it is None, to the active and the staged generation.
        """
        removed_leases: list[Lease] = []
        try:
            # Read after leasing the rows: a rebuild that starts later reads their changes from the database.
            generations = await self._generations() if generation is None else [generation]
            changes = {
                kind: await self._documents.read(kind, [lease.key for lease in leases if lease.kind is kind])
                for kind in OutboxKind
            }
            for kind, change in changes.items():
                failed = [key for key in change.documents if (kind, key) in self._failed]
                await self._writer.remove(kind, [*change.remove, *failed], generations)
            removed_leases += [lease for lease in leases if lease.key in changes[lease.kind].remove]
            rejected, postponed = await self._write(changes, generations)
        except StoreUnavailable as error:
            self._is_prepared = False
            if error.store is Store.VECTORS:
                self._failed |= {(lease.kind, lease.key) for lease in leases}
            await outbox.settle(self._database, removed_leases)
            await outbox.release(self._database, [lease for lease in leases if lease not in removed_leases])
            raise
        await outbox.release(self._database, [lease for lease in leases if (lease.kind, lease.key) in postponed])
        leases = [lease for lease in leases if (lease.kind, lease.key) not in postponed]
        self._failed -= {(lease.kind, lease.key) for lease in leases}
        await outbox.settle(self._database, [lease for lease in leases if (lease.kind, lease.key) not in rejected])
        for lease in leases:
            if (reason := rejected.get((lease.kind, lease.key))) is not None:
                log.error("the index rejects %s %s: %s", lease.kind.value, lease.key, reason)
                await outbox.reject(self._database, [lease], reason, self._retry_after)

    async def rewrite(
        self, names: Iterable[DocumentName], generation: str | None = None, *, remove_first: bool = False
    ) -> None:
        """Write documents again, to one generation or, if it is None, to the active and the staged one.

        The documents are claimed batch by batch, so that changes in the outbox do not wait behind them. A document that
        waits in the outbox is written when its row is processed. `remove_first` is for documents whose vectors are
        lost, because the server ignores an unchanged document.
        """
        keys_by_kind: dict[OutboxKind, list[str]] = {kind: [] for kind in OutboxKind}
        for kind, key in names:
            keys_by_kind[kind].append(key)
        for kind, keys in keys_by_kind.items():
            for start in range(0, len(keys), BATCH):
                batch = keys[start : start + BATCH]
                leases = await outbox.claim(self._database, kind, batch, LEASE_S)
                if remove_first:
                    generations = await self._generations() if generation is None else [generation]
                    await self._writer.remove(kind, batch, generations)
                if leases:
                    await self.process(leases, generation)

    async def restore_lost_vectors(self) -> None:
        """Write documents anew that a restarted server of the index does not find by their vectors.

        Searches for the last documents of each collection, once after each restart that this process notices, and once
        after its own start.
        """
        start = await self._vectors.server_start()
        if start == self._checked_start:
            return
        for generation in await self._generations():
            for kind, collection in COLLECTIONS.items():
                lost = await self._vectors.unsearchable(collection, generation=generation)
                if lost:
                    log.warning("the index has lost the vectors of %d documents (%s)", len(lost), kind.value)
                await self.rewrite([(kind, key) for key in lost], generation, remove_first=True)
        self._checked_start = start

    async def _generations(self) -> list[str | None]:
        if not self._is_prepared:
            await self._vectors.prepare(*self._embedding_space)
            self._is_prepared = True
        return await self._writer.generations()

    async def _write(
        self, changes: Mapping[OutboxKind, IndexChanges], generations: Sequence[str | None]
    ) -> tuple[dict[DocumentName, str], set[DocumentName]]:
        """Write documents, and remove those that must not be in the index any more.

        Returns the reasons for rejections, and the documents that are left to a later batch.
        """
        rejected, postponed = await self._writer.write(changes, generations)
        for kind, change in changes.items():
            existing = await self._documents.existing(kind, list(change.documents))
            await self._writer.remove(kind, [key for key in change.documents if key not in existing], generations)
        self.rejected += len(rejected)
        self.written += sum(len(change.documents) for change in changes.values()) - len(rejected) - len(postponed)
        return rejected, postponed

    async def _wait_for_rows(self, stop: asyncio.Event) -> None:
        """Wait until a row is available, or a restart of the index's server is to be looked for.

        A check for rows takes a fifth of a millisecond, and no lock.
        """
        clock = asyncio.get_running_loop().time
        deadline = clock() + RESTART_CHECK_S
        while not (stop.is_set() or clock() > deadline or await outbox.has_available(self._database)):
            await pause(stop, POLL_S)

    async def _wait_for_store(self, error: Exception, stop: asyncio.Event, pause_s: float) -> None:
        """Wait before a retry. If only the embedder is unavailable, continue to process removals."""
        clock = asyncio.get_running_loop().time
        deadline = clock() + pause_s
        only_embedder = isinstance(error, StoreUnavailable) and error.store is Store.EMBEDDINGS
        while only_embedder and not stop.is_set() and clock() + POLL_S < deadline:
            await pause(stop, POLL_S)
            try:
                await self.drain(only_urgent=True)
            except (StoreUnavailable, SQLAlchemyError, OSError):
                break
        await pause(stop, max(deadline - clock(), 0.0))


async def pause(stop: asyncio.Event, seconds: float) -> None:
    """Wait for some seconds, or until `stop` is set."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()
