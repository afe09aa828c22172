"""The embedded index: one SQLite file that several processes share, and one matrix of its projects in each of them.

Good to about 100,000 projects on one host. A search looks first whether the file has changed (`PRAGMA data_version`,
21 µs) and fetches only what did. Searching is exact: its recall is 1.
"""

import asyncio
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import numpy as np

from db.errors import Store, StoreUnavailable
from db.vectors import tables
from db.vectors.base import Hits, Ids, ProfileObject, ProjectObject, ToolObject, Vector, VectorFilter
from db.vectors.matrix import Matrix
from db.vectors.tables import Mark, Space

T = TypeVar("T")

BUSY_TIMEOUT_S = 5.0
"""How long a writer waits for another process's writer before the store counts as away."""

SEARCHING_THREADS = 2


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
        self._reader = _Connection(path, busy_timeout_s)
        self._writer = _Connection(path, busy_timeout_s)
        self._path = path
        self._space: Space | None = None
        self._matrix: Matrix | None = None
        self._mark: Mark | None = None
        self._seen: tuple[int, int] | None = None
        # Writers wait for each other's lock; searching must not wait for a thread meanwhile.
        self._searching = ThreadPoolExecutor(SEARCHING_THREADS, thread_name_prefix="vectors-search")
        self._writing = ThreadPoolExecutor(1, thread_name_prefix="vectors-write")

    async def prepare(self, model: str, dimension: int) -> None:
        """Make the collections for this embedding model if they are not there; those of other models are left alone."""
        await _run(self._writing, self._prepare, Space(model, dimension))

    async def upsert_projects(self, objects: Sequence[ProjectObject]) -> None:
        """Write projects."""
        await _run(self._writing, self._write, tables.write_projects, objects)

    async def upsert_profiles(self, objects: Sequence[ProfileObject]) -> None:
        """Write profiles."""
        await _run(self._writing, self._write, tables.write_profiles, objects)

    async def upsert_tools(self, objects: Sequence[ToolObject]) -> None:
        """Write tools."""
        await _run(self._writing, self._write, tables.write_tools, objects)

    async def remove_projects(self, keys: Sequence[str]) -> None:
        """Remove projects by platform key."""
        await _run(self._writing, self._write, tables.remove_projects, keys)

    async def remove_profiles(self, actor_ids: Sequence[int]) -> None:
        """Remove profiles."""
        await _run(self._writing, self._write, tables.remove_profiles, actor_ids)

    async def remove_tools(self, keys: Sequence[str]) -> None:
        """Remove tools by platform key."""
        await _run(self._writing, self._write, tables.remove_tools, keys)

    async def near(self, vector: Vector, limit: int, where: VectorFilter) -> Hits:
        """Find the projects nearest to a vector by cosine, ties by id."""
        return await _run(self._searching, lambda: self._newest().near(self._unit(vector), limit, where))

    async def similarities(self, vector: Vector, ids: Ids) -> Vector:
        """Give the cosine of each project to the vector; NaN for one that the index does not hold."""
        return await _run(self._searching, lambda: self._newest().similarities(self._unit(vector), ids))

    async def project_vectors(self, ids: Ids) -> tuple[Ids, Vector]:
        """Give the vectors of those projects that the index holds."""
        return await _run(self._searching, lambda: self._newest().vectors_of(ids))

    async def profile(self, actor_id: int) -> Vector | None:
        """Give an actor's profile vector."""
        return await _run(
            self._searching, self._read, lambda connection, space: tables.profile_vector(connection, space, actor_id)
        )

    async def counts(self) -> dict[str, int]:
        """Count the objects of each collection."""
        return await _run(self._searching, self._read, tables.counts)

    async def close(self) -> None:
        """End the threads and close the file."""
        await asyncio.to_thread(self._searching.shutdown)
        await asyncio.to_thread(self._writing.shutdown)
        self._reader.close()
        self._writer.close()

    def _prepare(self, space: Space) -> None:
        with self._writer.transaction("BEGIN IMMEDIATE", make=True) as connection:
            tables.create(connection, space)
        with self._reader.lock:
            if self._space != space:
                self._space, self._matrix, self._mark, self._seen = space, None, None, None

    def _prepared(self) -> Space:
        if self._space is None:
            raise StoreUnavailable(Store.VECTORS, f"{self._path} has not been prepared for an embedding model")
        return self._space

    def _unit(self, vector: Vector) -> Vector:
        if vector.shape != (self._prepared().dimension,):
            raise ValueError(f"a vector of shape {vector.shape} cannot be compared in {self._prepared().name}")
        length = np.linalg.norm(vector)
        return (vector / length if length > 0 else vector).astype(np.float32)

    def _write(self, write: Callable[[sqlite3.Connection, Space, Sequence[T]], None], what: Sequence[T]) -> None:
        if not what:
            return
        with self._writer.transaction("BEGIN IMMEDIATE") as connection:
            write(connection, self._checked(connection), what)

    def _read(self, read: Callable[[sqlite3.Connection, Space], T]) -> T:
        with self._reader.transaction("BEGIN") as connection:
            return read(connection, self._checked(connection))

    def _checked(self, connection: sqlite3.Connection) -> Space:
        space = self._prepared()
        if not tables.is_prepared(connection, space):
            raise StoreUnavailable(Store.VECTORS, f"{self._path} holds nothing of {space.name}; it has to be rebuilt")
        return space

    def _newest(self) -> Matrix:
        """Give the matrix as the file is now."""
        with self._reader.lock:
            seen = self._reader.version()
            if self._matrix is None or seen != self._seen:
                with self._reader.transaction("BEGIN") as connection:
                    self._matrix = self._refreshed(connection)
                self._seen = seen
            return self._matrix

    def _refreshed(self, connection: sqlite3.Connection) -> Matrix:
        space = self._checked(connection)
        delta = tables.changes(connection, space, self._mark)
        if delta.full or self._matrix is None:
            matrix = Matrix.of(space.dimension, delta.chunks, delta.expected)
        else:
            matrix = self._matrix.without(delta.gone) if len(delta.gone) else self._matrix
            # All are read before the first is added: a matrix that grew half-way could not grow again.
            for rows in list(delta.chunks):
                matrix = matrix.with_rows(rows)
        self._mark = delta.mark
        return matrix


async def _run(threads: ThreadPoolExecutor, work: Callable[..., T], *arguments: object) -> T:
    return await asyncio.get_running_loop().run_in_executor(threads, work, *arguments)


class _Connection:
    """One connection to the file, opened when first needed, for one thread at a time. Its errors are the store's."""

    def __init__(self, path: Path, busy_timeout_s: float) -> None:
        self.lock = threading.RLock()
        self._path = path
        self._busy_timeout_s = busy_timeout_s
        self._connection: sqlite3.Connection | None = None
        self._inode = 0
        self._openings = 0

    def version(self) -> tuple[int, int]:
        """Give two numbers that move with each change by others: the opening's, and the file's since then."""
        with self._mapped_errors():
            connection = self._opened(make=False)
            [[number]] = connection.execute("PRAGMA data_version").fetchall()
            return self._openings, number

    @contextmanager
    def transaction(self, begin: str, *, make: bool = False) -> Iterator[sqlite3.Connection]:
        """Lend the connection inside one transaction."""
        with self.lock, self._mapped_errors():
            connection = self._opened(make)
            connection.execute(begin)
            try:
                yield connection
            except BaseException:
                connection.rollback()
                raise
            connection.commit()

    def close(self) -> None:
        with self.lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    @contextmanager
    def _mapped_errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            self.close()  # whatever state it is in, the next call starts afresh
            raise StoreUnavailable(Store.VECTORS, f"{self._path}: {error}") from error

    def _opened(self, make: bool) -> sqlite3.Connection:
        if self._connection is not None and self._inode_now() != self._inode:
            self.close()  # the file went away, or another one stands in its place
        if self._connection is None:
            if make:
                self._path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = self._open("rwc" if make else "rw")
            self._inode = self._inode_now()
            self._openings += 1
        return self._connection

    def _inode_now(self) -> int:
        try:
            return os.stat(self._path).st_ino
        except FileNotFoundError:
            return 0

    def _open(self, mode: str) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"{self._path.absolute().as_uri()}?mode={mode}",
            uri=True,
            timeout=self._busy_timeout_s,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            # An acknowledged write must outlive a power cut: the outbox row that asked for it is deleted next.
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA cache_size = -8192")
        except sqlite3.Error:
            connection.close()
            raise
        return connection
