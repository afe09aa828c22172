"""`explore import`: a folder of files into the truth, batch by batch. The format is described in `docs/import.md`."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncConnection

from db.actors.users import upsert_users
from db.catalog.catalog_entries import upsert_categories, upsert_projects, upsert_tools
from db.database.engine import Database
from db.errors import InvalidRecord
from db.imports.lines import read_lines
from db.imports.references import Checker, InteractionWriter
from db.partitions import prepare_partitions
from db.records import (
    CategoryRecord,
    InteractionRecord,
    ProjectRecord,
    Record,
    ToolRecord,
    UserRecord,
    validation_errors,
)
from db.upsert_results import Refusal, UpsertResult

KINDS: dict[str, type[Record]] = {
    "tools": ToolRecord,
    "categories": CategoryRecord,
    "users": UserRecord,
    "projects": ProjectRecord,
    "interactions": InteractionRecord,
}
"""What is read, in this order: a file refers only to those before it."""

BATCH_ROWS = 2_000
"""Records of one transaction. 500, 2,000 and 5,000 take 1.2, 1.2 and 1.5 s CPU for 20,000 projects on SQLite."""

BATCH_EVENTS = 5_000
"""The same for interactions: 500, 2,000, 5,000 and 10,000 take 3.8, 2.6, 2.6 and 2.7 s CPU for 46,000 of them."""

BATCH_BYTES = 4_000_000
"""A batch ends early at this many bytes of text, so that memory stays flat whatever the lines are like."""

MAX_KEPT_REFUSALS = 50
MAX_FAULTS_SHOWN = 3


@dataclass(frozen=True, slots=True)
class RejectedLine:
    """A line that did not go in."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


@dataclass(frozen=True, slots=True)
class FileProgress:
    """How far one file is.

    Attributes
    ----------
    checking
        Whether this is the first of the two passes of a strict import, which writes nothing.
    rows
        Lines read so far, blank ones not counted.
    fraction
        Of the file's bytes, from 0 to 1.
    """

    file: str
    checking: bool
    rows: int
    fraction: float


@dataclass(slots=True)
class FileReport:
    """What became of one file's lines: `read` is the sum of the other four."""

    file: str
    read: int = 0
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    refused: int = 0


@dataclass(slots=True)
class ImportReport:
    """What became of an import.

    Attributes
    ----------
    files
        One report for each file, in the order in which they were read.
    refusals
        The first `MAX_KEPT_REFUSALS` lines that did not go in; the files' reports count them all.
    written
        False if a strict import was refused as a whole.
    """

    files: list[FileReport] = field(default_factory=list)
    refusals: list[RejectedLine] = field(default_factory=list)
    written: bool = True

    @property
    def read(self) -> int:
        """Lines read from all files."""
        return sum(report.read for report in self.files)

    @property
    def refused(self) -> int:
        """Lines of all files that did not go in."""
        return sum(report.refused for report in self.files)


ShowProgress = Callable[[FileProgress], None]
OnRejection = Callable[[RejectedLine], None]
Write = Callable[[AsyncConnection, Sequence[Any]], Awaitable[UpsertResult]]
Check = Callable[[Sequence[Any]], Awaitable[list[Refusal]]]
Take = Callable[[Sequence[Any]], Awaitable[UpsertResult]]
T = TypeVar("T")


class _Batch(NamedTuple):
    """Some lines of one file: the records among them with their line numbers, and the lines that are none."""

    numbers: list[int]
    records: list[Record]
    bad: list[RejectedLine]
    position: int


async def import_directory(
    database: Database,
    directory: Path,
    *,
    strict: bool = False,
    progress: ShowProgress | None = None,
    on_refusal: OnRejection | None = None,
) -> ImportReport:
    """Bring a folder's files into the truth.

    Each batch is one transaction: a stop in the middle leaves whole batches, and the next run goes on from there,
    because what is there already is left alone. A line that is wrong is reported, the others go in.

    Parameters
    ----------
    strict
        Read everything first, and write nothing if any line is wrong.
    progress
        Called after each batch.
    on_refusal
        Called for each line that did not go in; the report keeps only the first ones.

    Raises
    ------
    InvalidRecord
        If the folder is missing, holds none of the files, or holds one twice.
    """
    files = find_files(directory)
    run = _Run(progress or (lambda _: None), on_refusal or (lambda _: None))
    if strict:
        with closing(Checker(database)) as checker:
            checked = await run.read(files, _checks(checker), checking=True)
        if checked.refused:
            checked.written = False
            return checked
    return await run.read(files, _writes(database), checking=False)


def find_files(directory: Path) -> dict[str, Path]:
    """Find the files of the format in a folder, by kind, in the order in which they are read."""
    if not directory.is_dir():
        raise InvalidRecord(f"{directory} is not a folder; give the one that holds projects.jsonl or users.jsonl")
    found: dict[str, Path] = {}
    for kind in KINDS:
        there = [path for suffix in (".jsonl", ".jsonl.gz") if (path := directory / f"{kind}{suffix}").exists()]
        if len(there) > 1:
            raise InvalidRecord(f"{directory} holds both {there[0].name} and {there[1].name}; keep one of them")
        if there:
            found[kind] = there[0]
    if not found:
        known = ", ".join(f"{kind}.jsonl" for kind in KINDS)
        raise InvalidRecord(f"{directory} holds nothing to import; looked for {known}, each also as .jsonl.gz")
    return found


def _writes(database: Database) -> dict[str, Take]:
    def in_transaction(write: Write) -> Take:
        async def take(records: Sequence[Any]) -> UpsertResult:
            async with database.write() as connection:
                return await write(connection, records)

        return take

    write_interactions = in_transaction(InteractionWriter())

    async def take_interactions(records: Sequence[InteractionRecord]) -> UpsertResult:
        await prepare_partitions(database, (record.at for record in records if record.at is not None))
        return await write_interactions(records)

    return {
        "tools": in_transaction(upsert_tools),
        "categories": in_transaction(upsert_categories),
        "users": in_transaction(upsert_users),
        "projects": in_transaction(upsert_projects),
        "interactions": take_interactions,
    }


def _checks(checker: Checker) -> dict[str, Take]:
    def without_writing(check: Check) -> Take:
        async def take(records: Sequence[Any]) -> UpsertResult:
            refused = await check(records)
            return UpsertResult(unchanged=len(records) - len(refused), refused=tuple(refused))

        return take

    async def nothing_to_check(_records: Sequence[Any]) -> list[Refusal]:
        return []

    return {
        "tools": without_writing(nothing_to_check),
        "categories": without_writing(nothing_to_check),
        "users": without_writing(checker.check_users),
        "projects": without_writing(checker.check_projects),
        "interactions": without_writing(checker.check_interactions),
    }


class _Run:
    """One import, and whom it tells."""

    def __init__(self, progress: ShowProgress, on_refusal: OnRejection) -> None:
        self._progress = progress
        self._on_refusal = on_refusal

    async def read(self, files: dict[str, Path], takes: dict[str, Take], *, checking: bool) -> ImportReport:
        """Read every file, and give its records to the one who takes them."""
        report = ImportReport()
        for kind, path in files.items():
            report.files.append(FileReport(path.name))
            await self._read_file(path, kind, takes[kind], report, checking)
        return report

    async def _read_file(self, path: Path, kind: str, take: Take, report: ImportReport, checking: bool) -> None:
        counts = report.files[-1]
        size = _size(path)
        batches = read_batches(path, kind)
        # Reading and validating run in a thread, so that a server that imports goes on answering.
        while (batch := await asyncio.to_thread(next, batches, None)) is not None:
            result = await take(batch.records) if batch.records else UpsertResult()
            unwritten = [RejectedLine(path.name, batch.numbers[r.index], _told(r.error)) for r in result.refused]
            bad = sorted(batch.bad + unwritten, key=lambda line: line.line)
            counts.read += len(batch.records) + len(batch.bad)
            counts.added += result.added
            counts.changed += result.changed
            counts.unchanged += result.unchanged
            counts.refused += len(bad)
            self._note(bad, report)
            self._progress(FileProgress(path.name, checking, counts.read, min(batch.position / size, 1.0)))
        self._progress(FileProgress(path.name, checking, counts.read, 1.0))

    def _note(self, bad: Sequence[RejectedLine], report: ImportReport) -> None:
        for line in bad:
            self._on_refusal(line)
        report.refusals.extend(bad[: MAX_KEPT_REFUSALS - len(report.refusals)])


def _size(path: Path) -> int:
    try:
        return max(path.stat().st_size, 1)
    except OSError:
        return 1


def read_batches(path: Path, kind: str) -> Iterator[_Batch]:
    """Read a file as validated records, in batches bounded by number and by bytes."""
    model = KINDS[kind]
    most = BATCH_EVENTS if kind == "interactions" else BATCH_ROWS
    batch = _Batch([], [], [], 0)
    held = position = 0
    for line in read_lines(path):
        record = line.fault or _validated(model, line.text)
        if isinstance(record, str):
            batch.bad.append(RejectedLine(path.name, line.number, record))
        else:
            batch.numbers.append(line.number)
            batch.records.append(record)
        held += len(line.text)
        position = line.position
        if len(batch.records) + len(batch.bad) >= most or held >= BATCH_BYTES:
            yield batch._replace(position=position)
            batch, held = _Batch([], [], [], 0), 0
    if batch.records or batch.bad:
        yield batch._replace(position=position)


def _validated(model: type[Record], text: bytes) -> Record | str:
    """Give the record, or a sentence that says what is wrong with it."""
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        told = [_told(fault) for fault in validation_errors(error)]
    more = f" (and {len(told) - MAX_FAULTS_SHOWN} more)" if len(told) > MAX_FAULTS_SHOWN else ""
    return "; ".join(told[:MAX_FAULTS_SHOWN]) + more


def _told(fault: InvalidRecord) -> str:
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in fault.path).lstrip(".")
    return _shortened(f"{path}: {fault.message}" if path else fault.message)


def _shortened(text: str, most: int = 300) -> str:
    """Keep a message on one line, of a length that a terminal can show: it may quote what the file says."""
    text = "".join(character if character.isprintable() else "�" for character in text)
    return text if len(text) <= most else text[: most - 1] + "…"
