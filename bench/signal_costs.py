"""CPU time that signals add to a ranking of For You from columns, for the heaviest viewer of the demo data.

python -m bench.signal_costs SIGNAL...
"""

# ruff: noqa: E402 (the number of BLAS threads has to stand before NumPy is loaded)

import asyncio
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

for _threads in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_threads, "1")  # as the gateway serves

from db.columns.column_store import ColumnStore
from db.database.engine import Database
from db.demo import generate, load
from db.models import now
from db.schema import migrate
from scoring import tunables
from scoring.collaborative.collaborative_training import train_collaborative_model
from scoring.deadlines import PATIENT
from scoring.mathematics.additive_model import Curve, Model
from scoring.mathematics.behavior_signals import EVALUATION_ONLY, REPLAYED_SIGNALS
from scoring.mathematics.signals import Signal
from scoring.pipelines import for_you
from scoring.profiles.viewer_columns import view_columns
from scoring.profiles.viewer_profile import load_profile
from tests.world import ANYTHING, World, embedded_world

ROUNDS = 60


async def measure(world: World, without: Sequence[Signal]) -> None:
    """Rank with all served signals and without some of them in turn, so that other load affects all alike."""
    served = [signal for signal in REPLAYED_SIGNALS if signal not in EVALUATION_ONLY]
    variants = {"all": served, "none of them": [signal for signal in served if signal not in without]}
    variants |= {f"without {left}": [signal for signal in served if signal is not left] for left in without}
    models = {name: Model(name, dict.fromkeys(signals, Curve.linear(0.01))) for name, signals in variants.items()}
    cpu_ms: dict[str, list[float]] = {name: [] for name in models}
    viewer, candidates = await world.viewer("heavy"), 0
    for _ in range(ROUNDS):
        for name, model in models.items():
            at, began = now(), time.process_time()
            view = await view_columns(world.stores, viewer, at)
            profile = await load_profile(world.stores, viewer, at, PATIENT, columns=view)
            candidates = (await for_you.rank(world.stores, profile, ANYTHING, model, at, PATIENT)).ids.size
            cpu_ms[name].append((time.process_time() - began) * 1e3)
    print(f"{candidates} candidates; ms of CPU, least and median of {ROUNDS}")
    for name, times in cpu_ms.items():
        print(f"{name:28} {min(times):6.2f} {median(times):6.2f}")


async def main(names: Sequence[str]) -> None:
    """Load the demo, train, and measure."""
    with TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/explore.sqlite")
        await migrate(database)
        await load(database, generate(now()))
        async with embedded_world(database, Path(folder)) as world:
            await world.settle()
            await train_collaborative_model(database)
            columns = ColumnStore(database, timedelta(days=tunables.RELEASE_WINDOW_DAYS), 1_000)
            await columns.load()
            world.stores = replace(world.stores, columns=columns)
            await measure(world, [Signal(name) for name in names])
        await database.close()
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
