"""docs/reliability.md from the measured cells."""

import json
import math
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench.reliability.cells import (
    BEFORE_S,
    DRAIN_WITHIN_S,
    FAULT_S,
    FEED_EVERY_S,
    NOTICE_S,
    QUIET_S,
    RECOVERY_LIMIT_S,
    Cell,
)
from bench.reliability.faults import SLOW_S, Fault
from bench.reliability.load import PROJECTS

RECOVERY_GOAL_S = 15.0

INTRODUCTION = """# Reliability

This page shows what clients notice while a store of the gateway fails, and what is left afterwards. A program writes
it:

    {command}

Written on {date}, on {cores} cores; the row "no fault" shows what other load of the machine does to the feeds.
{weaviate}
PostgreSQL and Redis are real servers, OpenAI is the double of the test suite. A fault proxy before each server refuses,
drops, resets, delays ({slow:g} s) or cuts its connections. The last rows are an installation on the embedded stores.

A gateway (a server and a worker process) with {projects} projects gets {rate:.1f} requests a second each of `forYou`,
`trending` and `search`, and likes, saves and changes of projects. No stored ranking answers `forYou` and `search`.
After {before:g} s the fault acts for {fault:g} s. A write that was not acknowledged is sent again.

- **answered**: share of the feeds requested during the fault that had projects and no error, degraded or not. 100 % are
  required, except where "(no SQL)" says that the database cannot be read.
- **p99**: seconds of the slowest hundredth of these feeds; with some 30 requests, the slowest one.
- **degraded**: "right" if the feeds named the failed store and no other. They have {notice:g} s to notice a fault.
  `trending` may be served without vectors and Redis, and slow stores and refused writes need not be named.
- **recovery**: seconds from the end of the fault until the last feed or write that failed or named the store;
  {goal:g} s at most are required.
- **index**: seconds from the last write, at least {quiet:g} s after recovery, until the index had every change.
- **lost, doubled**: acknowledged writes that the database or the index does not have, and those that are there more
  often than once, of all acknowledged ones. 0 are required.

"""


def report(lines: Sequence["Line"], command: str, weaviate: str) -> str:
    """Return the text of the document."""
    text = INTRODUCTION.format(
        command=command,
        date=f"{datetime.now(UTC):%Y-%m-%d}",
        weaviate=weaviate,
        cores=os.cpu_count(),
        slow=SLOW_S,
        before=BEFORE_S,
        projects=PROJECTS,
        rate=1 / FEED_EVERY_S,
        fault=FAULT_S,
        notice=NOTICE_S,
        goal=RECOVERY_GOAL_S,
        quiet=QUIET_S,
    )
    table = ["| store | fault | answered | p99 | degraded | recovery | index | lost, doubled |", "|---" * 8 + "|"]
    table += [line.row for line in lines]
    shortfalls = [f"- **{line.store}, {line.fault}**: {'; '.join(line.failures)}" for line in lines if line.failures]
    return text + "\n".join([*table, "", "## What falls short", "", *(shortfalls or ["Nothing."]), ""])


@dataclass(frozen=True)
class Line:
    """A row of the table with its shortfalls, which a file keeps between runs of parts of the matrix."""

    store: str
    fault: str
    row: str
    failures: list[str]

    @classmethod
    def of(cls, cell: Cell) -> "Line":
        """Return the line of a cell."""
        return cls(cell.fault.store, cell.fault.name, row(cell), failures(cell))

    @classmethod
    def not_run(cls, fault: Fault) -> "Line":
        """Return the line of a fault that no run has applied yet."""
        return cls.of(Cell(fault, not_run="not yet"))


def kept_lines(path: Path, new: Sequence[Line]) -> dict[tuple[str, str], Line]:
    """Add lines to those in a file, in place of older ones of the same rows, and return all."""
    old = [Line(**line) for line in json.loads(path.read_text())] if path.exists() else []
    lines = {(line.store, line.fault): line for line in [*old, *new]}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([asdict(line) for line in lines.values()], indent=1))
    return lines


def row(cell: Cell) -> str:
    """Return the row of a cell."""
    fault = cell.fault
    if cell.not_run:
        return f"| {fault.store} | {fault.name} | not run: {cell.not_run} | | | | | |"
    share = f"{100 * cell.answered / max(cell.feeds, 1):.0f} %{'' if fault.keeps_sql else ' (no SQL)'}"
    recovery = f"{cell.recovery_s:.1f} s" if cell.recovery_s < math.inf else f"> {RECOVERY_LIMIT_S:.0f} s"
    verdict = cell.verdict
    lost = f"{len(verdict.missing) + len(verdict.index)}, {len(verdict.doubled)} of {cell.acknowledged}"
    degraded = "wrong" if cell.degraded else "right" if cell.answered else "no feed"
    indexed = f"{cell.indexed_s:.1f} s" if cell.indexed_s < math.inf else "never"
    cells = (fault.store, fault.name, share, f"{cell.p99_s:.2f} s", degraded, recovery, indexed, lost)
    return f"| {' | '.join(cells)} |"


def failures(cell: Cell) -> list[str]:
    """Return what a cell does not reach, in words."""
    found = []
    if cell.not_run:
        return [f"not run: {cell.not_run}"]
    if cell.fault.keeps_sql and cell.answered < cell.feeds:
        counted = ", ".join(f"{name} {count}×" for name, count in cell.problems.most_common())
        found.append(f"{cell.feeds - cell.answered} of {cell.feeds} feeds were not answered ({counted})")
    if cell.degraded:
        found.append(cell.degraded)
    if cell.recovery_s > RECOVERY_GOAL_S:
        found.append(f"not recovered within {min(cell.recovery_s, RECOVERY_LIMIT_S):.0f} s{cell.unrecovered}")
    if cell.indexed_s > RECOVERY_GOAL_S:
        found.append(f"the index was complete only after {min(cell.indexed_s, DRAIN_WITHIN_S):.0f} s")
    verdict = cell.verdict
    for name, lines in (("missing", verdict.missing), ("doubled", verdict.doubled), ("index", verdict.index)):
        if lines:
            found.append(f"{len(lines)} {name}: {', '.join(sorted(lines)[:3])}")
    if verdict.dead:
        found.append(f"{verdict.dead} dead letters")
    return found
