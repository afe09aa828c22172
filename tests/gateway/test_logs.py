import io
import json
import logging

import pytest
import structlog

from gateway.logs import configure_logs
from gateway.settings import Settings


@pytest.fixture
def lines(capsys):
    """Log in JSON, and give what was logged since, one dictionary a line."""
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    configure_logs(Settings(_env_file=None, log_format="json"))
    root.handlers[0].setStream(written := io.StringIO())

    def read():
        found = [json.loads(line) for line in written.getvalue().splitlines()]
        written.seek(0)
        written.truncate()
        return found

    yield read
    root.handlers[:], root.level = before
    structlog.reset_defaults()


async def test_a_request_is_one_line_with_what_one_looks_for(client, lines):
    answer = await client.post("/graphql?token=hidden", json={"query": "query Front { echo }"})
    (line,) = lines()
    assert line.pop("ms") >= 0
    assert line.pop("timestamp")
    assert line == {
        "event": "request",
        "level": "info",
        "method": "POST",
        "path": "/graphql",
        "status": 200,
        "operation": "Front",
        "request_id": answer.headers["x-request-id"],
    }


async def test_a_fault_of_ours_is_logged_once_with_its_traceback(client, lines):
    answer = await client.post("/graphql", json={"query": '{ fails(how: "key") }'})
    faults = [line for line in lines() if line["level"] == "error"]
    assert len(faults) == 1
    assert faults[0]["request_id"] == answer.headers["x-request-id"]
    assert "KeyError" in faults[0]["exception"]
    assert faults[0]["path"] == ["fails"]


async def test_a_fault_of_the_caller_is_no_fault(client, lines):
    for query in ("{", "{ nothingLikeThis }", '{ fails(how: "known") }', '{ fails(how: "record") }'):
        await client.post("/graphql", json={"query": query})
    assert {line["level"] for line in lines()} == {"info"}


async def test_tokens_sessions_and_variables_are_never_logged(client, authority, lines):
    token = authority.issue("ada")
    headers = {"Authorization": f"Bearer {token}", "X-Session-Id": "s1.mine"}
    body = {"query": 'query($t: String!) { echo(text: $t) fails(how: "key") }', "variables": {"t": "private"}}
    await client.post("/graphql", json=body, headers=headers)
    await client.post("/graphql", json=body, headers={"Authorization": f"Bearer {token}x"})
    written = json.dumps(lines())
    for secret in (token, "s1.mine", "private", "a secret of the tests"):
        assert secret not in written


async def test_a_proxys_request_id_is_taken_over_unless_it_is_odd(client):
    kept = await client.get("/healthz", headers={"X-Request-Id": "abc-123"})
    made = await client.get("/healthz", headers={"X-Request-Id": "a b\tc"})
    assert kept.headers["x-request-id"] == "abc-123"
    assert len(made.headers["x-request-id"]) == 16


async def test_an_operation_name_cannot_write_lines_of_its_own(client, lines):
    for name in ('x\n{"event":"forged"}', "a" * 500):
        await client.post("/graphql", json={"query": "query A { echo }", "operationName": name})
    assert all("operation" not in line for line in lines())


async def test_health_checks_do_not_fill_the_log(client, lines):
    await client.get("/healthz")
    assert lines() == []


async def test_code_that_fails_outside_the_graph_answers_500_in_json(gateway, lines):
    class Broken:
        def connection_wait(self):
            return 0.0

        def open_context(self, caller):
            raise KeyError("hunter2")

    async with gateway(Broken()) as client:
        answer = await client.post("/graphql", json={"query": "{ echo }"})
    assert answer.status_code == 500
    assert answer.headers["x-content-type-options"] == "nosniff"
    (error,) = answer.json()["errors"]
    assert error["extensions"] == {"code": "INTERNAL", "requestId": answer.headers["x-request-id"]}
    assert "hunter2" not in answer.text
    assert [line["level"] for line in lines()] == ["error", "info"]


def test_a_terminal_gets_plain_lines_and_no_local_variables(capsys):
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    configure_logs(Settings(_env_file=None, log_format="console"))
    root.handlers[0].setStream(written := io.StringIO())

    def fail():
        password = "hunter2"
        raise KeyError(len(password))

    try:
        fail()
    except KeyError:
        structlog.get_logger("test").exception("failed")
    finally:
        root.handlers[:], root.level = before
        structlog.reset_defaults()
    assert "KeyError: 7" in written.getvalue()
    assert "'hunter2'" not in written.getvalue()
