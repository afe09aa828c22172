"""Output of every command: usage lines show the typed name, and nothing prints a secret."""

import io
import sys
from pathlib import Path

import pytest
from rich.console import Console

from db.redaction import remember_secrets
from gateway.commands.console import print_plain, program_name


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """A program named explore in a folder of its own."""
    path = tmp_path / "bin" / "explore"
    path.parent.mkdir()
    path.touch(0o755)
    return path


def test_a_command_that_is_not_on_the_path_is_named_as_it_was_typed(
    monkeypatch: pytest.MonkeyPatch, script: Path
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.chdir(script.parents[1])
    for typed in ("bin/explore", str(script)):
        monkeypatch.setattr(sys, "argv", [typed, "doctor"])
        assert program_name() == typed
    monkeypatch.setattr(sys, "argv", ["my folder/explore"])
    assert program_name() == "'my folder/explore'"


def test_a_command_on_the_path_is_named_by_its_name(monkeypatch: pytest.MonkeyPatch, script: Path) -> None:
    monkeypatch.setenv("PATH", str(script.parent))
    monkeypatch.setattr(sys, "argv", [str(script)])  # the kernel writes the whole path into a script's argument
    assert program_name() == "explore"


def test_what_is_printed_holds_no_secret_and_no_markup() -> None:
    remember_secrets(secrets=["a secret of this test"], urls=[])
    output = Console(file=io.StringIO(), width=20)
    print_plain(output, "[red]refused[/red]: a secret of this test, postgresql://ada:hunter2@host/name")
    assert isinstance(output.file, io.StringIO)
    printed = output.file.getvalue()
    assert printed.startswith("[red]refused[/red]: ")
    assert printed.count("\n") == 1
    assert "a secret of this test" not in printed
    assert "hunter2" not in printed
