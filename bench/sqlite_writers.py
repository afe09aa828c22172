"""Likes per second of concurrent writers beside CPU-bound reads, in one process on SQLite.

    python -m bench.sqlite_writers [--writers 8] [--readers 4] [--seconds 20] [--projects 5000] [--folder FOLDER]

Each writer likes one project after the other as a new viewer, by the use case that `likeProject` calls. Each reader
reads and sorts all projects, again and again. The time of a commit depends on the disk, which `--folder` chooses.
"""

import argparse
import asyncio
import itertools
import tempfile
import time
from pathlib import Path

from sqlalchemy import text

from db.cache.embedded import EmbeddedCache
from db.catalog.catalog_entries import upsert_projects
from db.database.engine import Database
from db.embeddings.wordllama import WordLlamaEmbedder
from db.models import now
from db.records import ProjectRecord
from db.schema import migrate
from db.stores import Stores
from db.vectors.embedded import EmbeddedVectorStore
from scoring.use_cases.project_interactions import like_project
from scoring.use_cases.unit_of_work import Caller, UnitOfWork

_SCAN = text("SELECT key, title, description, lower(title) AS folded FROM projects ORDER BY folded, key")


async def fill(database: Database, projects: int) -> None:
    """Write projects into an empty database."""
    await migrate(database)
    at = now()
    records = [
        ProjectRecord(key=f"p{n}", title=f"Project {n * 7919 % projects}", type="article", created_at=at)
        for n in range(projects)
    ]
    async with database.write() as connection:
        await upsert_projects(connection, records)


async def measure(stores: Stores, writers: int, readers: int, projects: int, seconds: float) -> None:
    """Run writers and readers side by side, and print their rates and the latencies of likes."""
    until = time.monotonic() + seconds
    viewers, waits, scans = itertools.count(), [], itertools.count()

    async def write() -> None:
        while time.monotonic() < until:
            number, started = next(viewers), time.monotonic()
            work = UnitOfWork(stores, Caller(session_key=f"s{number}", is_new_session=True))
            await like_project(work, f"p{number % projects}")
            waits.append(time.monotonic() - started)

    async def read() -> None:
        while time.monotonic() < until:
            await stores.database.fetch(_SCAN)
            next(scans)

    started, cpu_s = time.monotonic(), time.process_time()
    await asyncio.gather(*(write() for _ in range(writers)), *(read() for _ in range(readers)))
    passed, cpu_s = time.monotonic() - started, time.process_time() - cpu_s
    waits.sort()
    print(
        f"{writers} writers, {readers} readers: {len(waits):,} likes in {passed:.0f} s, {len(waits) / passed:.1f}/s, "
        f"p50 {waits[len(waits) // 2] * 1e3:,.0f} ms, p99 {waits[len(waits) * 99 // 100] * 1e3:,.0f} ms, "
        f"{next(scans) / passed:.1f} reads/s, {cpu_s / passed:.2f} CPUs"
    )


async def main() -> None:
    """Parse the command line, and measure without and with readers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--writers", type=int, default=8)
    parser.add_argument("--readers", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--projects", type=int, default=5_000)
    parser.add_argument("--folder", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.folder) as name:
        folder = Path(name)
        stores = Stores(
            Database(f"sqlite:///{folder}/explore.sqlite"),
            EmbeddedVectorStore(folder / "vectors.sqlite"),
            WordLlamaEmbedder(),
            EmbeddedCache(folder / "cache.sqlite"),
        )
        await fill(stores.database, asked.projects)
        for readers in (0, asked.readers):
            await measure(stores, asked.writers, readers, asked.projects, asked.seconds)
        await stores.close()


if __name__ == "__main__":
    asyncio.run(main())
