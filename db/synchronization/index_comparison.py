"""Comparison of the index with the database by the fingerprint of each document. Nothing is embedded.

A sample of the documents is also searched by their own vectors, because an index may have lost the vector of a document
that it holds.
"""

import random
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import chain
from typing import TypeAlias

from db import outbox
from db.database.engine import Database
from db.models import OutboxKind
from db.synchronization.index_documents import IndexDocumentReader
from db.synchronization.index_writer import COLLECTIONS, DocumentName
from db.vectors.base import VectorStore

PAGE_SIZE = 500

SAMPLE = 1_000
"""Documents of each collection that are searched by their own vectors, beside those written last. 1,000 searches take
4 s on Weaviate."""

_Fingerprints: TypeAlias = tuple[str | None, str | None]
"""Fingerprints of one document in the database and in the index; None where it is missing."""


@dataclass(frozen=True, slots=True)
class Differences:
    """Differences between the index and the database."""

    missing: tuple[DocumentName, ...] = ()  # documents that are not in the index
    stale: tuple[DocumentName, ...] = ()  # documents whose content differs
    # documents that must not be in the index: private, archived or deleted projects, profiles without preferences
    surplus: tuple[DocumentName, ...] = ()
    unsearchable: tuple[DocumentName, ...] = ()  # documents that a search by their own vector does not find

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __iter__(self) -> Iterator[DocumentName]:
        return chain.from_iterable(self.by_kind().values())

    def by_kind(self) -> dict[str, tuple[DocumentName, ...]]:
        """Return the documents by the name of the difference."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def summary(self) -> str:
        """Return the counts and up to three examples of each kind in one line."""
        parts = []
        for label, names in self.by_kind().items():
            if names:
                shown = ", ".join(f"{kind.value}:{key}" for kind, key in names[:3])
                parts.append(f"{len(names)} {label} ({shown}{', ...' if len(names) > 3 else ''})")
        return "; ".join(parts) or "nothing"


async def compare(
    database: Database,
    documents: IndexDocumentReader,
    vectors: VectorStore,
    generation: str | None = None,
    *,
    include_dead: bool,
    sample: int | None = SAMPLE,
) -> Differences:
    """Compare a generation with the database in two passes. A `generation` of None is the active generation.

    `sample` is the number of documents of each collection that are searched by their own vectors; None: all.

    A difference is reported if both passes find it and the outbox has no row for the document. Dead rows do not count
    as rows if `include_dead` is set.

    Concurrent writes do not disturb the comparison. A change is committed together with its outbox row, and the row is
    deleted after the index has been written. If a row is deleted between the passes, the second pass therefore finds
    the change in the index. A change after the first pass has another fingerprint in the second pass.
    """
    differing: dict[DocumentName, _Fingerprints] = {}
    unsearchable: list[DocumentName] = []
    for kind in OutboxKind:
        indexed = {key: fingerprint async for key, fingerprint in listing(vectors, kind, generation)}
        sampled = list(indexed) if sample is None else random.sample(list(indexed), min(sample, len(indexed)))
        first_pass = await _find_differences(documents, kind, indexed, None)
        for key, is_dead in (await outbox.pending(database, kind, list(first_pass))).items():
            if not (is_dead and include_dead):
                del first_pass[key]
        second_pass = await _second_pass(documents, vectors, kind, generation, first_pass) if first_pass else {}
        lost = await _unsearchable(vectors, kind, sampled, generation, latest=sample is not None)
        unsearchable += [(kind, key) for key in lost if key not in first_pass]
        differing |= {
            (kind, key): fingerprints
            for key, fingerprints in first_pass.items()
            if second_pass.get(key) == fingerprints
        }
    return Differences(
        missing=tuple(name for name, (_, indexed) in differing.items() if indexed is None),
        stale=tuple(name for name, fingerprints in differing.items() if None not in fingerprints),
        surplus=tuple(name for name, (expected, _) in differing.items() if expected is None),
        unsearchable=tuple(unsearchable),
    )


async def _unsearchable(
    vectors: VectorStore, kind: OutboxKind, keys: Sequence[str], generation: str | None, *, latest: bool
) -> set[str]:
    """Return those of the keys, and with `latest` of the documents written last, whose vectors are not found."""
    found = await vectors.unsearchable(COLLECTIONS[kind], keys, generation) if keys else []
    if latest:
        found += await vectors.unsearchable(COLLECTIONS[kind], generation=generation)
    # Again, because a document may have got another vector meanwhile.
    return set(await vectors.unsearchable(COLLECTIONS[kind], list(set(found)), generation) if found else [])


async def _second_pass(
    documents: IndexDocumentReader,
    vectors: VectorStore,
    kind: OutboxKind,
    generation: str | None,
    keys: Collection[str],
) -> dict[str, _Fingerprints]:
    indexed = {key: mark async for key, mark in listing(vectors, kind, generation) if key in keys}
    return await _find_differences(documents, kind, indexed, keys)


async def _find_differences(
    documents: IndexDocumentReader,
    kind: OutboxKind,
    indexed: dict[str, str],
    selected_keys: Collection[str] | None,
) -> dict[str, _Fingerprints]:
    """Return the differing documents of a collection, or of the selected keys. Empties `indexed`, the listing."""
    if selected_keys is None:
        keys = [key async for page in pages(documents, kind, PAGE_SIZE) for key in page]
    else:
        keys = list(selected_keys)
    differences: dict[str, _Fingerprints] = {}
    for start in range(0, len(keys), PAGE_SIZE):
        page = keys[start : start + PAGE_SIZE]
        document_by_key = (await documents.read(kind, page)).documents
        for key in page:
            expected = document_by_key[key].fingerprint if key in document_by_key else None
            fingerprints = (expected, indexed.pop(key, None))
            if fingerprints[0] != fingerprints[1]:
                differences[key] = fingerprints
    # The remaining documents are not public, or deleted, or new; the second pass drops the new ones.
    return differences | {key: (None, fingerprint) for key, fingerprint in indexed.items()}


async def pages(documents: IndexDocumentReader, kind: OutboxKind, limit: int) -> AsyncIterator[list[str]]:
    """Yield the keys of all rows that may have a document in a collection, page by page."""
    after = 0
    while rows := await documents.page(kind, after, limit):
        yield [key for _, key in rows]
        after = rows[-1][0]


async def listing(
    vectors: VectorStore, kind: OutboxKind, generation: str | None = None
) -> AsyncIterator[tuple[str, str]]:
    """Yield the key and fingerprint of every document in a collection of the index."""
    after: str | None = None
    while page := await vectors.listing(COLLECTIONS[kind], after, PAGE_SIZE, generation):
        for entry in page:
            yield entry
        after = page[-1][0]
