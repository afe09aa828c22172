"""Microseconds of the counts that several server processes share, beside those of one process.

    python -m bench.shared_counts [--processes 2]

Each operation is measured in every process at the same time, without any pause between operations, which is the worst
case: in a server a request lies between two of them.
"""

import argparse
import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from gateway.limits.rate_limits import MemoryRateLimitStore, RateLimitStore
from gateway.limits.shared_rate_limits import SharedRateLimitStore
from gateway.sharing.open_counts import LocalCounts, OpenCounts, SharedCounts
from gateway.sharing.shared_table import SharedTable

OPERATIONS, CALLERS, LIMIT = 5_000, 2_000, 10**9
KEYS = 12_500


def time_each(operation: Callable[[int], None]) -> float:
    """Return the median of the microseconds of an operation, which gets its number."""
    spent = []
    for number in range(OPERATIONS):
        began = time.perf_counter()
        operation(number)
        spent.append(time.perf_counter() - began)
    return 1e6 * median(spent)


async def spend(store: RateLimitStore) -> float:
    """Measure a charge: spending points, and reading what was spent."""
    spent = []
    for number in range(OPERATIONS):
        caller = f"{number % CALLERS:032x}"
        began = time.perf_counter()
        await store.spend(caller, 10, LIMIT)
        await store.spent(caller)
        spent.append(time.perf_counter() - began)
    return 1e6 * median(spent)


def hold(counts: OpenCounts) -> float:
    """Measure a connection: counting it for all and for its client, and its end."""

    def operation(number: int) -> None:
        names = ("connections of all", f"connections of {number % CALLERS}")
        for name in names:
            counts.try_acquire(name, LIMIT)
        for name in names:
            counts.release(name)

    return time_each(operation)


def measure(folder: str) -> tuple[float, float, float, float]:
    """Measure all operations in one process: a charge and a connection, each local and shared."""
    points, held = (SharedTable(Path(folder) / name) for name in ("points", "held"))
    return (
        asyncio.run(spend(MemoryRateLimitStore())),
        asyncio.run(spend(SharedRateLimitStore(points))),
        hold(LocalCounts()),
        hold(SharedCounts(held)),
    )


def main() -> None:
    """Print one line for each operation."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=2)
    asked = parser.parse_args()
    with TemporaryDirectory() as folder, ProcessPoolExecutor(asked.processes) as pool:
        for name in ("points", "held"):
            SharedTable.create(Path(folder) / name, KEYS)
        results = [list(figures) for figures in pool.map(measure, [folder] * asked.processes)]
    charge, shared_charge, connection, shared_connection = (median(column) for column in zip(*results, strict=True))
    print(f"a charge:     {charge:5.1f} µs in one process, {shared_charge:5.1f} µs shared")
    print(f"a connection: {connection:5.1f} µs in one process, {shared_connection:5.1f} µs shared")


if __name__ == "__main__":
    main()
