"""The real command in a process of its own, as a newcomer starts it."""

import asyncio
import json
import re
import shutil
import signal
import socket
import sqlite3
import stat
import time

import httpx
import pytest

from db.embeddings.wordllama import WordLlamaEmbedder
from db.vectors.embedded import EmbeddedVectorStore
from tests.running import START_WITHIN_S, address_in, explore, serving, token_of

pytestmark = pytest.mark.servers

PROMPTLY_S = 30
"""Tells what comes from what hangs; nothing here is timed."""
STOP_WITHIN_S = 30


@pytest.fixture(scope="module")
def demo(demo_data, tmp_path_factory):
    """A server with the demo data, for all tests of this file: its address, its welcome and its folder."""
    folder = tmp_path_factory.mktemp("demo")
    shutil.copytree(demo_data, folder / "var")
    with serving(folder, "--demo", START_WORKER="on") as (_, welcome):
        yield address_in(welcome), welcome, folder


FEED = "{ forYou(first: 10) { strategy edges { node { key } explanation { score contributions { contribution } } } } }"


def feed(address, token=None):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    answer = httpx.post(f"{address}/graphql", json={"query": FEED}, headers=headers, timeout=30)
    assert "errors" not in answer.json(), answer.text
    return answer.json()["data"]["forYou"]


def test_the_server_is_alive_and_ready(demo):
    address, _, _ = demo
    assert httpx.get(f"{address}/healthz").json() == {"status": "ok"}
    ready = httpx.get(f"{address}/readyz").json()
    assert ready["status"] == "ok"
    assert set(ready["stores"].values()) == {"ok"}


def test_the_welcome_names_the_addresses_and_how_to_get_a_token(demo):
    address, welcome, _ = demo
    for path in ("/", "/graphql", "/readyz"):
        assert re.search(rf"^  [A-Z].+ {re.escape(address + path)}$", welcome, re.MULTILINE), welcome
    assert "explore token heavy" in welcome
    assert len(welcome.splitlines()) <= 8
    assert "eyJ" not in welcome


def test_each_demo_viewer_gets_a_page(demo):
    address, _, folder = demo
    for viewer in ("newcomer", "quiz", "heavy", "narrow", "owner", "administrator"):
        assert len(feed(address, token_of(folder, viewer))["edges"]) == 10


def test_the_first_feed_of_a_fresh_store_is_personal_and_explained(demo):
    address, _, folder = demo
    heavy, narrow = feed(address, token_of(folder, "heavy")), feed(address, token_of(folder, "narrow"))
    assert heavy["strategy"] == narrow["strategy"] == "PERSONALIZED"
    assert heavy["edges"][0]["explanation"]["contributions"]
    assert [edge["node"]["key"] for edge in heavy["edges"]] != [edge["node"]["key"] for edge in narrow["edges"]]


def test_a_stranger_gets_what_is_popular(demo):
    assert feed(demo[0])["strategy"] == "POPULAR"


def test_the_secret_lies_in_the_folder_and_is_its_owners_alone(demo):
    path = demo[2] / "var" / "token_secret"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def _logged(folder, request_id):
    """Wait for the line of a request: it is written once the answer is out."""
    until = time.monotonic() + PROMPTLY_S
    while time.monotonic() < until:
        complete = (folder / "stderr").read_text().rpartition("\n")[0].splitlines()
        lines = [json.loads(line) for line in complete if line.startswith("{")]
        if found := [line for line in lines if line.get("request_id") == request_id]:
            (line,) = found
            return line
        time.sleep(0.05)
    raise AssertionError(f"no line for {request_id}")


def test_the_log_tells_of_requests_and_never_of_tokens(demo):
    address, _, folder = demo
    token = token_of(folder, "quiz")
    answer = httpx.post(
        f"{address}/graphql", json={"query": FEED}, params={"hidden": "1"}, headers={"Authorization": f"Bearer {token}"}
    )
    line = _logged(folder, answer.headers["x-request-id"])
    text = (folder / "stderr").read_text()
    assert (line["status"], line["path"]) == (200, "/graphql")
    assert token.rpartition(".")[2] not in text
    assert (folder / "var" / "token_secret").read_text().strip() not in text
    assert "hidden" not in text


def test_a_token_made_at_the_command_line_is_good_for_a_running_server(demo):
    address, _, folder = demo
    made = explore(folder, "token", "heavy")
    assert made.stdout.count("\n") == 1
    assert feed(address, made.stdout.strip())["strategy"] == "PERSONALIZED"


def test_the_doctor_finds_nothing_wrong_beside_a_running_server(demo):
    found = explore(demo[2], "doctor")
    assert found.returncode == 0, found.stdout
    for subject in ("python", "folder", "secret", "database", "schema", "outbox", "vectors", "embeddings", "cache"):
        assert re.search(rf"^ok +{subject} ", found.stdout, re.MULTILINE), found.stdout


def test_the_demo_data_is_not_loaded_twice(demo):
    again = explore(demo[2], "demo")
    assert again.returncode == 1
    assert "not empty" in again.stderr


def test_the_index_can_be_written_anew_beside_a_running_server(demo):
    done = explore(demo[2], "reindex")
    assert done.returncode == 0, done.stderr
    assert re.search(r"index complete: [1-9]\d* written, 0 kept, 0 rejected", done.stderr)
    found = explore(demo[2], "reindex", "--check", "--dry-run")
    assert (found.returncode, found.stdout) == (0, "")
    assert found.stderr.strip() == "the index matches the database"


def test_what_differs_in_the_index_is_named_mended_and_shows_in_the_exit_code(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    records = [{"key": key, "title": f"Title {key}", "type": "article"} for key in ("a", "b")]
    (folder / "projects.jsonl").write_text("\n".join(json.dumps(record) for record in records))
    assert explore(tmp_path, "import", "data").returncode == 0
    assert explore(tmp_path, "outbox").stdout.startswith("2 rows wait")
    assert explore(tmp_path, "reindex").returncode == 0
    with sqlite3.connect(tmp_path / "var" / "explore.sqlite") as truth:
        truth.execute("UPDATE projects SET private = 1 WHERE key = 'a'")
        truth.execute("UPDATE projects SET title = 'Another' WHERE key = 'b'")
    for arguments, said in ((("--dry-run",), "2 differ"), ((), "2 differed and were repaired")):
        found = explore(tmp_path, "reindex", "--check", *arguments)
        assert found.returncode == 1, found.stderr
        assert sorted(found.stdout.split("\n")) == ["", "stale project:b", "surplus project:a"]
        assert found.stderr.strip() == said
    assert explore(tmp_path, "reindex", "--check").returncode == 0
    assert explore(tmp_path, "outbox").stdout.startswith("0 rows wait")


UPSERT = "mutation M($p: [ProjectInput!]!) { upsertProjects(projects: $p) { __typename } }"


async def test_a_change_is_soon_in_the_index_of_a_running_server(demo):
    """The gateway promises 2 s on defaults; it takes some 0.2 s on an idle machine (bench/README.md)."""
    address, _, folder = demo
    token = explore(folder, "token", "ada", "--role", "service").stdout.strip()
    project = {"key": "just-now", "title": "A telescope for pigeons", "type": "article"}
    embedder, index = WordLlamaEmbedder(), EmbeddedVectorStore(folder / "var" / "vectors.sqlite")
    await index.prepare(embedder.model, embedder.dimension)
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=30) as client:
        answer = await client.post(f"{address}/graphql", json={"query": UPSERT, "variables": {"p": [project]}})
    assert "errors" not in answer.json(), answer.text
    async with asyncio.timeout(30):
        while [key for key, _ in await index.listing("Project", "just-no", 1)] != ["just-now"]:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        # The worker has written it, and the server finds it.
        while "just-now" not in _found(address, "telescope for pigeons"):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    await index.close()


def _found(address, text):
    query = "query Q($text: String!) { search(query: $text, first: 5) { edges { node { key } } } }"
    answer = httpx.post(f"{address}/graphql", json={"query": query, "variables": {"text": text}}, timeout=30).json()
    return [edge["node"]["key"] for edge in answer["data"]["search"]["edges"]]


def test_a_port_in_use_is_one_sentence_before_any_work_is_done(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        failed = explore(tmp_path, "serve", "--port", str(port))
    assert failed.returncode == 1
    assert failed.stderr.strip() == (
        f"explore: port {port} of 127.0.0.1 is in use; stop the program that listens there, or choose another with "
        "--port or PORT"
    )
    assert not (tmp_path / "var").exists()


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_server_cleanly(tmp_path, stop):
    """Two workers are stopped by SIGINT in the test of their metrics, and by SIGTERM in the test of the image."""
    with serving(tmp_path, START_WORKER="on") as (process, welcome):
        assert httpx.get(f"{address_in(welcome)}/readyz", timeout=START_WITHIN_S).status_code == 200
        stop_cleanly(process, tmp_path, address_in(welcome), stop)


def stop_cleanly(process, folder, address, stop):
    """Stop a server by a signal: it ends in time, without a traceback, and leaves the port."""
    process.send_signal(stop)
    process.wait(STOP_WITHIN_S)
    assert "Traceback" not in (folder / "stderr").read_text()
    assert process.returncode in (0, -stop)
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{address}/healthz")


BAD_PLACES = {
    "a server that is not there": (
        {"DATABASE_URL": "postgresql://ada:hunter2@127.0.0.1:1/explore"},
        1,
        "correct DATABASE_URL",
    ),
    "a host that is not there": (
        {"DATABASE_URL": "postgresql://ada:hunter2@no-such-host.invalid/explore"},
        1,
        "correct DATABASE_URL",
    ),
    "another kind of database": ({"DATABASE_URL": "mysql://ada:hunter2@127.0.0.1/explore"}, 2, "SQLite and PostgreSQL"),
    "no URL": ({"DATABASE_URL": "hunter2"}, 2, "DATABASE_URL cannot be read"),
    "a file that is no database": ({"DATABASE_URL": "sqlite:///broken.sqlite"}, 1, "correct DATABASE_URL"),
    "a folder that is a file": ({"VAR_DIR": "broken.sqlite/var"}, 1, "set VAR_DIR"),
    "a folder of the truth that is a file": ({"DATABASE_URL": "sqlite:///broken.sqlite/explore"}, 1, "DATABASE_URL"),
    "an address of another machine": ({"HOST": "192.0.2.1"}, 1, "not an address of this machine"),
    "a host name of nobody": ({"HOST": "no-such-host.invalid"}, 1, "not an address of this machine"),
}


@pytest.mark.parametrize("case", BAD_PLACES)
def test_what_the_server_cannot_use_is_one_sentence_without_secrets(tmp_path, case):
    settings, code, words = BAD_PLACES[case]
    (tmp_path / "broken.sqlite").write_text("this is no database, " * 500)
    failed = explore(tmp_path, "serve", "--port", "0", **settings)
    assert failed.returncode == code, failed.stderr
    (line,) = failed.stderr.strip().splitlines()
    assert line.startswith("explore: ")
    assert words in line
    assert "hunter2" not in failed.stderr.replace("'hunter2'", "")


def test_the_help_names_every_command(tmp_path):
    text = explore(tmp_path, "--help").stdout
    for command in ("serve", "migrate", "demo", "import", "token", "schema", "doctor", "reindex", "worker", "outbox"):
        assert re.search(rf"^. {command} +[A-Z]", text, re.MULTILINE)


def test_the_schema_is_printed_as_it_is(tmp_path):
    printed = explore(tmp_path, "schema").stdout
    assert "type Query" in printed
    assert printed.endswith("}\n")


def test_migrating_twice_says_so(tmp_path):
    first, second = explore(tmp_path, "migrate"), explore(tmp_path, "migrate")
    assert first.stderr.startswith(f"created the data folder {tmp_path}/var\n")
    assert "\napplied 0013" in first.stderr
    assert second.stderr == "the schema was up to date\n"


def test_the_doctor_says_how_to_fix_what_is_broken(tmp_path):
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "explore.sqlite").touch()
    found = explore(tmp_path, "doctor")
    assert found.returncode == 1
    assert "explore migrate" in found.stdout


def test_a_folder_is_imported_and_a_bad_line_shows_in_the_exit_code(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    good = {"key": "a", "title": "A title", "type": "article"}
    (folder / "projects.jsonl").write_text(f"{json.dumps(good)}\nnot json\n")
    done = explore(tmp_path, "import", "data", "--refused", "refused.txt")
    assert done.returncode == 1, done.stderr
    assert "projects.jsonl:2" in done.stderr
    assert (tmp_path / "refused.txt").read_text().startswith("projects.jsonl:2: ")
    (folder / "projects.jsonl").write_text(json.dumps(good))
    assert explore(tmp_path, "import", "data", "--strict").returncode == 0


async def _ready(address):
    """Ask until every store is there: on a busy machine the first answer of the embedder may come too late."""
    until = time.monotonic() + PROMPTLY_S
    async with httpx.AsyncClient(timeout=PROMPTLY_S) as client:
        answer = (await client.get(f"{address}/readyz")).json()
        while answer["status"] != "ok":
            assert time.monotonic() < until, answer
            await asyncio.sleep(0.1)
            answer = (await client.get(f"{address}/readyz")).json()


async def test_the_commands_work_on_postgresql_too(tmp_path, make_url):
    async with make_url("postgresql") as url:
        assert "\napplied 0013" in explore(tmp_path, "migrate", DATABASE_URL=url).stderr
        with serving(tmp_path, DATABASE_URL=url) as (_, welcome):
            await _ready(address_in(welcome))
            found = explore(tmp_path, "doctor", DATABASE_URL=url)
        assert found.returncode == 0, found.stdout
        missing = explore(tmp_path, "migrate", DATABASE_URL=f"{url}_that_is_not_there")
    assert missing.returncode == 1
    assert re.fullmatch(
        r"explore: the database .* cannot be used: .*does not exist; create the database, or correct .*\n",
        missing.stderr,
    )


def test_the_metrics_of_all_workers_are_added_up_and_a_signal_stops_them(tmp_path):
    asked = 'explore_request_seconds_count{path="/healthz",status="200"}'
    with serving(tmp_path, "--workers", "2", START_WORKER="on") as (process, welcome):
        address = address_in(welcome)
        for _ in range(20):  # the welcome is printed before the workers have started
            assert httpx.get(f"{address}/healthz", timeout=START_WITHIN_S).status_code == 200
        until = time.monotonic() + PROMPTLY_S
        while True:  # a request is counted when its answer is out
            lines = httpx.get(f"{address}/metrics", timeout=PROMPTLY_S).text.splitlines()
            if f"{asked} 20.0" in lines:
                break
            assert time.monotonic() < until, [line for line in lines if "healthz" in line]
            time.sleep(0.05)
        stop_cleanly(process, tmp_path, address, signal.SIGINT)
