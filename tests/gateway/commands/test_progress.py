"""Progress of long work where the output is no terminal: a line for each step, and one every so often."""

import io
import threading
import time

import pytest
from rich.console import Console

from gateway.commands.progress import format_duration, progress

WITHIN_S = 30


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def silent() -> Console:
    return Console(file=io.StringIO(), width=1_000)


def printed(console: Console) -> list[str]:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def test_a_finished_step_is_one_line_with_the_rate_since_the_step_before() -> None:
    console, clock = silent(), Clock()
    with progress(console, "lines", clock=clock) as tell:
        clock.now = 2.0
        tell("users", 1.0, 1_000)
        clock.now = 6.0
        tell("projects", 0.5, 4_000)
        clock.now = 10.0
        tell("projects", 1.0, 16_000)
        tell("projects", 1.0, 16_000)
    assert printed(console) == [
        "users: done, 1,000 lines, 500/s, 2 s",
        "projects: done, 16,000 lines, 2,000/s, 8 s",
    ]


@pytest.mark.parametrize(
    ("share", "line"), [(0.25, "rows: 25%, 10 rows, 5/s, 2 s, about 6 s left"), (None, "rows: 10 rows, 5/s, 2 s")]
)
def test_work_that_goes_on_says_so_even_while_it_holds_its_thread(share: float | None, line: str) -> None:
    console, clock = silent(), Clock()
    with progress(console, "rows", every_s=0.01, clock=clock) as tell:
        clock.now = 2.0
        tell("rows", share, 10)
        until = time.monotonic() + WITHIN_S
        while len(printed(console)) < 3 and time.monotonic() < until:
            pass  # as arithmetic would
    assert printed(console)[:3] == [line] * 3


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (119.4, "119 s"), (119.6, "2 min 0 s"), (200, "3 min 20 s"), (7_500, "2 h 5 min")],
)
def test_a_duration_is_read_at_a_glance(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


def test_no_thread_is_left() -> None:
    with progress(silent(), every_s=0.01) as tell:
        tell("it", 0.5)
        assert "progress" in {thread.name for thread in threading.enumerate()}
    assert "progress" not in {thread.name for thread in threading.enumerate()}


def test_a_terminal_counts_the_time_from_the_start_of_a_step_and_not_from_its_first_report() -> None:
    console, clock = Console(file=io.StringIO(), width=100, force_terminal=True, no_color=True), Clock()
    with progress(console, "written", clock=clock) as tell:
        clock.now = 76.0
        tell("projects", 0.5, 76_000)
        clock.now = 152.0
        tell("projects", 1.0, 152_000)
        clock.now = 500.0
    assert "152,000 written, 1,000/s, 2 min 32 s" in printed(console)[-2]


def test_a_terminal_gets_bars() -> None:
    console = Console(file=io.StringIO(), width=100, force_terminal=True, no_color=True)
    with progress(console, "lines") as tell:
        tell("users", 0.5, 7)
        tell("demo", None)
        tell("demo", 1.0)
    lines = printed(console)
    assert "7 lines" in "".join(lines)
    assert " left" in "".join(lines)
    bars = {name: [line.count("━") for line in lines if name in line][-1] for name in ("users", "demo")}
    assert bars == {"users": 10, "demo": 20}  # of 20 columns; without color only the finished part is drawn
