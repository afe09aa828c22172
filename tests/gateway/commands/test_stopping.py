"""Ctrl-C, a closed pipe and arguments that are nonsense: real processes, and never a traceback."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from gateway.cli import app
from tests.preloaded import Program
from tests.running import EXPLORE, environment, explore

pytestmark = pytest.mark.servers

STOP_WITHIN_S = 60


@contextmanager
def started(folder: Path, *arguments: str) -> Iterator[tuple[Program, IO[str], IO[str]]]:
    """Start a command; gives it, its output and its errors."""
    (output, to_output), (errors, to_errors) = os.pipe(), os.pipe()
    with open(output) as reads_output, open(errors) as reads_errors:
        with open(to_output, "w") as writes_output, open(to_errors, "w") as writes_errors:
            program = Program(arguments, folder, environment(folder), writes_output, writes_errors)
        try:
            yield program, reads_output, reads_errors
        finally:
            program.kill()


def test_an_import_that_is_stopped_says_that_it_can_be_run_again(tmp_path: Path) -> None:
    (tmp_path / "users.jsonl").write_text('{"key": "ada", "username": "Ada"}\nnonsense\n')
    (tmp_path / "projects.jsonl").write_text('{"key": "a", "title": "A", "type": "article"}\n')
    events = (
        {
            "user": "ada",
            "project": "a",
            "type": "view",
            "at": f"2026-05-04T{n // 3600:02}:{n // 60 % 60:02}:{n % 60:02}Z",
        }
        for n in range(80_000)
    )
    (tmp_path / "interactions.jsonl").write_text("\n".join(map(json.dumps, events)))
    with started(tmp_path, "import", ".") as (process, reads_output, reads_errors):
        assert reads_errors.readline().startswith("created the data folder ")
        assert reads_errors.readline().startswith("reading users.jsonl: done, 2 lines")
        process.send_signal(signal.SIGINT)
        assert process.wait(STOP_WITHIN_S) == 130
        output, errors = reads_output.read(), reads_errors.read()
    assert output == ""
    assert "users.jsonl:2: is not valid JSON" in errors  # what was found so far
    assert errors.splitlines()[-1] == "explore: stopped; complete batches are stored, run it again to continue"
    assert "Traceback" not in errors


def test_a_stop_while_the_program_loads_is_silent(tmp_path: Path) -> None:
    slow = tmp_path / "slow"
    slow.mkdir()
    (slow / "typer.py").write_text("print('loading', flush=True)\nimport time\ntime.sleep(600)\n")
    # A test run in the background of a shell ignores SIGINT, and so would what it starts.
    process = subprocess.Popen(
        ["env", "--default-signal=INT", *EXPLORE, "doctor"],
        cwd=tmp_path,
        env=environment(tmp_path, PYTHONPATH=str(slow)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "loading\n"
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=STOP_WITHIN_S) == ("", "")
    assert process.returncode == -signal.SIGINT


def test_a_reader_that_has_seen_enough_ends_a_command_without_a_word(tmp_path: Path) -> None:
    with started(tmp_path, "schema") as (process, reads_output, reads_errors):
        reads_output.close()
        assert process.wait(STOP_WITHIN_S) in (0, 1)
        assert reads_errors.read() == ""


GARBAGE = {
    "a command that is none": ["nonsense"],
    "an option that is none": ["serve", "--nonsense"],
    "a port that is none": ["serve", "--port", "x"],
    "a role that is none": ["token", "ada", "--role", "king"],
    "a user that is empty": ["token", ""],
    "hours without end": ["token", "ada", "--hours", "nan"],
    "a folder that is not there": ["import", "/no/such/folder"],
    "a folder that is a file": ["import", "file"],
    "a file of refusals in a folder that is not there": ["import", ".", "--refused", "/no/such/folder/x"],
    "a folder as the file of a page": ["evaluate", ".", "--html", "."],
    "nothing to evaluate": ["evaluate", "."],
    "a protocol that is none": ["evaluate", ".", "--protocol", "x"],
    "times that are none": ["evaluate", ".", "--window", "a", "b", "c"],
    "two wishes at once": ["models", "--back", "--use", "x"],
    "a page in a folder that is not there": ["models", "--html", "/no/such/folder/x"],
    "a model that is none": ["models", "--use", "x"],
    "constants that are none": ["trends", "--use", "7"],
    "rows without a wish": ["outbox", "project:a"],
    "dead rows that are none": ["outbox", "--retry", "project:a"],
    "a dry run of nothing": ["reindex", "--dry-run"],
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an empty installation and a file."""
    folder = tmp_path_factory.mktemp("garbage")
    (folder / "file").touch()
    assert explore(folder, "migrate").returncode == 0
    (folder / "var" / "token_secret").write_text("a secret of the tests, long enough for HS256")
    return folder


@pytest.mark.parametrize("case", GARBAGE)
def test_nonsense_is_refused_in_words(place: Path, case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from typer.testing import CliRunner

    monkeypatch.chdir(place)
    for name, value in environment(place).items():
        monkeypatch.setenv(name, value)
    result = CliRunner().invoke(app, GARBAGE[case])
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code in (1, 2)
    assert result.stdout == ""
    assert 0 < len(result.stderr.splitlines()) < 10
