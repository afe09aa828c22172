"""Delay of a request beside those of clients that have hung up, on SQLite.

    python -m bench.hang_ups FOLDER [--rounds 5]

FOLDER is a VAR_DIR with the demo data (`explore demo`). Searches that nobody has made before, with explanations, are
sent on connections of their own and abandoned after 0.3 s. Then another client sends such a search and waits.
"""

import argparse
import asyncio
import time
from itertools import count
from pathlib import Path
from statistics import median

from bench.serving.load import connect, request
from bench.serving.processes import cpu_s
from bench.serving.scenarios import Sent
from bench.serving.targets import Target, gateway, token

SEARCH = """query Search($text: String!) { search(query: $text, first: 50) { edges { rank score node { title }
  explanation { summary contributions { signal { label } contribution } whatWouldRemoveIt { __typename } } } } }"""
ABANDONED = (0, 60, 150)
HANG_UP_AFTER_S, SETTLE_S = 0.3, 12.0

numbers = count()


def search() -> bytes:
    """Return a search of a demo viewer for a text that was not searched before."""
    return request(SEARCH, Sent("heavy", {"text": f"music made by a model, take {next(numbers)}"}), token)


async def delay(target: Target, abandoned: int) -> tuple[float, float, bool]:
    """Return the seconds of a search, the CPU seconds of the server until it is idle, and whether the search failed."""
    began_cpu = cpu_s(target.pid)
    connections = [await connect(target.port) for _ in range(abandoned)]
    sending = [asyncio.create_task(connection.send(search())) for connection in connections]
    await asyncio.sleep(HANG_UP_AFTER_S)
    for connection, task in zip(connections, sending, strict=True):
        task.cancel()
        connection.close()
    waiting = await connect(target.port)
    began = time.perf_counter()
    answer = await waiting.send(search())
    seconds = time.perf_counter() - began
    waiting.close()
    await asyncio.sleep(SETTLE_S)
    return seconds, cpu_s(target.pid) - began_cpu, b'"errors":' in answer


def main() -> None:
    """Print one line for each number of abandoned requests."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    with gateway("gateway", asked.folder, "{ viewer { id } }", "heavy") as target:
        asyncio.run(delay(target, 1))  # warms up
        for abandoned in ABANDONED:
            seconds, cpu, failed = zip(
                *(asyncio.run(delay(target, abandoned)) for _ in range(asked.rounds)), strict=True
            )
            print(
                f"{abandoned:4} abandoned: {median(seconds):5.2f} s (highest {max(seconds):5.2f}), "
                f"{median(cpu):5.2f} s of CPU, {sum(failed)} of {asked.rounds} failed"
            )


if __name__ == "__main__":
    main()
