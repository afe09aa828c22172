"""Import of a folder of files into the database, in batches. The format is described in `docs/import.md`."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

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
from db.upsert_results import UpsertResult

KINDS: dict[str, type[Record]] = {
    "tools": ToolRecord,
    "categories": CategoryRecord,
    "users": UserRecord,
    "projects": ProjectRecord,
    "interactions": InteractionRecord,
}
"""Record types by file name, in reading order: a file refers only to those before it."""

BATCH_ROWS = 2_000
"""Records of one transaction. 500, 2,000 and 5,000 take 1.2, 1.2 and 1.5 s CPU for 20,000 projects on SQLite."""

BATCH_EVENTS = 5_000
"""Interactions of one transaction. 500, 2,000, 5,000 and 10,000 take 3.8, 2.6, 2.6 and 2.7 s CPU for 46,000 of them."""

BATCH_BYTES = 4_000_000
"""A batch ends early at this many bytes of text, so that memory is bounded."""

MAX_KEPT_REFUSALS = 50
MAX_FAULTS_SHOWN = 3
MAX_MESSAGE = 300


@dataclass(frozen=True, slots=True)
class RejectedLine:
    """A line that was not imported."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


@dataclass(frozen=True, slots=True)
class FileProgress:
    """Progress within one file."""

    file: str
    checking: bool  # whether this is the first of the two passes of a strict import, which writes nothing
    rows: int  # lines read so far, blank ones not counted
    fraction: float  # share of the file's bytes, from 0 to 1


@dataclass(slots=True)
class FileReport:
    """Counts of one file's lines: `read` is the sum of the other four."""

    file: str
    read: int = 0
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    refused: int = 0


@dataclass(slots=True)
class ImportReport:
    """The result of an import."""

    files: list[FileReport] = field(default_factory=list)  # one report for each file, in reading order
    # The first `MAX_KEPT_REFUSALS` lines that were not imported; the files' reports count them all
    refusals: list[RejectedLine] = field(default_factory=list)
    written: bool = True  # false if a strict import was refused as a whole

    @property
    def read(self) -> int:
        """Lines read from all files."""
        return sum(report.read for report in self.files)

    @property
    def refused(self) -> int:
        """Lines of all files that were not imported."""
        return sum(report.refused for report in self.files)


ShowProgress = Callable[[FileProgress], None]
OnRejection = Callable[[RejectedLine], None]
Write = Callable[[AsyncConnection, Sequence[Any]], Awaitable[UpsertResult]]
Consumer = Callable[[Sequence[Any]], Awaitable[UpsertResult]]


class _Batch(NamedTuple):
    """Some lines of one file: valid records with their line numbers, and invalid lines."""

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
    """Import the files of a folder.

    Each batch is one transaction. An interrupted import leaves whole batches, and the next run continues from there,
    because existing records are left unchanged. Invalid lines are passed to `on_refusal`, all others are imported. A
    `strict` import reads everything first, and writes nothing if any line is invalid. `progress` is called after each
    batch.

    Raises `InvalidRecord` if the folder is missing, holds none of the files, or holds one twice.
    """
    files = find_files(directory)
    run = _Import(files, progress or (lambda _: None), on_refusal or (lambda _: None))
    if strict:
        with closing(Checker(database)) as checker:
            report = await run.pass_to(checker.consumers(), checking=True)
        if report.refused:
            report.written = False
            return report
    return await run.pass_to(_writers(database), checking=False)


def find_files(directory: Path) -> dict[str, Path]:
    """Return the import files of a folder by kind, in reading order."""
    if not directory.is_dir():
        raise InvalidRecord(f"{directory} is not a folder; give the one that holds projects.jsonl or users.jsonl")
    found: dict[str, Path] = {}
    for kind in KINDS:
        matching = [path for suffix in (".jsonl", ".jsonl.gz") if (path := directory / f"{kind}{suffix}").exists()]
        if len(matching) > 1:
            raise InvalidRecord(f"{directory} holds both {matching[0].name} and {matching[1].name}; keep one of them")
        if matching:
            found[kind] = matching[0]
    if not found:
        known = ", ".join(f"{kind}.jsonl" for kind in KINDS)
        raise InvalidRecord(f"{directory} holds nothing to import; looked for {known}, each also as .jsonl.gz")
    return found


def _writers(database: Database) -> dict[str, Consumer]:
    """Return, for each kind of record, a function that writes a batch in one transaction."""

    def in_transaction(write: Write) -> Consumer:
        async def consume(records: Sequence[Any]) -> UpsertResult:
            async with database.write() as connection:
                return await write(connection, records)

        return consume

    write_interactions = in_transaction(InteractionWriter())

    async def consume_interactions(records: Sequence[InteractionRecord]) -> UpsertResult:
        await prepare_partitions(database, (record.at for record in records if record.at is not None))
        return await write_interactions(records)

    return {
        "tools": in_transaction(upsert_tools),
        "categories": in_transaction(upsert_categories),
        "users": in_transaction(upsert_users),
        "projects": in_transaction(upsert_projects),
        "interactions": consume_interactions,
    }


@dataclass(frozen=True, slots=True)
class _Import:
    """One import: its files and its listeners."""

    files: Mapping[str, Path]
    progress: ShowProgress
    on_refusal: OnRejection

    async def pass_to(self, consumers: Mapping[str, Consumer], *, checking: bool) -> ImportReport:
        """Read every file and pass its records to the consumer of its kind."""
        report = ImportReport()
        for kind, path in self.files.items():
            counts = FileReport(path.name)
            report.files.append(counts)
            size = _size(path)
            batches = read_batches(path, kind)
            # Reading and validating run in a thread, so that a server that imports keeps answering.
            while (batch := await asyncio.to_thread(next, batches, None)) is not None:
                bad = await self._consume(batch, consumers[kind], counts)
                report.refusals.extend(bad[: MAX_KEPT_REFUSALS - len(report.refusals)])
                self.progress(FileProgress(path.name, checking, counts.read, min(batch.position / size, 1.0)))
            self.progress(FileProgress(path.name, checking, counts.read, 1.0))
        return report

    async def _consume(self, batch: _Batch, consume: Consumer, counts: FileReport) -> list[RejectedLine]:
        """Pass one batch on, count the result, and return the refused lines."""
        result = await consume(batch.records) if batch.records else UpsertResult()
        refused = [
            RejectedLine(counts.file, batch.numbers[refusal.index], _message(refusal.error))
            for refusal in result.refused
        ]
        bad = sorted(batch.bad + refused, key=lambda line: line.line)
        counts.read += len(batch.records) + len(batch.bad)
        counts.added += result.added
        counts.changed += result.changed
        counts.unchanged += result.unchanged
        counts.refused += len(bad)
        for line in bad:
            self.on_refusal(line)
        return bad


def _size(path: Path) -> int:
    try:
        return max(path.stat().st_size, 1)
    except OSError:
        return 1


def read_batches(path: Path, kind: str) -> Iterator[_Batch]:
    """Read a file as validated records, in batches bounded by number and by bytes."""
    model = KINDS[kind]
    max_rows = BATCH_EVENTS if kind == "interactions" else BATCH_ROWS
    batch = _Batch([], [], [], 0)
    size = position = 0
    for line in read_lines(path):
        record = line.fault or _validated(model, line.text)
        if isinstance(record, str):
            batch.bad.append(RejectedLine(path.name, line.number, record))
        else:
            batch.numbers.append(line.number)
            batch.records.append(record)
        size += len(line.text)
        position = line.position
        if len(batch.records) + len(batch.bad) >= max_rows or size >= BATCH_BYTES:
            yield batch._replace(position=position)
            batch, size = _Batch([], [], [], 0), 0
    if batch.records or batch.bad:
        yield batch._replace(position=position)


def _validated(model: type[Record], text: bytes) -> Record | str:
    """Return the record, or a sentence that says what is wrong with it."""
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        messages = [_message(fault) for fault in validation_errors(error)]
    more = f" (and {len(messages) - MAX_FAULTS_SHOWN} more)" if len(messages) > MAX_FAULTS_SHOWN else ""
    return "; ".join(messages[:MAX_FAULTS_SHOWN]) + more


def _message(fault: InvalidRecord) -> str:
    """Format an error on one printable line of bounded length: it may quote the file."""
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in fault.path).lstrip(".")
    text = f"{path}: {fault.message}" if path else fault.message
    text = "".join(character if character.isprintable() else "�" for character in text)
    return text if len(text) <= MAX_MESSAGE else text[: MAX_MESSAGE - 1] + "…"
