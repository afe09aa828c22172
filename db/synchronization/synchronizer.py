"""Processing of outbox rows: each is read from the database, embedded and written to the index, or removed from it."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

from sqlalchemy.exc import SQLAlchemyError

from db import outbox
from db.database.engine import Database
from db.embeddings.base import Embedder
from db.errors import Store, StoreUnavailable
from db.models import OutboxKind
from db.outbox import Lease
from db.synchronization.index_documents import IndexChanges, IndexDocumentReader
from db.synchronization.index_writer import IndexWriter
from db.vectors.base import VectorStore

log = logging.getLogger(__name__)

BATCH = 100
"""Outbox rows of one batch, as specified. A batch takes about 25 ms with embedded stores."""

LEASE_S = 60.0
"""A batch that takes longer may be processed twice, which changes nothing."""

POLL_S = 0.5
MAX_PAUSE_S = 30.0


class IndexSynchronizer:
    """Keeps the vector index up to date. Several may run concurrently, in several processes.

    Only public projects are in the index. Removals are processed first and need no embedder. A project that becomes
    private, archived or deleted while its batch is written is removed before the batch is settled; a later change has
    moved its outbox row, which then stays. While a new generation is filled, each row is written to both generations.
    A row that an available store rejects is retried after `retry_after`. `written` and `refused` count documents since
    the start.
    """

    def __init__(
        self,
        database: Database,
        vectors: VectorStore,
        embedder: Embedder,
        *,
        retry_after: timedelta = outbox.RETRY_AFTER,
    ) -> None:
        self.written = self.refused = 0
        self._database = database
        self._vectors = vectors
        self._space = (embedder.model, embedder.dimension)
        self._documents = IndexDocumentReader(database, self._space)
        self._writer = IndexWriter(vectors, embedder)
        self._retry_after = retry_after
        self._woken = asyncio.Event()
        self._is_prepared = False

    def wake(self) -> None:
        """Read the outbox now instead of at the next poll."""
        self._woken.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Process rows until stopped; an unavailable store is retried after a pause that doubles up to 30 s."""
        pause_s = POLL_S
        while not stop.is_set():
            self._woken.clear()
            try:
                taken = await self.drain()
            except (StoreUnavailable, SQLAlchemyError, OSError) as error:
                log.warning("the index cannot be updated, retrying in %.1f s: %s", pause_s, error)
                await self._pause(error, stop, pause_s)
                pause_s = min(2 * pause_s, MAX_PAUSE_S)
            else:
                pause_s = POLL_S
                if not taken:
                    await _any_of((stop, self._woken), POLL_S)

    async def drain_all(self, progress: Callable[[float, int], None]) -> None:
        """Drain the outbox until it is empty; `progress` takes the finished share and the number of rows."""
        waiting, done = (await outbox.backlog(self._database)).rows, 0
        while taken := await self.drain():
            done += taken
            progress(min(done / max(waiting, 1), 0.99), done)
        progress(1.0, done)

    async def drain(self, limit: int = BATCH, *, only_urgent: bool = False) -> int:
        """Process up to `limit` outbox rows, and return the number taken; 0 if the outbox is empty.

        Raises `StoreUnavailable` if the index or the embedder is unavailable; the rows have been released and count no
        attempt.
        """
        leases = await outbox.take(self._database, limit, LEASE_S, only_urgent=only_urgent)
        if not leases:
            return 0
        removed: list[Lease] = []
        try:
            generations = await self._generations()
            changes = {
                kind: await self._documents.read(kind, [lease.key for lease in leases if lease.kind is kind])
                for kind in OutboxKind
            }
            for kind, change in changes.items():
                await self._writer.remove(kind, change.remove, generations)
            removed += [lease for lease in leases if lease.key in changes[lease.kind].remove]
            refused = await self._write(changes, generations)
        except StoreUnavailable:
            self._is_prepared = False
            await outbox.settle(self._database, removed)
            await outbox.release(self._database, [lease for lease in leases if lease not in removed])
            raise
        await outbox.settle(self._database, [lease for lease in leases if (lease.kind, lease.key) not in refused])
        for lease in leases:
            if (reason := refused.get((lease.kind, lease.key))) is not None:
                log.error("the index rejects %s %s: %s", lease.kind.value, lease.key, reason)
                await outbox.reject(self._database, [lease], reason, self._retry_after)
        return len(leases)

    async def _generations(self) -> list[str | None]:
        """Return the generations to write; read after the rows are taken, so that a rebuild misses none of them."""
        if not self._is_prepared:
            await self._vectors.prepare(*self._space)
            self._is_prepared = True
        staged = await self._vectors.staged()
        return [None] if staged is None else [None, staged]

    async def _write(
        self, changes: Mapping[OutboxKind, IndexChanges], generations: Sequence[str | None]
    ) -> dict[tuple[OutboxKind, str], str]:
        """Write documents, remove projects that are no longer public, and return rejected documents with reasons."""
        refused = await self._writer.write(changes, generations)
        written = list(changes[OutboxKind.PROJECT].documents)
        public = await self._documents.public(written)
        hidden = [key for key in written if key not in public]
        await self._writer.remove(OutboxKind.PROJECT, hidden, generations)
        self.refused += len(refused)
        self.written += sum(len(change.documents) for change in changes.values()) - len(refused)
        return refused

    async def _pause(self, error: Exception, stop: asyncio.Event, pause_s: float) -> None:
        """Wait for an unavailable store. While only the embedder is unavailable, removals are still processed."""
        clock = asyncio.get_running_loop().time
        until = clock() + pause_s
        only_embedder = isinstance(error, StoreUnavailable) and error.store is Store.EMBEDDINGS
        while only_embedder and not stop.is_set() and clock() + POLL_S < until:
            self._woken.clear()
            await _any_of((stop, self._woken), POLL_S)
            try:
                await self.drain(only_urgent=True)
            except (StoreUnavailable, SQLAlchemyError, OSError):
                break
        await _any_of((stop,), max(until - clock(), 0.0))


async def _any_of(events: Sequence[asyncio.Event], timeout_s: float) -> None:
    """Wait until one of the events is set, at most `timeout_s` seconds."""
    waiting = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()
