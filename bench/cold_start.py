"""NDCG of `explore evaluate --protocol cold-start` on the demo data, by number of interactions that a viewer has.

python -m bench.cold_start [SEED]
"""

# ruff: noqa: E402 (the number of BLAS threads has to stand before NumPy is loaded)

import asyncio
import json
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

for _threads in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_threads, "1")  # as the gateway serves

from db.database.engine import Database
from db.demo import generate, load
from db.models import now
from db.schema import migrate
from scoring.evaluation.cold_start_protocol import evaluate_cold_start
from scoring.evaluation.protocols import Options
from scoring.replay.dataset import Dataset
from scoring.training.training_data import read_training_data


async def demo_dataset() -> Dataset:
    """Load the demo into a database as `explore serve --demo` does, and return its training data."""
    with TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{Path(folder) / 'truth.sqlite'}")
        await migrate(database)
        await load(database, generate(now()))
        truth = await read_training_data(database)
        await database.close()
    return truth.dataset


def main() -> None:
    """Evaluate, and print NDCG by number of interactions."""
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    dataset = asyncio.run(demo_dataset())
    results = evaluate_cold_start(dataset, Options(seed=seed), lambda _what, _share: None)
    print(f"{results.facts['viewers']} viewers; NDCG@10 by interactions left")
    print(json.dumps(results.facts["by interactions"], indent=1))


if __name__ == "__main__":
    main()
