"""Rebuild of the index from the database: a new generation is filled and then replaces the active one.

Changes during the rebuild are not lost, and older content never overwrites newer content. Before the documents of a
batch are read, the batch is *claimed*: outbox rows are created and leased for its keys (`db.outbox.claim`). While two
generations exist, synchronizers write to both (see `IndexSynchronizer`).

- A change before the claim is in the documents that are read. A later change ends the lease of the row early, and a
  synchronizer writes the change to both generations; `settle` detects this and requests one more pass.
- An outbox row that exists before the claim becomes available and is processed with its batch, for both generations. A
  worker that took the row before the new generation existed does not write to that generation, and the row of a killed
  run has no worker.
- If a run is killed, the next run continues: documents that the new generation holds with the current fingerprint are
  not written again.
- The new generation is compared with the database. Documents that differ are written again before it is activated.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from db import outbox
from db.database.engine import Database
from db.embeddings.base import Embedder
from db.errors import IndexIncomplete
from db.models import OutboxKind
from db.outbox import RETRY_AFTER
from db.synchronization.index_comparison import SAMPLE, Differences, compare, listing, pages
from db.synchronization.index_documents import IndexDocumentReader
from db.synchronization.index_writer import COLLECTIONS
from db.synchronization.synchronizer import IndexSynchronizer
from db.vectors.base import VectorStore

BATCH = 250
LEASE_S = 120.0
"""Seconds of the lease of a claimed batch. A batch takes 0.1 s with embedded stores; OpenAI may delay it by a
minute."""

MAX_REJECTED_SHARE = 0.01
MAX_REJECTED = 10
"""Limits of rejected documents, as a number and as a share. A generation that exceeds both limits is not activated."""

MAX_REPAIRS = 3
"""Attempts to repair a new generation that differs from the database."""

Progress = Callable[[str, float | None, int | None], None]
"""Callback of the progress: name of the step, completed share (0 to 1; None if unknown), and number of documents that
the step has written (None if it writes none)."""


@dataclass(frozen=True, slots=True)
class ReindexReport:
    """The result of a rebuild."""

    written: int  # documents written by this run
    kept: int  # documents that an unfinished run had already written
    rejected: int  # documents that the index rejected
    counts: Mapping[str, int]  # documents of each collection in the active index


class Reindex:
    """One rebuild, or one comparison and repair, of the index. Rejected rows are retried after `retry_after`."""

    def __init__(
        self, database: Database, vectors: VectorStore, embedder: Embedder, *, retry_after: timedelta = RETRY_AFTER
    ) -> None:
        self._database = database
        self._vectors = vectors
        self._embedding_space = (embedder.model, embedder.dimension)
        self._documents = IndexDocumentReader(database, self._embedding_space)
        self._synchronizer = IndexSynchronizer(database, vectors, embedder, retry_after=retry_after)
        self._kept = 0

    async def totals(self) -> dict[OutboxKind, int]:
        """Return the number of rows that may have a document, actors without any known preference included."""
        return {kind: await self._documents.total(kind) for kind in OutboxKind}

    async def run(
        self, progress: Progress, assert_still_leader: Callable[[], Awaitable[None]] | None = None
    ) -> ReindexReport:
        """Fill a new or unfinished generation, verify it, and activate it.

        Parameters
        ----------
        progress
            Called at the start of each step, and after each batch of documents and of outbox rows.
        assert_still_leader
            Called before the activation; raises if another process has taken over the rebuild.

        Raises
        ------
        IndexIncomplete
            If the new generation differs from the database. The old generation stays active.
        StoreUnavailable
            If a store is unavailable. The next run continues where this one stopped.
        """
        await self._vectors.prepare(*self._embedding_space)
        unfinished = await self._vectors.staged()
        generation = unfinished if unfinished is not None else await self._vectors.stage()
        for kind in OutboxKind:
            # A new generation is empty, so there is nothing to list.
            entries = [] if unfinished is None else [entry async for entry in listing(self._vectors, kind, unfinished)]
            await self._fill(kind, generation, dict(entries), progress)
        await self._drain(progress)
        if (reason := await self._incompleteness(generation, progress)) is not None:
            await self._vectors.discard(generation)
            raise IndexIncomplete(f"the new index is not activated, the old one stays: {reason}")
        if assert_still_leader is not None:
            await assert_still_leader()
        await self._vectors.publish(generation)
        return ReindexReport(self.written, self._kept, self._synchronizer.rejected, await self._vectors.counts())

    @property
    def written(self) -> int:
        """Number of documents written so far, including the documents of outbox rows."""
        return self._synchronizer.written

    async def compare(self, sample: int | None = SAMPLE) -> Differences:
        """Return the differences between active generation and database, except documents with an outbox row.

        `sample` documents of each collection, or with None all, are searched by their own vectors.
        """
        await self._vectors.prepare(*self._embedding_space)
        return await compare(self._database, self._documents, self._vectors, include_dead=True, sample=sample)

    async def repair(self, differences: Differences) -> None:
        """Write, rewrite or remove the differing documents."""
        await self._rewrite(differences, None)
        while await self._synchronizer.drain():
            pass

    async def _rewrite(self, differences: Differences, generation: str | None) -> None:
        await self._synchronizer.rewrite(differences.surplus, generation)  # needs no embedder
        await self._synchronizer.rewrite(differences.missing + differences.stale, generation)
        await self._synchronizer.rewrite(differences.unsearchable, generation, remove_first=True)

    async def _fill(self, kind: OutboxKind, generation: str, fingerprints: dict[str, str], progress: Progress) -> None:
        """Write a collection to a generation, and enqueue the removal of surplus documents.

        `fingerprints` holds the fingerprints in the generation by key. All keys of the database are removed from it.
        """
        step, total, written_before, keys_read = f"{kind.value}s", await self._documents.total(kind), self.written, 0
        if total:
            progress(step, 0.0, 0)
        async for keys in pages(self._documents, kind, BATCH):
            await self._synchronizer.restore_lost_vectors()
            outdated = await self._outdated_keys(kind, keys, fingerprints) if fingerprints else keys
            if leases := await outbox.claim(self._database, kind, outdated, LEASE_S):
                await self._synchronizer.process(leases, generation)
            if len(leases) < len(outdated) and (
                waiting := await outbox.take_keys(self._database, kind, outdated, LEASE_S)
            ):
                await self._synchronizer.process(waiting)
            keys_read += len(keys)
            progress(step, min(keys_read / max(total, 1), 1.0), self.written - written_before)
        if keys_read:
            progress(step, 1.0, self.written - written_before)
        async with self._database.write() as connection:
            await outbox.enqueue(connection, kind, list(fingerprints), urgent=True)

    async def _drain(self, progress: Progress) -> None:
        """Process the outbox rows of changes before and during the rebuild."""
        written_before = self.written
        if (await outbox.backlog(self._database)).rows:
            await self._synchronizer.drain_all(
                lambda share, _: progress("rows of the outbox", share, self.written - written_before)
            )

    async def _outdated_keys(self, kind: OutboxKind, keys: Sequence[str], fingerprints: dict[str, str]) -> list[str]:
        """Return the keys whose document in the generation is missing, outdated or surplus."""
        documents = (await self._documents.read(kind, keys)).documents
        indexed = {key: fingerprints.pop(key, None) for key in keys}
        outdated = [key for key in keys if key in documents and documents[key].fingerprint != indexed[key]]
        surplus = [key for key in keys if key not in documents and indexed[key] is not None]
        self._kept += len(documents) - len(outdated)
        return outdated + surplus

    async def _incompleteness(self, generation: str, progress: Progress) -> str | None:
        """Repair the differences between a generation and the database, and return why it must not be activated."""
        rejected = self._synchronizer.rejected
        total = self.written + self._kept + rejected
        if rejected > max(MAX_REJECTED, MAX_REJECTED_SHARE * total):
            return f"it rejects {rejected} of {total} documents; see: explore outbox"
        for attempt in range(MAX_REPAIRS + 1):
            progress("comparison with the database", None, None)
            differences = await compare(self._database, self._documents, self._vectors, generation, include_dead=False)
            progress("comparison with the database", 1.0, None)
            if not differences:
                return None
            if attempt < MAX_REPAIRS:
                await self._rewrite(differences, generation)
                await self._drain(progress)
        if len(differences) == len(differences.unsearchable):  # the search is approximate and may not find everything
            return None
        counts = await self._vectors.counts(generation)
        contents = ", ".join(f"{counts[name]} {name}" for name in COLLECTIONS.values())
        return f"it holds {contents}, and differs from the database: {differences.summary()}"
