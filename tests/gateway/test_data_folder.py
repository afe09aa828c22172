"""The data folder at the command line: who makes a missing one, and what everybody else says."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gateway.cli import app
from gateway.settings import Settings

SECRET = "a secret of the tests, long enough for HS256"

READING = {
    "doctor": ["doctor"],
    "token": ["token", "ada"],
    "outbox": ["outbox"],
    "models": ["models"],
    "trends": ["trends"],
    "train": ["train"],
    "worker": ["worker"],
    "reindex": ["reindex"],
    "reindex --check": ["reindex", "--check"],
}


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with nothing in it but the data to import, and an environment without our settings."""
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "users.jsonl").write_text(json.dumps({"key": "ada", "username": "Ada"}))
    return tmp_path


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(app, arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.mark.parametrize("command", READING)
def test_a_command_that_needs_data_makes_none_and_names_the_folder_it_looked_for(place: Path, command: str) -> None:
    result = run(*READING[command])
    assert result.exit_code == 1
    assert str(place / "var") in result.output
    assert "VAR_DIR" in result.output
    assert [path.name for path in place.iterdir()] == ["data"]


@pytest.mark.parametrize("command", READING)
def test_a_relative_folder_in_the_file_of_settings_is_named_in_full(place: Path, command: str) -> None:
    (place / ".env").write_text("VAR_DIR=other/var\n")
    assert str(place / "other" / "var") in run(*READING[command]).output
    assert not (place / "other").exists()


@pytest.mark.parametrize("command", ["doctor", "outbox", "reindex"])
def test_a_database_file_elsewhere_is_not_made_either(
    place: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    (place / "var").mkdir()
    monkeypatch.setenv("DATABASE_URL", "sqlite:///elsewhere/a.sqlite")
    result = run(command)
    assert result.exit_code == 1
    assert str(place / "elsewhere" / "a.sqlite") in result.output
    assert list((place / "var").iterdir()) == []
    assert not (place / "elsewhere").exists()


@pytest.mark.parametrize("arguments", [["migrate"], ["import", "data"]])
def test_a_command_that_begins_an_installation_makes_the_folder_and_says_where_once(
    place: Path, arguments: list[str]
) -> None:
    said = f"created the data folder {place}/var"
    assert run(*arguments).stderr.splitlines()[0] == said
    assert (place / "var" / "explore.sqlite").exists()
    assert said not in run(*arguments).output


@pytest.mark.parametrize("arguments", [["migrate"], ["import", "data"], ["demo"], ["serve", "--port", "0"]])
def test_no_folder_is_made_for_a_database_that_cannot_be_used(
    place: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://ada@127.0.0.1:1/explore")
    result = run(*arguments)
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1
    assert not (place / "var").exists()


def test_nothing_to_import_makes_no_folder(place: Path) -> None:
    assert run("import", "nowhere").exit_code == 2
    assert not (place / "var").exists()


def test_the_doctor_makes_no_file_in_a_folder_that_is_there(place: Path) -> None:
    run("migrate")
    before = sorted((place / "var").iterdir())
    result = run("doctor")
    assert result.exit_code == 0, result.output
    assert result.output.count("does not exist yet") == 3  # secret, index and cache
    assert sorted((place / "var").iterdir()) == before


def test_a_token_needs_the_secret_of_a_server(place: Path) -> None:
    run("import", "data")
    result = run("token", "ada")
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"there is no signing secret {place}/var/token_secret" in result.stderr
    assert not (place / "var" / "token_secret").exists()


def test_a_token_of_an_unknown_user_is_printed_with_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN_SECRET", SECRET)
    run("import", "data")
    known, unknown = run("token", "ada"), run("token", "adda")
    assert (known.exit_code, known.stderr) == (0, "")
    assert (unknown.exit_code, unknown.stdout.count("\n")) == (0, 1)
    assert unknown.stderr.startswith("warning: no user has the key 'adda': the token is valid")


def test_a_token_is_printed_where_there_is_a_secret_and_no_data(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN_SECRET", SECRET)
    result = run("token", "ada")
    assert (result.exit_code, result.stdout.count(".")) == (0, 2)
    assert result.stderr.startswith(f"warning: cannot check whether the user exists: there is no data folder {place}")
    assert not (place / "var").exists()
