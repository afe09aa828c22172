"""CPU and memory of a gateway while probes are sent to it."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from bench.abuse import hidden
from bench.abuse.probe import Answer, Probe, Target
from tests.running import address_in, serving

SECRET = "the secret of a bench, long enough for HS256"  # noqa: S105
SETTINGS = {
    "RATE_LIMIT": "0",  # each probe is to be refused for what it is
    "RATE_LIMIT_ADDRESS": "0",
    "LOG_LEVEL": "error",
    "BODY_TIMEOUT_S": "1",
    "TOKEN_SECRET": SECRET,
    "START_WORKER": "false",  # its jobs are no cost of a request
}

CALM_MS, CALM_S = 5.0, 0.5
"""A process is calm that takes less CPU than this within this time."""


@dataclass
class Measured:
    """A probe with the measured costs of its requests."""

    probe: Probe
    cpu_ms: float  # CPU of all threads of the server process, for each request, the least of the rounds
    answer: Answer  # the last answer
    fault: str | None  # what was wrong with an answer of any round; None if nothing was


@contextmanager
def running_gateway(folder: Path) -> Iterator[tuple[int, Target]]:
    """Start a gateway with the demo data; yield its process id and the target."""
    with serving(folder, "--demo", **SETTINGS) as (process, welcome):
        address = str(address_in(welcome))  # type: ignore[no-untyped-call]
        parts = urlsplit(address)
        with httpx.Client(base_url=address, timeout=60) as client:
            target = Target(str(parts.hostname), int(parts.port or 80), client, SECRET)
            hidden.hide_projects(target)
            yield process.pid, target


def cpu_ms(process: int) -> float:
    """Return the CPU time of all threads of a process, ended ones included, in milliseconds (Linux)."""
    return time.clock_gettime_ns((~process << 3) | 2) / 1e6  # CPUCLOCK_SCHED of clock_getcpuclockid(3)


def resident_mb(process: int) -> float:
    """Return the resident memory of a process in MB."""
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * 4096 / 1e6


def wait_until_calm(process: int) -> None:
    """Wait until a process uses almost no CPU."""
    before = -CALM_MS
    while (now := cpu_ms(process)) - before > CALM_MS:
        before = now
        time.sleep(CALM_S)


def send_all(target: Target, process: int, probes: Sequence[Probe], into: dict[str, Measured]) -> None:
    """Send each probe once, and record its costs."""
    for probe in probes:
        before = cpu_ms(process)
        answer = probe.send(target)
        spent = (cpu_ms(process) - before) / probe.requests
        fault = probe.fault_of(answer)
        known = into.get(probe.name)
        if known is None:
            into[probe.name] = Measured(probe, spent, answer, fault)
        else:
            known.cpu_ms, known.answer, known.fault = min(known.cpu_ms, spent), answer, known.fault or fault
