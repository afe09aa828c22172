"""The measurement of one cell: load before, during and after a fault, and the comparison of acknowledged writes."""

import asyncio
import math
import time
from collections import Counter
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass, field

from bench.reliability.client import Answer
from bench.reliability.faults import NEEDED_BY, Fault
from bench.reliability.installation import Installation
from bench.reliability.ledger import Ledger, Verdict, drained
from bench.reliability.load import stopped
from gateway.stores import open_stores

BEFORE_S, FAULT_S, QUIET_S = 2.0, 8.0, 3.0
RECOVERY_LIMIT_S = 40.0
NOTICE_S = 2.0
"""Seconds that the gateway has to notice a fault before `degraded` must name it."""
FEED_EVERY_S, WRITE_EVERY_S = 0.8, 0.5
DRAIN_WITHIN_S = 90.0


@dataclass
class Cell:
    """The result of one cell."""

    fault: Fault
    feeds: int = 0
    answered: int = 0
    p99_s: float = 0.0
    problems: Counter[str] = field(default_factory=Counter)
    degraded: str = ""
    """Empty if right, otherwise the fault."""
    recovery_s: float = math.inf
    indexed_s: float = math.inf
    acknowledged: int = 0
    verdict: Verdict = field(default_factory=Verdict)
    unrecovered: str = ""
    """Counts of what still failed at the end, if it did not recover."""
    not_run: str = ""
    """Why there are no figures."""
    is_broken: bool = False

    @property
    def leaves_all_well(self) -> bool:
        """Whether the installation can be used for the next cell."""
        return not self.is_broken and (bool(self.not_run) or (self.recovery_s < math.inf and self.verdict.is_whole))


async def measure(installation: Installation, fault: Fault) -> Cell:
    """Measure one cell."""
    cell, load = Cell(fault), installation.load
    if fault.prepare is not None:
        await fault.prepare(installation)
    load.ledger = Ledger()
    load.answers.clear()
    tasks = [asyncio.create_task(load.keep_asking(kind, FEED_EVERY_S)) for kind in ("forYou", "trending", "search")]
    tasks += [asyncio.create_task(load.keep_writing(kinds, WRITE_EVERY_S)) for kinds in (["like", "save"], ["change"])]
    try:
        ended_at = await _let_act(installation, fault, cell)
        await _until_recovered(load.answers, ended_at, cell)
    finally:
        with suppress(TimeoutError):  # a write that is never acknowledged: it has not recovered
            async with asyncio.timeout(RECOVERY_LIMIT_S):
                await stopped(tasks)
                await load.asked()
    cell.acknowledged = load.ledger.count
    async with open_stores(installation.direct) as stores:
        try:
            cell.indexed_s = await drained(stores, DRAIN_WITHIN_S)
        except TimeoutError as error:
            cell.verdict.index.append(str(error))
        else:
            cell.verdict = await load.ledger.verify(stores)
    return cell


async def _let_act(installation: Installation, fault: Fault, cell: Cell) -> float:
    """Let the fault act under load, and record the answers; return the time of its end."""
    await asyncio.sleep(BEFORE_S)
    before = list(installation.load.answers)
    began_at = time.monotonic()
    async with fault.apply(installation):
        acts_at = time.monotonic()
        await asyncio.sleep(FAULT_S)
        ended_at = time.monotonic()
    await installation.load.asked(ended_at)
    during = [one for one in installation.load.answers if one.is_feed and began_at <= one.started_at < ended_at]
    record_feeds(cell, during)
    cell.degraded = fault_of_flags(fault, before, during, acts_at + NOTICE_S, ended_at)
    return ended_at


def record_feeds(cell: Cell, feeds: list[Answer]) -> None:
    """Record the share of feeds that were answered, and their slowest hundredth."""
    cell.feeds, cell.answered = len(feeds), sum(not one.problem for one in feeds)
    cell.problems = Counter(f"{one.kind} {one.problem}" for one in feeds if one.problem)
    seconds = sorted(one.seconds for one in feeds)
    cell.p99_s = seconds[math.ceil(0.99 * len(seconds)) - 1] if seconds else 0.0


def fault_of_flags(
    fault: Fault, before: Iterable[Answer], during: Iterable[Answer], noticed_at: float, ended_at: float
) -> str:
    """Return what is wrong with `degraded` before and during a fault; empty if nothing is."""
    faults = Counter[str]()
    for answer in before:
        if answer.degraded:
            faults[f"{answer.kind} named {', '.join(answer.degraded)} before the fault"] += 1
    for answer in during:
        if answer.problem:
            continue
        if wrong := set(answer.degraded) - set(fault.stores):
            faults[f"{answer.kind} named {', '.join(sorted(wrong))}"] += 1
        acts = noticed_at <= answer.started_at and answer.started_at + answer.seconds < ended_at
        needed = [store for store in fault.stores if answer.kind in NEEDED_BY[store]]
        if fault.is_away and acts and needed and not set(needed) & set(answer.degraded):
            faults[f"{answer.kind} did not name {' or '.join(needed)}"] += 1
    return "; ".join(f"{name} ({count}×)" for name, count in faults.items())


async def _until_recovered(answers: list[Answer], ended_at: float, cell: Cell) -> None:
    """Wait until all answers have been whole for a while, and record the seconds until then."""
    give_up_at = ended_at + RECOVERY_LIMIT_S
    while (now := time.monotonic()) < give_up_at:
        recovered_at = last_fault_at(answers, ended_at, cell.fault.stores)
        whole = {one.kind for one in answers if not one.problem and one.started_at > recovered_at}
        if now - recovered_at >= QUIET_S and {"forYou", "trending", "search", "like"} <= whole:
            cell.recovery_s = recovered_at - ended_at
            return
        await asyncio.sleep(0.2)
    late = Counter(
        f"{one.kind} {one.problem or 'named ' + ', '.join(one.degraded)}"
        for one in answers
        if not one.is_whole and one.started_at + one.seconds > give_up_at - QUIET_S
    )
    cell.unrecovered = f" ({', '.join(f'{name} {count}×' for name, count in late.most_common())})"


def last_fault_at(answers: Iterable[Answer], ended_at: float, stores: Collection[str]) -> float:
    """Return the time at which the last faulty answer after a fault was received, or the end of the fault.

    A feed counts if it was requested after the fault and failed or named one of these stores, a write also if it was
    sent before.
    """
    received = (
        one.started_at + one.seconds
        for one in answers
        if (one.problem or set(one.degraded) & set(stores)) and (one.started_at >= ended_at or not one.is_feed)
    )
    return max([ended_at, *received])
