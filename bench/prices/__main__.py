"""Command line: sends every request of `cases` to a gateway, and compares its points with the CPU of the server.

    python -m bench.prices [--only WORD] [--rounds 3] [--markdown]

The server has the demo data. Each document is sent as a new document (the text has a comment that no document had before),
and as one that the process remembers. A table shows milliseconds of CPU of all threads of the server, points, and the
ratio of ms per point to the median of all rows. Exit code 1 means that a ratio is outside a factor of three.
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
from gateway.limits.budget import REFUSED_POINTS

FACTOR = 3.0
"""A row may have this many times the median of milliseconds per point, or the reciprocal."""

MIN_REQUESTS, MAX_REQUESTS, BATCH_MS = 4, 30, 60.0
"""Requests of one measurement: as many as take about `BATCH_MS`."""

SETTLE_S = 0.02
"""Seconds for work that follows an answer."""

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Row:
    """A measured request. A refused request has no data."""

    name: str
    kind: str  # "new" or "remembered"
    ms: float
    points: float
    fault: str

    @property
    def ms_per_point(self) -> float:
        """Milliseconds of CPU of a point."""
        return self.ms / self.points


class Sender:
    """Sends the requests of a case, and adds up their points."""

    def __init__(self, target: Target, process: int, facts: Facts) -> None:
        self._target, self._process, self._facts = target, process, facts
        self._tokens: dict[tuple[str, str | None], str] = {}

    def measure(self, case: Case, *, is_new: bool, requests: int) -> Row:
        """Send requests and return their mean CPU time and points."""
        numbers = list(itertools.islice(_numbers, requests))
        bodies = [list(self._bodies(case, number, is_new=is_new)) for number in numbers]
        headers = [self._headers(case, number) for number in numbers]
        time.sleep(SETTLE_S)
        before, points, fault = cpu_ms(self._process), 0, ""
        for sent, sent_headers in zip(bodies, headers, strict=True):
            for content in sent:
                response = self._target.client.post("/graphql", content=content, headers=sent_headers)
                points += points_of(response)
                fault = fault or fault_of(response.json())
        time.sleep(SETTLE_S)
        spent = cpu_ms(self._process) - before
        return Row(case.name, "new" if is_new else "remembered", spent / requests, points / requests, fault)

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


def points_of(response: Any) -> int:
    """Return the points that a request was charged. A refused document does not state them."""
    return int(response.json().get("extensions", {}).get("cost", {}).get("asked", REFUSED_POINTS))


def fault_of(content: dict[str, Any]) -> str:
    """Return the code and message of the first error of an answer; empty if there is none."""
    errors = content.get("errors")
    return f"{errors[0]['extensions'].get('code')}: {errors[0]['message'][:80]}" if errors else ""


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


def measure_case(sender: Sender, case: Case, rounds: int) -> list[Row]:
    """Measure a case as a new and as a remembered document: the minimum of the rounds."""
    rows = []
    for is_new in (True, False):
        warm = [sender.measure(case, is_new=is_new, requests=2) for _ in range(2)][-1]
        requests = int(min(MAX_REQUESTS, max(MIN_REQUESTS, BATCH_MS / max(warm.ms, 0.1))))
        rows.append(
            min((sender.measure(case, is_new=is_new, requests=requests) for _ in range(rounds)), key=lambda row: row.ms)
        )
    return rows


def print_rows(rows: list[Row]) -> int:
    """Print the table, and return the number of rows outside the factor."""
    middle = median(row.ms_per_point for row in rows)
    outside = 0
    print("| ms CPU | points | ratio | document | |\n|---|---|---|---|---|")
    for row in rows:
        ratio = row.ms_per_point / middle
        is_outside = not 1 / FACTOR <= ratio <= FACTOR
        outside += is_outside
        remark = " ".join(filter(None, ("OUTSIDE" if is_outside else "", row.fault)))
        print(f"| {row.ms:.2f} | {row.points:,.0f} | {ratio:.2f} | {row.name} | {row.kind} {remark}|")
    print(f"\n{len(rows)} rows, {middle * 1000:.1f} µs of CPU per point at the median, {outside} outside a factor of 3")
    return outside


def main() -> int:
    """Measure every case, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="only cases whose name contains this word")
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    cases = [case for case in CASES if asked.only in case.name]
    with tempfile.TemporaryDirectory() as folder, running_gateway(Path(folder)) as (process, target):
        sender = Sender(target, process, facts_of(target))
        wait_until_calm(process)
        rows = []
        for case in cases:
            for row in measure_case(sender, case, asked.rounds):
                rows.append(row)
                print(row.ms, row.points, row.name, row.kind, row.fault, sep="|", file=sys.stderr, flush=True)
    return 1 if print_rows(rows) else 0


if __name__ == "__main__":
    sys.exit(main())
