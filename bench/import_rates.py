"""Rows per second of `explore import` for each folder, on SQLite and optionally on PostgreSQL.

    python -m bench.import_rates FOLDER… [--postgresql postgresql://user@host/an_empty_database]

Each folder is imported twice into an empty SQLite file; the second import changes nothing. With ``--postgresql``, all
folders are also imported into that database, which must be empty. Peak memory is the peak of the process so far;
`start` is the memory of Python and the libraries before the first row.
"""

import argparse
import asyncio
import resource
import tempfile
import time
from pathlib import Path

from db.database.engine import Database
from db.imports.importer import ImportReport, import_directory
from db.schema import migrate


def peak_mb() -> int:
    """Return the peak memory of this process in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


async def measure(database: Database, folder: Path, what: str) -> None:
    """Import a folder, and print the figures."""
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    report: ImportReport = await import_directory(database, folder)
    cpu_s, wall_s = time.process_time() - cpu_s, time.perf_counter() - wall_s
    added = sum(file.added for file in report.files)
    print(
        f"{folder.name:<16} {what:<18} {report.read:>7,} rows  {added:>7,} added  {report.refused:>3} refused  "
        f"{wall_s:6.2f} s  {report.read / wall_s:>7,.0f} rows/s  {cpu_s:6.2f} s CPU  {peak_mb()} MB peak"
    )


async def on_sqlite(folder: Path) -> None:
    """Import a folder twice into an empty SQLite file."""
    with tempfile.TemporaryDirectory() as directory:
        database = Database(f"sqlite:///{directory}/truth.sqlite")
        await migrate(database)
        await measure(database, folder, "SQLite")
        await measure(database, folder, "SQLite, again")
        await database.close()


async def on_postgresql(url: str, folders: list[Path]) -> None:
    """Import all folders into one PostgreSQL database."""
    database = Database(url)
    await migrate(database)
    for folder in folders:
        await measure(database, folder, "PostgreSQL")
        await measure(database, folder, "PostgreSQL, again")
    await database.close()


async def main() -> None:
    """Parse the command line, and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--postgresql", metavar="URL", help="an empty database")
    asked = parser.parse_args()
    print(f"start: {peak_mb()} MB")
    for folder in asked.folders:
        await on_sqlite(folder)
    if asked.postgresql:
        await on_postgresql(asked.postgresql, asked.folders)


if __name__ == "__main__":
    asyncio.run(main())
