"""CPU time and memory of a process with its descendants, from /proc."""

import os
from collections import defaultdict
from pathlib import Path

TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def _stat(pid: str) -> list[str]:
    """Return the fields of /proc/PID/stat from the state on."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def tree(pid: int) -> list[int]:
    """Return a process and its living descendants."""
    children = defaultdict(list)
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            children[int(_stat(name)[1])].append(int(name))
        except OSError:  # it has ended
            continue
    found = [pid]
    for one in found:  # grows while it is read
        found += children[one]
    return found


def cpu_s(pid: int) -> float:
    """Return the CPU seconds of a process, its descendants, and those of them that have ended."""
    total = 0.0
    for one in tree(pid):
        try:
            total += sum(map(int, _stat(str(one))[11:15])) * TICK_S  # utime, stime, and those of waited-for children
        except OSError:
            continue
    return total


def pss_mb(pid: int) -> float:
    """Return the proportional set size of a process and its descendants."""
    lines = (Path(f"/proc/{one}/smaps_rollup").read_text().splitlines() for one in tree(pid))
    return sum(int(line.split()[1]) for text in lines for line in text if line.startswith("Pss:")) / 1024
