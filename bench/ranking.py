"""CPU time of scoring and re-ranking 2,000 candidates, of spreading 1,000, and of nightly training by interactions.

python -m bench.ranking blend
python -m bench.ranking training EVENTS [factors] [items] [users]
"""

# ruff: noqa: E402 (the number of BLAS threads has to stand before NumPy is loaded)

import os
import resource
import sys
import time
from collections.abc import Callable

for _threads in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_threads, "1")  # as the gateway serves

import numpy as np

from scoring.mathematics.additive_model import Curve, Model, order_by_score, scores
from scoring.mathematics.behavior_evidence import EventLog
from scoring.mathematics.behavior_signals import BEHAVIOR_SIGNALS
from scoring.mathematics.diversity import DiversityAttributes, diversify, spread
from scoring.mathematics.neighbors import interaction_matrix, item_neighbors, learn_factors, user_neighbors
from scoring.mathematics.signals import Incidence
from scoring.tunables import SNAPSHOT_RANKS

CANDIDATES, SIGNALS, KNOTS = 2_000, 12, 20


def blend() -> None:
    """Measure scoring and re-ranking: minimum and median CPU time of 200 runs."""
    rng = np.random.default_rng(0)

    def carried(terms: int, each: int) -> Incidence:
        return Incidence(CANDIDATES, np.repeat(np.arange(CANDIDATES), each), rng.integers(0, terms, CANDIDATES * each))

    attributes = DiversityAttributes(rng.integers(0, 500, CANDIDATES), carried(20, 2), carried(60, 3))
    xs = tuple(np.linspace(0, 1, KNOTS).tolist())
    curves = {signal: Curve(xs, tuple(rng.random(KNOTS).tolist())) for signal in list(BEHAVIOR_SIGNALS)[:SIGNALS]}
    model, matrix = Model("bench", curves), rng.random((CANDIDATES, SIGNALS))
    keys = np.array([f"p{n:05}" for n in range(CANDIDATES)])

    def ranked() -> None:
        score = scores(model.contributions(matrix))
        order = order_by_score(score, keys)
        chosen = DiversityAttributes(
            attributes.owners[order], attributes.categories.take(order), attributes.tools.take(order)
        )
        diversify(score[order], chosen)

    times = [_cpu_ms(ranked) for _ in range(200)]
    print(f"blend and re-rank of {CANDIDATES:,} x {SIGNALS}: {min(times):.1f} ms CPU, median {np.median(times):.1f}")
    shared_feed = attributes.take(np.arange(SNAPSHOT_RANKS))
    times = [_cpu_ms(lambda: spread(shared_feed)) for _ in range(200)]
    print(f"spread of {SNAPSHOT_RANKS:,} by owner and category: {min(times):.1f} ms CPU, median {np.median(times):.1f}")


def training(events: int, wanted: list[str]) -> None:
    """Time the nightly training for a number of events, a twentieth as many actors, and projects by its root."""
    rng = np.random.default_rng(0)
    people, projects = events // 20, min(100_000, int(40 * np.sqrt(events)))
    weight = 1.0 / np.arange(1, projects + 1) ** 0.7
    engaged = rng.choice(projects, events, p=weight / weight.sum())
    actors = np.minimum((people * rng.random(events) ** 1.5).astype(np.int64), people - 1)
    log = EventLog.from_events(actors, engaged, rng.random(events) * 1e7, people, projects)
    matrix = interaction_matrix(log.actors, log.projects, people, projects)
    print(f"{events:,} events ({matrix.nnz:,} different), {people:,} people, {projects:,} projects", flush=True)
    parts: dict[str, Callable[[], object]] = {
        "factors": lambda: learn_factors(matrix),
        "items": lambda: item_neighbors(matrix),
        "users": lambda: user_neighbors(matrix),
    }
    print(f"  before: {_peak_gb():.2f} GB")
    for name in wanted or parts:
        seconds = _cpu_ms(parts[name]) / 1_000
        print(f"  {name}: {seconds:.1f} s CPU, peak so far {_peak_gb():.2f} GB", flush=True)


def _peak_gb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def _cpu_ms(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return (time.process_time() - started) * 1_000


if __name__ == "__main__":
    if sys.argv[1:2] == ["training"]:
        training(int(sys.argv[2]), sys.argv[3:])
    else:
        blend()
