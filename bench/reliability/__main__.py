"""Apply each fault to each store under a steady load, and write docs/reliability.md.

    python -m bench.reliability                               # the whole matrix: some 15 minutes
    python -m bench.reliability --store redis --fault reset   # one row, which takes the place of the older one
    python -m bench.reliability --weaviate http://host:8080 --weaviate-grpc host:50051

Mounting the small file systems for "full disk" needs root, and the clock rows need libfaketime.
"""

import argparse
import asyncio
import logging
import os
import signal
import sys
import tempfile
import time
import traceback
from itertools import groupby
from pathlib import Path

from bench.reliability.cells import Cell, measure
from bench.reliability.faults import Fault, Inapplicable, matrix
from bench.reliability.installation import Installation, TrueWeaviate, running
from bench.reliability.report import Line, failures, kept_lines, report, row

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "reliability.md"
LINES = ROOT / "build" / "reliability.json"


async def measure_all(faults: list[Fault], weaviate: TrueWeaviate | None, path: Path) -> dict[tuple[str, str], Line]:
    """Measure all cells, with one installation for as many as leave it whole; return the lines that a file keeps."""
    lines = kept_lines(path, [])
    for (kind, with_clock), group in groupby(faults, lambda fault: (fault.installation, fault.needs_clock)):
        pending = list(group)
        while pending:
            with tempfile.TemporaryDirectory(prefix="explore-reliability-") as folder:
                os.chmod(folder, 0o755)  # noqa: S103 (PostgreSQL runs under another account)
                async with running(kind, Path(folder), with_clock=with_clock, weaviate=weaviate) as installation:
                    is_whole = True
                    while pending and is_whole:
                        cell = await _cell(installation, pending.pop(0))
                        lines = kept_lines(path, [Line.of(cell)])
                        is_whole = cell.leaves_all_well
    return lines


async def _cell(installation: Installation, fault: Fault) -> Cell:
    began = time.monotonic()
    try:
        cell = await measure(installation, fault)
    except Inapplicable as error:
        cell = Cell(fault, not_run=str(error))
    except Exception as error:  # the other rows are worth having; this one says why it has no figures
        traceback.print_exc()
        cell = Cell(fault, not_run=f"the bench failed: {error!r}", is_broken=True)
    took, found = time.monotonic() - began, [*failures(cell), f"not answered: {dict(cell.problems)}"]
    print(f"{took:5.1f} s  {row(cell)}  {'; '.join(found)}", file=sys.stderr, flush=True)
    return cell


def main() -> None:
    """Measure, print each row, and write the document with the rows of this and earlier runs."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--store", default="", help="only rows whose store has this text")
    parser.add_argument("--fault", default="", help="only rows whose fault has this text")
    parser.add_argument("--weaviate", metavar="URL", default="", help="a true Weaviate; otherwise the double")
    parser.add_argument("--weaviate-grpc", metavar="HOST:PORT", default="")
    parser.add_argument("--lines", type=Path, default=LINES, help="a file that keeps the rows of all runs")
    parser.add_argument("--output", type=Path, default=DOCUMENT, help="the document, with all rows that are known")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the servers are stopped
    logging.disable()  # the verification opens stores in this process
    weaviate = TrueWeaviate(asked.weaviate, asked.weaviate_grpc) if asked.weaviate else None
    everything = matrix()
    faults = [fault for fault in everything if asked.store in fault.store and asked.fault in fault.name]
    lines = asyncio.run(measure_all(faults, weaviate, asked.lines))
    command = f"python -m bench.reliability{' --weaviate URL --weaviate-grpc HOST:PORT' if weaviate else ''}"
    server = "a true server" if weaviate else "the double of the test suite, in a process of its own"
    ordered = [lines.get((fault.store, fault.name)) or Line.not_run(fault) for fault in everything]
    asked.output.write_text(report(ordered, command, f"Weaviate is {server}."))
    sys.exit(any(lines[fault.store, fault.name].failures for fault in faults))


if __name__ == "__main__":
    main()
