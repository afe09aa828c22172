"""Command line: sends every probe for some rounds, prints tables and a verdict. Exit code 1 if a probe fails."""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from bench.abuse.groups import GROUPS
from bench.abuse.measuring import Measured, resident_mb, running_gateway, send_all, wait_until_calm

MOST_MS = 100.0
"""CPU of one request that has no price."""

POINT_MS = 0.01
"""CPU of a point (`resolvers.common.field_costs.Cost`)."""

TOLERANCE = 3.0
"""A priced operation may take this many times the CPU that its points say, as in `bench.prices`."""

WARM_UP_S = 90.0
"""Seconds of rounds that are not counted. They fill the caches, and a ranking is made anew after 60 s, beside the last
one: 12 MB more, once. 24 rounds in 284 s then went from 405 to 412 MB, ever more slowly."""

MOST_GROWTH = 0.02
"""Share by which resident memory may grow from the first round to the last."""


def allowed_ms(measured: Measured) -> float:
    """Return the CPU time that a probe may take. A charged operation may take the time of its points."""
    return max(MOST_MS, measured.answer.points * POINT_MS * TOLERANCE)


def fault_of(measured: Measured) -> str | None:
    """Return the error of a probe, or None."""
    if measured.fault is None and measured.cpu_ms > allowed_ms(measured):
        return f"{measured.cpu_ms:.0f} ms of CPU, {allowed_ms(measured):.0f} allowed"
    return measured.fault


def print_group(name: str, results: list[Measured]) -> None:
    """Print the table of a group, the most expensive probe first."""
    print(f"\n{name}: {len(results)} probes")
    for measured in sorted(results, key=lambda one: -one.cpu_ms):
        points = f"{measured.answer.points:>7,}" if measured.answer.points else " " * 7
        fault = fault_of(measured)
        print(
            f"  {measured.cpu_ms:8.1f} ms {points} points  {measured.answer.status:>4}  {measured.probe.name}"
            + (f"\n           FAULT: {fault}" if fault else "")
        )


def main() -> int:
    """Measure every probe, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--group", action="append", choices=GROUPS, help="only this group; may be given several times")
    asked = parser.parse_args()
    groups = {name: probes for name, probes in GROUPS.items() if name in (asked.group or GROUPS)}
    results: dict[str, dict[str, Measured]] = {name: {} for name in groups}
    memory_mb: list[float] = []
    with tempfile.TemporaryDirectory() as folder, running_gateway(Path(folder)) as (process, target):
        warm_at = time.monotonic() + WARM_UP_S
        while time.monotonic() < warm_at:
            for probes in groups.values():
                send_all(target, process, probes, {})
        for _ in range(asked.rounds):
            for name, probes in groups.items():
                wait_until_calm(process)
                send_all(target, process, probes, results[name])
            memory_mb.append(resident_mb(process))
    for name, measured in results.items():
        print_group(name, list(measured.values()))
    everything = [one for measured in results.values() for one in measured.values()]
    faults = [one for one in everything if fault_of(one)]
    growth = memory_mb[-1] / memory_mb[0] - 1
    highest = max((one.cpu_ms for one in everything if allowed_ms(one) == MOST_MS), default=0.0)
    print(
        f"\n{len(everything)} probes, {asked.rounds} rounds: {len(faults)} faults; at most {highest:.0f} ms of CPU "
        f"without a price; memory after each round {', '.join(f'{mb:.0f}' for mb in memory_mb)} MB ({growth:+.1%})"
    )
    is_good = not faults and growth <= MOST_GROWTH
    print("verdict: good" if is_good else "verdict: BAD")
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
