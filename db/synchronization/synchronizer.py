"""Keeps the vector index in step with the truth: what the outbox names is read, embedded and written, or removed."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.exc import SQLAlchemyError

from db import outbox
from db.database.engine import Database
from db.embeddings.base import Embedder
from db.errors import Store, StoreUnavailable
from db.models import OutboxKind
from db.outbox import Lease
from db.synchronization.index_documents import IndexDocumentReader, Work
from db.synchronization.index_writer import IndexWriter
from db.vectors.base import VectorStore

log = logging.getLogger(__name__)

BATCH = 100
"""The plan's batch. One embedded batch takes some 25 ms, so a stop never waits long."""

LEASE_S = 60.0
"""A batch that takes longer than this may be done twice, which changes nothing."""

POLL_S = 0.5
LONGEST_PAUSE_S = 30.0


@dataclass
class SynchronizationCounts:
    """What this process's synchronizer has done since it was made: counters that only rise.

    Attributes
    ----------
    done
        Rows whose shadow is as the truth was when they were read.
    written
        Objects that the index took.
    refused
        Times that a present store did not take a row.
    died
        Rows that were refused for good.
    """

    done: int = 0
    written: int = 0
    refused: int = 0
    died: int = 0


class IndexSynchronizer:
    """Keeps the vector index in step with the truth. Several may run at once, in several processes.

    Only public projects are in the index. What became private, archived or deleted while a batch was being written is
    removed before the batch is settled; what changes after that look has moved its outbox row, which then stays.
    Removal comes first and needs no embedder. While a new generation of the index is being filled, every row is
    brought up to date in both.

    Parameters
    ----------
    database
        The truth, and the outbox in it.
    vectors
        The index.
    embedder
        Whose space the index is in.
    retry_after
        How long a row rests that a present store refused.
    """

    def __init__(
        self,
        database: Database,
        vectors: VectorStore,
        embedder: Embedder,
        *,
        retry_after: timedelta = outbox.RETRY_AFTER,
    ) -> None:
        self.tally = SynchronizationCounts()
        self._database = database
        self._vectors = vectors
        self._space = (embedder.model, embedder.dimension)
        self._documents = IndexDocumentReader(database, self._space)
        self._writer = IndexWriter(vectors, embedder)
        self._retry_after = retry_after
        self._woken = asyncio.Event()
        self._is_prepared = False

    def wake(self) -> None:
        """Look at the outbox now, and not at the next poll."""
        self._woken.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Drain until told to stop; an absent store is asked again after a pause that doubles up to 30 s."""
        pause = POLL_S
        while not stop.is_set():
            self._woken.clear()
            try:
                done = await self.drain()
            except (StoreUnavailable, SQLAlchemyError, OSError) as error:
                log.warning("the index cannot be brought up to date, trying again in %.1f s: %s", pause, error)
                await self._wait_out(error, stop, pause)
                pause = min(2 * pause, LONGEST_PAUSE_S)
            else:
                pause = POLL_S
                if not done:
                    await _any_of((stop, self._woken), POLL_S)

    async def drain(self, limit: int = BATCH, *, only_urgent: bool = False) -> int:
        """Take up to `limit` outbox rows and bring their shadows up to date.

        Returns
        -------
        int
            Rows taken; 0 when the outbox has nothing to do.

        Raises
        ------
        StoreUnavailable
            If the index or the embedder is away; the rows have been given back and count no try.
        """
        leases = await outbox.take(self._database, limit, LEASE_S, only_urgent=only_urgent)
        if not leases:
            return 0
        gone: list[Lease] = []
        try:
            generations = await self._generations()
            works = {kind: await self._documents.read(kind, _keys(leases, kind)) for kind in OutboxKind}
            gone += await self._remove(works, leases, generations)
            refused = await self._write(works, generations)
            self.tally.written += sum(len(work.objects) for work in works.values()) - len(refused)
        except StoreUnavailable:
            self._is_prepared = False
            await self._settle(gone)
            await outbox.release(self._database, [lease for lease in leases if lease not in gone])
            raise
        await self._settle([lease for lease in leases if (lease.kind, lease.key) not in refused])
        for lease in leases:
            if (reason := refused.get((lease.kind, lease.key))) is not None:
                await self._refuse(lease, reason)
        return len(leases)

    async def _generations(self) -> list[str | None]:
        """Give where to write; asked after the rows are taken, so that none falls between a rebuild's two looks."""
        if not self._is_prepared:
            await self._vectors.prepare(*self._space)
            self._is_prepared = True
        staged = await self._vectors.staged()
        return [None] if staged is None else [None, staged]

    async def _remove(
        self, works: dict[OutboxKind, Work], leases: Sequence[Lease], generations: Sequence[str | None]
    ) -> list[Lease]:
        """Remove what must go, and give the rows that are done by it."""
        for kind, work in works.items():
            await self._writer.remove(kind, work.remove, generations)
        gone = {(kind, key) for kind, work in works.items() for key in work.remove}
        return [lease for lease in leases if (lease.kind, lease.key) in gone]

    async def _write(
        self, works: dict[OutboxKind, Work], generations: Sequence[str | None]
    ) -> dict[tuple[OutboxKind, str], str]:
        """Write what must be there, and look once more at what is public; give what is refused, and why."""
        refused = await self._writer.write(works, generations)
        written = list(works[OutboxKind.PROJECT].objects)
        public = await self._documents.public(written)
        hidden = [key for key in written if key not in public]
        await self._writer.remove(OutboxKind.PROJECT, hidden, generations)
        return refused

    async def _settle(self, leases: Sequence[Lease]) -> None:
        await outbox.settle(self._database, leases)
        self.tally.done += len(leases)

    async def _refuse(self, lease: Lease, reason: str) -> None:
        log.error("the index refuses %s %s: %s", lease.kind.value, lease.key, reason)
        self.tally.refused += 1
        self.tally.died += await outbox.refuse(self._database, [lease], reason, self._retry_after)

    async def _wait_out(self, error: Exception, stop: asyncio.Event, probe_interval_s: float) -> None:
        """Wait for an absent store. While only the embedder is away, what must leave the index leaves it."""
        clock = asyncio.get_running_loop().time
        until = clock() + probe_interval_s
        only_embedder = isinstance(error, StoreUnavailable) and error.store is Store.EMBEDDINGS
        while only_embedder and not stop.is_set() and clock() + POLL_S < until:
            self._woken.clear()
            await _any_of((stop, self._woken), POLL_S)
            try:
                await self.drain(only_urgent=True)
            except (StoreUnavailable, SQLAlchemyError, OSError):
                break
        await _any_of((stop,), max(until - clock(), 0.0))


def _keys(leases: Sequence[Lease], kind: OutboxKind) -> list[str]:
    return [lease.key for lease in leases if lease.kind is kind]


async def _any_of(events: Sequence[asyncio.Event], timeout_s: float) -> None:
    """Wait until one of the events is set, or for so long."""
    waiting = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()
