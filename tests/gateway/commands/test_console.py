"""Output of every command: no line is cut, and advice names the command as it was called."""

import sys
from pathlib import Path

import pytest

from gateway.cli import app
from gateway.commands.console import program_name, with_program_name


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """A program named explore in a folder of its own."""
    path = tmp_path / "bin" / "explore"
    path.parent.mkdir()
    path.touch(0o755)
    return path


def test_a_command_that_is_not_on_the_path_is_advised_as_it_was_typed(
    monkeypatch: pytest.MonkeyPatch, script: Path
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.chdir(script.parents[1])
    for typed in ("bin/explore", str(script)):
        monkeypatch.setattr(sys, "argv", [typed, "doctor"])
        assert (
            with_program_name("the schema is old; run `explore migrate`") == f"the schema is old; run `{typed} migrate`"
        )
    monkeypatch.setattr(sys, "argv", ["my folder/explore"])
    assert with_program_name("see: explore outbox") == "see: 'my folder/explore' outbox"


def test_a_command_on_the_path_is_advised_by_its_name(monkeypatch: pytest.MonkeyPatch, script: Path) -> None:
    monkeypatch.setenv("PATH", str(script.parent))
    monkeypatch.setattr(sys, "argv", [str(script)])  # the kernel writes the whole path into a script's argument
    assert program_name() == "explore"


def test_every_command_can_be_advised_and_the_page_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(sys, "argv", ["./explore"])
    for command in app.registered_commands:
        name = command.name or command.callback.__name__  # type: ignore[union-attr]
        assert with_program_name(f"try: explore {name}.") == f"try: ./explore {name}."
    for other in ("an explore page", "the explore pages", "explore-gateway", "explore"):
        assert with_program_name(other) == other
