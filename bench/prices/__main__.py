"""Command line: sends each request of `cases` to a gateway, and compares its points with the CPU of the server.

    python -m bench.prices [--only WORD] [--rounds 3]

The server has the demo data. Each document is sent as a new document (it ends with a comment that is new each time)
and as a document that the process remembers. The table shows milliseconds of CPU of all threads of the server, points,
and the ratio of ms per point to the median of all measurements. Exit code 1 means that a ratio is outside a factor of
three.
"""

import argparse
import itertools
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from bench.abuse.measuring import cpu_ms, running_gateway, wait_until_calm
from bench.abuse.probe import Target
from bench.abuse.tokens import bearer
from bench.prices.cases import CASES, Case, Facts, body
from gateway.limits.budget import refused_points

FACTOR = 3.0
"""The greatest ratio of ms per point to the median, and the reciprocal of the least."""

MIN_REQUESTS, MAX_REQUESTS, BATCH_MS = 4, 30, 60.0
"""Requests of one measurement: as many as take `BATCH_MS` of CPU, within the two bounds."""

WARM_UP = 2
"""Requests before a measurement, sent twice: a process remembers a document that comes for the second time."""

SETTLE_S = 0.02
"""Seconds for work that follows an answer."""

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Measured:
    """Mean CPU time and points of a request."""

    ms: float
    points: float
    error: str = ""  # the code of the first error of an answer; empty if there is none

    @property
    def ms_per_point(self) -> float:
        """Milliseconds of CPU of a point."""
        return self.ms / self.points


class Sender:
    """Sends the requests of a case, and adds up their points."""

    def __init__(self, target: Target, process: int, facts: Facts) -> None:
        self._target, self._process, self._facts = target, process, facts
        self._tokens: dict[tuple[str, str | None], str] = {}

    def measure(self, case: Case, *, is_new: bool, requests: int) -> Measured:
        """Send requests, and return their mean CPU time and points."""
        numbers = list(itertools.islice(_numbers, requests))
        bodies = [list(self._bodies(case, number, is_new=is_new)) for number in numbers]
        headers = [self._headers(case, number) for number in numbers]
        time.sleep(SETTLE_S)
        before, points, error = cpu_ms(self._process), 0, ""
        for sent, sent_headers in zip(bodies, headers, strict=True):
            for content in sent:
                answer = self._target.client.post("/graphql", content=content, headers=sent_headers).json()
                points += points_of(answer, case.document)
                error = error or error_of(answer)
        time.sleep(SETTLE_S)
        spent = cpu_ms(self._process) - before
        return Measured(spent / requests, points / requests, error)

    def _bodies(self, case: Case, number: int, *, is_new: bool) -> Iterator[bytes]:
        comment = f"\n# {number}" if is_new else ""
        if case.before:
            yield body(case, case.before + comment, self._facts, number)
        yield body(case, case.document + comment, self._facts, number)

    def _headers(self, case: Case, number: int) -> dict[str, str]:
        headers = {"Content-Type": "application/json", "Accept": "application/graphql-response+json"}
        if case.caller is None:
            return headers
        caller = (case.caller.replace("#", str(number)), case.role)
        if caller not in self._tokens:
            self._tokens[caller] = bearer(self._target, sub=caller[0], role=caller[1])
        return {**headers, "Authorization": f"Bearer {self._tokens[caller]}"}


def points_of(answer: dict[str, Any], document: str) -> int:
    """Return the points that a request was charged. The answer to a refused document does not state them."""
    return int(answer.get("extensions", {}).get("cost", {}).get("asked", refused_points(document)))


def error_of(answer: dict[str, Any]) -> str:
    """Return the code of the first error of an answer; empty if there is none."""
    errors = answer.get("errors")
    return str(errors[0]["extensions"].get("code")) if errors else ""


def facts_of(target: Target) -> Facts:
    """Read the keys and ids that the requests need."""
    document = """{ newest(first: 100) { nodes { id key } } tools(first: 100) { nodes { key } }
      forYou(first: 1) { edges { id } } onboardingQuestions { key options { key } } }"""
    headers = {"Authorization": f"Bearer {bearer(target, sub='heavy')}"}
    data = target.client.post("/graphql", json={"query": document}, headers=headers).json()["data"]
    nodes = data["newest"]["nodes"]
    return Facts(
        [node["key"] for node in nodes],
        [node["id"] for node in nodes],
        data["forYou"]["edges"][0]["id"],
        [tool["key"] for tool in data["tools"]["nodes"]],
        data["onboardingQuestions"],
    )


def measure_case(sender: Sender, case: Case, rounds: int, *, is_new: bool) -> Measured:
    """Measure a case: the least CPU time of the rounds."""
    warm = [sender.measure(case, is_new=is_new, requests=WARM_UP) for _ in range(2)][-1]
    requests = int(min(MAX_REQUESTS, max(MIN_REQUESTS, BATCH_MS / max(warm.ms, 0.1))))
    measured = [sender.measure(case, is_new=is_new, requests=requests) for _ in range(rounds)]
    return min(measured, key=lambda one: one.ms)


def print_table(rows: list[tuple[Case, Measured, Measured]]) -> int:
    """Print the table, and return the number of measurements outside the factor."""
    middle = median(one.ms_per_point for _, *both in rows for one in both)
    outside = 0
    print("| document | new: ms | points | ratio | remembered: ms | points | ratio |\n|---|---|---|---|---|---|---|")
    for case, *both in rows:
        cells = []
        for one in both:
            ratio = one.ms_per_point / middle
            is_outside = not 1 / FACTOR <= ratio <= FACTOR
            outside += is_outside
            cells.append(f"{one.ms:.1f} | {one.points:,.0f} | {ratio:.2f}{' OUTSIDE' if is_outside else ''}")
        error = f" ({both[-1].error})" if both[-1].error else ""
        print(f"| {case.name}{error} | {' | '.join(cells)} |")
    print(f"\n{len(rows)} documents, {middle * 1000:.1f} µs of CPU per point at the median, {outside} outside")
    return outside


def main() -> int:
    """Measure every case, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="only cases whose name contains this text")
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    cases = [case for case in CASES if asked.only in case.name]
    with tempfile.TemporaryDirectory() as folder, running_gateway(Path(folder)) as (process, target):
        sender = Sender(target, process, facts_of(target))
        wait_until_calm(process)
        rows = [
            (
                case,
                measure_case(sender, case, asked.rounds, is_new=True),
                measure_case(sender, case, asked.rounds, is_new=False),
            )
            for case in cases
        ]
    return 1 if print_table(rows) else 0


if __name__ == "__main__":
    sys.exit(main())
