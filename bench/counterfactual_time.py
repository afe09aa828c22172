"""Time to find the interactions that would remove a project from the `forYou` page, with the default model.

The demo data is used. The time for each project is compared with the time of one ranking of the page.

python -m bench.counterfactual_time
"""

# ruff: noqa: E402 (the number of BLAS threads has to stand before NumPy is loaded)

import asyncio
import os
import time
from collections import Counter
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

for _threads in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_threads, "1")  # as the gateway serves

from db.database.engine import Database
from db.demo import generate, load
from db.models import now
from db.schema import migrate
from scoring.collaborative.collaborative_training import train_collaborative_model
from scoring.deadlines import PATIENT
from scoring.feeds import Feeds
from scoring.models.active_model import fixed_model
from scoring.models.model_presets import DEFAULT
from scoring.pipelines import for_you
from scoring.profiles.viewer_profile import load_profile
from tests.world import ANYTHING, World, embedded_world

VIEWERS = ("heavy", "narrow", "owner")
PLACES = 12


async def measure(world: World, key: str) -> str:
    """Measure the first ranks of one viewer's page, and return one line of the table."""
    feeds = Feeds(world.stores, fixed_model(DEFAULT), deadlines=PATIENT)
    viewer = await world.viewer(key)
    page = await feeds.for_you(viewer, PLACES, None, ANYTHING)
    ranking_ms, ranking_cpu_ms = await ranked(world, key)
    wall_ms, cpu_ms, sizes = [], [], Counter[int]()
    for entry in page.entries:
        began, cpu = time.perf_counter(), time.process_time()
        found = await feeds.counterfactuals(viewer, [entry.scored], ANYTHING)
        wall_ms.append((time.perf_counter() - began) * 1e3)
        cpu_ms.append((time.process_time() - cpu) * 1e3)
        sizes[len(found.get(entry.project_id, ()))] += 1
    told = ", ".join(f"{count} of {size}" if size else f"none for {count}" for size, count in sorted(sizes.items()))
    return (
        f"{key:8} a ranking {ranking_ms:4.0f} ms ({ranking_cpu_ms:.0f} CPU); what would remove it: "
        f"wall {median(wall_ms):5.0f} ms (most {max(wall_ms):.0f}), "
        f"CPU {median(cpu_ms):4.0f} ms (most {max(cpu_ms):.0f}); causes: {told}"
    )


async def ranked(world: World, key: str, times: int = 5) -> tuple[float, float]:
    """Rank the page of a viewer several times, and return the minimum wall and CPU time in milliseconds."""
    wall_ms, cpu_ms = [], []
    for _ in range(times):
        viewer, at = await world.viewer(key), now()
        began, cpu = time.perf_counter(), time.process_time()
        profile = await load_profile(world.stores, viewer, at, PATIENT)
        await for_you.rank(world.stores, profile, ANYTHING, DEFAULT, at, PATIENT)
        wall_ms.append((time.perf_counter() - began) * 1e3)
        cpu_ms.append((time.process_time() - cpu) * 1e3)
    return min(wall_ms), min(cpu_ms)


async def main() -> None:
    """Load the demo, and measure."""
    with TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/truth.sqlite")
        await migrate(database)
        await load(database, generate(now()))
        async with embedded_world(database, Path(folder)) as world:
            await world.settle()
            await train_collaborative_model(database)
            for key in VIEWERS:
                print(await measure(world, key))
        await database.close()
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")


if __name__ == "__main__":
    asyncio.run(main())
