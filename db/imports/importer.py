"""Import of a folder of files into the database, in batches. The format is described in `docs/import.md`."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncConnection

from db.actors.users import upsert_users
from db.catalog.catalog_entries import upsert_categories, upsert_projects, upsert_tools
from db.custom_types import NO_CUSTOM_TYPES, CustomTypes
from db.database.engine import Database
from db.errors import InvalidRecord
from db.imports.lines import read_lines
from db.imports.references import InteractionWriter, ReferenceChecker
from db.partitions import prepare_partitions
from db.platform_inputs import NO_PLATFORM_INPUTS, PlatformInputs
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
"""Record type by file name, in reading order: a file refers only to records of earlier files."""

BATCH_ROWS = 2_000
"""Records in one transaction. 500, 2,000 and 5,000 take 1.2, 1.2 and 1.5 s CPU for 20,000 projects on SQLite."""

BATCH_EVENTS = 5_000
"""Interactions in one transaction. 500, 2,000, 5,000 and 10,000 take 3.8, 2.6, 2.6 and 2.7 s CPU for 46,000
interactions."""

BATCH_BYTES = 4_000_000
"""A batch ends at this many bytes of text, so that memory is bounded."""

MAX_KEPT_REFUSALS = 50
MAX_SHOWN_ERRORS = 3
MAX_MESSAGE = 300


@dataclass(frozen=True, slots=True)
class RefusedLine:
    """A line that was not imported."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


@dataclass(frozen=True, slots=True)
class FileProgress:
    """Progress of an import within one file."""

    file: str
    checking: bool  # whether this is the checking pass of a strict import, which writes nothing
    rows: int  # lines read so far, blank ones not counted
    fraction: float  # share of the file's bytes, from 0 to 1


@dataclass(slots=True)
class FileReport:
    """Line counts of one file; `read` is the sum of the other counts."""

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
    # the first `MAX_KEPT_REFUSALS` lines that were not imported; `FileReport.refused` counts all
    refusals: list[RefusedLine] = field(default_factory=list)
    written: bool = True  # false if a strict import was refused as a whole

    @property
    def read(self) -> int:
        """Number of lines read from all files."""
        return sum(report.read for report in self.files)

    @property
    def refused(self) -> int:
        """Number of lines of all files that were not imported."""
        return sum(report.refused for report in self.files)


OnProgress = Callable[[FileProgress], None]
OnRefusal = Callable[[RefusedLine], None]
WriteBatch = Callable[[AsyncConnection, Sequence[Any]], Awaitable[UpsertResult]]
BatchConsumer = Callable[[str, Sequence[Any]], Awaitable[UpsertResult]]


class _Batch(NamedTuple):
    """Consecutive lines of one file: valid records with their line numbers, and invalid lines."""

    line_numbers: list[int]
    records: list[Record]
    refused_lines: list[RefusedLine]
    position: int


async def import_directory(
    database: Database,
    directory: Path,
    *,
    strict: bool = False,
    progress: OnProgress | None = None,
    on_refusal: OnRefusal | None = None,
    platform: PlatformInputs = NO_PLATFORM_INPUTS,
) -> ImportReport:
    """Import the files of a folder.

    Each batch is one transaction. If an import is interrupted, complete batches remain, and the next run leaves their
    records unchanged. `on_refusal` is called for each invalid line; all other lines are imported. A `strict` import
    first checks all files, and writes nothing if any line is invalid. `progress` is called at the start
    of each file and after each batch. `platform` holds the configured types of interactions and embeddings.

    Raises `InvalidRecord` if the folder is missing, contains no import file, or contains a file in both formats.
    """
    files = find_files(directory)
    callbacks = progress or (lambda _: None), on_refusal or (lambda _: None)
    if strict:
        with closing(ReferenceChecker(database, platform.embedding_space)) as checker:
            report = await _consume_files(files, checker.check, *callbacks, platform.custom_types, checking=True)
        if report.refused:
            report.written = False
            return report
    return await _consume_files(
        files, _batch_writer(database, platform), *callbacks, platform.custom_types, checking=False
    )


def find_files(directory: Path) -> dict[str, Path]:
    """Return the import files of a folder by kind, in reading order."""
    if not directory.is_dir():
        raise InvalidRecord(f"{directory} is not a folder; give the one that holds projects.jsonl or users.jsonl")
    files: dict[str, Path] = {}
    for kind in KINDS:
        candidates = [path for suffix in (".jsonl", ".jsonl.gz") if (path := directory / f"{kind}{suffix}").exists()]
        if len(candidates) > 1:
            raise InvalidRecord(
                f"{directory} holds both {candidates[0].name} and {candidates[1].name}; keep one of them"
            )
        if candidates:
            files[kind] = candidates[0]
    if not files:
        expected = ", ".join(f"{kind}.jsonl" for kind in KINDS)
        raise InvalidRecord(f"{directory} holds nothing to import; looked for {expected}, each also as .jsonl.gz")
    return files


def _batch_writer(database: Database, platform: PlatformInputs) -> BatchConsumer:
    """Return a function that writes a batch of a kind of records in one transaction."""
    writers: dict[str, WriteBatch] = {
        "tools": upsert_tools,
        "categories": upsert_categories,
        "users": upsert_users,
        "projects": partial(upsert_projects, embedding_space=platform.embedding_space),
        "interactions": InteractionWriter(platform.custom_types),
    }

    async def write(kind: str, records: Sequence[Any]) -> UpsertResult:
        if kind == "interactions":
            await prepare_partitions(database, (record.at for record in records if record.at is not None))
        async with database.write() as connection:
            return await writers[kind](connection, records)

    return write


async def _consume_files(
    files: Mapping[str, Path],
    consume: BatchConsumer,
    progress: OnProgress,
    on_refusal: OnRefusal,
    custom_types: CustomTypes,
    *,
    checking: bool,
) -> ImportReport:
    report = ImportReport()
    for kind, path in files.items():
        counts = FileReport(path.name)
        report.files.append(counts)
        size = _file_size(path)
        progress(FileProgress(path.name, checking, 0, 0.0))
        batches = read_batches(path, kind, custom_types)
        # Reading and validating run in a thread, so that a server that imports can process requests.
        while (batch := await asyncio.to_thread(next, batches, None)) is not None:
            for line in await _consume_batch(kind, batch, consume, counts):
                on_refusal(line)
                if len(report.refusals) < MAX_KEPT_REFUSALS:
                    report.refusals.append(line)
            progress(FileProgress(path.name, checking, counts.read, min(batch.position / size, 1.0)))
        progress(FileProgress(path.name, checking, counts.read, 1.0))
    return report


async def _consume_batch(kind: str, batch: _Batch, consume: BatchConsumer, counts: FileReport) -> list[RefusedLine]:
    """Pass a batch to the consumer, add the result to the counts, and return the refused lines."""
    result = await consume(kind, batch.records) if batch.records else UpsertResult()
    refused_lines = batch.refused_lines + [
        RefusedLine(counts.file, batch.line_numbers[refusal.index], _message(refusal.error))
        for refusal in result.refused
    ]
    counts.read += len(batch.records) + len(batch.refused_lines)
    counts.added += result.added
    counts.changed += result.changed
    counts.unchanged += result.unchanged
    counts.refused += len(refused_lines)
    return sorted(refused_lines, key=lambda line: line.line)


def _file_size(path: Path) -> int:
    try:
        return max(path.stat().st_size, 1)
    except OSError:
        return 1


def read_batches(path: Path, kind: str, custom_types: CustomTypes = NO_CUSTOM_TYPES) -> Iterator[_Batch]:
    """Read a file as validated records, in batches bounded by number and by bytes."""
    model = KINDS[kind]
    max_rows = BATCH_EVENTS if kind == "interactions" else BATCH_ROWS
    batch = _Batch([], [], [], 0)
    size = position = 0
    for line in read_lines(path):
        record = line.fault or _validate(model, line.text, custom_types)
        if isinstance(record, str):
            batch.refused_lines.append(RefusedLine(path.name, line.number, record))
        else:
            batch.line_numbers.append(line.number)
            batch.records.append(record)
        size += len(line.text)
        position = line.position
        if len(batch.records) + len(batch.refused_lines) >= max_rows or size >= BATCH_BYTES:
            yield batch._replace(position=position)
            batch, size = _Batch([], [], [], 0), 0
    if batch.records or batch.refused_lines:
        yield batch._replace(position=position)


def _validate(model: type[Record], text: bytes, custom_types: CustomTypes) -> Record | str:
    """Return the record, or the error message if it is invalid."""
    try:
        return model.model_validate_json(text, context=custom_types)
    except ValidationError as error:
        messages = [_message(fault) for fault in validation_errors(error)]
    more = f" (and {len(messages) - MAX_SHOWN_ERRORS} more)" if len(messages) > MAX_SHOWN_ERRORS else ""
    return "; ".join(messages[:MAX_SHOWN_ERRORS]) + more


def _message(fault: InvalidRecord) -> str:
    """Format an error as one printable line of limited length, because it may quote the file."""
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in fault.path).lstrip(".")
    text = f"{path}: {fault.message}" if path else fault.message
    text = "".join(character if character.isprintable() else "�" for character in text)
    return text if len(text) <= MAX_MESSAGE else text[: MAX_MESSAGE - 1] + "…"
