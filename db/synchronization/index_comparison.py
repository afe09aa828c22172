"""Comparison of the index with the database by each document's fingerprint, without embedding anything."""

from collections.abc import AsyncIterator, Collection, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import TypeAlias

from db import outbox
from db.database.engine import Database
from db.models import OutboxKind
from db.synchronization.index_documents import IndexDocumentReader
from db.synchronization.index_writer import COLLECTIONS, DocumentName
from db.vectors.base import VectorStore

PAGE = 500

_Pair: TypeAlias = tuple[str | None, str | None]
"""Fingerprints of one document in the database and in the index; None where it is missing."""


@dataclass(frozen=True, slots=True)
class Differences:
    """Differences between the index and the database."""

    missing: tuple[DocumentName, ...] = ()  # documents that the index lacks
    stale: tuple[DocumentName, ...] = ()  # documents whose content differs
    # Documents that must not be in the index: private, archived or deleted, or profiles without any preference
    surplus: tuple[DocumentName, ...] = ()

    def __len__(self) -> int:
        return len(self.missing) + len(self.stale) + len(self.surplus)

    def __iter__(self) -> Iterator[DocumentName]:
        return chain(self.missing, self.stale, self.surplus)

    def summary(self) -> str:
        """Return the counts and a few examples in one line."""
        parts = []
        for label, names in (("missing", self.missing), ("stale", self.stale), ("surplus", self.surplus)):
            if names:
                shown = ", ".join(f"{kind.value}:{key}" for kind, key in names[:3])
                parts.append(f"{len(names)} {label} ({shown}{', ...' if len(names) > 3 else ''})")
        return "; ".join(parts) or "nothing"


class Comparison:
    """Compares while others write: a difference counts if it is seen twice and the outbox holds no row of it.

    A change is committed together with its outbox row, and the row is deleted after the index has been written. A
    change before the first pass whose row is deleted between the passes is in the index at the second pass; a change
    after the first pass has another fingerprint at the second. A generation of None is the active one.
    """

    def __init__(
        self,
        database: Database,
        documents: IndexDocumentReader,
        vectors: VectorStore,
        generation: str | None = None,
    ) -> None:
        self._database = database
        self._documents = documents
        self._vectors = vectors
        self._generation = generation

    async def run(self, *, include_dead: bool) -> Differences:
        """Compare in two passes; `include_dead` counts documents with a dead outbox row as differences."""
        found: dict[DocumentName, _Pair] = {}
        for kind in OutboxKind:
            seen = await self._differing(kind, None)
            for keys in _pages(list(seen)):
                pending = await outbox.pending(self._database, kind, keys)
                for key, is_dead in pending.items():
                    if not (is_dead and include_dead):
                        del seen[key]
            again = await self._differing(kind, seen) if seen else {}
            found |= {(kind, key): pair for key, pair in seen.items() if again.get(key) == pair}
        return Differences(
            missing=tuple(name for name, (_, indexed) in found.items() if indexed is None),
            stale=tuple(name for name, pair in found.items() if None not in pair),
            surplus=tuple(name for name, (expected, _) in found.items() if expected is None),
        )

    async def _differing(self, kind: OutboxKind, only: Collection[str] | None) -> dict[str, _Pair]:
        """Return the differing documents of a collection, or of these keys. Holds the whole listing in memory."""
        indexed = {
            key: fingerprint
            async for key, fingerprint in listing(self._vectors, kind, self._generation)
            if only is None or key in only
        }
        differing: dict[str, _Pair] = {}
        async for keys in self._keys(kind, only):
            documents = (await self._documents.read(kind, keys)).documents
            for key in keys:
                pair = (documents[key].fingerprint if key in documents else None, indexed.pop(key, None))
                if pair[0] != pair[1]:
                    differing[key] = pair
        # Documents outside the pages are not public or do not exist, or are new, which the second pass detects.
        return differing | {key: (None, fingerprint) for key, fingerprint in indexed.items()}

    async def _keys(self, kind: OutboxKind, only: Collection[str] | None) -> AsyncIterator[list[str]]:
        if only is not None:
            for keys in _pages(list(only)):
                yield keys
            return
        async for keys in pages(self._documents, kind, PAGE):
            yield keys


async def pages(documents: IndexDocumentReader, kind: OutboxKind, limit: int) -> AsyncIterator[list[str]]:
    """Yield the keys of all possible documents of a collection, page by page."""
    after = 0
    while rows := await documents.page(kind, after, limit):
        yield [key for _, key in rows]
        after = rows[-1][0]


async def listing(
    vectors: VectorStore, kind: OutboxKind, generation: str | None = None
) -> AsyncIterator[tuple[str, str]]:
    """Yield the key and fingerprint of every document of a collection of the index."""
    after: str | None = None
    while page := await vectors.listing(COLLECTIONS[kind], after, PAGE, generation):
        for pair in page:
            yield pair
        after = page[-1][0]


def _pages(keys: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(keys), PAGE):
        yield keys[start : start + PAGE]
