"""What differs between the truth and the index: each object's fingerprint is compared, and nothing is embedded."""

from collections.abc import AsyncIterator, Collection, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import TypeAlias

from db import outbox
from db.database.engine import Database
from db.models import OutboxKind
from db.synchronization.index_documents import IndexDocumentReader
from db.synchronization.index_writer import COLLECTIONS, Named
from db.vectors.base import VectorStore

PAGE = 500

_Pair: TypeAlias = tuple[str | None, str | None]
"""The fingerprints of one object in the truth and in the index; None where it is not."""


@dataclass(frozen=True, slots=True)
class Differences:
    """Where the index is not as the truth is.

    Attributes
    ----------
    missing
        What the index should hold and does not.
    stale
        What it holds with other words or features than the truth has.
    surplus
        What it holds and should not: private, archived, deleted, or of an actor of whom nothing is known.
    """

    missing: tuple[Named, ...] = ()
    stale: tuple[Named, ...] = ()
    surplus: tuple[Named, ...] = ()

    def __len__(self) -> int:
        return len(self.missing) + len(self.stale) + len(self.surplus)

    def __iter__(self) -> Iterator[Named]:
        return chain(self.missing, self.stale, self.surplus)

    def summary(self) -> str:
        """Say it in one line, with a few examples."""
        parts = []
        for what, names in (("missing", self.missing), ("stale", self.stale), ("surplus", self.surplus)):
            if names:
                shown = ", ".join(f"{kind.value}:{key}" for kind, key in names[:3])
                parts.append(f"{len(names)} {what} ({shown}{', ...' if len(names) > 3 else ''})")
        return "; ".join(parts) or "nothing"


class Comparison:
    """Compares while others go on writing: a difference counts if it is seen twice, and the outbox knows nothing of it.

    Why that is enough: a change is committed together with its outbox row, and the row goes after the index has been
    written. A change before the first look whose row is gone between the looks is in the index at the second; one after
    the first look shows another fingerprint at the second.

    Parameters
    ----------
    generation
        Which filling of the index; None for the one in service.
    """

    def __init__(
        self, database: Database, documents: IndexDocumentReader, vectors: VectorStore, generation: str | None = None
    ) -> None:
        self._database = database
        self._documents = documents
        self._vectors = vectors
        self._generation = generation

    async def run(self, *, dead_count: bool) -> Differences:
        """Look twice.

        Parameters
        ----------
        dead_count
            Whether it is a difference what the index has refused for good.
        """
        found: dict[Named, _Pair] = {}
        for kind in OutboxKind:
            seen = await self._look(kind, None)
            for keys in _pages(list(seen)):
                pending = await outbox.pending(self._database, kind, keys)
                for key, is_dead in pending.items():
                    if not (is_dead and dead_count):
                        del seen[key]
            again = await self._look(kind, seen) if seen else {}
            found |= {(kind, key): pair for key, pair in seen.items() if again.get(key) == pair}
        return Differences(
            missing=tuple(name for name, (_, there) in found.items() if there is None),
            stale=tuple(name for name, (true, there) in found.items() if true is not None and there is not None),
            surplus=tuple(name for name, (true, _) in found.items() if true is None),
        )

    async def _look(self, kind: OutboxKind, only: Collection[str] | None) -> dict[str, _Pair]:
        """Give what differs of one collection, or of these keys of it. Holds the collection's listing meanwhile."""
        there = {
            key: there
            async for key, there in listing(self._vectors, kind, self._generation)
            if only is None or key in only
        }
        differing: dict[str, _Pair] = {}
        async for keys in self._keys(kind, only):
            objects = (await self._documents.read(kind, keys)).objects
            for key in keys:
                pair = (objects[key].fingerprint if key in objects else None, there.pop(key, None))
                if pair[0] != pair[1]:
                    differing[key] = pair
        # What the walk did not meet is not public, or not there; or it has come since, which the second look will see.
        return differing | {key: (None, fingerprint) for key, fingerprint in there.items()}

    async def _keys(self, kind: OutboxKind, only: Collection[str] | None) -> AsyncIterator[list[str]]:
        if only is not None:
            for keys in _pages(list(only)):
                yield keys
            return
        async for keys in walk(self._documents, kind, PAGE):
            yield keys


async def walk(documents: IndexDocumentReader, kind: OutboxKind, limit: int) -> AsyncIterator[list[str]]:
    """Give the keys of what the truth says the index may hold, page by page."""
    after = 0
    while rows := await documents.walk(kind, after, limit):
        yield [key for _, key in rows]
        after = rows[-1][0]


async def listing(
    vectors: VectorStore, kind: OutboxKind, generation: str | None = None
) -> AsyncIterator[tuple[str, str]]:
    """Give every key and fingerprint of one of the index's collections."""
    after: str | None = None
    while page := await vectors.listing(COLLECTIONS[kind], after, PAGE, generation):
        for pair in page:
            yield pair
        after = page[-1][0]


def _pages(keys: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(keys), PAGE):
        yield keys[start : start + PAGE]
