"""Measurements in interleaved rounds: each server in turn, so that other work on the machine meets all of them."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from bench.serving.load import Load, run
from bench.serving.scenarios import COLD, WARM, Scenario
from bench.serving.targets import Counters, Target, token

SETTLE_S = 0.05
"""Seconds after the last response, in which a server finishes its work for it."""
WARM_UP, WARM_UPS = 3 * len(WARM), 5
"""Requests to each server before the first measurement, and how often they are repeated while a page is degraded: a
process that has just started ranks without stores that it has not loaded yet, and ranks such pages anew."""
LEAST = 48
"""Requests of a measurement, if its time is over before."""
COUNTED_CLIENTS = 8
"""Number of clients of the measurements whose CPU, statements and cache calls are shown."""


@dataclass
class Cell:
    """All measurements of a scenario on a server. Times of the CPU are per request, in milliseconds."""

    scenario: str
    target: str
    requests: int = 0
    errors: int = 0
    error: str = ""
    degraded: int = 0
    nulls: int = 0
    size: float = 0.0
    """Bytes of a response with its head."""
    cpu_ms: float = 0.0
    database_cpu_ms: float = 0.0
    cache_cpu_ms: float = 0.0
    statements: float = 0.0
    cache_calls: float = 0.0
    rounds_cpu_ms: list[float] = field(default_factory=list)
    latencies_ms: dict[int, tuple[float, float]] = field(default_factory=dict)
    """Median and 99th percentile by number of clients."""
    seconds: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list), repr=False)
    sums: list[float] = field(default_factory=lambda: [0.0] * 5, repr=False)

    def finish(self) -> None:
        """Compute the figures per request and the percentiles."""
        counted = max(self.requests, 1)
        cpu, database, cache, statements, calls = self.sums
        self.cpu_ms, self.database_cpu_ms, self.cache_cpu_ms = (1e3 * sum_ / counted for sum_ in (cpu, database, cache))
        self.statements, self.cache_calls, self.size = statements / counted, calls / counted, self.size / counted
        for clients, seconds in self.seconds.items():
            middle, late = np.percentile(seconds, (50, 99)).tolist()
            self.latencies_ms[clients] = 1e3 * middle, 1e3 * late

    def as_json(self) -> dict[str, Any]:
        """Return the figures."""
        return {name: value for name, value in vars(self).items() if name not in ("seconds", "sums")}


def _difference(before: Counters, after: Counters) -> list[float]:
    return [late - early for early, late in zip(asdict(before).values(), asdict(after).values(), strict=True)]


async def measure(targets: Sequence[Target], asked: Sequence[Scenario], rounds: int, seconds: float) -> list[Cell]:
    """Load the servers in turn, round by round, until the end or Ctrl-C."""
    cells: dict[tuple[str, str], Cell] = {}
    sent: dict[tuple[str, str], int] = defaultdict(int)

    async def once(
        scenario: Scenario, target: Target, clients: int, seconds: float, least: int, *, counts: bool
    ) -> Load:
        key = scenario.name, target.name
        if scenario.makes_cold:
            await target.outdate(COLD)
        before = await target.counters()
        load = await run(target.port, scenario, token, clients, seconds, sent[key], least)
        await asyncio.sleep(SETTLE_S)
        sent[key] += load.count
        cell = cells.setdefault(key, Cell(*key))
        if not counts:
            return load
        cell.errors += load.errors
        cell.error = cell.error or load.error
        cell.seconds[clients] += load.seconds
        cell.degraded += load.degraded
        cell.nulls += load.nulls
        if clients == (COUNTED_CLIENTS if COUNTED_CLIENTS in scenario.clients else scenario.clients[0]):
            spent = _difference(before, await target.counters())
            cell.sums = [sum(pair) for pair in zip(cell.sums, spent, strict=True)]
            cell.requests += load.count
            cell.size += load.size
            cell.rounds_cpu_ms.append(1e3 * spent[0] / load.count)
        return load

    try:
        for scenario in asked:
            answering = [one for one in targets if not one.name.startswith("yoga-") or one.name in scenario.peers]
            print(f"{scenario.name} ...", flush=True)
            for target in answering:
                for _ in range(WARM_UPS):
                    load = await once(scenario, target, 2, 0.0, WARM_UP, counts=False)
                    if scenario.limit or not load.degraded + load.errors:
                        break
            for round_ in range(rounds):
                turn = round_ % len(answering)
                for clients in scenario.clients:
                    for target in (*answering[turn:], *answering[:turn]):
                        least = max(LEAST, clients) if clients > 1 else LEAST // 2
                        await once(scenario, target, clients, seconds, least, counts=True)
    except asyncio.CancelledError:
        print("interrupted; these are the figures so far")
    for cell in cells.values():
        cell.finish()
    return list(cells.values())
