"""Interactions per second that `recordInteractions` accepts, over HTTP in batches, with the server in its own process.

    python -m bench.events [--batch 500] [--seconds 20] [--clients 4] [--workers 1]
                           [--postgresql EMPTY_DATABASE_URL [--postgresql-pid PID_OF_ITS_FIRST_PROCESS]]

Each call is a batch of one viewer: impressions (60 %), views (30 %), clicks, likes and saves of 2,000 projects, each
with its own id. Interactions with the status RECORDED are counted. Server, database and clients run on this machine;
their CPU times are read from /proc, because the rate depends on the load of the machine.
"""

import argparse
import asyncio
import os
import random
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import orjson

from db.catalog.catalog_entries import upsert_projects
from db.database.engine import Database
from db.models import now
from db.records import ProjectRecord
from db.schema import migrate
from gateway.callers.token_authority import TokenAuthority

PROJECTS, VIEWERS = 2_000, 2_000
SECRET = "only for this measurement, of no use elsewhere"  # noqa: S105 (a database that is thrown away)
QUERY = """mutation ($events: [InteractionInput!]!) {
  recordInteractions(events: $events) { recorded results { status } } }"""
TYPES = ("IMPRESSION",) * 60 + ("VIEW",) * 30 + ("CLICK",) * 5 + ("LIKE",) * 3 + ("SAVE",) * 2


def batch_of(chance: random.Random, size: int) -> list[dict[str, object]]:
    """Return interactions of one viewer in the last hours, at most one of each type and project."""
    start = datetime.now(UTC) - timedelta(hours=chance.uniform(1, 100))
    projects = chance.sample(range(PROJECTS), size)
    return [
        {
            "project": f"p{project}",
            "type": chance.choice(TYPES),
            "at": (start + timedelta(seconds=place)).isoformat(),
            "feed": "TRENDING",
            "rank": place + 1,
            "snapshotId": "0123456789abcdef0123456789abcdef",
            "id": f"{chance.getrandbits(64):x}",
        }
        for place, project in enumerate(projects)
    ]


async def client(url: str, authority: TokenAuthority, size: int, until: float, seed: int) -> list[tuple[int, float]]:
    """Send batches one after the other; return the recorded interactions and seconds of each batch."""
    chance, done = random.Random(seed), []
    async with httpx.AsyncClient(base_url=url, timeout=60) as http:
        while time.perf_counter() < until:
            token = authority.issue(f"viewer-{chance.randrange(VIEWERS)}", None, 1.0)
            body = orjson.dumps({"query": QUERY, "variables": {"events": batch_of(chance, size)}})
            started = time.perf_counter()
            answer = await http.post(
                "/graphql",
                content=body,
                headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
            )
            payload = answer.json()["data"]["recordInteractions"]
            done.append((payload["recorded"], time.perf_counter() - started))
    return done


def cpu_s(pid: int) -> float:
    """Return the CPU seconds of a process and its descendants, including descendants that have ended."""
    processes: dict[int, tuple[int, float]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it ended meanwhile
            told = stat.read_text().rpartition(")")[2].split()
            processes[int(stat.parent.name)] = int(told[1]), sum(map(int, told[11:15])) / os.sysconf("SC_CLK_TCK")
    family = {pid}
    while more := {child for child, (parent, _) in processes.items() if parent in family} - family:
        family |= more
    return sum(processes[one][1] for one in family if one in processes)


async def fill(url: str) -> None:
    """Write the projects."""
    database = Database(url)
    await migrate(database)
    made = now() - timedelta(days=9)
    records = [
        ProjectRecord(key=f"p{n}", title=f"Project {n}", type="article", created_at=made) for n in range(PROJECTS)
    ]
    async with database.write() as connection:
        await upsert_projects(connection, records)
    await database.close()


async def run(given: argparse.Namespace, folder: str) -> None:
    """Start the server, send the batches, and return the figures."""
    database_url = given.postgresql or f"sqlite:///{folder}/truth.sqlite"
    await fill(database_url)
    settings = {
        "DATABASE_URL": database_url,
        "VAR_DIR": folder,
        "TOKEN_SECRET": SECRET,
        "PORT": str(given.port),
        "WORKERS": str(given.workers),
        "LOG_LEVEL": "error",
    }
    explore = str(Path(sys.executable).with_name("explore"))
    server = subprocess.Popen([explore, "serve"], env={**os.environ, **settings}, stdout=subprocess.DEVNULL)  # noqa: ASYNC220, S603 (it is meant to outlive this line)
    url = f"http://127.0.0.1:{given.port}"
    try:
        await until_ready(url)
        authority = TokenAuthority(SECRET.encode(), "explore-gateway", "explore")
        spenders = {"gateway": server.pid} | ({"database": given.postgresql_pid} if given.postgresql_pid else {})
        before = {name: cpu_s(pid) for name, pid in spenders.items()}
        started = time.perf_counter()
        sent = await asyncio.gather(
            *(client(url, authority, given.batch, started + given.seconds, seed) for seed in range(given.clients))
        )
        took_s = time.perf_counter() - started
        spent = {name: cpu_s(pid) - before[name] for name, pid in spenders.items()}
    finally:
        server.terminate()
        server.wait(30)
    calls = sorted(seconds for one in sent for _, seconds in one)
    recorded = sum(count for one in sent for count, _ in one)
    engine = "PostgreSQL" if given.postgresql else "SQLite"
    print(
        f"{engine}, batches of {given.batch}, {given.clients} clients: {recorded / took_s:,.0f} events/s recorded "
        f"({len(calls)} calls, median {1_000 * calls[len(calls) // 2]:.0f} ms, "
        f"95th percentile {1_000 * calls[int(len(calls) * 0.95)]:.0f} ms); load {os.getloadavg()[0]:.1f}"
    )
    for name, seconds in spent.items():
        print(f"  {name}: {1_000 * seconds / recorded:.3f} s CPU per 1,000 events")


async def until_ready(url: str) -> None:
    """Wait until the server answers its health check."""
    async with httpx.AsyncClient(base_url=url) as http:
        for _ in range(300):
            try:
                if (await http.get("/healthz")).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.2)
    raise TimeoutError("the server does not answer")


def main() -> None:
    """Parse the command line, and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--port", type=int, default=8799)
    parser.add_argument("--postgresql")
    parser.add_argument("--postgresql-pid", type=int)
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(parser.parse_args(), folder))


if __name__ == "__main__":
    main()
