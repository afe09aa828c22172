"""`explore import DIR` at the terminal: progress, faults, a table, what to do next, and an exit code."""

from contextlib import ExitStack
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text
from sqlalchemy.exc import SQLAlchemyError

from db import outbox
from db.database.engine import Database
from db.errors import InvalidRecord, StoreUnavailable
from db.imports.importer import FileProgress, ImportReport, import_directory
from db.private_files import open_private
from db.redaction import redact
from gateway.commands.console import console, print_plain, with_program_name
from gateway.commands.import_errors import ImportErrors
from gateway.commands.progress import progress

CLEAN = 0
SOME_REFUSED = 1
NOTHING_READ = 2


async def run_import(
    database: Database,
    directory: Path,
    *,
    strict: bool = False,
    refused: Path | None = None,
    output: Console | None = None,
    errors: Console | None = None,
) -> int:
    """Import a folder: the table goes to standard output, everything else to standard error.

    Parameters
    ----------
    strict
        Write nothing if any line is wrong.
    refused
        A file that takes every line that did not go in, as ``file:line: what is wrong``.
    output, errors
        Where to print; standard output and standard error unless a test says otherwise.

    Returns
    -------
    int
        The exit code: 0 if all went in, 1 if some lines were refused, 2 if nothing could be read or written.
    """
    output, errors = output or console(), errors or console(stderr=True)
    try:
        report = await _import(database, directory, strict, refused, errors)
    except InvalidRecord as error:
        print_plain(errors, str(error))
        return NOTHING_READ
    except OSError as error:
        print_plain(errors, f"{error.filename or directory}: {error.strerror or error}")
        return NOTHING_READ
    except (SQLAlchemyError, StoreUnavailable) as error:
        print_plain(errors, redact(f"the database did not take it: {_first_line(error)}"))
        print_plain(errors, "whole batches are in; run the import again to go on from there")
        return NOTHING_READ
    output.print(_table(report))
    for line in await _next_steps(database, report):
        print_plain(errors, line)
    return _exit_code(report)


async def _import(
    database: Database, directory: Path, strict: bool, refused: Path | None, errors: Console
) -> ImportReport:
    with ExitStack() as stack:
        file = stack.enter_context(open_private(refused)) if refused else None
        faults = ImportErrors(file)
        try:
            with progress(errors, "lines") as tell:

                def show(state: FileProgress) -> None:
                    what = "checking" if state.checking else "reading"
                    tell(f"{what} {state.file}", state.fraction, state.rows)

                return await import_directory(database, directory, strict=strict, progress=show, on_refusal=faults.note)
        finally:  # also of an import that was stopped
            for line in faults.told():
                print_plain(errors, line)
            if faults and refused is None:
                print_plain(errors, "--refused FILE writes every refused line's fault into a file")


async def _next_steps(database: Database, report: ImportReport) -> list[str]:
    if not report.written:
        return ["nothing was written, because --strict refuses all when a line is wrong"]
    if report.refused and report.refused == report.read:
        return ["nothing was written: every line was refused"]
    steps = []
    if report.refused:
        steps.append("fix the refused lines and run the import again: what is in already stays as it is")
    waiting = (await outbox.backlog(database)).rows
    if waiting:
        steps.append(
            f"next: explore serve (writes the {waiting:,} rows that wait for the search index while it serves), "
            "or explore reindex (writes them now)"
        )
    else:
        steps.append("next: explore serve; no row waits for the search index")
    return [with_program_name(step) for step in steps]


def _table(report: ImportReport) -> Table:
    table = Table("file", *(("read", "added", "changed", "unchanged", "refused")))
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


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
