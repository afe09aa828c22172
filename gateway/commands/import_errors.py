"""The faults of an import, grouped by kind: a file with one mistake in every line has one fault."""

import re
from dataclasses import dataclass
from typing import TextIO

from db.imports.importer import RejectedLine

SHOWN = 20
"""Kinds of fault that are printed; a reader who has seen twenty looks into the file that has them all."""

_VALUES = re.compile(
    r"(?<=is not valid JSON: )[^;]*|(?<=valid datetime or date, )[^;]*"
    r"|'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|\d[\d.,:+TZ-]*"
)
"""The parts of a message that differ from line to line: a parser's words, quoted values, numbers and times."""

_ADVICE = (
    (" valid datetime", 'write times in ISO 8601 with their zone, such as "2026-05-04T12:30:00Z"'),
    (" is not valid JSON", "one JSON object stands on each line; `jq -c '.[]' FILE` writes an array so"),
    (
        " is not a field of this record",
        "leave the field out, or put it under `source` of a project; the names are in docs/import.md",
    ),
    (" must be an object", "one JSON object stands on each line; docs/import.md lists its fields"),
    (" is missing", "docs/import.md lists the fields that each line needs"),
    ("there is no user ", "add the user to users.jsonl, or fix its line if that was refused too"),
    ("there is no project ", "add the project to projects.jsonl, or fix its line if that was refused too"),
    ("character NUL", "take the character out where the file is made: no text may hold it"),
    (" is in the future", "compare the clocks and time zones; times are read with their zone"),
)
"""Advice for faults whose own sentence holds none, by a part of that sentence."""


@dataclass(slots=True)
class _Kind:
    first: RejectedLine
    lines: int = 0

    def __str__(self) -> str:
        many = f" ({self.lines:,} lines have this fault; line {self.first.line} is the first)" if self.lines > 1 else ""
        advice = next((what for part, what in _ADVICE if part in f" {self.first.message}"), None)
        return f"{self.first}{many}" + (f"\n    {advice}" if advice else "")


class ImportErrors:
    """Collects the lines that were refused, by kind of fault.

    Parameters
    ----------
    file
        Each line is written here as ``file:line: what is wrong``; None writes none.
    """

    def __init__(self, file: TextIO | None = None) -> None:
        self._file = file
        self._kinds: dict[tuple[str, str], _Kind] = {}

    def note(self, line: RejectedLine) -> None:
        """Take one line."""
        kind = self._kinds.setdefault((line.file, _VALUES.sub("…", line.message)), _Kind(line))
        kind.lines += 1
        if self._file is not None:
            self._file.write(f"{line}\n")

    def __len__(self) -> int:
        """Count the kinds."""
        return len(self._kinds)

    def told(self) -> list[str]:
        """Write each kind of fault: an example with its line, how many lines have it, and what to do about it."""
        kinds = sorted(self._kinds.values(), key=lambda kind: -kind.lines)
        rest = kinds[SHOWN:]
        more = (
            [f"… and {len(rest):,} more kinds of fault in {sum(kind.lines for kind in rest):,} lines"] if rest else []
        )
        return [str(kind) for kind in kinds[:SHOWN]] + more
