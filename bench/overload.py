"""Answers beside refusals at one, three and six times the rate that one server process can serve.

    python -m bench.overload [FOLDER] [--projects 10000] [--seconds 10] [--within 0.5] [--workers 1]

The load is a mix (`MIX`) at a fixed rate of arrivals: a request is sent at its time, whether or not earlier ones have
been answered, on a free or a new connection. It is made in a process of its own; another one requests `/healthz`,
`/readyz` and `/metrics`. The capacity is the highest rate of which 99 % are answered in full within
`--within` seconds. FOLDER keeps the data set.
"""

import argparse
import asyncio
import multiprocessing
import os
import random
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from typing import Any, TypeVar

from bench.serving.data import HEAVY_VIEWERS, data_set, users_of
from bench.serving.load import Connection, connect, request
from bench.serving.processes import cpu_s
from bench.serving.scenarios import CARD, PAGE, QUERIES, WARM, Scenario, Sent, page
from bench.serving.targets import Target, ask, gateway, token

T = TypeVar("T")

MIX = {"cold": 10, "warm": 35, "trending": 25, "search": 15, "like": 15}
"""Share of each kind of request, in percent."""

FIRST_RATE, RATE_STEP, STEP_S = 2.0, 1.4, 5.0
"""The search for the capacity: the first rate, the factor from one rate to the next, and the seconds at each."""

PROBE_EVERY_S = 0.05
RECOVERY_S, RECOVERY_LOAD = 4.0, 0.5
"""Seconds of load after an overload, and its rate as a share of the capacity."""

HEALTH = ("/healthz", "/readyz", "/metrics")
MAX_OPEN = 1_500
"""Connections of the client at once. A request that finds all in use counts as failed."""


def scenarios(projects: int) -> dict[str, Scenario]:
    """Return the requests of each kind. A like outdates the ranking of its viewer, whose next page is cold again."""
    others = users_of(projects) - HEAVY_VIEWERS

    def other(n: int) -> str:
        return f"u{HEAVY_VIEWERS + 1 + n % others}"

    card = f"query Card {{ forYou(first: {PAGE}) {{ {page(CARD)} }} }}"
    return {
        "cold": Scenario("cold", card, lambda n: Sent(other(n))),
        "warm": Scenario("warm", card, lambda n: Sent(f"u{WARM[n % len(WARM)]}")),
        "trending": Scenario(
            "trending", f"query Trending {{ trending(first: {PAGE}) {{ {page(CARD)} }} }}", lambda _: Sent(None)
        ),
        "search": Scenario(
            "search",
            f"query Search($text: String!) {{ search(query: $text, first: {PAGE}) {{ {page(CARD)} }} }}",
            lambda n: Sent(None, {"text": f"{QUERIES[n % len(QUERIES)]} {100_000 + n}"}),
        ),
        "like": Scenario(
            "like",
            "mutation Like($key: String!) { likeProject(key: $key) { changed userErrors { code } } }",
            lambda n: Sent(other(n), {"key": f"p{1 + n % projects}"}),
        ),
    }


@dataclass(frozen=True)
class Answer:
    """One request: when it was due and when it ended, in seconds from the start of the load."""

    kind: str
    due_s: float
    end_s: float
    status: str  # ok, refused (503 with Retry-After), error

    @property
    def took_s(self) -> float:
        """Seconds from the time at which it was due."""
        return self.end_s - self.due_s

    def is_good(self, within_s: float) -> bool:
        """Return whether it was answered in full and in time."""
        return self.status == "ok" and self.took_s <= within_s


def _arrivals(rate: float, seconds: float, seed: int) -> Iterator[tuple[float, str]]:
    """Return times and kinds of requests: independent arrivals of this mean rate (a Poisson process)."""
    rng = random.Random(seed)
    at = rng.expovariate(rate)
    while at < seconds:
        yield at, rng.choices(list(MIX), list(MIX.values()))[0]
        at += rng.expovariate(rate)


async def generate(port: int, projects: int, rate: float, seconds: float, seed: int) -> list[Answer]:
    """Send the requests of a rate, each at its time, and return all answers."""
    kinds, numbers = scenarios(projects), Counter(dict.fromkeys(MIX, seed * 10007))
    prepared = []
    for due, kind in _arrivals(rate, seconds, seed):  # before the start: the load must not wait for the client
        numbers[kind] += 1
        scenario = kinds[kind]
        prepared.append((due, kind, request(scenario.document, scenario.sent(numbers[kind]), token)))
    free: list[Connection] = []
    answers: list[Answer] = []
    open_count = 0
    began = time.perf_counter()

    async def send(due: float, kind: str, sending: bytes) -> None:
        nonlocal open_count
        connection, status = None, "error"
        try:
            while free and free[-1].is_closed:
                free.pop()
                open_count -= 1
            if free:
                connection = free.pop()
            elif open_count < MAX_OPEN:
                open_count += 1
                connection = await connect(port)
            if connection is not None:
                status = _status(await connection.send(sending))
                free.append(connection)
        except (OSError, TimeoutError):
            if connection is not None:
                connection.close()
            open_count -= 1
        answers.append(Answer(kind, due, time.perf_counter() - began, status))

    tasks = []
    for due, kind, sending in prepared:
        if (wait_s := began + due - time.perf_counter()) > 0:
            await asyncio.sleep(wait_s)
        tasks.append(asyncio.create_task(send(due, kind, sending)))
    await asyncio.gather(*tasks)
    for connection in free:
        connection.close()
    return answers


def _status(answer: bytes) -> str:
    if b" 200 " in answer[:15] and b'"errors":' not in answer:
        return "ok"
    return "refused" if b" 503 " in answer[:15] and b"retry-after: " in answer.lower() else "error"


async def probe(port: int, seconds: float) -> dict[str, list[float]]:
    """Request each health endpoint on a connection of its own, and return the seconds that the answers took."""
    took: dict[str, list[float]] = defaultdict(list)
    until = time.perf_counter() + seconds

    async def watch(path: str) -> None:
        connection = await connect(port)
        while time.perf_counter() < until:
            began = time.perf_counter()
            await connection.send(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
            took[path].append(time.perf_counter() - began)
            await asyncio.sleep(PROBE_EVERY_S)
        connection.close()

    await asyncio.gather(*map(watch, HEALTH))
    return took


class Processes:
    """Runs load and probes in two processes of their own, which are forked: they need no time for imports."""

    def __init__(self, port: int, projects: int) -> None:
        self._port, self._projects = port, projects
        self._seeds = iter(range(1, 1_000_000))
        self._pool = ProcessPoolExecutor(2, multiprocessing.get_context("fork"))

    def load(self, rate: float, seconds: float) -> list[Answer]:
        """Return the answers to a load."""
        return self._submit_load(rate, seconds).result()

    def load_and_probe(self, rate: float, seconds: float) -> tuple[list[Answer], dict[str, list[float]]]:
        """Return the answers to a load, and the times of the health endpoints meanwhile."""
        answers, took = self._submit_load(rate, seconds), self._pool.submit(_run, probe, self._port, seconds)
        return answers.result(), took.result()

    def _submit_load(self, rate: float, seconds: float) -> Future[list[Answer]]:
        return self._pool.submit(_run, generate, self._port, self._projects, rate, seconds, next(self._seeds))


def _run(bench: Callable[..., Coroutine[Any, Any, T]], *arguments: Any) -> T:
    return asyncio.run(bench(*arguments))


def percentile(values: Sequence[float], share: float) -> float:
    """Return a percentile; 0 without values."""
    if len(values) < 2:
        return max(values, default=0.0)
    return quantiles(values, n=1_000, method="inclusive")[round(share * 1_000) - 1]


def find_capacity(processes: Processes, within_s: float) -> float:
    """Return the highest rate of which 99 % are answered in full and in time."""
    rate, best, failed = FIRST_RATE, 0.0, 0
    while True:
        answers = processes.load(rate, STEP_S)
        share = sum(answer.is_good(within_s) for answer in answers) / len(answers)
        print(f"  {rate:6.1f}/s: {100 * share:5.1f} % good, {_describe(answers)}", flush=True)
        if share >= 0.99:
            best, rate, failed = rate, rate * RATE_STEP, 0
        elif failed:
            return best
        else:
            failed = 1  # once more: the machine may have been busy with something else


def _describe(answers: Sequence[Answer]) -> str:
    by_status: dict[str, list[float]] = defaultdict(list)
    for answer in answers:
        by_status[answer.status].append(1e3 * answer.took_s)
    return ", ".join(
        f"{len(took)} {status} (p50 {percentile(took, 0.5):.0f}, p99 {percentile(took, 0.99):.0f} ms)"
        for status, took in sorted(by_status.items())
    )


def measure(
    processes: Processes, target: Target, capacity: float, factor: int, seconds: float, within_s: float
) -> None:
    """Load the server with a multiple of its capacity, then with half of it, and print what came back."""
    lines, cpu = _log_lines(target), cpu_s(target.pid)
    answers, health = processes.load_and_probe(factor * capacity, seconds)
    good, used_s = sum(answer.is_good(within_s) for answer in answers) / seconds, cpu_s(target.pid) - cpu
    print(
        f"{factor}x ({factor * capacity:.0f}/s): goodput {good:.1f}/s ({100 * good / capacity:.0f} % of capacity), "
        f"{_describe(answers)}; {used_s / seconds:.2f} cores, "
        f"{good * seconds / used_s:.1f} good answers per CPU second, "
        f"{_log_lines(target) - lines} log lines, load average {os.getloadavg()[0]:.1f}"
    )
    for kind in MIX:
        print(f"    {kind:9} {_describe([answer for answer in answers if answer.kind == kind])}")
    for path, took in health.items():
        print(f"    {path:9} {len(took)} answers, p99 {1e3 * percentile(took, 0.99):.0f}, max {1e3 * max(took):.0f} ms")
    after = processes.load(RECOVERY_LOAD * capacity, RECOVERY_S)
    for name, start, end in (("first 2 s", 0.0, 2.0), ("next 2 s", 2.0, RECOVERY_S)):
        print(f"    {name} after the load: {_describe([one for one in after if start <= one.due_s < end])}", flush=True)


def _log_lines(target: Target) -> int:
    return target.log.read_text().count("\n") if target.log else 0


def main() -> None:
    """Print one block for each multiple of the capacity."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=Path(tempfile.gettempdir()) / "explore-overload")
    parser.add_argument("--projects", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--within", type=float, default=0.5, help="seconds within which an answer counts")
    parser.add_argument("--workers", type=int, default=1)
    asked = parser.parse_args()
    data = asyncio.run(data_set(asked.folder, asked.projects, 1))
    kinds = scenarios(asked.projects)
    settings = {"WORKERS": str(asked.workers), "LOG_LEVEL": "info", "OPERATION_TIMEOUT_S": "10"}
    with gateway("gateway", data, kinds["warm"].document, "u1", **settings) as target:
        for number in WARM:
            ask(target.port, kinds["warm"].document, f"u{number}")
        processes = Processes(target.port, asked.projects)
        print(f"capacity, load average {os.getloadavg()[0]:.1f}:")
        capacity = find_capacity(processes, asked.within)
        if not capacity:
            raise SystemExit("less than the first rate can be served: the machine is too busy")
        for factor in (1, 3, 6):
            measure(processes, target, capacity, factor, asked.seconds, asked.within)


if __name__ == "__main__":
    main()
