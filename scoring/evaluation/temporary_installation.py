"""An installation that lives as long as an evaluation: the embedded stores, filled from a folder as ever."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from db import schema
from db.cache.embedded import EmbeddedCache
from db.database.engine import Database
from db.embeddings.wordllama import WordLlamaEmbedder
from db.imports.importer import FileProgress, import_directory
from db.stores import Stores
from db.synchronization.synchronizer import IndexSynchronizer
from db.vectors.embedded import EmbeddedVectorStore
from scoring.replay.replayed_requests import Progress


@asynccontextmanager
async def temporary_installation(directory: Path, progress: Progress) -> AsyncIterator[Stores]:
    """Import a folder into empty stores and bring the index into step; all of it is gone at the end.

    Raises
    ------
    InvalidRecord
        If the folder is missing or holds nothing of the format.
    """

    def told(one: FileProgress) -> None:
        progress(one.file, one.fraction)

    with TemporaryDirectory(prefix="explore-evaluate-") as name:
        folder = Path(name)
        stores = Stores(
            Database(f"sqlite:///{folder / 'truth.sqlite'}"),
            EmbeddedVectorStore(folder / "vectors.sqlite"),
            WordLlamaEmbedder(),
            EmbeddedCache(folder / "cache.sqlite"),
        )
        try:
            await schema.migrate(stores.database)
            await stores.vectors.prepare(stores.embedder.model, stores.embedder.dimension)
            report = await import_directory(stores.database, directory, progress=told)
            await _index(stores, sum(file.added for file in report.files), progress)
            yield stores
        finally:
            await stores.close()


async def _index(stores: Stores, expected: int, progress: Progress) -> None:
    synchronizer, done = IndexSynchronizer(stores.database, stores.vectors, stores.embedder), 0
    while taken := await synchronizer.drain():
        done += taken
        progress("index", min(done / max(expected, 1), 1.0))
    progress("index", 1.0)
