"""`explore import` at the terminal: what it prints where, and its exit code."""

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from sqlalchemy import select

from db.database.engine import Database
from db.imports.importer import RefusedLine
from db.models import User
from gateway.commands.import_command import (
    CLEAN,
    MAX_PRINTED_KINDS,
    NOTHING_READ,
    SOME_REFUSED,
    ImportErrors,
    run_import,
)

USERS = [{"key": f"u{n}", "username": "U"} for n in range(3)]


def fill(folder: Path, *lines: Any) -> Path:
    text = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
    (folder / "users.jsonl").write_text(text)
    return folder


class Terminal:
    """Two consoles that keep what they print."""

    def __init__(self, interactive: bool = False) -> None:
        self.output = Console(file=io.StringIO(), width=80, force_terminal=interactive)
        self.errors = Console(file=io.StringIO(), width=80, force_terminal=interactive)

    @property
    def out(self) -> str:
        return self._text(self.output)

    @property
    def err(self) -> str:
        return self._text(self.errors)

    def _text(self, console: Console) -> str:
        assert isinstance(console.file, io.StringIO)
        return console.file.getvalue()

    async def run(self, database: Database, folder: Path, **options: Any) -> int:
        return await run_import(database, folder, output=self.output, errors=self.errors, **options)


def row(out: str, file: str) -> list[str]:
    line = next(line for line in out.splitlines() if line.startswith(f"│ {file}"))
    return line.replace("│", " ").split()[1:]


@pytest.mark.parametrize("interactive", [False, True])
async def test_a_clean_import_ends_with_a_table_what_to_do_next_and_code_0(
    sqlite_database: Database, tmp_path: Path, interactive: bool
) -> None:
    terminal = Terminal(interactive)
    assert await terminal.run(sqlite_database, fill(tmp_path, *USERS)) == CLEAN == 0
    assert row(terminal.out, "users.jsonl") == ["3", "3", "0", "0", "0"]
    assert "3 lines, " in terminal.err
    assert "next: explore serve (writes the 3 rows that wait for the search index" in terminal.err


async def test_without_a_terminal_the_errors_hold_a_line_for_each_file_and_the_next_step(
    sqlite_database: Database, tmp_path: Path
) -> None:
    terminal = Terminal()
    await terminal.run(sqlite_database, fill(tmp_path, *USERS))
    read, total, following = terminal.err.splitlines()
    assert re.fullmatch(r"reading users\.jsonl: done, 3 lines, [\d,]+/s, \d+ s", read)
    assert re.fullmatch(r"read 3 lines in \d+ s", total)
    assert following.startswith("next: explore serve ")


async def test_a_fault_is_told_once_with_its_first_line_its_number_of_lines_and_what_to_do(
    sqlite_database: Database, tmp_path: Path
) -> None:
    terminal = Terminal()
    strange = [{"key": f"v{n}", "username": "U", "karma": n} for n in range(500)]
    wrong = {"key": "[red]x[/nonsense]" + "y" * 150, "username": "U", "role": "k"}
    assert await terminal.run(sqlite_database, fill(tmp_path, *USERS, *strange, wrong)) == SOME_REFUSED == 1
    reading, karma, advice, role, refused, total, mend, following = terminal.err.splitlines()
    assert reading.startswith("reading users.jsonl: done, 504 lines")
    assert karma == (
        "users.jsonl:4: karma: is not a field of this record (500 lines have this error; line 4 is the first)"
    )
    assert "docs/import.md" in advice
    assert role == "users.jsonl:504: role: must be 'viewer', 'service' or 'administrator'"
    assert refused.startswith("--refused FILE ")
    assert total.startswith("read 504 lines in ")
    assert mend.startswith("fix the refused lines and run the import again")
    assert following.startswith("next: ")
    assert row(terminal.out, "users.jsonl") == ["504", "3", "0", "0", "501"]


async def test_the_file_of_refusals_has_every_line(sqlite_database: Database, tmp_path: Path) -> None:
    terminal = Terminal()
    folder = fill(tmp_path, *USERS, *["nonsense"] * 57)
    await terminal.run(sqlite_database, folder, refused=tmp_path / "refused.txt")
    assert len((tmp_path / "refused.txt").read_text().splitlines()) == 57
    assert (tmp_path / "refused.txt").stat().st_mode & 0o077 == 0  # lines of people
    assert "--refused" not in terminal.err


def test_faults_that_differ_in_values_only_are_one_kind() -> None:
    faults = ImportErrors()
    for number, name in ((7, "'it'"), (8, "'has \\' quotes'"), (9, '"it\'s"'), (12, "'2026-05-04'")):
        faults.note(RefusedLine("interactions.jsonl", number, f"user: there is no user {name} at 2026-05-0{number}"))
    faults.note(RefusedLine("projects.jsonl", 1, "owner: there is no user 'it'"))
    first, _, other, _ = "\n".join(faults.summary()).splitlines()
    assert first.startswith("interactions.jsonl:7: user: there is no user 'it'")
    assert "(4 lines have this error; line 7 is the first)" in first
    assert other == "projects.jsonl:1: owner: there is no user 'it'"


def test_what_is_no_json_and_what_is_no_time_is_one_kind_whatever_the_parser_says() -> None:
    faults = ImportErrors()
    for number, what in enumerate(("EOF while parsing a list at column 1", "trailing characters at column 6"), 1):
        faults.note(RefusedLine("projects.jsonl", number, f"is not valid JSON: {what}"))
    for number, what in enumerate(("hour must be in 0..23", "day is out of range for month"), 3):
        faults.note(
            RefusedLine("projects.jsonl", number, f"created_at: is not an existing time: {what}; key: is missing")
        )
    assert [line.splitlines()[1] for line in faults.summary()] == [
        "    write one JSON object on each line; `jq -c '.[]' FILE` converts an array",
        "    docs/import.md lists the required fields",
    ]


def test_after_twenty_kinds_the_rest_is_counted() -> None:
    faults = ImportErrors()
    for number in range(1, MAX_PRINTED_KINDS + 4):
        for _ in range(2):
            faults.note(RefusedLine("users.jsonl", number, f"{'x' * number}: is wrong"))
    assert len(faults.summary()) == MAX_PRINTED_KINDS + 1
    assert faults.summary()[-1] == "… and 3 more kinds of error in 6 lines"


async def test_a_strict_import_says_that_nothing_was_written(sqlite_database: Database, tmp_path: Path) -> None:
    terminal = Terminal()
    assert await terminal.run(sqlite_database, fill(tmp_path, *USERS, "x"), strict=True) == SOME_REFUSED
    assert "nothing was written" in terminal.err
    assert await sqlite_database.fetch(select(User.id)) == []
    assert await Terminal().run(sqlite_database, fill(tmp_path, *USERS), strict=True) == CLEAN


async def test_nothing_to_read_is_code_2_and_one_sentence(sqlite_database: Database, tmp_path: Path) -> None:
    terminal = Terminal()
    assert await terminal.run(sqlite_database, tmp_path / "[nowhere]") == NOTHING_READ == 2
    assert terminal.err.endswith("[nowhere] is not a folder; give the one that holds projects.jsonl or users.jsonl\n")
    terminal = Terminal()
    assert await terminal.run(sqlite_database, fill(tmp_path, "x", "y")) == NOTHING_READ
    assert terminal.err.endswith("nothing was written: every line was refused\n")


async def test_a_refused_file_that_cannot_be_written_is_one_sentence(sqlite_database: Database, tmp_path: Path) -> None:
    terminal = Terminal()
    target = tmp_path / "missing" / "refused.txt"
    assert await terminal.run(sqlite_database, fill(tmp_path, *USERS), refused=target) == NOTHING_READ
    assert terminal.err == f"{target}: No such file or directory\n"


async def test_a_database_without_tables_is_one_sentence(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'empty.sqlite'}")
    terminal = Terminal()
    assert await terminal.run(database, fill(tmp_path, *USERS)) == NOTHING_READ
    await database.close()
    assert "the database failed: " in terminal.err
    assert "no such table: users" in terminal.err
    assert "Traceback" not in terminal.err
