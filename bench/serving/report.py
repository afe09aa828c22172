"""The tables of a run, and its figures as JSON."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

RATIOS = (("postgresql", "yoga-postgresql"), ("postgresql", "yoga-memory"), ("sqlite", "yoga-memory"))
OTHER_RATIOS = ((("ids", "postgresql"), ("card", "yoga-memory")), (("ids", "sqlite"), ("card", "yoga-memory")))


def write(result: Mapping[str, Any], file: Path) -> None:
    """Print the tables, and write the figures to a file."""
    file.write_text(json.dumps({"at": datetime.now(UTC).isoformat(timespec="seconds"), **result}, indent=1))
    load = ", ".join(f"{one:.1f}" for one in result["load"])
    settings = " ".join(f"{name}={value}" for name, value in result["settings"].items())
    print(f"\n{result['projects']:,} projects, {result['rounds']} rounds, {result['cores']} cores, load {load}")
    print(f"settings of the gateway: {settings}\n")
    heads = (
        "scenario",
        "server",
        "CPU ms",
        "PG ms",
        "Redis ms",
        "SQL",
        "cache",
        "KB",
        "requests",
        "errors",
        "degraded",
        "nulls",
    )
    print(_line(heads), *(f"{f'p50/p99 at {clients}':>16}" for clients in (1, 8, 64)), sep="")
    for cell in result["cells"]:
        stores, cached = "postgresql" in cell["target"], cell["target"] != "yoga-memory"
        figures = (
            cell["scenario"],
            cell["target"],
            f"{cell['cpu_ms']:.2f}",
            f"{cell['database_cpu_ms']:.2f}" if stores else "",
            f"{cell['cache_cpu_ms']:.2f}" if stores else "",
            f"{cell['statements']:.1f}" if stores else "",
            f"{cell['cache_calls']:.1f}" if cached else "",
            f"{cell['size'] / 1000:.1f}",
            str(cell["requests"]),
            str(cell["errors"]),
            str(cell["degraded"]),
            str(cell["nulls"]),
        )
        latencies = (cell["latencies_ms"].get(clients) for clients in (1, 8, 64))
        print(_line(figures), *(f"{f'{one[0]:.1f}/{one[1]:.1f}' if one else '':>16}" for one in latencies), sep="")
    for cell in result["cells"]:
        if cell["error"]:
            print(f"error of {cell['scenario']} on {cell['target']}: {cell['error']}")
    print("\nratios of CPU per request")
    cpu = {(cell["scenario"], cell["target"]): cell["cpu_ms"] for cell in result["cells"]}
    pairs = [((name, ours), (name, theirs)) for name in dict.fromkeys(n for n, _ in cpu) for ours, theirs in RATIOS]
    for ours, theirs in (*pairs, *OTHER_RATIOS):
        if ours in cpu and cpu.get(theirs):
            print(f"  {cpu[ours] / cpu[theirs]:6.2f}x  {' of '.join(ours)} / {' of '.join(theirs)}")
    print("\nstart to the first page, and memory (PSS of all processes)")
    for name, one in result["servers"].items():
        memory = f"{one['pss_at_start_mb']:.0f} MB then, {one['pss_mb']:.0f} MB at the end"
        print(f"  {name:16} {one['start_s']:6.2f} s, {one['start_cpu_s']:.2f} s CPU; {memory}")
    print(f"\nfigures: {file}")


def _line(fields: tuple[str, ...]) -> str:
    return f"{fields[0]:13}{fields[1]:16}" + "".join(f"{one:>9}" for one in fields[2:])
