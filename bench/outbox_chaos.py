"""Consistency of the index after workers were killed: data changes while `explore worker` is killed repeatedly.

    python -m bench.outbox_chaos [--changes 10000] [--kills 24] [--workers 2] [--cut-off 20] [--postgresql URL]

Projects are created, edited, hidden, archived, deleted and created again by the functions that the GraphQL mutations
use. Meanwhile, worker processes drain the outbox and are killed (SIGKILL) at random times. ``--cut-off`` locks the file
of the index against writers for this number of seconds. At the end the workers drain the outbox, and each document of
the index is compared with the database.
"""

import argparse
import asyncio
import json
import os
import random
import sqlite3
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from sqlalchemy import func, select, update

from db import outbox
from db.catalog.catalog_entries import remove_projects, upsert_projects
from db.database.engine import Database
from db.embeddings.wordllama import WordLlamaEmbedder
from db.models import OutboxRow, Project, now
from db.records import ProjectRecord
from db.schema import migrate
from db.synchronization.reindex import Reindex
from db.vectors.embedded import EmbeddedVectorStore
from tests.preloaded import Program

KEYS = 400
"""A small number, so that every project is deleted and created again several times."""
WORDS = (
    "piano",
    "robot",
    "garden",
    "chess",
    "engine",
    "weather",
    "sketch",
    "dream",
    "atlas",
    "river",
    "puzzle",
    "letter",
)
DRAIN_WITHIN_S = 300.0


@dataclass
class Outcome:
    """The result of a run. `differences` and `twice` must be empty."""

    changes: int = 0
    kills: int = 0
    kills_at_work: int = 0
    cut_off_s: float = 0.0
    writing_s: float = 0.0
    draining_s: float = 0.0
    public: int = 0
    indexed: int = 0
    differences: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    dead: int = 0


class Workers:
    """Processes of `explore worker`."""

    def __init__(self, folder: Path, url: str, count: int) -> None:
        self._environment = os.environ | {"VAR_DIR": str(folder), "DATABASE_URL": url, "LOG_LEVEL": "error"}
        self._folder = folder
        self._processes = [self._start() for _ in range(count)]

    def _start(self) -> Program:
        with (self._folder / "workers.log").open("ab") as log:
            return Program(["worker"], self._folder, self._environment, log, log)

    def kill(self, number: int) -> None:
        """Kill a worker, and start another one."""
        self._processes[number].kill()
        self._processes[number].wait()
        self._processes[number] = self._start()

    def stop(self) -> None:
        """Kill all workers."""
        for process in self._processes:
            process.kill()
            process.wait()


async def change(database: Database, chance: random.Random, at_most: int) -> int:
    """Change some projects in one transaction, each in one of five ways; return their number."""
    keys = [f"p{number}" for number in chance.sample(range(KEYS), min(chance.randint(1, 12), at_most))]
    removed, written = [], []
    for key in keys:
        fate = chance.random()
        if fate < 0.25:
            removed.append(key)
            continue
        written.append(
            ProjectRecord(
                key=key,
                title=" ".join(chance.choices(WORDS, k=4)),
                description=" ".join(chance.choices(WORDS, k=20)),
                type=chance.choice(("article", "video")),
                tools=tuple(chance.sample(("brush", "compiler", "lathe"), chance.randint(0, 2))),
                private=fate > 0.8,
                archived=fate > 0.9,
            )
        )
    async with database.write() as connection:
        await upsert_projects(connection, written)
        await remove_projects(connection, removed)
    return len(keys)


async def cut_off(path: Path, seconds: float) -> None:
    """Lock the file of the index against writers for some seconds."""
    until = time.monotonic() + seconds
    connection = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
    await asyncio.to_thread(connection.execute, "BEGIN IMMEDIATE")
    await asyncio.sleep(max(until - time.monotonic(), 0))
    connection.execute("ROLLBACK")
    connection.close()


async def rows_in_hands(database: Database) -> int:
    """Return the number of leased outbox rows."""
    statement = select(func.count().label("n")).select_from(OutboxRow).where(OutboxRow.available_at > now())
    return int((await database.fetch(statement))[0].n)


async def write_and_kill(
    database: Database, workers: Workers, changes: int, kills: list[float], count: int, chance: random.Random
) -> Outcome:
    """Write the changes, spread over the time of the kills. Each kill follows the last one after a given pause."""
    outcome = Outcome()
    began = time.monotonic()
    for number, pause in enumerate(kills):
        until, share = time.monotonic() + pause, changes * (number + 1) // len(kills)
        while outcome.changes < share or time.monotonic() < until:
            if outcome.changes < share:
                outcome.changes += await change(database, chance, share - outcome.changes)
            left = max(until - time.monotonic(), 0.0)
            await asyncio.sleep(min(left, chance.random() * 2 * left / max((share - outcome.changes) / 6, 1)))
        outcome.kills_at_work += await rows_in_hands(database) > 0
        workers.kill(chance.randrange(count))
        outcome.kills += 1
    outcome.writing_s = time.monotonic() - began
    return outcome


async def until_drained(database: Database) -> float:
    """Wait until the outbox has only dead rows; return the seconds waited."""
    began = time.monotonic()
    while (await outbox.backlog(database)).rows:
        if time.monotonic() - began > DRAIN_WITHIN_S:
            raise TimeoutError(f"the outbox was not drained within {DRAIN_WITHIN_S} s")
        await asyncio.sleep(0.1)
    return time.monotonic() - began


async def compare(database: Database, path: Path, outcome: Outcome) -> None:
    """Record the differences of database and index, and the documents that the index holds twice."""
    embedder, vectors = WordLlamaEmbedder(), EmbeddedVectorStore(path)
    try:
        found = await Reindex(database, vectors, embedder).compare()
        outcome.differences = [f"{kind.value}:{key}" for kind, key in found]
        listed = [key for key, _ in await vectors.listing("Project", None, 1_000_000)]
    finally:
        await vectors.close()
    outcome.indexed = len(listed)
    outcome.twice = sorted({key for key in listed if listed.count(key) > 1})
    public = select(func.count().label("n")).select_from(Project).where(~Project.private, ~Project.archived)
    outcome.public = int((await database.fetch(public))[0].n)
    outcome.dead = (await outbox.backlog(database)).dead


async def run(
    folder: Path,
    *,
    url: str = "",
    changes: int,
    kills: int,
    workers: int = 2,
    cut_off_s: float = 0.0,
    seed: int = 1,
    lives_s: tuple[float, float] = (1.5, 8.0),
    expire_leases: bool = False,
) -> Outcome:
    """Run everything in a folder, and return the outcome.

    With `expire_leases`, the leases of all workers end with the last kill instead of after a minute.
    """
    chance = random.Random(seed)
    url = url or f"sqlite:///{folder / 'explore.sqlite'}"
    path = folder / "vectors.sqlite"
    database = Database(url)
    await migrate(database)
    processes = Workers(folder, url, workers)
    try:
        lives = [chance.uniform(*lives_s) for _ in range(kills)]
        writing = asyncio.create_task(write_and_kill(database, processes, changes, lives, workers, chance))
        if cut_off_s:
            await asyncio.sleep(sum(lives) / 2)
            await cut_off(path, cut_off_s)
        outcome = await writing
        outcome.cut_off_s = cut_off_s
        if expire_leases:
            async with database.write() as connection:
                await connection.execute(update(OutboxRow).values(available_at=now(), held_until=None))
        outcome.draining_s = await until_drained(database)
        await compare(database, path, outcome)
    finally:
        processes.stop()
        await database.close()
    return outcome


def main() -> None:
    """Run once, and print the outcome."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--changes", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=24)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--cut-off", type=float, default=0.0, metavar="SECONDS")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--postgresql", metavar="URL", default="", help="an empty database")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        outcome = asyncio.run(
            run(
                Path(folder),
                url=asked.postgresql,
                changes=asked.changes,
                kills=asked.kills,
                workers=asked.workers,
                cut_off_s=asked.cut_off,
                seed=asked.seed,
            )
        )
    print(json.dumps(asdict(outcome), indent=1))
    sys.exit(bool(outcome.differences or outcome.twice or outcome.dead))


if __name__ == "__main__":
    main()
