"""Refused lines of an import, grouped by kind of error: one mistake in every line of a file is one kind."""

import re
from dataclasses import dataclass
from typing import TextIO

from db.imports.importer import RefusedLine

SHOWN = 20
"""Maximum number of kinds of error that are printed; the file of `--refused` has all errors."""

_VALUES = re.compile(
    r"(?<=is not valid JSON: )[^;]*|(?<=valid datetime or date, )[^;]*"
    r"|'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|\d[\d.,:+TZ-]*"
)
"""The parts of a message that differ between lines: a parser's text, quoted values, numbers and times."""

_ADVICE = (
    (" valid datetime", 'write times in ISO 8601 with their zone, such as "2026-05-04T12:30:00Z"'),
    (" is not valid JSON", "write one JSON object on each line; `jq -c '.[]' FILE` converts an array"),
    (
        " is not a field of this record",
        "remove the field, or put it under `source` of a project; docs/import.md lists the fields",
    ),
    (" must be an object", "write one JSON object on each line; docs/import.md lists its fields"),
    (" is missing", "docs/import.md lists the required fields"),
    ("there is no user ", "add the user to users.jsonl, or fix its line if that was refused too"),
    ("there is no project ", "add the project to projects.jsonl, or fix its line if that was refused too"),
    ("character NUL", "remove the character where the file is made: no text may contain it"),
    (" is in the future", "compare the clocks and time zones; times are read with their zone"),
)
"""Advice for errors whose message has none, by a part of the message."""


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
        unlisted = kinds[SHOWN:]
        lines = sum(kind.lines for kind in unlisted)
        ending = [f"… and {len(unlisted):,} more kinds of error in {lines:,} lines"] if unlisted else []
        return [str(kind) for kind in kinds[:SHOWN]] + ending
