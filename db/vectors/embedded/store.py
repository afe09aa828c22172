"""The embedded vector store: one SQLite file that several processes share, and a matrix of vectors in each of them.

It serves up to about 100,000 projects on one host. Each search first reads what changed in the file. Vector search is
exact: its recall is 1.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from db.errors import Store, StoreUnavailable
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
    unit,
)
from db.vectors.embedded import deltas, generations, keywords, tables
from db.vectors.embedded.deltas import Position
from db.vectors.embedded.generations import Generation, Space
from db.vectors.embedded.keywords import Corpus
from db.vectors.embedded.matrix import Mask, Matrix
from db.vectors.fusion import WINDOW, ResultList, fuse

T = TypeVar("T")

BUSY_TIMEOUT_S = 5.0
"""Maximum wait for another process's write before the store counts as unavailable."""

SEARCH_THREADS = 2

SLICE_PAUSE_S = 0.02
"""Pause between two slices of deletions, as long as a slice takes. Waiting processes retry SQLite's lock at least every
0.1 s; in about every other attempt it is free."""

LOADED_AT_ONCE = 5_000
"""Projects that a search loads in 50 ms: a generation of so few is not announced before its activation."""

LOADING_S = 40e-6
"""Wait for each project between announcement and activation of a generation: four times the loading time."""

PRELOAD_EVERY_S = 1.0
"""Expected interval of `preload` calls."""

_SETUP = (
    # An acknowledged write must survive a power cut: the outbox row that caused it is deleted next.
    "PRAGMA synchronous = FULL",
    "PRAGMA cache_size = -8192",
)


class EmbeddedVectorStore(VectorStore):
    """Vectors in one SQLite file, which `prepare` creates with its folder."""

    def __init__(self, path: Path, busy_timeout_s: float = BUSY_TIMEOUT_S) -> None:
        self._reader, self._writer, self._loader = (
            SqliteFile(path, Store.VECTORS, busy_timeout_s, _SETUP) for _ in range(3)
        )
        self._path = path
        self._space: Space | None = None
        self._projects = _Copy()
        # Separate threads: writers wait for locks, and searches must not wait for them.
        self._searching = ThreadPoolExecutor(SEARCH_THREADS, thread_name_prefix="vectors-search")
        self._writing = ThreadPoolExecutor(1, thread_name_prefix="vectors-write")
        self._loading = ThreadPoolExecutor(1, thread_name_prefix="vectors-load")

    async def prepare(self, model: str, dimension: int) -> None:
        await _run(self._writing, self._prepare, Space(model, dimension))

    async def preload(self) -> None:
        """Load the announced generation, or the active one, beside running searches."""
        await _run(self._loading, self._preload)

    async def upsert(self, documents: Sequence[IndexDocument], generation: str | None = None) -> None:
        if documents:
            await self._write(
                lambda connection: tables.write(connection, self._generation(connection, generation), documents)
            )

    async def remove(self, kind: str, keys: Sequence[str], generation: str | None = None) -> None:
        if keys:
            await self._write(
                lambda connection: tables.remove(connection, self._generation(connection, generation), kind, keys)
            )

    async def near(self, vector: Vector, limit: int, where: VectorFilter) -> Hits:
        return await _run(self._searching, lambda: self._newest().near(self._unit(vector), limit, where))

    async def keyword(self, query: str, limit: int, where: VectorFilter) -> Hits:
        return await _run(self._searching, self._keyword, query, limit, where)

    async def hybrid(
        self, query: str, vector: Vector | None, alpha: float, limit: int, where: VectorFilter
    ) -> HybridHits:
        if not 0 <= alpha <= 1:
            raise ValueError(f"alpha is from 0 to 1, not {alpha}")
        return await _run(self._searching, self._hybrid, query, vector, alpha, limit, where)

    async def similarities(self, vector: Vector, ids: Ids) -> Vector:
        return await _run(self._searching, lambda: self._newest().similarities(self._unit(vector), ids))

    async def project_vectors(self, ids: Ids) -> tuple[Ids, Vector]:
        return await _run(self._searching, lambda: self._newest().vectors_of(ids))

    async def profile(self, actor_id: int) -> Vector | None:
        return await self._read(lambda connection, generation: tables.profile_vector(connection, generation, actor_id))

    async def nearest_tools(self, vector: Vector, limit: int) -> list[tuple[str, float]]:
        def nearest_tools(connection: sqlite3.Connection, generation: Generation) -> list[tuple[str, float]]:
            keys, vectors = tables.tool_vectors(connection, generation)
            scores = (vectors @ self._unit(vector)).round(SCORE_DECIMALS)
            best = np.argsort(-scores, kind="stable")[: max(limit, 0)]  # the keys are sorted, so ties are in key order
            return [(keys[row], float(scores[row])) for row in best] if vector.any() else []

        return await self._read(nearest_tools)

    async def counts(self, generation: str | None = None) -> dict[str, int]:
        return await self._read(tables.counts, generation)

    async def listing(
        self, collection: str, after: str | None, limit: int, generation: str | None = None
    ) -> list[tuple[str, str]]:
        return await self._read(
            lambda connection, read: tables.listing(connection, read, collection, after, limit), generation
        )

    async def stage(self) -> str:
        def stage(connection: sqlite3.Connection) -> str:
            self._generation(connection, None)
            return generations.stage(connection, self._prepared()).name

        name = await self._write(stage)
        await self._drop_retired()
        return name

    async def staged(self) -> str | None:
        found = await self._read(lambda connection, active: generations.staged(connection, active.space))
        return None if found is None else found.name

    async def publish(self, generation: str) -> None:
        """Activate a staged generation in one transaction, and drop the previous one in slices.

        A large generation is announced first, so that all processes have loaded it by then (see `preload`). If this is
        interrupted, the next `stage` or `publish` completes it.
        """
        count = await self._announce(generation)
        if count > LOADED_AT_ONCE:
            await asyncio.sleep(PRELOAD_EVERY_S + count * LOADING_S)
        await self._write(lambda connection: generations.publish(connection, self._generation(connection, generation)))
        await self._drop_retired()

    async def discard(self, generation: str) -> None:
        await self._write(lambda connection: generations.discard(connection, self._prepared(), generation))
        await self._drop_retired()

    async def scrub(self) -> None:
        """Drop retired generations, erase the words of removed projects, and empty the write-ahead log."""
        await self._drop_retired()
        for find in (generations.serving, generations.staged):
            await self._merge_words(find)
        await _run(self._writing, self._writer.truncate_log)

    async def close(self) -> None:
        for threads in (self._searching, self._writing, self._loading):
            await asyncio.to_thread(threads.shutdown)
        for file in (self._reader, self._writer, self._loader):
            file.close()

    def _prepare(self, space: Space) -> None:
        with self._writer.transaction(create=True) as connection:
            generations.create(connection, space)
        with self._reader.lock:
            if self._space != space:
                self._space = space
                self._projects = _Copy()

    def _prepared(self) -> Space:
        if self._space is None:
            raise StoreUnavailable(Store.VECTORS, f"{self._path} has not been prepared for an embedding model")
        return self._space

    def _unit(self, vector: Vector) -> Vector:
        if vector.shape != (self._prepared().dimension,):
            raise ValueError(f"a vector of shape {vector.shape} cannot be compared in {self._prepared().name}")
        return unit(vector)

    async def _write(self, write: Callable[[sqlite3.Connection], T]) -> T:
        def in_transaction() -> T:
            self._prepared()
            with self._writer.transaction() as connection:
                return write(connection)

        return await _run(self._writing, in_transaction)

    async def _read(self, read: Callable[[sqlite3.Connection, Generation], T], name: str | None = None) -> T:
        def in_transaction() -> T:
            with self._reader.transaction("BEGIN") as connection:
                return read(connection, self._generation(connection, name))

        return await _run(self._searching, in_transaction)

    def _generation(self, connection: sqlite3.Connection, name: str | None) -> Generation:
        """Return the active generation, or one by its name."""
        space = self._prepared()
        found = generations.serving(connection, space) if name is None else generations.named(connection, space, name)
        if found is None:
            missing = f"nothing of {space.name}; it has to be rebuilt" if name is None else f"no generation {name}"
            raise StoreUnavailable(Store.VECTORS, f"{self._path} holds {missing}")
        return found

    async def _announce(self, name: str) -> int:
        return await self._write(
            lambda connection: generations.announce(connection, self._generation(connection, name))
        )

    async def _drop_retired(self) -> None:
        """Drop retired generations in slices; other processes can write between two slices."""
        while await self._write(  # noqa: ASYNC110 (each iteration does a slice of the work)
            lambda connection: generations.drop_some(connection, self._prepared())
        ):
            await asyncio.sleep(SLICE_PAUSE_S)

    async def _merge_words(self, find: Callable[[sqlite3.Connection, Space], Generation | None]) -> None:
        """Erase the words of removed projects from a full-text index in slices: FTS5 keeps them until a full merge."""
        first = True

        def merge(connection: sqlite3.Connection) -> bool:
            found = find(connection, self._prepared())
            return found is not None and keywords.merge(connection, found.words, first=first)

        while await self._write(merge):
            first = False
            await asyncio.sleep(SLICE_PAUSE_S)

    def _preload(self) -> None:
        projects = self._projects
        with self._loader.transaction("BEGIN") as connection:
            generation = generations.next_to_serve(connection, self._prepared())
            if generation is not None and not projects.is_of(generation):
                ahead = _Copy()
                ahead.newest(connection, generation)
                projects.ahead = ahead

    def _keyword(self, query: str, limit: int, where: VectorFilter) -> Hits:
        with self._snapshot() as (connection, generation, matrix):
            hits = _by_keywords(connection, generation, matrix, query, limit, matrix.passing(where))
        return replace(hits, features=matrix.features(hits.ids))

    def _hybrid(self, query: str, vector: Vector | None, alpha: float, limit: int, where: VectorFilter) -> HybridHits:
        window = max(WINDOW, limit)
        by_keywords, by_vector = Hits(), Hits()
        # Both legs see one state of the file, whatever is published meanwhile.
        with self._snapshot() as (connection, generation, matrix):
            passing = matrix.passing(where)
            if alpha < 1:
                by_keywords = _by_keywords(connection, generation, matrix, query, window, passing)
        if alpha > 0 and vector is not None:
            by_vector = matrix.nearest(self._unit(vector), window, passing)
        return _fused(matrix, by_vector, by_keywords, alpha, limit)

    def _newest(self) -> Matrix:
        """Return the current projects."""
        with self._snapshot() as (_, _, matrix):
            return matrix

    @contextmanager
    def _snapshot(self) -> Iterator[tuple[sqlite3.Connection, Generation, Matrix]]:
        """Lend the connection, the active generation and its projects, inside one read transaction."""
        with self._reader.transaction("BEGIN") as connection:
            generation = self._generation(connection, None)
            yield connection, generation, self._projects.newest(connection, generation)


@dataclass(slots=True)
class _Copy:
    """The projects in memory, and their position in the file. For one thread at a time.

    `ahead` is a copy of the next generation, loaded by another thread, until that generation is active.
    """

    matrix: Matrix | None = None
    position: Position | None = None
    ahead: "_Copy | None" = None

    def is_of(self, generation: Generation) -> bool:
        """Return whether the generation is loaded, here or ahead."""
        return self._holds(generation) or (self.ahead is not None and self.ahead._holds(generation))

    def newest(self, connection: sqlite3.Connection, generation: Generation) -> Matrix:
        """Update the copy and return its matrix."""
        if (ahead := self.ahead) is not None and ahead._holds(generation):
            self.matrix, self.position, self.ahead = ahead.matrix, ahead.position, None
        if self.matrix is not None and self.position == deltas.newest_position(connection, generation):
            return self.matrix
        delta = deltas.changes(connection, generation, self.position)
        if delta.full or self.matrix is None:
            matrix = Matrix.of(generation.dimension, delta.chunks, delta.expected)
        else:
            matrix = self.matrix.without(delta.gone) if len(delta.gone) else self.matrix
            # All chunks are read before the first is added: a matrix that grew partly could not grow again.
            for rows in list(delta.chunks):
                matrix = matrix.with_rows(rows)
        self.matrix, self.position = matrix, delta.position
        return matrix

    def _holds(self, generation: Generation) -> bool:
        return self.position is not None and self.position.identity == generation.identity


def _by_keywords(
    connection: sqlite3.Connection, generation: Generation, matrix: Matrix, query: str, limit: int, passing: Mask
) -> Hits:
    corpus = Corpus(
        size=int(matrix.alive.sum()),
        mean_length=matrix.mean_length,
        lengths=matrix.lengths_of,
        passes=lambda ids: matrix.pass_of(ids, passing),
    )
    return keywords.search(connection, generation.words, query, limit, corpus)


def _fused(matrix: Matrix, by_vector: Hits, by_keywords: Hits, alpha: float, limit: int) -> HybridHits:
    """Fuse two legs; the ids of Weaviate's objects break the last ties, as they do there."""
    ids = np.union1d(by_vector.ids, by_keywords.ids)
    uuids = {id_: document_uuid(PROJECT, key) for id_, key in zip(ids.tolist(), matrix.keys_of(ids), strict=True)}
    legs = [ResultList([uuids[id_] for id_ in hits.ids.tolist()], hits.scores) for hits in (by_vector, by_keywords)]
    fused = fuse(legs[0], legs[1], alpha)[: max(limit, 0)]
    id_by_uuid = {uuid: id_ for id_, uuid in uuids.items()}
    found = np.array([id_by_uuid[hit.uuid] for hit in fused], np.int64)
    vector_parts = np.array([hit.vector_part for hit in fused], np.float32)
    keyword_parts = np.array([hit.keyword_part for hit in fused], np.float32)
    return HybridHits(found, vector_parts + keyword_parts, vector_parts, keyword_parts, matrix.features(found))


async def _run(threads: ThreadPoolExecutor, work: Callable[..., T], *arguments: object) -> T:
    return await asyncio.get_running_loop().run_in_executor(threads, work, *arguments)
