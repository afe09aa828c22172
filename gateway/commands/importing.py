"""`explore import DIR` at the terminal: a progress bar, the lines that did not go in, a table, and an exit code."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text
from sqlalchemy.exc import SQLAlchemyError

from db.engine import Database
from db.errors import InvalidRecord, StoreUnavailable
from db.imports.importer import BadLine, FileProgress, ImportReport, import_directory

SHOWN_REFUSALS = 50
"""Lines printed one by one; after that they are counted."""

CLEAN = 0
SOME_REFUSED = 1
NOTHING_READ = 2


class _Rate(ProgressColumn):
    """Rows read so far, and how many a second."""

    def render(self, task: Task) -> Text:
        rows = int(task.fields["rows"])
        elapsed = task.finished_time if task.finished else task.elapsed
        return Text(f"{rows:>9,} rows {rows / elapsed if elapsed else 0.0:>7,.0f} rows/s", no_wrap=True)


class _Bars:
    """One bar for each file, and for each of the two passes of a strict import."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[tuple[str, bool], TaskID] = {}

    def show(self, state: FileProgress) -> None:
        """Move the bar of the file that is being read."""
        name = state.file, state.checking
        if name not in self._tasks:
            what = "checking" if state.checking else "reading"
            self._tasks[name] = self._progress.add_task(f"{what} {state.file}", total=1.0, rows=0)
        self._progress.update(self._tasks[name], completed=state.fraction, rows=state.rows)


class _Refusals:
    """Prints the first lines that did not go in, counts the rest, and writes all of them to a file if there is one."""

    def __init__(self, errors: Console, file: TextIO | None) -> None:
        self._errors = errors
        self._file = file
        self._count = 0

    def note(self, line: BadLine) -> None:
        """Take one line."""
        self._count += 1
        if self._count <= SHOWN_REFUSALS:
            _print_plain(self._errors, str(line))
        if self._file is not None:
            self._file.write(f"{line}\n")

    def tell_rest(self, path: Path | None) -> None:
        """Say how many were not printed, and where they are."""
        rest = self._count - SHOWN_REFUSALS
        if rest > 0:
            where = f"all are in {path}" if path else "--refused FILE writes all of them"
            _print_plain(self._errors, f"… and {rest:,} more; {where}")


async def run_import(
    database: Database,
    directory: Path,
    *,
    strict: bool = False,
    refused: Path | None = None,
    output: Console | None = None,
    errors: Console | None = None,
) -> int:
    """Import a folder and tell at the terminal how it goes.

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
    output = output or Console()
    errors = errors or Console(stderr=True)
    try:
        report = await _import(database, directory, strict, refused, output, errors)
    except InvalidRecord as error:
        _print_plain(errors, str(error))
        return NOTHING_READ
    except OSError as error:
        _print_plain(errors, f"{error.filename or directory}: {error.strerror or error}")
        return NOTHING_READ
    except (SQLAlchemyError, StoreUnavailable) as error:
        _print_plain(errors, f"the database did not take it: {_first_line(error)}")
        _print_plain(errors, "whole batches are in; run the import again to go on from there")
        return NOTHING_READ
    output.print(_table(report))
    if not report.written:
        _print_plain(errors, "nothing was written, because --strict refuses all when a line is wrong")
    return _exit_code(report)


async def _import(
    database: Database, directory: Path, strict: bool, refused: Path | None, output: Console, errors: Console
) -> ImportReport:
    with ExitStack() as stack:
        file = stack.enter_context(refused.open("w", encoding="utf-8")) if refused else None
        refusals = _Refusals(errors, file)
        progress = stack.enter_context(_progress(output))
        report = await import_directory(
            database, directory, strict=strict, progress=_Bars(progress).show, on_refusal=refusals.note
        )
    refusals.tell_rest(refused)
    return report


@contextmanager
def _progress(output: Console) -> Iterator[Progress]:
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=12), _Rate(), TimeElapsedColumn())
    # Redrawing needs a terminal; elsewhere each file leaves one line at the end.
    with Progress(*columns, console=output, auto_refresh=output.is_terminal) as progress:
        yield progress


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


def _print_plain(console: Console, text: str) -> None:
    """Print what may quote a file: nothing in it is markup, and no line is broken, so that `grep` finds it whole."""
    console.print(Text(text), soft_wrap=True)


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


__all__ = ["CLEAN", "NOTHING_READ", "SOME_REFUSED", "run_import"]
