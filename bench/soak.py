"""Memory, descriptors, connections, threads, keys and temporary files of the gateway under a steady load.

    python -m bench.soak --minutes 60 [--embedded]

The load is that of `bench.reliability` with a bounded number of different requests. Every 20 s the processes of the
gateway and the stores are sampled. The slope is that of the second half, and not of the first half hour if the run is
longer: by then caches are full, and the first rankings in Redis, which live for half an hour, have expired.
"""

import argparse
import asyncio
import logging
import math
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from redis import Redis
from sqlalchemy import text

from bench.reliability.cells import FEED_EVERY_S, WRITE_EVERY_S
from bench.reliability.client import FEEDS
from bench.reliability.gateway import Gateway
from bench.reliability.installation import running
from bench.reliability.load import Load, stopped
from bench.serving.processes import pss_mb, tree
from db.database.engine import Database
from gateway.settings import Settings

SAMPLE_EVERY_S = 20.0
SETTLED_H = 31 / 60
"""Hours after which the number of rankings in Redis no longer grows."""

VARIETY = 200
"""Number of different searches, and of different filters of For You."""

FLAT = {"memory MB": 0.03, "Redis keys": 0.05, "Redis keys for a day": math.inf}
"""Largest growth per hour of what counts as flat, as a share of the mean; for everything else, less than one. The entry
that assigns a personal ranking to its viewer lives for a day, so their number is flat only after a day."""

_SESSIONS = text("SELECT count(*) AS n FROM pg_stat_activity WHERE backend_type = 'client backend'")

Sample = dict[str, float]


class Sampler:
    """Counts what a gateway holds, in its server and worker together and in its stores."""

    def __init__(self, gateway: Gateway, settings: Settings, temporary: Path) -> None:
        self._gateway, self._temporary = gateway, temporary
        self._database = Database(settings.effective_database_url)
        url = settings.redis_url.get_secret_value()
        self._redis = Redis.from_url(url) if url else None

    async def close(self) -> None:
        """Close the connections."""
        await self._database.close()
        if self._redis is not None:
            self._redis.close()

    async def sample(self) -> Sample:
        """Return the figures by name."""
        roots = [process.pid for process in (self._gateway.server, self._gateway.worker) if process is not None]
        pids = [pid for root in roots for pid in tree(root)]
        found: Sample = {
            "memory MB": sum(map(pss_mb, roots)),
            "descriptors": sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in pids),
            "threads": sum(len(os.listdir(f"/proc/{pid}/task")) for pid in pids),
            "temporary files": sum(1 for path in self._temporary.rglob("*") if path.is_file()),
        }
        if not self._database.is_sqlite:
            found["PostgreSQL connections"] = (await self._database.fetch(_SESSIONS))[0].n
        if self._redis is not None:
            found["Redis connections"] = self._redis.info("clients")["connected_clients"]
            keys: list[bytes] = list(self._redis.scan_iter(count=1_000))
            day = sum(b":snapshot:" in key and b":actor:" in key for key in keys)
            found["Redis keys"] = len(keys) - day
            found["Redis keys for a day"] = day
        return found


@contextmanager
def temporary_files(folder: Path) -> Iterator[Path]:
    """Let the processes that are started in the block make their temporary files in a folder."""
    folder.mkdir()
    before = os.environ.get("TMPDIR")
    os.environ["TMPDIR"] = str(folder)
    try:
        yield folder
    finally:
        os.environ.pop("TMPDIR")
        if before is not None:
            os.environ["TMPDIR"] = before


@dataclass(frozen=True)
class Trend:
    """The course of one figure."""

    name: str
    first: float
    last: float
    per_hour: float
    is_flat: bool


def trends(hours: list[float], samples: list[Sample]) -> list[Trend]:
    """Return the trend of each figure: the slope of a straight line through the settled samples."""
    settled = max(hours[-1] / 2, SETTLED_H if hours[-1] > 1.25 * SETTLED_H else 0.0)
    start = min(sum(hour < settled for hour in hours), len(hours) - 2)  # a line needs two points
    found = []
    for name in samples[0]:
        values = np.array([sample[name] for sample in samples])
        slope = float(np.polyfit(hours[start:], values[start:], 1)[0])
        limit = FLAT[name] * float(values[start:].mean()) if name in FLAT else 1.0
        found.append(Trend(name, float(values[0]), float(values[-1]), slope, slope <= limit))
    return found


async def soak(folder: Path, kind: str, minutes: float) -> tuple[list[Trend], Counter[str]]:
    """Run the load, and return the trends and the numbers of answers by outcome."""
    with temporary_files(folder / "tmp") as temporary:
        async with running(kind, folder) as installation:
            load = Load(installation.client, installation.load.ledger, random.Random(2), variety=VARIETY)
            sampler = Sampler(installation.gateway, installation.direct, temporary)
            tasks = [asyncio.create_task(load.keep_asking(kind, FEED_EVERY_S)) for kind in FEEDS]
            writes = (["like", "save", "view"], ["change"])
            tasks += [asyncio.create_task(load.keep_writing(kinds, WRITE_EVERY_S)) for kinds in writes]
            outcomes, hours, samples = Counter[str](), [], []
            began = time.monotonic()
            while (passed := time.monotonic() - began) < 60 * minutes:
                await asyncio.sleep(SAMPLE_EVERY_S)
                hours.append(passed / 3600)
                samples.append(await sampler.sample())
                outcomes.update(one.problem or ", ".join(one.degraded) or "whole" for one in load.answers)
                load.answers.clear()
                print(f"{passed / 60:5.1f} min  {samples[-1]}", file=sys.stderr, flush=True)
            await stopped(tasks)
            await sampler.close()
    return trends(hours, samples), outcomes


def main() -> None:
    """Run, and print the trends."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--embedded", action="store_true", help="the embedded stores instead of servers")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the servers are stopped
    logging.disable()
    with tempfile.TemporaryDirectory(prefix="explore-soak-") as name:
        Path(name).chmod(0o755)  # PostgreSQL runs under another account
        kind = "embedded" if asked.embedded else "servers"
        found, outcomes = asyncio.run(soak(Path(name), kind, asked.minutes))
    print(f"answers: {dict(outcomes.most_common())}")
    for trend in found:
        said = "flat" if trend.is_flat else "NOT FLAT"
        print(f"{trend.name:24}{trend.first:10.1f}{trend.last:10.1f}{trend.per_hour:+10.1f} per hour  {said}")
    sys.exit(not all(trend.is_flat for trend in found))


if __name__ == "__main__":
    main()
