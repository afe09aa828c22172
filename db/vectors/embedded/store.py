"""The embedded vector store: one SQLite file that several processes share, and a matrix of vectors in each process.

It is made for up to about 100,000 projects on one host. Each search first reads the changes in the file. Vector search
is exact (recall 1).
"""

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias, TypeVar

import numpy as np

from db.errors import Store, StoreDamaged, StoreUnavailable
from db.sqlite_file import SqliteFile
from db.vectors.base import (
    PROJECT,
    SCORE_DECIMALS,
    Hits,
    HybridHits,
    Ids,
    IndexDocument,
    Vector,
    VectorFilter,
    VectorStore,
    document_uuid,
    unit_query,
)
from db.vectors.embedded import deltas, generations, keywords, tables
from db.vectors.embedded.deltas import Position
from db.vectors.embedded.generations import Generation, Space
from db.vectors.embedded.matrix import Mask, Matrix
from db.vectors.fusion import WINDOW, fuse

T = TypeVar("T")
log = logging.getLogger(__name__)
Operation: TypeAlias = Callable[[sqlite3.Connection, Generation], T]
"""A function that runs inside a transaction, on one generation."""

BUSY_TIMEOUT_S = 5.0
"""Maximum wait for another process's write before the store counts as unavailable."""

SEARCH_THREADS = 2

SLICE_PAUSE_S = 0.02
"""Pause between two slices of deletions, about as long as a slice. Other processes retry to get the lock at least every
0.1 s, and find it free in about half of their attempts."""

MAX_UNANNOUNCED = 5_000
"""A generation with at most this many projects is activated without announcement: a search loads them in 50 ms."""

WAIT_PER_PROJECT_S = 40e-6
"""Time between the announcement and the activation of a generation, for each project: four times the loading time."""

PRELOAD_EVERY_S = 1.0
"""Expected interval of `preload` calls."""

_SETUP = (
    # An acknowledged write must survive a power failure, because its outbox row is deleted afterwards.
    "PRAGMA synchronous = FULL",
    "PRAGMA cache_size = -8192",
)


class EmbeddedVectorStore(VectorStore):
    """The vector store in one SQLite file. `prepare` creates the file and its folder."""

    def __init__(self, path: Path, busy_timeout_s: float = BUSY_TIMEOUT_S) -> None:
        self._reader, self._writer, self._loader = (
            SqliteFile(path, Store.VECTORS, busy_timeout_s, _SETUP) for _ in range(3)
        )
        self._path = path
        self._space: Space | None = None
        self._project_cache = _ProjectCache()
        # Separate threads, so that searches do not wait while a writer waits for a lock.
        self._search_threads = ThreadPoolExecutor(SEARCH_THREADS, thread_name_prefix="vectors-search")
        self._write_thread = ThreadPoolExecutor(1, thread_name_prefix="vectors-write")
        self._load_thread = ThreadPoolExecutor(1, thread_name_prefix="vectors-load")

    async def prepare(self, model: str, dimension: int) -> None:
        await _run(self._write_thread, self._prepare, Space.of(model, dimension))

    async def preload(self) -> None:
        """Load the announced or active generation, concurrently with searches."""
        await _run(self._load_thread, self._preload)

    async def upsert(self, documents: Sequence[IndexDocument], generation: str | None = None) -> dict[str, str]:
        return await self._write(partial(tables.write, documents=documents), generation)

    async def remove(self, kind: str, keys: Sequence[str], generation: str | None = None) -> None:
        await self._write(partial(tables.remove, kind=kind, keys=keys), generation)

    async def near(self, vector: Vector, limit: int, where: VectorFilter) -> Hits:
        def near() -> Hits:
            matrix = self._current_matrix()
            return matrix.nearest(self._unit_query(vector), limit, matrix.filter_mask(where))

        return await _run(self._search_threads, near)

    async def hybrid(
        self, query: str, vector: Vector | None, alpha: float, limit: int, where: VectorFilter
    ) -> HybridHits:
        if not 0 <= alpha <= 1:
            raise ValueError(f"alpha is from 0 to 1, not {alpha}")
        return await _run(self._search_threads, self._hybrid_search, query, vector, alpha, limit, where)

    async def similarities(self, vector: Vector, ids: Ids) -> Vector:
        return await _run(
            self._search_threads, lambda: self._current_matrix().similarities(self._unit_query(vector), ids)
        )

    async def project_vectors(self, ids: Ids) -> tuple[Ids, Vector]:
        return await _run(self._search_threads, lambda: self._current_matrix().vectors_of(ids))

    async def profile(self, actor_id: int) -> Vector | None:
        return await self._read(partial(tables.profile_vector, actor_id=actor_id))

    async def nearest_tools(self, vector: Vector, limit: int) -> list[tuple[str, float]]:
        def nearest_tools(connection: sqlite3.Connection, generation: Generation) -> list[tuple[str, float]]:
            keys, vectors = tables.tool_vectors(connection, generation)
            scores = (vectors @ self._unit_query(vector)).round(SCORE_DECIMALS)
            order = np.argsort(-scores, kind="stable")[: max(limit, 0)]  # the keys are sorted, so ties are in key order
            return [(keys[row], float(scores[row])) for row in order] if vector.any() else []

        return await self._read(nearest_tools)

    async def counts(self, generation: str | None = None) -> dict[str, int]:
        return await self._read(tables.counts, generation)

    async def listing(
        self, kind: str, after: str | None, limit: int, generation: str | None = None
    ) -> list[tuple[str, str]]:
        return await self._read(partial(tables.listing, kind=kind, after=after, limit=limit), generation)

    async def server_start(self) -> str:
        return ""  # SQLite loses no acknowledged write

    async def unsearchable(
        self, kind: str, keys: Sequence[str] | None = None, generation: str | None = None
    ) -> list[str]:
        return []  # vectors are searched in the rows that hold them

    async def stage(self) -> str:
        staged = await self._write(lambda connection, active: generations.stage(connection, active.space))
        await self._drop_retired()
        return staged.name

    async def staged(self) -> str | None:
        staged = await self._read(lambda connection, active: generations.staged(connection, active.space))
        return None if staged is None else staged.name

    async def publish(self, generation: str) -> None:
        """Activate a staged generation in one transaction, and drop the previous one in slices.

        A large generation is announced first, so that all processes load it before the activation (see `preload`). If
        the call is interrupted, the next `stage` or `publish` drops the retired generation.
        """
        count = await self._write(generations.announce, generation)
        if count > MAX_UNANNOUNCED:
            await asyncio.sleep(PRELOAD_EVERY_S + count * WAIT_PER_PROJECT_S)
        await self._write(generations.publish, generation)
        await self._drop_retired()

    async def discard(self, generation: str) -> None:
        await self._write(lambda connection, _: generations.discard(connection, generation))
        await self._drop_retired()

    async def faults(self, model: str, dimension: int) -> list[str]:
        """Return no faults: `prepare` of the next start finds the file whole, or empties it."""
        return []

    async def unused(self) -> list[str]:
        return await self._read(lambda connection, active: generations.unused(connection, active.space))

    async def drop_unused(self) -> list[str]:
        names = await self.unused()
        await self._write(lambda connection, active: generations.retire_unused(connection, active.space))
        await self._drop_retired()
        return names

    async def drop_outdated(self) -> None:
        """Do nothing: `prepare` has emptied a file of an older text analysis."""

    async def take_over(self) -> None:
        """Do nothing: the file is in the data folder of this installation."""

    async def scrub(self) -> None:
        """Drop retired generations, erase the words of removed projects, and empty the write-ahead log."""
        await self._drop_retired()
        for find_generation in (generations.active, generations.staged):
            await self._merge_full_text(find_generation)
        await _run(self._write_thread, self._writer.scrub)

    async def close(self) -> None:
        for threads in (self._search_threads, self._write_thread, self._load_thread):
            await asyncio.to_thread(threads.shutdown)
        for file in (self._reader, self._writer, self._loader):
            file.close()

    def _prepare(self, space: Space) -> None:
        self._repairing(self._writer, space, lambda: self._create(space))
        with self._reader.lock:
            if self._space != space:
                self._space = space
                self._project_cache = _ProjectCache()

    def _create(self, space: Space) -> None:
        with self._writer.transaction(create=True) as connection:
            generations.create(connection, space)

    def _repairing(self, file: SqliteFile, space: Space, operation: Callable[[], T]) -> T:
        """Run an operation on a file; if the file is damaged, replace it by an empty index, and run it again."""
        try:
            return operation()
        except StoreDamaged as error:
            if file.rename_damaged():
                log.warning("the index file is damaged; an empty one replaces it and is filled anew: %s", error.reason)
            self._create(space)
            return operation()

    def _prepared(self) -> Space:
        if self._space is None:
            raise StoreUnavailable(Store.VECTORS, f"{self._path} has not been prepared for an embedding model")
        return self._space

    def _unit_query(self, vector: Vector) -> Vector:
        return unit_query(vector, self._prepared().dimension)

    async def _write(self, operation: Operation[T], generation: str | None = None) -> T:
        return await _run(
            self._write_thread, self._run_in_transaction, self._writer, "BEGIN IMMEDIATE", operation, generation
        )

    async def _read(self, operation: Operation[T], generation: str | None = None) -> T:
        return await _run(self._search_threads, self._run_in_transaction, self._reader, "BEGIN", operation, generation)

    def _run_in_transaction(self, file: SqliteFile, begin: str, operation: Operation[T], name: str | None) -> T:
        def run() -> T:
            with file.transaction(begin) as connection:
                return operation(connection, self._generation(connection, name))

        return self._repairing(file, self._prepared(), run)

    def _generation(self, connection: sqlite3.Connection, name: str | None) -> Generation:
        """Return the generation with this name, or the active one for None. Raises `StoreUnavailable` if missing."""
        space = self._prepared()
        generation = (
            generations.active(connection, space) if name is None else generations.by_name(connection, space, name)
        )
        if generation is None:
            reason = f"nothing of {space.name}; it has to be rebuilt" if name is None else f"no generation {name}"
            raise StoreUnavailable(Store.VECTORS, f"{self._path} holds {reason}")
        return generation

    async def _drop_retired(self) -> None:
        """Drop retired generations in slices, so that other processes can write between two slices."""
        while await self._write(  # noqa: ASYNC110 (each iteration does a slice of the work)
            lambda connection, _: generations.drop_retired_slice(connection)
        ):
            await asyncio.sleep(SLICE_PAUSE_S)

    async def _merge_full_text(self, find_generation: Callable[[sqlite3.Connection, Space], Generation | None]) -> None:
        """Erase the words of removed projects by a full merge of the full-text index, in slices."""
        first = True

        def merge(connection: sqlite3.Connection, active: Generation) -> bool:
            generation = find_generation(connection, active.space)
            return generation is not None and keywords.merge(connection, generation.words_table, first=first)

        while await self._write(merge):
            first = False
            await asyncio.sleep(SLICE_PAUSE_S)

    def _preload(self) -> None:
        projects, space = self._project_cache, self._prepared()

        def preload() -> None:
            with self._loader.transaction("BEGIN") as connection:
                generation = generations.announced_or_active(connection, space)
                if generation is not None and not projects.has_loaded(generation):
                    preloaded = _ProjectCache()
                    preloaded.updated_matrix(connection, generation)
                    projects.preloaded = preloaded

        self._repairing(self._loader, space, preload)

    def _hybrid_search(
        self, query: str, vector: Vector | None, alpha: float, limit: int, where: VectorFilter
    ) -> HybridHits:
        window = max(WINDOW, limit)
        by_vector = Hits()

        def by_words() -> tuple[Matrix, Mask, Hits]:
            # Both searches read the same state of the file, even if another generation is activated meanwhile.
            with self._read_snapshot() as (connection, generation, matrix):
                mask = matrix.filter_mask(where)
                if alpha == 1:
                    return matrix, mask, Hits()
                return matrix, mask, keywords.search(connection, generation.words_table, query, window, matrix, mask)

        matrix, mask, by_keywords = self._repairing(self._reader, self._prepared(), by_words)
        if alpha > 0 and vector is not None:
            by_vector = matrix.nearest(self._unit_query(vector), window, mask)
        ids = np.union1d(by_vector.ids, by_keywords.ids)
        # Ties are broken by the ids of Weaviate's objects, as in Weaviate.
        uuids = {id_: document_uuid(PROJECT, key) for id_, key in zip(ids.tolist(), matrix.keys_of(ids), strict=True)}
        return fuse(by_vector, by_keywords, alpha, max(limit, 0), uuids)

    def _current_matrix(self) -> Matrix:
        """Return the matrix with the latest changes."""

        def current() -> Matrix:
            with self._read_snapshot() as (_, _, matrix):
                return matrix

        return self._repairing(self._reader, self._prepared(), current)

    @contextmanager
    def _read_snapshot(self) -> Iterator[tuple[sqlite3.Connection, Generation, Matrix]]:
        """Yield the connection, the active generation and its matrix, inside a read transaction."""
        with self._reader.transaction("BEGIN") as connection:
            generation = self._generation(connection, None)
            yield connection, generation, self._project_cache.updated_matrix(connection, generation)


@dataclass(slots=True)
class _ProjectCache:
    """The projects in memory, and their position in the file. Used by one thread at a time.

    `preloaded` holds the next generation, loaded by another thread, until that generation is active.
    """

    matrix: Matrix | None = None
    position: Position | None = None
    preloaded: "_ProjectCache | None" = None

    def has_loaded(self, generation: Generation) -> bool:
        """Return whether the generation is loaded or preloaded."""
        return self._has_generation(generation) or (
            self.preloaded is not None and self.preloaded._has_generation(generation)
        )

    def updated_matrix(self, connection: sqlite3.Connection, generation: Generation) -> Matrix:
        """Read the latest changes, and return the matrix."""
        if (preloaded := self.preloaded) is not None and preloaded._has_generation(generation):
            self.matrix, self.position, self.preloaded = preloaded.matrix, preloaded.position, None
        if self.matrix is not None and self.position == deltas.latest_position(connection, generation):
            return self.matrix
        delta = deltas.changes(connection, generation, self.position)
        if delta.is_full or self.matrix is None:
            matrix = Matrix.from_chunks(generation.dimension, delta.chunks, delta.expected)
        else:
            matrix = self.matrix.without_projects(delta.removed_ids) if len(delta.removed_ids) else self.matrix
            # Read all chunks before adding the first: after an error in between, the matrix could not grow again.
            for rows in list(delta.chunks):
                matrix = matrix.with_rows(rows)
        self.matrix, self.position = matrix, delta.position
        return matrix

    def _has_generation(self, generation: Generation) -> bool:
        return self.position is not None and self.position.identity == generation.identity


async def _run(executor: ThreadPoolExecutor, function: Callable[..., T], *arguments: object) -> T:
    return await asyncio.get_running_loop().run_in_executor(executor, function, *arguments)
