"""Response time of feeds while Weaviate's gRPC endpoint drops all packets, and time until feeds are not degraded.

    .venv/bin/python -m bench.degradation

PostgreSQL and Redis are real. Weaviate and OpenAI are test doubles behind proxies that inject faults. The gateway runs
in this process with its default deadlines.
"""

import asyncio
import itertools
import logging
import statistics
import tempfile
import time
from pathlib import Path

import structlog

from db.database.engine import Database
from db.schema import migrate
from tests.at_scale import FOR_YOU, SEARCH, AtScale, running_at_scale
from tests.servers import running_postgresql

ASKED = 10
"""Requests of each kind while the store is unavailable."""

_numbers = itertools.count()


async def ask_anew(gateway: AtScale, query: str) -> tuple[float, list[str], int]:
    """Request a feed that no snapshot holds; return seconds, `degraded`, and the number of projects."""
    number = next(_numbers)
    await gateway.ask("mutation ($key: String!) { dismissProject(key: $key) { changed } }", key=f"p{number:04}")
    start = time.perf_counter()
    answer = await gateway.ask(query.replace("robots", f"robots {number}"))
    seconds = time.perf_counter() - start
    (feed,) = answer["data"].values()
    return seconds, feed["degraded"], len(feed["edges"])


async def measure(gateway: AtScale) -> None:
    """Measure, and print the table."""
    await gateway.fill(400)
    print(f"{'':<34}{'forYou':>18}{'search':>18}")
    kinds = (FOR_YOU, SEARCH)
    whole = [[await ask_anew(gateway, query) for _ in range(ASKED)] for query in kinds]
    report("seconds, everything there", whole)
    async with gateway.faulty("black_hole", "weaviate_grpc"):
        away = [[await ask_anew(gateway, query) for _ in range(ASKED)] for query in kinds]
        if not all(flags == ["VECTORS"] and edges for asked in away for _, flags, edges in asked):
            raise SystemExit("a feed was empty, or did not say what it did without")
        report("seconds, gRPC black-holed", away)
    healed: dict[str, float] = {}
    start = time.perf_counter()
    while len(healed) < len(kinds):
        for query in kinds:
            _, flags, _ = await ask_anew(gateway, query)
            if not flags:
                healed.setdefault(query, time.perf_counter() - start)
    print(f"{'seconds until the flag is gone':<34}" + "".join(f"{healed[query]:>18.2f}" for query in kinds))


def report(name: str, asked: list[list[tuple[float, list[str], int]]]) -> None:
    """Print one line of the table: median and maximum."""
    cells = [[seconds for seconds, _, _ in kind] for kind in asked]
    print(f"{name:<34}" + "".join(f"{statistics.median(cell):>9.3f} / {max(cell):.3f}".rjust(18) for cell in cells))


async def main() -> None:
    """Start all servers, measure, and stop the servers."""
    logging.disable()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with running_postgresql() as server, tempfile.TemporaryDirectory() as folder:
        database = Database(server.url("postgres"))
        await migrate(database)
        await database.close()
        async with running_at_scale(server.url("postgres"), Path(folder)) as gateway:
            structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
            await measure(gateway)


if __name__ == "__main__":
    asyncio.run(main())
