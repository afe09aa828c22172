"""Requests per second of warm card pages with one and with two server processes, on SQLite.

    python -m bench.workers FOLDER [--rounds 5]

FOLDER is a VAR_DIR with the demo data (`explore demo`). Each configuration is started with and without the worker
process, and they are loaded in turn by 8 clients in this process, which needs about half a core itself.
"""

import argparse
import asyncio
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from bench.serving.load import run
from bench.serving.processes import cpu_s, pss_mb
from bench.serving.scenarios import CARD, PAGE, Scenario, Sent, page
from bench.serving.targets import Target, gateway, token

CARD_PAGE = Scenario("card", f"query Card {{ forYou(first: {PAGE}) {{ {page(CARD)} }} }}", lambda _: Sent("heavy"))
CLIENTS, SECONDS, LEAST = 8, 3.0, 100
CONFIGURATIONS = {
    f"{workers} server process{'es' * (workers > 1)}{', and a worker process' * (worker == 'on')}": {
        "WORKERS": str(workers),
        "START_WORKER": worker,
    }
    for workers in (1, 2)
    for worker in ("off", "on")
}


async def load(target: Target, port: int) -> tuple[float, float]:
    """Return requests per second and CPU milliseconds of the servers per request."""
    began = cpu_s(target.pid)
    done = await run(port, CARD_PAGE, token, CLIENTS, SECONDS, 0, LEAST)
    if done.errors:
        raise SystemExit(done.error)
    # Each client waits for its answers, so their mean latency gives the rate.
    return CLIENTS * done.count / sum(done.seconds), 1e3 * (cpu_s(target.pid) - began) / done.count


def main() -> None:
    """Print one line for each configuration."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    measured = defaultdict(list)
    with ExitStack() as stack:
        targets = [
            stack.enter_context(gateway(name, asked.folder, CARD_PAGE.document, "heavy", **settings))
            for name, settings in CONFIGURATIONS.items()
        ]
        for round_ in range(asked.rounds + 1):  # the first one warms up
            for target in targets:
                figures = asyncio.run(load(target, target.port))
                if round_:
                    measured[target.name].append(figures)
        for target in targets:
            rates, cpu = zip(*measured[target.name], strict=True)
            print(
                f"{target.name:45} {median(rates):6.0f} requests/s  {median(cpu):5.2f} ms CPU each  "
                f"{pss_mb(target.pid):5.0f} MB PSS"
            )


if __name__ == "__main__":
    main()
