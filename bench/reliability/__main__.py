"""Apply each fault to each store under a steady load, and write docs/reliability.md.

    python -m bench.reliability                               # the whole matrix: some 15 minutes
    python -m bench.reliability --store redis --fault reset   # one row, printed and not written
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
from bench.reliability.report import failures, report, row

DOCUMENT = Path(__file__).parents[2] / "docs" / "reliability.md"


async def measure_all(faults: list[Fault], weaviate: TrueWeaviate | None) -> list[Cell]:
    """Measure all cells, with one installation for as many as leave it whole."""
    cells: list[Cell] = []
    for (kind, with_clock), group in groupby(faults, lambda fault: (fault.installation, fault.needs_clock)):
        pending = list(group)
        while pending:
            with tempfile.TemporaryDirectory(prefix="explore-reliability-") as folder:
                os.chmod(folder, 0o755)  # noqa: S103 (PostgreSQL runs under another account)
                async with running(kind, Path(folder), with_clock=with_clock, weaviate=weaviate) as installation:
                    is_whole = True
                    while pending and is_whole:
                        cell = await _cell(installation, pending.pop(0))
                        cells.append(cell)
                        is_whole = cell.leaves_all_well
    return cells


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
    """Measure, print the rows, and write the document if the matrix is whole."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--store", default="", help="only rows whose store has this text")
    parser.add_argument("--fault", default="", help="only rows whose fault has this text")
    parser.add_argument("--weaviate", metavar="URL", default="", help="a true Weaviate; otherwise the double")
    parser.add_argument("--weaviate-grpc", metavar="HOST:PORT", default="")
    parser.add_argument("--output", type=Path, default=DOCUMENT, help="the document to write")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the servers are stopped
    logging.disable()  # the verification opens stores in this process
    weaviate = TrueWeaviate(asked.weaviate, asked.weaviate_grpc) if asked.weaviate else None
    everything = matrix()
    faults = [fault for fault in everything if asked.store in fault.store and asked.fault in fault.name]
    cells = asyncio.run(measure_all(faults, weaviate))
    print("\n".join(map(row, cells)))
    if len(faults) == len(everything):
        command = f"python -m bench.reliability{' --weaviate URL --weaviate-grpc HOST:PORT' if weaviate else ''}"
        said = (
            f"Weaviate is {'a true server' if weaviate else 'the double of the test suite, in a process of its own'}."
        )
        asked.output.write_text(report(cells, command, said))
    sys.exit(any(map(failures, cells)))


if __name__ == "__main__":
    main()
