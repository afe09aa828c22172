"""What an attacker's request costs a running gateway: CPU of all its threads, and memory before and after.

    .venv/bin/python -m bench.abuse [--rounds 3]

Starts a gateway with the demo data and without budgets (each probe is to be refused for what it is), sends the probes
of `tests/gateway/limits/probes.py` one at a time, and prints the CPU of each, the dearest first. It is the least of the
rounds, since whatever else runs in the process counts too.
"""

import argparse
import tempfile
import time
from pathlib import Path

import httpx

from tests.gateway.limits.probes import HARMLESS, PROBES, Probe
from tests.running import address_in, serving

CALM_S = 8.0
"""After the start, so that the jobs of the night are over."""

SETTINGS = {"RATE_LIMIT": "0", "RATE_LIMIT_ADDRESS": "0", "LOG_LEVEL": "error"}


def cpu_ms(process: int) -> float:
    """CPU that a process has had, all threads, in milliseconds."""
    threads = Path(f"/proc/{process}/task").iterdir()
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e6


def resident_mb(process: int) -> float:
    """Memory of a process in MB."""
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * 4096 / 1e6


def send(client: httpx.Client, probe: Probe) -> httpx.Response:
    """Send a probe."""
    headers = {"Content-Type": "application/json", **probe.headers} if probe.method == "POST" else probe.headers
    return client.request(probe.method, probe.path, content=probe.body, headers=headers)


def measure(client: httpx.Client, process: int, probe: Probe, rounds: int) -> tuple[float, int]:
    """Give the CPU of a probe, the least of the rounds, and the status of its answer."""
    least, status = float("inf"), 0
    for _ in range(rounds):
        time.sleep(0.05)
        before = cpu_ms(process)
        status = send(client, probe).status_code
        least = min(least, cpu_ms(process) - before)
    return least, status


def main() -> None:
    """Measure every probe."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder), "--demo", **SETTINGS) as (process, welcome):
        time.sleep(CALM_S)
        address = str(address_in(welcome))  # type: ignore[no-untyped-call]
        with httpx.Client(base_url=address, timeout=60) as client:
            for _ in range(20):
                send(client, HARMLESS)
            for probe in PROBES:
                send(client, probe)
            memory = resident_mb(process.pid)
            measured = [(*measure(client, process.pid, probe, rounds), probe) for probe in [HARMLESS, *PROBES]]
            grown = resident_mb(process.pid) - memory
    for ms, status, probe in sorted(measured, key=lambda one: -one[0]):
        print(f"{ms:8.1f} ms  {status}  {probe.code or 'answered':30} {probe.name}")
    print(f"{len(PROBES)} probes, {rounds} rounds; memory {memory:.0f} MB, and {grown:+.1f} MB after all rounds")


if __name__ == "__main__":
    main()
