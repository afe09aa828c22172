"""Acknowledged writes after processes were killed: each must be there exactly once, in the database and in the index.

    python -m bench.kills --kills 1000 [--postgresql] [--cut-off 20]

Users like, save, dismiss and view projects, and the platform creates, edits, hides, archives and removes others, over
HTTP. Meanwhile the server, the worker, an import and, with `--postgresql`, the database are killed (SIGKILL) at random
moments and started again. A write that was not acknowledged is sent again. At the end the outbox is drained, and every
acknowledged write is compared with the database and the index.
"""

import argparse
import asyncio
import itertools
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import AsyncExitStack, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import update

from bench.reliability.client import Client
from bench.reliability.gateway import Gateway
from bench.reliability.ledger import Ledger, Pair, Verdict, drained
from bench.reliability.load import Load, stopped
from bench.reliability.servers import Postgresql
from db.models import OutboxRow, now
from db.private_files import DataFile
from gateway.stores import open_stores
from tests.preloaded import Program

IMPORTED = 40
"""Users and likes of one import."""

WRITES = ("like", "save", "view", "dismiss")


@dataclass
class Outcome:
    """The result of a run."""

    kills: dict[str, int] = field(default_factory=dict)
    acknowledged: int = 0
    sent_again: int = 0
    imports: int = 0
    seconds: float = 0.0
    draining_s: float = 0.0
    verdict: Verdict = field(default_factory=Verdict)


class Run:
    """One run in a folder, with embedded stores unless a PostgreSQL is given."""

    def __init__(self, folder: Path, postgresql: Postgresql | None, seed: int) -> None:
        self.folder, self.postgresql = folder, postgresql
        self.chance = random.Random(seed)
        settings = {} if postgresql is None else {"DATABASE_URL": postgresql.url}
        self.gateway = Gateway(folder, settings)
        self.ledger, self.outcome = Ledger(), Outcome()
        self.client = Client(self.gateway.url)
        self.load = Load(self.client, self.ledger, self.chance)
        self._import: Program | subprocess.Popen[bytes] | None = None

    async def __aenter__(self) -> "Run":
        await self.gateway.start()
        await self.load.fill()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.close()
        self.gateway.stop()
        self._kill_import()

    async def write_and_kill(self, kills: int, lives_s: tuple[float, float]) -> None:
        """Write without a pause, and kill one process after another, each after a random time with a write in it."""
        began = time.monotonic()
        writers = [asyncio.create_task(self.load.keep_writing(kinds, 0.0)) for kinds in (WRITES, reversed(WRITES))]
        writers.append(asyncio.create_task(self.load.keep_writing(["change"], 0.02)))
        tasks = [*writers, asyncio.create_task(self.keep_importing())]
        for number in range(kills):
            if number % 20 == 0:
                print(f"{number} kills, {self.ledger.count} writes acknowledged", file=sys.stderr)
            before = self.ledger.count
            await asyncio.sleep(self.chance.uniform(*lives_s))
            while self.ledger.count == before and not any(task.done() for task in tasks):  # noqa: ASYNC110 (a count)
                await asyncio.sleep(0.01)
            await self.kill()
        await stopped(tasks)
        self.outcome.seconds = time.monotonic() - began
        self.outcome.acknowledged = self.ledger.count
        self.outcome.sent_again = sum(bool(answer.problem) for answer in self.load.answers)

    async def kill(self) -> None:
        """Kill one of the processes, and start it again."""
        victims = ["server", "worker", "import"] + ["database"] * (self.postgresql is not None)
        victim = self.chance.choice(victims)
        if victim == "server":
            self.gateway.kill_server()
            self.gateway.start_server()
            await self.gateway.until_healthy()
        elif victim == "worker":
            self.gateway.kill_worker()
            self.gateway.start_worker()
        elif victim == "import":
            self._kill_import()
        elif self.postgresql is not None:
            await asyncio.to_thread(self._kill_database, self.postgresql)
        self.outcome.kills[victim] = self.outcome.kills.get(victim, 0) + 1

    def _kill_import(self) -> None:
        """Kill the import that runs; `keep_importing` waits for its end."""
        if self._import is not None and self._import.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self._import.pid, signal.SIGKILL)

    def _kill_database(self, postgresql: Postgresql) -> None:
        """Kill one of PostgreSQL's sessions, or all of PostgreSQL."""
        if self.chance.random() < 0.5:
            postgresql.kill_session(self.chance)
        else:
            postgresql.kill()
            postgresql.start()

    async def keep_importing(self) -> None:
        """Import one folder after another until canceled; an import that was killed is repeated."""
        folder = self.folder / "import"
        folder.mkdir()
        for number in itertools.count():
            likes = self._write_import(folder, number)
            while True:
                self._import = self.gateway.run("import", str(folder))
                if await asyncio.to_thread(self._import.wait) == 0:
                    break
                await asyncio.sleep(0.1)
            self.ledger.pairs["like"] |= likes
            self.outcome.imports += 1
            await asyncio.sleep(0.2)

    def _write_import(self, folder: Path, number: int) -> set[Pair]:
        """Write the files of an import: users who like projects."""
        likes = {(f"i{number}-{n}", f"p{n:04}") for n in range(IMPORTED)}
        at = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
        users = [{"key": user, "username": user} for user, _ in sorted(likes)]
        events = [{"user": user, "project": key, "type": "like", "at": at} for user, key in sorted(likes)]
        (folder / "users.jsonl").write_text("\n".join(map(json.dumps, users)))
        (folder / "interactions.jsonl").write_text("\n".join(map(json.dumps, events)))
        return likes

    async def verify(self, *, expire_leases: bool) -> None:
        """Drain the outbox, and compare the acknowledged writes with the stores."""
        async with open_stores(self.gateway.settings()) as stores:
            if expire_leases:
                async with stores.database.write() as connection:
                    await connection.execute(update(OutboxRow).values(available_at=now(), held_until=None))
            self.outcome.draining_s = await drained(stores)
            self.outcome.verdict = await self.ledger.verify(stores)


async def lock_index(path: Path, seconds: float) -> None:
    """Lock the file of the index against writers for some seconds."""
    connection = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
    await asyncio.to_thread(connection.execute, "BEGIN IMMEDIATE")
    await asyncio.sleep(seconds)
    connection.execute("ROLLBACK")
    connection.close()


async def run(
    folder: Path,
    *,
    kills: int,
    with_postgresql: bool = False,
    cut_off_s: float = 0.0,
    lives_s: tuple[float, float] = (0.05, 1.0),
    expire_leases: bool = False,
    seed: int = 1,
) -> Outcome:
    """Run everything in a folder, and return the outcome.

    `cut_off_s` locks the file of the index against writers for this time. With `expire_leases`, the leases of killed
    workers end with the last kill instead of after a minute.
    """
    async with AsyncExitStack() as stack:
        postgresql = None
        if with_postgresql:
            home = stack.enter_context(tempfile.TemporaryDirectory(prefix="explore-postgresql-"))
            postgresql = Postgresql(Path(home))
            stack.callback(postgresql.kill)
            await asyncio.to_thread(postgresql.create)
            await asyncio.to_thread(postgresql.start)
        current = await stack.enter_async_context(Run(folder, postgresql, seed))
        lock = asyncio.create_task(lock_index(folder / "var" / DataFile.VECTORS, cut_off_s)) if cut_off_s else None
        await current.write_and_kill(kills, lives_s)
        if lock is not None:
            await lock
        await current.verify(expire_leases=expire_leases)
        return current.outcome


def main() -> None:
    """Run once, and print the outcome."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--postgresql", action="store_true", help="a PostgreSQL of its own instead of SQLite")
    parser.add_argument("--cut-off", type=float, default=0.0, metavar="SECONDS", help="lock the index for this time")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the servers are stopped
    with tempfile.TemporaryDirectory() as folder:
        outcome = asyncio.run(
            run(
                Path(folder),
                kills=asked.kills,
                with_postgresql=asked.postgresql,
                cut_off_s=asked.cut_off,
                seed=asked.seed,
            )
        )
    print(json.dumps(asdict(outcome), indent=1))
    sys.exit(not outcome.verdict.is_whole)


if __name__ == "__main__":
    main()
