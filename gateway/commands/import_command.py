"""`explore import`: prints progress, refused lines, a table and the next step, and returns an exit code.

Refused lines are grouped by kind of error: one mistake in every line of a file is one kind.
"""

import asyncio
import re
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TextIO

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text
from sqlalchemy.exc import SQLAlchemyError

from db import outbox
from db.database.engine import Database
from db.errors import InvalidRecord, StoreUnavailable
from db.imports.importer import FileProgress, ImportReport, RefusedLine, find_files, import_directory
from db.platform_inputs import NO_PLATFORM_INPUTS, PlatformInputs
from db.private_files import open_private
from gateway.commands.console import print_plain
from gateway.commands.prepare import make_data_folder
from gateway.commands.progress import format_duration, progress
from gateway.commands.shared import errors, output, output_file, read_settings, say
from gateway.settings import Settings
from gateway.stores import open_migrated

CLEAN = 0
SOME_REFUSED = 1
NOTHING_READ = 2

MAX_PRINTED_KINDS = 20
"""Maximum number of kinds of error that are printed; the file of `--refused` has all errors."""

_VALUES = re.compile(
    r"(?<=is not valid JSON: )[^;]*|(?<=is not an existing time: )[^;]*|(?<=contain the character )[^;]*"
    r"|'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|\d[\d.,:+TZ-]*"
)
"""The parts of a message that differ between lines: a parser's text, quoted values, numbers and times."""

_ADVICE = (
    (" is not valid JSON", "write one JSON object on each line; `jq -c '.[]' FILE` converts an array"),
    (
        " is not a field of this record",
        "remove the field, or put it under `source` of a project; docs/import.md lists the fields",
    ),
    (" must be an object", "write one JSON object on each line; docs/import.md lists its fields"),
    (" is missing", "docs/import.md lists the required fields"),
    ("there is no user ", "add the user to users.jsonl, or fix its line if that was refused too"),
    ("there is no project ", "add the project to projects.jsonl, or fix its line if that was refused too"),
    (" is in the future", "compare the clocks and time zones; times are read with their zone"),
)
"""Advice for errors whose message has none, by a part of the message."""


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
        find_files(directory)  # refuses a wrong folder before the data folder is created
        await make_data_folder(settings, say)
        async with open_migrated(settings) as stores:
            return await run_import(
                stores.database, directory, strict=strict, refused=refused, platform=stores.platform
            )

    raise typer.Exit(asyncio.run(run(read_settings())))


async def run_import(
    database: Database,
    directory: Path,
    *,
    strict: bool = False,
    refused: Path | None = None,
    platform: PlatformInputs = NO_PLATFORM_INPUTS,
    output: Console = output,
    errors: Console = errors,
) -> int:
    """Import a folder, and return the exit code. The table goes to `output`, everything else to `errors`.

    With `strict` nothing is written if any line is wrong. `refused` is the file for the errors of refused lines, each
    as ``file:line: message``.
    """
    began_at = time.monotonic()
    try:
        report = await _import(database, directory, strict, refused, platform, errors)
    except InvalidRecord as error:
        print_plain(errors, str(error))
        return NOTHING_READ
    except OSError as error:
        print_plain(errors, f"{error.filename or directory}: {error.strerror or error}")
        return NOTHING_READ
    except (SQLAlchemyError, StoreUnavailable) as error:
        first_line = str(error).partition("\n")[0] or type(error).__name__
        print_plain(errors, f"the database failed: {first_line}")
        print_plain(errors, "complete batches are stored; run the import again to continue")
        return NOTHING_READ
    output.print(_table(report))
    print_plain(errors, f"read {report.read:,} lines in {format_duration(time.monotonic() - began_at)}")
    for line in await _next_steps(database, report):
        print_plain(errors, line)
    return _exit_code(report)


async def _import(
    database: Database,
    directory: Path,
    strict: bool,
    refused_file: Path | None,
    platform: PlatformInputs,
    errors: Console,
) -> ImportReport:
    with ExitStack() as stack:
        faults = ImportErrors(stack.enter_context(open_private(refused_file)) if refused_file else None)
        try:
            with progress(errors, "lines") as report_progress:

                def show(state: FileProgress) -> None:
                    report_progress(
                        f"{'checking' if state.checking else 'reading'} {state.file}", state.fraction, state.rows
                    )

                return await import_directory(
                    database, directory, strict=strict, progress=show, on_refusal=faults.note, platform=platform
                )
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


@dataclass(slots=True)
class _Kind:
    first: RefusedLine
    lines: int = 0

    def __str__(self) -> str:
        repetition = (
            f" ({self.lines:,} lines have this error; line {self.first.line} is the first)" if self.lines > 1 else ""
        )
        advice = next((advice for part, advice in _ADVICE if part in f" {self.first.message}"), None)
        return f"{self.first}{repetition}" + (f"\n    {advice}" if advice else "")


class ImportErrors:
    """Collects refused lines by kind of error, and writes each line to `file` as ``file:line: message``."""

    def __init__(self, file: TextIO | None = None) -> None:
        self._file = file
        self._kinds: dict[tuple[str, str], _Kind] = {}

    def note(self, line: RefusedLine) -> None:
        """Add one line."""
        kind = self._kinds.setdefault((line.file, _VALUES.sub("…", line.message)), _Kind(line))
        kind.lines += 1
        if self._file is not None:
            self._file.write(f"{line}\n")

    def __len__(self) -> int:
        """Count the kinds."""
        return len(self._kinds)

    def summary(self) -> list[str]:
        """Describe each kind of error: an example with its line, the number of lines, and advice."""
        kinds = sorted(self._kinds.values(), key=lambda kind: -kind.lines)
        unlisted = kinds[MAX_PRINTED_KINDS:]
        lines = sum(kind.lines for kind in unlisted)
        ending = [f"… and {len(unlisted):,} more kinds of error in {lines:,} lines"] if unlisted else []
        return [str(kind) for kind in kinds[:MAX_PRINTED_KINDS]] + ending
