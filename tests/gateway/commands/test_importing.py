"""`explore import` at the terminal: what it prints where, and its exit code."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from sqlalchemy import select

from db.engine import Database
from db.models import User
from gateway.commands.importing import CLEAN, NOTHING_READ, SHOWN_REFUSALS, SOME_REFUSED, run_import

USERS = [{"key": f"u{n}", "username": "U"} for n in range(3)]


def fill(folder: Path, *lines: Any) -> Path:
    text = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
    (folder / "users.jsonl").write_text(text)
    return folder


class Terminal:
    """Two consoles that keep what they print."""

    def __init__(self, interactive: bool = False) -> None:
        self.output = Console(file=io.StringIO(), width=80, force_terminal=interactive)
        self.errors = Console(file=io.StringIO(), width=80)

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
async def test_a_clean_import_ends_with_a_table_and_code_0(
    sqlite_database: Database, tmp_path: Path, interactive: bool
) -> None:
    terminal = Terminal(interactive)
    assert await terminal.run(sqlite_database, fill(tmp_path, *USERS)) == CLEAN == 0
    assert row(terminal.out, "users.jsonl") == ["3", "3", "0", "0", "0"]
    assert "3 rows" in terminal.out
    assert "rows/s" in terminal.out
    assert terminal.err == ""


async def test_refused_lines_go_to_the_errors_whole_and_the_code_is_1(
    sqlite_database: Database, tmp_path: Path
) -> None:
    terminal = Terminal()
    long = {"key": "[red]x[/nonsense]" + "y" * 150, "username": "U", "role": "k"}
    assert await terminal.run(sqlite_database, fill(tmp_path, *USERS, long)) == SOME_REFUSED == 1
    assert terminal.err == "users.jsonl:4: role: must be 'viewer', 'service' or 'administrator'\n"
    assert row(terminal.out, "users.jsonl") == ["4", "3", "0", "0", "1"]


async def test_after_fifty_refusals_the_rest_is_counted_and_the_file_has_all(
    sqlite_database: Database, tmp_path: Path
) -> None:
    folder = fill(tmp_path, *USERS, *["nonsense"] * (SHOWN_REFUSALS + 7))
    terminal = Terminal()
    assert await terminal.run(sqlite_database, folder) == SOME_REFUSED
    assert len(terminal.err.splitlines()) == SHOWN_REFUSALS + 1
    assert terminal.err.endswith("… and 7 more; --refused FILE writes all of them\n")
    terminal = Terminal()
    await terminal.run(sqlite_database, folder, refused=tmp_path / "refused.txt")
    assert len((tmp_path / "refused.txt").read_text().splitlines()) == SHOWN_REFUSALS + 7
    assert f"all are in {tmp_path / 'refused.txt'}" in terminal.err


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
    assert await Terminal().run(sqlite_database, fill(tmp_path, "x", "y")) == NOTHING_READ


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
    assert "the database did not take it: " in terminal.err
    assert "no such table: users" in terminal.err
    assert "Traceback" not in terminal.err
