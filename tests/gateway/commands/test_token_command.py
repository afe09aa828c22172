"""`explore token`, and what `explore serve --demo` gives away on a store that is not the demo's."""

import json
from pathlib import Path

import httpx
import jwt
import pytest
from typer.testing import CliRunner, Result

from gateway.cli import app
from tests.gateway.callers.test_issuer_keys import SECRET
from tests.running import address_in, explore, serving

pytestmark = pytest.mark.servers


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(*arguments: str, **settings: str) -> Result:
    return CliRunner().invoke(app, ["token", *arguments], env={"TOKEN_SECRET": SECRET, **settings})


def test_an_administrators_token_for_two_days_is_not_made_and_the_sentence_says_why() -> None:
    ended = run("ruth", "--role", "administrator", "--hours", "48")
    assert ended.exit_code == 2
    assert ended.output == (
        "explore: an administrator's token is valid for at most 24 hours, not 48; give --hours 24 or less, or raise "
        "TOKEN_ADMINISTRATOR_HOURS\n"
    )
    assert run("ruth", "--role", "administrator").exit_code == 0
    assert run("ruth", "--role", "administrator", "--hours", "48", TOKEN_ADMINISTRATOR_HOURS="48").exit_code == 0


def test_where_an_issuer_signs_no_token_is_made_unless_a_setting_says_so() -> None:
    issuer = {"TOKEN_JWKS_URL": "https://login.example.com/keys"}
    ended = run("ada", **issuer)
    assert (ended.exit_code, "name HS256 in TOKEN_ALGORITHMS" in ended.output) == (1, True)
    made = run("ada", **issuer, TOKEN_ALGORITHMS="HS256,RS256").stdout.strip()
    assert jwt.decode(made, SECRET, ["HS256"], audience="explore")["sub"] == "ada"


def test_on_a_store_that_is_not_the_demos_serve_demo_gives_no_token_away(tmp_path: Path) -> None:
    folder = tmp_path / "import"
    folder.mkdir()
    user = {"key": "administrator", "username": "The real one", "role": "administrator"}
    (folder / "users.jsonl").write_text(json.dumps(user) + "\n")
    assert explore(tmp_path, "import", str(folder)).returncode == 0
    with serving(tmp_path, "--demo", DEMO_VIEWERS="on") as (_, welcome):
        told = httpx.get(f"{address_in(welcome)}/demo/viewers")
    assert told.json() == {"viewers": []}
    assert "eyJ" not in welcome
    assert "holds other data than the demo's" in (tmp_path / "stderr").read_text()
