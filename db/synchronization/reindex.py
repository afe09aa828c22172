"""Writes the whole index anew from the truth, beside the one in service, and swaps it in.

Nothing that changes meanwhile is lost, and no older word overwrites a newer one, by the laws of the outbox: each batch
is *claimed* before the truth is read, as if its rows had been taken; and whoever drains writes into both generations
while there is a second one (see `IndexSynchronizer`).

- A change before a claim is in what the claimer reads. One after it pulls the row out of the claim, and is written into
  both by whoever drains it; the claimer's `settle` sees that and asks for one more pass.
- A row that is there already when a batch is claimed is pulled out of whatever lease it is under and drained before the
  swap: a worker that took it before the second generation was made does not know of that one, and a claim of a run that
  was killed has no worker at all.
- Killed at any moment, the next run goes on where this one stood: what the new generation holds with the fingerprint
  that the truth has now is not written again.
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
from db.synchronization.index_comparison import Comparison, Differences, listing, walk
from db.synchronization.index_documents import IndexDocumentReader
from db.synchronization.index_writer import COLLECTIONS, IndexWriter
from db.synchronization.synchronizer import IndexSynchronizer
from db.vectors.base import VectorStore

BATCH = 250
CLAIM_S = 120.0
"""A batch takes 0.1 s with embedded stores; OpenAI may ask us to wait a minute. A killed run's claims last so long."""

MOST_REFUSED_SHARE = 0.01
MOST_REFUSED = 10
"""An index without more than this of what the truth holds is worse than yesterday's: it is not put into service."""

Progress = Callable[[str, float, int], None]
"""Takes the name of a step, the share of it that is done (0 to 1), and the objects that it has written."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a rebuild did.

    Attributes
    ----------
    written, kept, refused
        Objects that were written, that an unfinished run had written before, and that the index did not take.
    counts
        Objects by collection in the index that is in service now.
    """

    written: int
    kept: int
    refused: int
    counts: Mapping[str, int]


class Reindex:
    """One rebuild of the index.

    Parameters
    ----------
    database, vectors, embedder
        The truth; the index; and whose space the index is in.
    retry_after
        How long a row rests that the index refused.
    """

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
        """Count what there is to do; an actor of whom nothing is known counts and is passed over."""
        return {kind: await self._documents.total(kind) for kind in OutboxKind}

    async def run(self, progress: Progress, assert_still_leader: Callable[[], Awaitable[None]] | None = None) -> Report:
        """Fill a new generation, or go on with an unfinished one, verify it, and put it into service.

        Parameters
        ----------
        progress
            Called after each batch of a collection, and of the outbox's rows.
        assert_still_leader
            Called before the swap; raises if somebody else is rebuilding by now.

        Raises
        ------
        IndexIncomplete
            If the new generation does not hold what the truth says; the old one stays in service.
        StoreUnavailable
            If a store is away; the next run goes on from here.
        """
        await self._vectors.prepare(*self._space)
        unfinished = await self._vectors.staged()
        generation = unfinished if unfinished is not None else await self._vectors.stage()
        for kind in OutboxKind:
            known = (
                {} if unfinished is None else dict([pair async for pair in listing(self._vectors, kind, unfinished)])
            )
            await self._fill(kind, generation, known, progress)
        await self._drain(progress)
        await self._verify(generation)
        if assert_still_leader is not None:
            await assert_still_leader()
        await self._vectors.publish(generation)
        return Report(self.written, self._kept, self._refused, await self._vectors.counts())

    @property
    def written(self) -> int:
        """The objects that were written so far, those of the outbox's rows included."""
        return self._written + self._synchronizer.tally.written

    async def _fill(self, kind: OutboxKind, generation: str, known: dict[str, str], progress: Progress) -> None:
        """Write a collection; `known` is what the generation held when we began, and is left with the surplus."""
        step, total, before, read = f"{kind.value}s", await self._documents.total(kind), self._written, 0
        async for keys in walk(self._documents, kind, BATCH):
            missing = await self._not_yet(kind, keys, known) if known else keys
            leases = await outbox.claim(self._database, kind, missing, CLAIM_S)
            await self._write(kind, leases, generation)
            read += len(keys)
            progress(step, min(read / max(total, 1), 1.0), self._written - before)
        if read:
            progress(step, 1.0, self._written - before)
        async with self._database.write() as connection:
            await outbox.enqueue(connection, kind, list(known), urgent=True)

    async def _drain(self, progress: Progress) -> None:
        """Write what the outbox names: changes since, and all that waited there before this rebuild."""
        waiting, taken = (await outbox.backlog(self._database)).rows, 0
        while more := await self._synchronizer.drain():
            taken += more
            progress("rows of the outbox", min(taken / max(waiting, 1), 0.99), self._synchronizer.tally.written)
        if taken:
            progress("rows of the outbox", 1.0, self._synchronizer.tally.written)

    async def _not_yet(self, kind: OutboxKind, keys: Sequence[str], known: dict[str, str]) -> list[str]:
        """Give those keys that the generation does not hold as the truth has them now."""
        objects = (await self._documents.read(kind, keys)).objects
        there = {key: known.pop(key, None) for key in keys}
        missing = [key for key in keys if key in objects and objects[key].fingerprint != there[key]]
        gone = [key for key in keys if key not in objects and there[key] is not None]
        self._kept += len(objects) - len(missing)
        return missing + gone

    async def _write(self, kind: OutboxKind, leases: Sequence[Lease], generation: str) -> None:
        if not leases:
            return
        work = await self._documents.read(kind, [lease.key for lease in leases])
        await self._writer.remove(kind, work.remove, [generation])
        refused = await self._writer.write({kind: work}, [generation])
        if kind is OutboxKind.PROJECT:
            public = await self._documents.public(list(work.objects))
            await self._writer.remove(kind, [key for key in work.objects if key not in public], [generation])
        await outbox.settle(self._database, [lease for lease in leases if (kind, lease.key) not in refused])
        for lease in leases:
            if (reason := refused.get((kind, lease.key))) is not None:
                await outbox.refuse(self._database, [lease], reason, self._retry_after)
        self._refused += len(refused)
        self._written += len(work.objects) - len(refused)

    async def _verify(self, generation: str) -> None:
        """Look whether the new generation may go into service; if not, throw it away and say why."""
        reason = await self._fault(generation)
        if reason is not None:
            await self._vectors.discard(generation)
            raise IndexIncomplete(f"the new index is not put into service, the old one stays: {reason}")

    async def _fault(self, generation: str) -> str | None:
        self._refused += self._synchronizer.tally.refused
        total = self.written + self._kept + self._refused
        if self._refused > max(MOST_REFUSED, MOST_REFUSED_SHARE * total):
            return f"it refuses {self._refused} of {total} objects; see: explore outbox"
        counts = await self._vectors.counts(generation)
        differences = await Comparison(self._database, self._documents, self._vectors, generation).run(dead_count=False)
        if not differences:
            return None
        held = ", ".join(f"{counts[name]} {name}" for name in COLLECTIONS.values())
        return f"it holds {held}, and differs from the truth: {differences.summary()}"

    async def compare(self) -> Differences:
        """Give what differs between the truth and the index in service, beside what the outbox knows to be behind."""
        await self._vectors.prepare(*self._space)
        return await Comparison(self._database, self._documents, self._vectors).run(dead_count=True)

    async def repair(self, differences: Differences) -> None:
        """Bring what differs up to date."""
        surplus = set(differences.surplus)
        async with self._database.write() as connection:
            for kind in OutboxKind:
                for urgent in (True, False):
                    keys = [name[1] for name in differences if name[0] is kind and (name in surplus) is urgent]
                    await outbox.enqueue(connection, kind, keys, urgent=urgent)
        while await self._synchronizer.drain():
            pass
