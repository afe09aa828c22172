"""Output of every command: the list of commands, usage lines with the typed name, and no secret."""

import inspect
import io
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from db.redaction import remember_secrets
from gateway.cli import COMMANDS, find_function
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


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_has_the_first_paragraph_of_each_docstring(name: str) -> None:
    module, summary = COMMANDS[name]
    docstring = inspect.getdoc(find_function(module, name))
    assert docstring is not None
    assert docstring.partition("\n\n")[0] == summary


def test_the_list_of_commands_imports_no_module_of_a_command() -> None:
    script = "import sys, gateway.cli; assert not {'sqlalchemy', 'strawberry', 'numpy', 'pydantic'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)
