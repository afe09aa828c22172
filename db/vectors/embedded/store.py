"""The embedded index: one SQLite file that several processes share, and one matrix of its projects in each of them.

Good to about 100,000 projects on one host. A search looks first how far the file has come and fetches only what
changed. Searching by vectors is exact: its recall is 1.
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
from db.vectors import deltas, generations, keywords, tables
from db.vectors.base import (
    Hits,
    HybridHits,
    Ids,
    ProfileDocument,
    ProjectDocument,
    ToolDocument,
    Vector,
    VectorFilter,
    document_uuid,
)
from db.vectors.deltas import Mark
from db.vectors.full_text_merge import Merge
from db.vectors.fusion import WINDOW, Leg, fuse
from db.vectors.generations import PROFILE, PROJECT, Generation, Space
from db.vectors.keywords import Corpus
from db.vectors.matrix import SCORE_DECIMALS, Mask, Matrix

T = TypeVar("T")
Write = Callable[[sqlite3.Connection, Generation, Sequence[T]], None]

BUSY_TIMEOUT_S = 5.0
"""How long a writer waits for another process's writer before the store counts as away."""

SEARCHING_THREADS = 2

PROBE_INTERVAL_S = 0.02
"""Between two slices of what is dropped: as long as a slice takes. Whoever waits for SQLite's lock looks for it again
and again, at least every 0.1 s; in about every other look it is free."""


LOADED_AT_ONCE = 5_000
"""Projects that a search loads in 50 ms: of so few a publish is not announced."""

LOADING_S = 40e-6
"""For each project, between the announcement of a generation and its taking over: four times what loading it takes."""

NOTICED_WITHIN_S = 1.0
"""How often `preload` is to be called."""


class EmbeddedVectorStore:
    """Vectors in one SQLite file.

    Parameters
    ----------
    path
        The file; `prepare` makes it, and the folder that it lies in.
    busy_timeout_s
        How long to wait for a lock.
    """

    def __init__(self, path: Path, busy_timeout_s: float = BUSY_TIMEOUT_S) -> None:
        self._reader = Connection(path, busy_timeout_s)
        self._writer = Connection(path, busy_timeout_s)
        self._loader = Connection(path, busy_timeout_s)
        self._path = path
        self._space: Space | None = None
        self._projects, self._profiles = _Copy(PROJECT), _Copy(PROFILE)
        # Writers wait for each other's lock; searching must not wait for a thread meanwhile.
        self._searching = ThreadPoolExecutor(SEARCHING_THREADS, thread_name_prefix="vectors-search")
        self._writing = ThreadPoolExecutor(1, thread_name_prefix="vectors-write")
        self._loading = ThreadPoolExecutor(1, thread_name_prefix="vectors-load")

    async def prepare(self, model: str, dimension: int) -> None:
        """Make the collections for this embedding model if they are not there; those of other models are left alone."""
        await _run(self._writing, self._prepare, Space(model, dimension))

    async def health(self) -> None:
        """Return if the index can be searched."""
        await _run(self._searching, self._read, lambda connection, generation: None)

    async def preload(self) -> None:
        """Load the generation that is about to take over, or the one in service, beside the searches that go on."""
        await _run(self._loading, self._preload)

    async def upsert_projects(self, objects: Sequence[ProjectDocument], into: str | None = None) -> None:
        """Write projects."""
        await _run(self._writing, self._write, tables.write_projects, objects, into)

    async def upsert_profiles(self, objects: Sequence[ProfileDocument], into: str | None = None) -> None:
        """Write profiles."""
        await _run(self._writing, self._write, tables.write_profiles, objects, into)

    async def upsert_tools(self, objects: Sequence[ToolDocument], into: str | None = None) -> None:
        """Write tools."""
        await _run(self._writing, self._write, tables.write_tools, objects, into)

    async def remove_projects(self, keys: Sequence[str], into: str | None = None) -> None:
        """Remove projects by platform key."""
        await _run(self._writing, self._write, tables.remove_projects, keys, into)

    async def remove_profiles(self, actor_ids: Sequence[int], into: str | None = None) -> None:
        """Remove profiles."""
        await _run(self._writing, self._write, tables.remove_profiles, actor_ids, into)

    async def remove_tools(self, keys: Sequence[str], into: str | None = None) -> None:
        """Remove tools by platform key."""
        await _run(self._writing, self._write, tables.remove_tools, keys, into)

    async def near(self, vector: Vector, limit: int, where: VectorFilter) -> Hits:
        """Find the projects nearest to a vector by cosine, ties by id."""
        return await _run(self._searching, lambda: self._newest().near(self._unit(vector), limit, where))

    async def keyword(self, query: str, limit: int, where: VectorFilter) -> Hits:
        """Find projects by words, ties by id."""
        return await _run(self._searching, self._keyword, query, limit, where)

    async def hybrid(
        self, query: str, vector: Vector | None, alpha: float, limit: int, where: VectorFilter
    ) -> HybridHits:
        """Find projects by words and by meaning."""
        if not 0 <= alpha <= 1:
            raise ValueError(f"alpha is from 0 to 1, not {alpha}")
        return await _run(self._searching, self._hybrid, query, vector, alpha, limit, where)

    async def similarities(self, vector: Vector, ids: Ids) -> Vector:
        """Give the cosine of each project to the vector; NaN for one that the index does not hold."""
        return await _run(self._searching, lambda: self._newest().similarities(self._unit(vector), ids))

    async def project_vectors(self, ids: Ids) -> tuple[Ids, Vector]:
        """Give the vectors of those projects that the index holds."""
        return await _run(self._searching, lambda: self._newest().vectors_of(ids))

    async def profile(self, actor_id: int) -> Vector | None:
        """Give an actor's profile vector."""
        return await _run(
            self._searching,
            self._read,
            lambda connection, generation: tables.profile_vector(connection, generation, actor_id),
        )

    async def nearest_profiles(self, vector: Vector, limit: int, exclude_actor: int | None) -> tuple[Ids, Vector]:
        """Find the actors whose profiles are nearest, ties by id."""
        return await _run(self._searching, self._nearest_profiles, vector, limit, exclude_actor)

    async def nearest_tools(self, vector: Vector, limit: int) -> list[tuple[str, float]]:
        """Find the nearest tools, ties by key."""
        return await _run(self._searching, self._nearest_tools, vector, limit)

    async def counts(self, generation: str | None = None) -> dict[str, int]:
        """Count the objects of each collection."""
        return await _run(self._searching, self._read, tables.counts, generation)

    async def listing(
        self, collection: str, after: str | None, limit: int, generation: str | None = None
    ) -> list[tuple[str, str]]:
        """List (key, fingerprint) of a collection's objects after a key, by key."""
        return await _run(
            self._searching,
            self._read,
            lambda connection, read: tables.listing(connection, read, collection, after, limit),
            generation,
        )

    async def stage(self) -> str:
        """Make an empty generation beside the one in service, in place of an unfinished one."""
        name = await _run(self._writing, self._stage)
        await self._in_slices(self._drop_some)
        return name

    async def staged(self) -> str | None:
        """Give the name of an unfinished generation."""
        return await _run(self._searching, self._staged)

    async def publish(self, generation: str) -> None:
        """Put a staged generation into service in one transaction, and drop the one before in slices.

        A large one is announced first, so that all processes have loaded it by then (see `preload`). If this is
        interrupted, the next `stage` or `publish` ends it.
        """
        count = await _run(self._writing, self._announce, generation)
        if count > LOADED_AT_ONCE:
            await asyncio.sleep(NOTICED_WITHIN_S + count * LOADING_S)
        await _run(self._writing, self._publish, generation)
        await self._in_slices(self._drop_some)

    async def discard(self, generation: str) -> None:
        """Drop a generation that is not in service."""
        await _run(self._writing, self._discard, generation)
        await self._in_slices(self._drop_some)

    async def scrub(self) -> None:
        """Drop what is retired, take the words of removed projects out of the full-text index, and empty the log."""
        await self._in_slices(self._drop_some)
        await self._in_slices(Merge(self._writer, self._prepared()).go_on)
        await _run(self._writing, self._writer.truncate_log)

    async def close(self) -> None:
        """End the threads and close the file."""
        for threads in (self._searching, self._writing, self._loading):
            await asyncio.to_thread(threads.shutdown)
        for connection in (self._reader, self._writer, self._loader):
            connection.close()

    def _prepare(self, space: Space) -> None:
        with self._writer.transaction("BEGIN IMMEDIATE", make=True) as connection:
            generations.create(connection, space)
        with self._reader.lock:
            if self._space != space:
                self._space = space
                self._projects, self._profiles = _Copy(PROJECT), _Copy(PROFILE)

    def _prepared(self) -> Space:
        if self._space is None:
            raise StoreUnavailable(Store.VECTORS, f"{self._path} has not been prepared for an embedding model")
        return self._space

    def _unit(self, vector: Vector) -> Vector:
        if vector.shape != (self._prepared().dimension,):
            raise ValueError(f"a vector of shape {vector.shape} cannot be compared in {self._prepared().name}")
        length = np.linalg.norm(vector)
        return (vector / length if length > 0 else vector).astype(np.float32)

    def _write(self, write: Write[T], what: Sequence[T], into: str | None) -> None:
        if not what:
            return
        with self._writer.transaction("BEGIN IMMEDIATE") as connection:
            write(connection, self._generation(connection, into), what)

    def _read(self, read: Callable[[sqlite3.Connection, Generation], T], name: str | None = None) -> T:
        with self._reader.transaction("BEGIN") as connection:
            return read(connection, self._generation(connection, name))

    def _generation(self, connection: sqlite3.Connection, name: str | None) -> Generation:
        """Give the generation in service, or one by its name."""
        space = self._prepared()
        found = generations.serving(connection, space) if name is None else generations.named(connection, space, name)
        if found is None:
            missing = f"nothing of {space.name}; it has to be rebuilt" if name is None else f"no generation {name}"
            raise StoreUnavailable(Store.VECTORS, f"{self._path} holds {missing}")
        return found

    def _stage(self) -> str:
        with self._writer.transaction("BEGIN IMMEDIATE") as connection:
            self._generation(connection, None)
            return generations.stage(connection, self._prepared()).name

    def _staged(self) -> str | None:
        with self._reader.transaction("BEGIN") as connection:
            found = generations.staged(connection, self._prepared())
        return None if found is None else found.name

    def _announce(self, name: str) -> int:
        with self._writer.transaction("BEGIN IMMEDIATE") as connection:
            return generations.announce(connection, self._generation(connection, name))

    def _publish(self, name: str) -> None:
        with self._writer.transaction("BEGIN IMMEDIATE") as connection:
            generations.publish(connection, self._generation(connection, name))

    def _discard(self, name: str) -> None:
        with self._writer.transaction("BEGIN IMMEDIATE") as connection:
            generations.discard(connection, self._prepared(), name)

    async def _in_slices(self, work: Callable[[], bool]) -> None:
        """Work while it says that something is left; writers, of other processes too, get in between two slices."""
        while await _run(self._writing, work):  # noqa: ASYNC110 (each look is a slice of the work)
            await asyncio.sleep(PROBE_INTERVAL_S)

    def _drop_some(self) -> bool:
        with self._writer.transaction("BEGIN IMMEDIATE") as connection:
            return generations.drop_some(connection, self._prepared())

    def _preload(self) -> None:
        for copy in (self._projects, self._profiles):
            with self._loader.transaction("BEGIN") as connection:
                generation = generations.next_to_serve(connection, self._prepared())
                if generation is not None and not copy.is_of(generation):
                    ahead = _Copy(copy.kind)
                    ahead.newest(connection, generation)
                    copy.ahead = ahead

    def _keyword(self, query: str, limit: int, where: VectorFilter) -> Hits:
        with self._snapshot(self._projects) as (connection, generation, matrix):
            hits = _by_words(connection, generation, matrix, query, limit, matrix.passing(where))
        return replace(hits, features=matrix.features(hits.ids))

    def _hybrid(self, query: str, vector: Vector | None, alpha: float, limit: int, where: VectorFilter) -> HybridHits:
        window = max(WINDOW, limit)
        by_words, by_vector = Hits(), Hits()
        # Both legs see one state of the file, whatever is published meanwhile.
        with self._snapshot(self._projects) as (connection, generation, matrix):
            passing = matrix.passing(where)
            if alpha < 1:
                by_words = _by_words(connection, generation, matrix, query, window, passing)
        if alpha > 0 and vector is not None:
            by_vector = matrix.nearest(self._unit(vector), window, passing)
        return _fused(matrix, by_vector, by_words, alpha, limit)

    def _nearest_profiles(self, vector: Vector, limit: int, exclude_actor: int | None) -> tuple[Ids, Vector]:
        with self._snapshot(self._profiles) as (_, _, matrix):
            pass
        excluded = frozenset() if exclude_actor is None else frozenset({exclude_actor})
        hits = matrix.nearest(self._unit(vector), limit, matrix.passing(VectorFilter(exclude_ids=excluded)))
        return hits.ids, hits.scores

    def _nearest_tools(self, vector: Vector, limit: int) -> list[tuple[str, float]]:
        keys, vectors = self._read(tables.tool_vectors)
        if not vector.any():
            return []
        scores = (vectors @ self._unit(vector)).round(SCORE_DECIMALS)
        best = np.argsort(-scores, kind="stable")[: max(limit, 0)]  # the keys are sorted: ties stay so
        return [(keys[row], float(scores[row])) for row in best]

    def _newest(self) -> Matrix:
        """Give the projects as the file is now."""
        with self._snapshot(self._projects) as (_, _, matrix):
            return matrix

    @contextmanager
    def _snapshot(self, copy: "_Copy") -> Iterator[tuple[sqlite3.Connection, Generation, Matrix]]:
        """Lend the file, its generation in service and the copy brought up to date, inside one reading transaction."""
        with self._reader.transaction("BEGIN") as connection:
            generation = self._generation(connection, None)
            yield connection, generation, copy.newest(connection, generation)


@dataclass(slots=True)
class _Copy:
    """A collection's vectors in memory, and how far in the file they have come. For one thread at a time.

    `ahead` is a copy of another generation, which another thread has loaded, until that is in service.
    """

    kind: str
    matrix: Matrix | None = None
    mark: Mark | None = None
    ahead: "_Copy | None" = None

    def is_of(self, generation: Generation) -> bool:
        """Tell whether the generation is loaded, here or ahead."""
        marks = (self.mark, self.ahead.mark if self.ahead is not None else None)
        return any(mark is not None and mark.identity == generation.identity for mark in marks)

    def newest(self, connection: sqlite3.Connection, generation: Generation) -> Matrix:
        """Bring the copy up to date and give it."""
        if (ahead := self.ahead) is not None and ahead.mark is not None and ahead.mark.identity == generation.identity:
            self.matrix, self.mark, self.ahead = ahead.matrix, ahead.mark, None
        if self.matrix is not None and self.mark == deltas.newest_mark(connection, generation):
            return self.matrix
        delta = deltas.changes(connection, generation, self.kind, self.mark)
        if delta.full or self.matrix is None:
            matrix = Matrix.of(generation.dimension, delta.chunks, delta.expected)
        else:
            matrix = self.matrix.without(delta.gone) if len(delta.gone) else self.matrix
            # All are read before the first is added: a matrix that grew half-way could not grow again.
            for rows in list(delta.chunks):
                matrix = matrix.with_rows(rows)
        self.matrix, self.mark = matrix, delta.mark
        return matrix


def _by_words(
    connection: sqlite3.Connection, generation: Generation, matrix: Matrix, query: str, limit: int, passing: Mask
) -> Hits:
    corpus = Corpus(
        size=int(matrix.alive.sum()),
        mean_length=matrix.mean_length,
        lengths=matrix.lengths_of,
        passes=lambda ids: matrix.pass_of(ids, passing),
    )
    return keywords.search(connection, generation.words, query, limit, corpus)


def _fused(matrix: Matrix, by_vector: Hits, by_words: Hits, alpha: float, limit: int) -> HybridHits:
    """Fuse two legs under the names that Weaviate gives their objects, which break the last ties."""
    ids = np.union1d(by_vector.ids, by_words.ids)
    uuids = {id_: document_uuid(PROJECT, key) for id_, key in zip(ids.tolist(), matrix.keys_of(ids), strict=True)}
    legs = [Leg([uuids[id_] for id_ in hits.ids.tolist()], hits.scores) for hits in (by_vector, by_words)]
    fused = fuse(legs[0], legs[1], alpha)[: max(limit, 0)]
    id_by_uuid = {uuid: id_ for id_, uuid in uuids.items()}
    found = np.array([id_by_uuid[hit.uuid] for hit in fused], np.int64)
    vector_parts = np.array([hit.vector_part for hit in fused], np.float32)
    keyword_parts = np.array([hit.keyword_part for hit in fused], np.float32)
    return HybridHits(found, vector_parts + keyword_parts, vector_parts, keyword_parts, matrix.features(found))


async def _run(threads: ThreadPoolExecutor, work: Callable[..., T], *arguments: object) -> T:
    return await asyncio.get_running_loop().run_in_executor(threads, work, *arguments)
