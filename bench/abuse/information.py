# ruff: noqa: E501 (a probe is a line)
"""Attempts to get information about the machine or hidden data from errors, headers and internal endpoints."""

from bench.abuse.hidden import HIDDEN
from bench.abuse.probe import Answer, Check, Probe, asking, request


def silent(*words: str) -> Check:
    """Return a check that an answer holds none of these words."""

    def check(answer: Answer) -> str | None:
        held = [word for word in words if word.lower().encode() in answer.body.lower()]
        return f"tells of {held}: {answer.body[:300]!r}" if held else None

    return check


MACHINE = (
    "/usr/",
    "/home/",
    "/tmp/",  # noqa: S108
    "site-packages",
    "uvicorn",
    "starlette",
    "sqlite",
    "postgresql",
    "explore.sqlite",
)
"""Words that tell of the machine."""

PROBES: list[Probe] = [
    # what errors tell
    asking("an error about a key of 60 KB", "query($k: String!) { project(key: $k) { nothing } }", "GRAPHQL_VALIDATION_FAILED", variables={"k": "a" * 60_000}, check=silent(*MACHINE)),
    asking("a cursor that is no base64", '{ newest(after: "%%%") { kind } }', "BAD_CURSOR", statuses=(200,), check=silent(*MACHINE)),
    asking("an id of another kind", '{ node(id: "VXNlcjpub2JvZHk=") { id } }', "BAD_ID", statuses=(200,), check=silent(*MACHINE)),
    asking("an injection into a search", "query { search(query: \"' OR 1=1; DROP TABLE projects; --\") { kind } }", None, statuses=(200,), check=silent(*MACHINE)),
    asking("an injection into a filter", "query { newest(where: {tools: [\"') OR 1=1 --\"]}) { edges { node { key } } } }", None, statuses=(200,), check=silent(*MACHINE)),
    asking("operators of full-text search", 'query { search(query: "NEAR(a b, 1) OR * AND \\"c\\" ^d -e {f g}: h") { kind } }', None, statuses=(200,), check=silent(*MACHINE)),
    asking("operators of LIKE", 'query { tools(search: "%_%\\\\") { edges { node { key } } } }', None, statuses=(200,), check=silent(*MACHINE)),
    asking("a receipt of somebody else", '{ deletionReceipt(id: "00000000-0000-0000-0000-000000000000") { __typename } }', None, statuses=(200,), check=silent(*MACHINE)),
    request("an address that does not exist", (404,), path="/nothing", check=silent(*MACHINE)),
    request("a method that does not exist", (400, 405), method="BREW", check=silent(*MACHINE)),
    request("TRACE", (401, 405), method="TRACE", headers={"Authorization": "Bearer veiled"}, check=silent("veiled", *MACHINE)),
    request("the headers of an answer", (200,), path="/healthz", check=lambda answer: "names its server" if {"server", "x-powered-by"} & answer.headers.keys() else None),
    request("readiness", (200,), path="/readyz", check=silent(*MACHINE, *HIDDEN.values())),
    request("metrics", (200, 401, 403, 404), path="/metrics", check=silent(*HIDDEN.values(), "heavy", "/tmp/")),  # noqa: S108
    request("the files of a profile", (404,), path="/debug/pprof/", check=silent(*MACHINE)),
    request("the environment", (404,), path="/.env", check=silent("TOKEN_SECRET")),
    request("a request id with a line break", (200,), path="/healthz", headers={"X-Request-Id": "a%0d%0aSet-Cookie: b"}, check=lambda answer: "set a cookie" if "set-cookie" in answer.headers else None),
    request("a request id of 5,000 letters", (200,), path="/healthz", headers={"X-Request-Id": "a" * 5_000}, check=lambda answer: None if len(answer.headers["x-request-id"]) < 65 else "repeats it"),
]  # fmt: skip
