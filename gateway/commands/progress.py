"""Progress of long work: bars on a terminal, elsewhere a line for each step and every ten seconds."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.text import Text

from gateway.commands.console import print_plain

LINE_EVERY_S = 10.0
"""Seconds between two lines of running work where the output is no terminal."""


class ReportProgress(Protocol):
    """Callback that reports the progress of one step."""

    def __call__(self, step: str, share: float | None, count: int | None = None) -> None:
        """Report the finished share of the step, from 0 to 1 (None if unknown), and a count of finished things."""


@dataclass(slots=True)
class _Step:
    name: str
    began_at: float
    share: float | None = 0.0
    count: int | None = None
    ended_at: float | None = None

    def format_state(self, unit: str, now: float) -> str:
        """Format the count, its rate since the step began, the duration, and an estimate of the remaining time."""
        duration_s = (self.ended_at or now) - self.began_at
        parts = [f"{self.count:,} {unit}"] if self.count is not None else []
        if self.count and duration_s > 0:
            parts.append(f"{self.count / duration_s:,.0f}/s")
        parts.append(format_duration(duration_s))
        if self.share and self.ended_at is None:
            parts.append(f"about {format_duration(duration_s * (1 - self.share) / self.share)} left")
        return ", ".join(parts)


def format_duration(seconds: float) -> str:
    """Format a duration: "82 s", "3 min 20 s" or "2 h 5 min"."""
    rounded = round(seconds)
    if rounded < 120:
        return f"{rounded} s"
    if rounded < 2 * 3_600:
        return f"{rounded // 60} min {rounded % 60} s"
    return f"{rounded // 3_600} h {rounded % 3_600 // 60} min"


@contextmanager
def progress(
    output: Console, unit: str = "", *, every_s: float = LINE_EVERY_S, clock: Callable[[], float] = time.monotonic
) -> Iterator[ReportProgress]:
    """Show progress while the block runs; `unit` is the plural of the counted things, as in "lines".

    The first step begins with the block, each other step with the last report of the previous step.
    """
    with _bars(output, unit, clock) if output.is_terminal else _lines(output, unit, every_s, clock) as report_progress:
        yield report_progress


class _Steps:
    """The reported steps, and the time of the last report."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._last_report = clock()
        self.steps: dict[str, _Step] = {}

    def note(self, name: str, share: float | None, count: int | None) -> _Step:
        step = self.steps.setdefault(name, _Step(name, self._last_report))
        step.share, step.count = share, count
        self._last_report = self._clock()
        if share == 1.0 and step.ended_at is None:
            step.ended_at = self._last_report
        return step


class _StateColumn(ProgressColumn):
    """The state of a step, written anew at each refresh of the terminal."""

    def __init__(self, unit: str, clock: Callable[[], float]) -> None:
        super().__init__()
        self._unit = unit
        self._clock = clock

    def render(self, task: Task) -> Text:
        """Return the text of one step."""
        step: _Step = task.fields["step"]
        return Text(step.format_state(self._unit, self._clock()))


@contextmanager
def _bars(output: Console, unit: str, clock: Callable[[], float]) -> Iterator[ReportProgress]:
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=20), _StateColumn(unit, clock))
    steps, tasks = _Steps(clock), dict[str, TaskID]()
    with Progress(*columns, console=output) as bars:

        def report_progress(step: str, share: float | None, count: int | None = None) -> None:
            state = steps.note(step, share, count)
            if step not in tasks:
                tasks[step] = bars.add_task(step, total=None, step=state)
            total = None if share is None else 1.0
            bars.update(tasks[step], total=total, completed=share or 0.0)

        yield report_progress


@contextmanager
def _lines(output: Console, unit: str, every_s: float, clock: Callable[[], float]) -> Iterator[ReportProgress]:
    steps, stop = _Steps(clock), threading.Event()
    current: list[_Step] = []

    def print_line(step: _Step, state: str) -> None:
        parts = (state, step.format_state(unit, clock()))
        print_plain(output, f"{step.name}: {', '.join(part for part in parts if part)}")

    def repeat() -> None:
        while not stop.wait(every_s):
            for step in current:
                print_line(step, "" if step.share is None else f"{step.share:.0%}")

    def report_progress(step: str, share: float | None, count: int | None = None) -> None:
        was_done = step in steps.steps and steps.steps[step].share == 1.0
        state = steps.note(step, share, count)
        is_done = share == 1.0
        current[:] = [] if is_done else [state]
        if is_done and not was_done:
            print_line(state, "done")

    # In a thread, so that work that blocks the event loop is reported too.
    repeater = threading.Thread(target=repeat, name="progress", daemon=True)
    repeater.start()
    try:
        yield report_progress
    finally:
        stop.set()
        repeater.join()
