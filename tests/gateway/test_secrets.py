"""Nothing secret leaves: a gateway with a marked secret in every setting and request, through all that can fail."""

import re
import signal
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from typer.testing import CliRunner, Result

from gateway.callers.session_ids import HEADER as SESSION_HEADER
from gateway.callers.session_ids import SessionIds
from gateway.callers.token_authority import TokenAuthority
from gateway.cli import app
from gateway.settings import Settings
from tests.doubles.issuer import rsa_key, signed
from tests.gateway.test_server import STOP_WITHIN_S
from tests.running import address_in, serving
from tests.servers import free_port

pytestmark = pytest.mark.servers

MARK = "xyzzy"
"""In every secret below, and in nothing else."""

SECRET = f"{MARK}-a-secret-of-this-test-long-enough-for-hs256"


def everything_is_away() -> dict[str, str]:
    """Give settings whose every secret is marked, and whose every store but the truth is away."""
    port = free_port()
    return {
        "TOKEN_SECRET": SECRET,
        "TOKEN_SECRET_PREVIOUS": SECRET[::-1] + MARK,
        "TOKEN_SECRET_PREVIOUS_UNTIL": "2100-01-01T00:00:00Z",
        "TOKEN_ALGORITHMS": "HS256,RS256",
        "TOKEN_JWKS_URL": f"http://user:{MARK}@127.0.0.1:{port}/keys?key={MARK}",
        "REDIS_URL": f"redis://user:{MARK}@127.0.0.1:{port}/0",
        "WEAVIATE_URL": f"http://user:{MARK}@127.0.0.1:{port}",
        "METRICS_TOKEN": f"{MARK}-for-a-scrape",
        "WEAVIATE_API_KEY": MARK,
        "OPENAI_API_KEY": f"sk-{MARK}",
        "OPENAI_BASE_URL": f"http://user:{MARK}@127.0.0.1:{port}/v1?key={MARK}",
        "LOG_LEVEL": "debug",
    }


def secret_settings() -> set[str]:
    """Name the settings that may hold a secret, from what the settings say of themselves."""
    return {
        name.upper()
        for name, field in Settings.model_fields.items()
        if not field.repr or "SecretStr" in str(field.annotation)
    }


def test_every_setting_that_may_hold_a_secret_is_marked_in_these_tests() -> None:
    assert secret_settings() == {*everything_is_away(), "DATABASE_URL", "WEAVIATE_GRPC_URL"} - {
        "LOG_LEVEL",
        "TOKEN_ALGORITHMS",
        "TOKEN_SECRET_PREVIOUS_UNTIL",
    }


def test_a_settings_object_shows_no_secret() -> None:
    given: dict[str, Any] = {name.lower(): value for name, value in everything_is_away().items()}
    settings = Settings(_env_file=None, database_url=f"postgresql://user:{MARK}@db/explore", **given)
    assert MARK not in repr(settings)
    assert MARK not in str(settings)
    assert settings.token_secret == SecretStr(SECRET)


def doctor(folder: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str]) -> Result:
    """Run `explore doctor` where an installation is: without a database it would look at nothing else."""
    monkeypatch.chdir(folder)
    (folder / "explore.sqlite").touch()
    ended = CliRunner().invoke(app, ["doctor"], env=settings | {"VAR_DIR": str(folder)})
    assert "there is no database" not in ended.output
    return ended


@pytest.mark.parametrize(
    "wrong",
    [
        {"TOKEN_SECRET": MARK},
        {"TOKEN_SECRET_PREVIOUS": MARK},
        {"TOKEN_SECRET_PREVIOUS": SECRET},
        {"TOKEN_JWKS_URL": f"ftp://{MARK}"},
        {"TOKEN_JWKS_URL": f"http://user:{MARK}@login.example.com/keys"},
        {"DATABASE_URL": f"mysql://user:{MARK}@127.0.0.1/explore"},
        {"DATABASE_URL": f"postgresql://user:{MARK}@127.0.0.1:{free_port()}/explore"},
        {"REDIS_URL": f"gopher://user:{MARK}@127.0.0.1/0"},
        {"DATABASE_URL": f"postgresql://127.0.0.1:{free_port()}/explore?user=me&password={MARK}"},
        {"DATABASE_URL": f"postgresql://127.0.0.1:{free_port()}/explore?passfile=/srv/{MARK}"},
        {"DATABASE_URL": f"postgresql://me:1/{MARK}@127.0.0.1:{free_port()}/explore"},
        {"DATABASE_URL": f"postgresql://me@{MARK}@127.0.0.1:{free_port()}/explore"},
        {"DATABASE_URL": f"postgresql://127.0.0.1:{MARK}/explore"},
        {"REDIS_URL": f"redis://user:12/{MARK}@127.0.0.1/0"},
        {"REDIS_URL": f"redis://:{MARK}#@127.0.0.1/0"},
        {"REDIS_URL": f"redis://127.0.0.1:{MARK}/0"},
        {"REDIS_URL": f"redis://127.0.0.1:{free_port()}/0?password={MARK}"},
        {"REDIS_URL": f"redis://127.0.0.1:{free_port()}/0?socket_timeout={MARK}"},
        {"REDIS_URL": f"redis://[{MARK}/0"},
        {"WEAVIATE_URL": f"http://user:{MARK}@127.0.0.1:1/path", "WEAVIATE_API_KEY": MARK},
        {"WEAVIATE_URL": f"http://user:{MARK} @127.0.0.1:1"},
        {"WEAVIATE_URL": "http://127.0.0.1:1", "WEAVIATE_GRPC_URL": f"gopher://user:{MARK}@127.0.0.1:2"},
        {"OPENAI_BASE_URL": f"ftp://user:{MARK}@127.0.0.1/v1"},
        {"OPENAI_BASE_URL": f"http://127.0.0.1:{MARK}/v1"},
        {"OPENAI_BASE_URL": f"http://user:{MARK}@127.0.0.1:{free_port()}/v1"},
        {"ALLOW_ORIGINS": f"https://user:{MARK}@example.com/path"},
        {"METRICS_TOKEN": MARK},
    ],
)
def test_a_command_that_cannot_start_shows_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: dict[str, str]
) -> None:
    ended = doctor(tmp_path, monkeypatch, wrong)
    assert ended.exit_code in (1, 2)
    assert MARK not in ended.output
    assert isinstance(ended.exception, SystemExit)


def test_the_doctor_shows_no_secret_of_what_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = doctor(tmp_path, monkeypatch, everything_is_away())
    assert ended.exit_code == 1
    assert MARK not in ended.output
    assert len(re.findall("^broken", ended.output, re.MULTILINE)) >= 4


def requests(address: str) -> list[httpx.Response]:
    """Send what fails in as many ways as there are, each time with something marked."""
    authority = TokenAuthority(SECRET.encode(), "explore-gateway", "explore")
    good = {"Authorization": f"Bearer {authority.issue(f'ada-{MARK}')}"}
    forged = authority.issue("ada", hours=-1)
    session = {SESSION_HEADER: SessionIds(SECRET.encode()).issue()[1]}
    query = "query($q: String!) { search(query: $q) { edges { node { key } } } }"
    variables = {"q": f"{MARK} {good['Authorization']}"}
    with httpx.Client(base_url=address, timeout=30) as client:

        def post(body: Any, **headers: str) -> httpx.Response:
            return client.post("/graphql", json=body, headers=headers)

        return [
            post({"query": query, "variables": variables}, **good),
            post({"query": query, "variables": variables}, **session),
            post({"query": query, "variables": {"q": {MARK: MARK}}}, **good),
            post({"query": "{ forYou { edges { node { key } } } viewer { role } }"}, **good),
            post({"query": 'mutation { likeProject(key: "x") { changed } }'}, **good, **session),
            post({"query": "{ nonsense"}, **good),
            post([{"query": MARK}], **good),
            post({"query": "{ viewer { role } }"}, Authorization=f"Bearer {forged}{MARK}"),
            post({"query": "{ viewer { role } }"}, Authorization=f"Basic {MARK}"),
            post({"query": "{ viewer { role } }"}, Authorization=f"Bearer {MARK * 5_000}"),
            post({"query": "{ viewer { role } }"}, Authorization=f"Bearer {signed(rsa_key(1), 'RS256', MARK)}"),
            post({"query": "{ viewer { role } }"}, **{SESSION_HEADER: f"s1.{MARK}"}),
            post({"query": "{ viewer { role } }", "filling": MARK * 60_000}, **good),
            client.get("/graphql", params={"query": "{ viewer { role } }", "access_token": MARK}, headers=good),
            client.get(f"/{MARK}", headers=good),
            client.get("/readyz", headers=good),
            client.get("/metrics", headers=good),
        ]


def test_a_gateway_whose_stores_are_away_tells_no_secret_to_anybody(tmp_path: Path) -> None:
    with serving(tmp_path, **everything_is_away(), START_WORKER="on") as (process, welcome):
        answers = requests(address_in(welcome))
        process.send_signal(signal.SIGTERM)
        process.wait(STOP_WITHIN_S)
    assert MARK not in welcome
    statuses = {answer.status_code for answer in answers}
    assert {200, 400, 401, 404, 413, 503} <= statuses, [answer.status_code for answer in answers]
    for answer in answers:
        told = answer.text + repr([pair for pair in answer.headers.multi_items() if pair[0] != "x-session-id"])
        # A GraphQL error may quote to its own sender what was sent, as every validator does.
        if answer.request.url.path != "/graphql" or answer.status_code != 200:
            assert MARK not in told.replace(f"/{MARK}", ""), answer.request.content[:200]
        assert SECRET not in told
        assert "Bearer ey" not in told
    logged = (tmp_path / "stderr").read_text()
    assert "Traceback" not in logged
    assert '"request"' in logged
    lines = [line for line in logged.splitlines() if MARK in line]
    assert [line for line in lines if f'"path":"/{MARK}"' not in line] == []  # the address itself, as it was asked for
