"""`explore import`: prints progress, refused lines, a table and the next step, and returns an exit code."""

import asyncio
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text
from sqlalchemy.exc import SQLAlchemyError

from db import outbox
from db.database.engine import Database
from db.errors import InvalidRecord, StoreUnavailable
from db.imports.importer import FileProgress, ImportReport, find_files, import_directory
from db.private_files import open_private
from gateway.commands.console import print_plain
from gateway.commands.import_errors import ImportErrors
from gateway.commands.prepare import make_data_folder
from gateway.commands.progress import progress
from gateway.commands.shared import errors, output, output_file, read_settings, say
from gateway.settings import Settings
from gateway.stores import open_migrated

CLEAN = 0
SOME_REFUSED = 1
NOTHING_READ = 2


def import_(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Folder with the .jsonl or .jsonl.gz files.")],
    strict: Annotated[bool, typer.Option("--strict", help="Write nothing at all if one line is bad.")] = False,
    refused: Annotated[Path | None, output_file("Write each refused line's error here.")] = None,
) -> None:
    """Import projects, users and interactions from a folder; a repeated import changes nothing.

    Creates a missing data folder (VAR_DIR). Exit code 0: all lines were imported; 1: some were refused; 2: nothing
    could be read or written.
    """

    async def run(settings: Settings) -> int:
        find_files(directory)  # before anything is created
        await make_data_folder(settings, say)
        async with open_migrated(settings) as stores:
            return await run_import(stores.database, directory, strict=strict, refused=refused)

    raise typer.Exit(asyncio.run(run(read_settings())))


async def run_import(
    database: Database,
    directory: Path,
    *,
    strict: bool = False,
    refused: Path | None = None,
    output: Console = output,
    errors: Console = errors,
) -> int:
    """Import a folder, and return the exit code. The table goes to `output`, everything else to `errors`.

    With `strict` nothing is written if any line is wrong. `refused` is the file for the errors of refused lines, each
    as ``file:line: message``.
    """
    try:
        report = await _import(database, directory, strict, refused, errors)
    except InvalidRecord as error:
        print_plain(errors, str(error))
        return NOTHING_READ
    except OSError as error:
        print_plain(errors, f"{error.filename or directory}: {error.strerror or error}")
        return NOTHING_READ
    except (SQLAlchemyError, StoreUnavailable) as error:
        first_line = str(error).partition("\n")[0] or type(error).__name__
        print_plain(errors, f"the database failed: {first_line}")
        print_plain(errors, "whole batches are in; run the import again to continue")
        return NOTHING_READ
    output.print(_table(report))
    for line in await _next_steps(database, report):
        print_plain(errors, line)
    return _exit_code(report)


async def _import(
    database: Database, directory: Path, strict: bool, refused_file: Path | None, errors: Console
) -> ImportReport:
    with ExitStack() as stack:
        faults = ImportErrors(stack.enter_context(open_private(refused_file)) if refused_file else None)
        try:
            with progress(errors, "lines") as report_progress:

                def show(state: FileProgress) -> None:
                    report_progress(
                        f"{'checking' if state.checking else 'reading'} {state.file}", state.fraction, state.rows
                    )

                return await import_directory(database, directory, strict=strict, progress=show, on_refusal=faults.note)
        finally:  # also after an import that was stopped
            for line in faults.summary():
                print_plain(errors, line)
            if faults and refused_file is None:
                print_plain(errors, "--refused FILE writes the error of every refused line into a file")


async def _next_steps(database: Database, report: ImportReport) -> list[str]:
    if not report.written:
        return ["nothing was written: --strict refuses all if a line is wrong"]
    if report.refused and report.refused == report.read:
        return ["nothing was written: every line was refused"]
    steps = []
    if report.refused:
        steps.append("fix the refused lines and run the import again: imported lines stay as they are")
    if waiting := (await outbox.backlog(database)).rows:
        steps.append(
            f"next: explore serve (writes the {waiting:,} rows that wait for the search index while it serves), "
            "or explore reindex (writes them now)"
        )
    else:
        steps.append("next: explore serve; no row waits for the search index")
    return steps


def _table(report: ImportReport) -> Table:
    table = Table("file", "read", "added", "changed", "unchanged", "refused")
    for column in table.columns[1:]:
        column.justify = "right"
    for file in report.files:
        counts = (file.read, file.added, file.changed, file.unchanged, file.refused)
        table.add_row(Text(file.file), *(f"{count:,}" for count in counts))
    return table


def _exit_code(report: ImportReport) -> int:
    if not report.refused:
        return CLEAN
    return NOTHING_READ if report.refused == report.read and report.written else SOME_REFUSED
