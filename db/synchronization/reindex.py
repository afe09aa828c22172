"""Rebuild of the whole index from the database, beside the active one, which it then replaces.

Changes during the rebuild are not lost, and no older content overwrites newer content. Each batch is *claimed* in the
outbox before its documents are read, as if its rows had been taken; while there is a second generation, synchronizers
write to both (see `IndexSynchronizer`).

- A change before a claim is in the documents that are read. A later change pulls the row out of the claim, and a
  synchronizer writes it to both generations; `settle` detects that and requests one more pass.
- An outbox row that exists when its batch is claimed is pulled out of its lease and processed before the swap: a worker
  that took it before the second generation existed does not write to that generation, and a claim of a killed run has
  no worker at all.
- After a kill at any moment the next run continues: documents that the new generation holds with the current
  fingerprint are not written again.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from db import outbox
from db.database.engine import Database
from db.embeddings.base import Embedder
from db.errors import IndexIncomplete
from db.models import OutboxKind
from db.outbox import RETRY_AFTER, Lease
from db.synchronization.index_comparison import Comparison, Differences, listing, pages
from db.synchronization.index_documents import IndexDocumentReader
from db.synchronization.index_writer import COLLECTIONS, IndexWriter
from db.synchronization.synchronizer import IndexSynchronizer
from db.vectors.base import VectorStore

BATCH = 250
CLAIM_S = 120.0
"""A batch takes 0.1 s with embedded stores; OpenAI may delay a request by a minute."""

MAX_REFUSED_SHARE = 0.01
MAX_REFUSED = 10
"""A generation that lacks more documents than both limits is not activated: the previous one is better."""

Progress = Callable[[str, float, int], None]
"""Receives the name of a step, its completed share (0 to 1), and the documents it has written."""


@dataclass(frozen=True, slots=True)
class ReindexReport:
    """The result of a rebuild."""

    written: int  # documents that were written, that an unfinished run had written before, and that the index rejected
    kept: int
    refused: int
    counts: Mapping[str, int]  # documents of each collection in the active index


class Reindex:
    """One rebuild of the index, or a comparison and repair. Rejected rows are retried after `retry_after`."""

    def __init__(
        self, database: Database, vectors: VectorStore, embedder: Embedder, *, retry_after: timedelta = RETRY_AFTER
    ) -> None:
        self._database = database
        self._vectors = vectors
        self._space = (embedder.model, embedder.dimension)
        self._documents = IndexDocumentReader(database, self._space)
        self._writer = IndexWriter(vectors, embedder)
        self._synchronizer = IndexSynchronizer(database, vectors, embedder, retry_after=retry_after)
        self._retry_after = retry_after
        self._written = self._kept = self._refused = 0

    async def totals(self) -> dict[OutboxKind, int]:
        """Return the number of possible documents; actors without any known preference are included."""
        return {kind: await self._documents.total(kind) for kind in OutboxKind}

    async def run(
        self, progress: Progress, assert_still_leader: Callable[[], Awaitable[None]] | None = None
    ) -> ReindexReport:
        """Fill a new or unfinished generation, verify it, and activate it.

        Parameters
        ----------
        progress
            Called after each batch of documents and of outbox rows.
        assert_still_leader
            Called before the swap; raises if another process has taken over the rebuild.

        Raises
        ------
        IndexIncomplete
            If the new generation differs from the database; the old one stays active.
        StoreUnavailable
            If a store is unavailable; the next run continues.
        """
        await self._vectors.prepare(*self._space)
        unfinished = await self._vectors.staged()
        generation = unfinished if unfinished is not None else await self._vectors.stage()
        for kind in OutboxKind:
            held = {} if unfinished is None else dict([pair async for pair in listing(self._vectors, kind, unfinished)])
            await self._fill(kind, generation, held, progress)
        await self._drain(progress)
        await self._verify(generation)
        if assert_still_leader is not None:
            await assert_still_leader()
        await self._vectors.publish(generation)
        return ReindexReport(self.written, self._kept, self._refused, await self._vectors.counts())

    @property
    def written(self) -> int:
        """Documents written so far, those of outbox rows included."""
        return self._written + self._synchronizer.written

    async def compare(self) -> Differences:
        """Return the differences between the active index and the database, except pending outbox rows."""
        await self._vectors.prepare(*self._space)
        return await Comparison(self._database, self._documents, self._vectors).run(include_dead=True)

    async def repair(self, differences: Differences) -> None:
        """Bring the differing documents up to date."""
        surplus = set(differences.surplus)
        async with self._database.write() as connection:
            for kind in OutboxKind:
                for urgent in (True, False):
                    keys = [name[1] for name in differences if name[0] is kind and (name in surplus) is urgent]
                    await outbox.enqueue(connection, kind, keys, urgent=urgent)
        while await self._synchronizer.drain():
            pass

    async def _fill(self, kind: OutboxKind, generation: str, held: dict[str, str], progress: Progress) -> None:
        """Write a collection; `held` are fingerprints in the generation, and ends up with the surplus documents."""
        step, total, before, read = f"{kind.value}s", await self._documents.total(kind), self._written, 0
        async for keys in pages(self._documents, kind, BATCH):
            missing = await self._missing(kind, keys, held) if held else keys
            leases = await outbox.claim(self._database, kind, missing, CLAIM_S)
            await self._write(kind, leases, generation)
            read += len(keys)
            progress(step, min(read / max(total, 1), 1.0), self._written - before)
        if read:
            progress(step, 1.0, self._written - before)
        async with self._database.write() as connection:
            await outbox.enqueue(connection, kind, list(held), urgent=True)

    async def _drain(self, progress: Progress) -> None:
        """Process the outbox: changes during the rebuild, and rows that waited before it."""
        waiting, taken = (await outbox.backlog(self._database)).rows, 0
        while more := await self._synchronizer.drain():
            taken += more
            progress("rows of the outbox", min(taken / max(waiting, 1), 0.99), self._synchronizer.written)
        if taken:
            progress("rows of the outbox", 1.0, self._synchronizer.written)

    async def _missing(self, kind: OutboxKind, keys: Sequence[str], held: dict[str, str]) -> list[str]:
        """Return the keys of documents that the generation does not hold with the current content."""
        documents = (await self._documents.read(kind, keys)).documents
        known = {key: held.pop(key, None) for key in keys}
        missing = [key for key in keys if key in documents and documents[key].fingerprint != known[key]]
        surplus = [key for key in keys if key not in documents and known[key] is not None]
        self._kept += len(documents) - len(missing)
        return missing + surplus

    async def _write(self, kind: OutboxKind, leases: Sequence[Lease], generation: str) -> None:
        if not leases:
            return
        changes = await self._documents.read(kind, [lease.key for lease in leases])
        await self._writer.remove(kind, changes.remove, [generation])
        refused = await self._writer.write({kind: changes}, [generation])
        if kind is OutboxKind.PROJECT:
            public = await self._documents.public(list(changes.documents))
            await self._writer.remove(kind, [key for key in changes.documents if key not in public], [generation])
        await outbox.settle(self._database, [lease for lease in leases if (kind, lease.key) not in refused])
        for lease in leases:
            if (reason := refused.get((kind, lease.key))) is not None:
                await outbox.reject(self._database, [lease], reason, self._retry_after)
        self._refused += len(refused)
        self._written += len(changes.documents) - len(refused)

    async def _verify(self, generation: str) -> None:
        """Discard the new generation and raise if it must not be activated."""
        reason = await self._fault(generation)
        if reason is not None:
            await self._vectors.discard(generation)
            raise IndexIncomplete(f"the new index is not activated, the old one stays: {reason}")

    async def _fault(self, generation: str) -> str | None:
        self._refused += self._synchronizer.refused
        total = self.written + self._kept + self._refused
        if self._refused > max(MAX_REFUSED, MAX_REFUSED_SHARE * total):
            return f"it rejects {self._refused} of {total} documents; see: explore outbox"
        counts = await self._vectors.counts(generation)
        comparison = Comparison(self._database, self._documents, self._vectors, generation)
        differences = await comparison.run(include_dead=False)
        if not differences:
            return None
        holds = ", ".join(f"{counts[name]} {name}" for name in COLLECTIONS.values())
        return f"it holds {holds}, and differs from the database: {differences.summary()}"
