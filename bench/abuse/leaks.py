# ruff: noqa: E501 (a probe is a line)
"""Attempts to learn of what is private, of other people, and of the machine."""

from bench.abuse.probe import (
    GRAPHQL_TYPE,
    Answer,
    Check,
    Headers,
    Probe,
    Target,
    answer_of,
    asking,
    request,
    with_headers,
)
from bench.abuse.tokens import bearer, signed
from resolvers.foundations.ids import global_id

HIDDEN, UNKNOWN = "veiledzebra", "veiledzebro"
"""Key, title, tool, category and topic of a project that is private; and a word that nothing is called."""

_FILL = """
mutation ($key: String!) {
  upsertProjects(projects: [{key: $key, title: $key, type: "github_repo", description: $key, owner: "owner",
    tools: [$key], categories: [$key], topics: [$key], private: true}]) { userErrors { code message } }
}
"""


def hide_something(target: Target) -> None:
    """Add a private project with a tool, a category and a topic that no other project has."""
    headers = {"Authorization": f"Bearer {bearer(target, sub='service', role='service')}"}
    answer = target.client.post("/graphql", json={"query": _FILL, "variables": {"key": HIDDEN}}, headers=headers)
    if answer.json() | {"extensions": {}} != {"data": {"upsertProjects": {"userErrors": []}}, "extensions": {}}:
        raise RuntimeError(answer.text)


def alike(name: str, query: str, headers: Headers = signed()) -> Probe:  # noqa: B008 (made anew at each sending)
    """Make a probe that asks for what is private and for what does not exist: both answers must be the same."""

    def send(target: Target) -> Answer:
        made = with_headers(GRAPHQL_TYPE, headers)
        sent = dict(made(target) if callable(made) else made)
        hidden, unknown = (
            target.client.post(
                "/graphql",
                json={"query": query, "variables": {"key": word, "id": global_id("Project", word)}},
                headers=sent,
            )
            for word in (HIDDEN, UNKNOWN)
        )
        a, b = (answer.json() for answer in (hidden, unknown))
        is_same = a.get("data") == b.get("data") and _messages(a) == _messages(b)
        answer = answer_of(hidden)
        return Answer(answer.status, answer.body, {**answer.headers, "same": str(is_same)})

    def check(answer: Answer) -> str | None:
        return None if answer.headers["same"] == "True" else f"not as for what does not exist: {answer.body[:300]!r}"

    return Probe(f"{name}, private and unknown", (200, 400), send, check=check, requests=2)


def _messages(content: dict[str, list[dict[str, str]]]) -> list[str]:
    return [error["message"].replace(HIDDEN, UNKNOWN) for error in content.get("errors", [])]


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
    # what is private, and what does not exist
    alike("a project by key", "query($key: String!) { project(key: $key) { key title } }"),
    alike("projects by keys", "query($key: String!) { projects(keys: [$key]) { key title } }"),
    alike("a node", "query($id: ID!) { node(id: $id) { id } }"),
    alike("why not", "query($key: String!) { whyNot(key: $key) { __typename } }"),
    alike("a search for its title", "query($key: String!) { search(query: $key, first: 100, alpha: 0) { edges { node { key } } } }"),
    alike("a filter by tool", "query($key: String!) { newest(where: {tools: [$key]}) { edges { node { key } } } }"),
    alike("a filter by category", "query($key: String!) { newest(where: {categories: [$key]}) { edges { node { key } } } }"),
    alike("a filter by topic", "query($key: String!) { newest(where: {topics: [$key]}) { edges { node { key } } } }"),
    alike("a like", "mutation($key: String!) { likeProject(key: $key) { changed userErrors { code } } }"),
    alike("a save", "mutation($key: String!) { saveProject(key: $key) { changed userErrors { code } } }"),
    alike("a dismissal", "mutation($key: String!) { dismissProject(key: $key) { userErrors { code } } }"),
    alike("an undoing", "mutation($key: String!) { undoDismissal(key: $key) { userErrors { code } } }"),
    alike("an event", "mutation($key: String!) { recordInteractions(events: [{project: $key, type: VIEW}]) { recorded userErrors { code } } }"),
    alike("the end of a save", "mutation($key: String!) { unsaveProject(key: $key) { changed userErrors { code } } }"),
    alike("tools by a search", "query($key: String!) { tools(search: $key) { edges { node { key } } } }"),
    *(alike(f"an interest in a {kind}", f"mutation($key: String!) {{ setInterests(interests: [{{kind: {kind}, key: $key}}]) {{ changed userErrors {{ code message }} }} }}") for kind in ("TOOL", "CATEGORY", "TOPIC")),
    *(alike(f"a mute of a {kind}", f"mutation($key: String!) {{ mute(kind: {kind}, key: $key) {{ changed userErrors {{ code message }} }} }}") for kind in ("TOOL", "CATEGORY", "TOPIC")),
    alike("a like by somebody unknown", "mutation($key: String!) { likeProject(key: $key) { changed userErrors { code } } }", {}),
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
    request("readiness", (200,), path="/readyz", check=silent(*MACHINE, HIDDEN)),
    request("metrics", (200, 401, 403, 404), path="/metrics", check=silent(HIDDEN, "heavy", "/tmp/")),  # noqa: S108
    request("the files of a profile", (404,), path="/debug/pprof/", check=silent(*MACHINE)),
    request("the environment", (404,), path="/.env", check=silent("TOKEN_SECRET")),
    request("a request id with a line break", (200,), path="/healthz", headers={"X-Request-Id": "a%0d%0aSet-Cookie: b"}, check=lambda answer: "set a cookie" if "set-cookie" in answer.headers else None),
    request("a request id of 5,000 letters", (200,), path="/healthz", headers={"X-Request-Id": "a" * 5_000}, check=lambda answer: None if len(answer.headers["x-request-id"]) < 65 else "repeats it"),
]  # fmt: skip
