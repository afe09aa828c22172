# ruff: noqa: E501 (a probe is a line)
"""Pairs of requests for hidden and for nonexistent data: the responses must be identical."""

from collections.abc import Mapping

import httpx

from bench.abuse.probe import (
    GRAPHQL_TYPE,
    NONE,
    Answer,
    Headers,
    Probe,
    Target,
    answer_of,
    request,
    with_headers,
)
from bench.abuse.tokens import bearer, signed
from resolvers.common.global_ids import global_id

HIDDEN = {how: f"shroud{how}" for how in ("private", "archived", "deleted")}
"""Keys of a project of each kind, and of its tool, category, topic and owner, which no other project has."""

UNKNOWN = "shroudnothing"

_FILL = """
mutation ($key: String!, $private: Boolean, $archived: Boolean) {
  upsertUsers(users: [{key: $key, username: $key}]) { userErrors { code message } }
  upsertProjects(projects: [{key: $key, title: $key, type: "github_repo", description: $key, owner: $key,
    tools: [$key], categories: [$key], topics: [$key], private: $private, archived: $archived}]) {
    userErrors { code message } }
}
"""
_DELETE = "mutation ($key: String!) { removeProjects(keys: [$key]) { removed } }"


def hide_projects(target: Target) -> None:
    """Create a private, an archived and a deleted project, with terms and an owner of their own."""
    headers = {"Authorization": f"Bearer {bearer(target, sub='service', role='service')}"}
    for how, key in HIDDEN.items():
        flags = {"key": key, "private": how == "private", "archived": how == "archived"}
        for document in (_FILL, _DELETE) if how == "deleted" else (_FILL,):
            answer = target.client.post("/graphql", json={"query": document, "variables": flags}, headers=headers)
            if "errors" in answer.json() or "code" in answer.text:
                raise RuntimeError(answer.text)


def pair(name: str, how: str, query: str, headers: Headers = NONE) -> Probe:
    """Return a probe that requests a hidden and a nonexistent key; the requests differ only in the key."""

    def send(target: Target) -> Answer:
        made = with_headers(GRAPHQL_TYPE, headers)
        sent = dict(made(target) if callable(made) else made)
        answers = {word: _ask(target, query, word, sent) for word in (HIDDEN[how], UNKNOWN)}
        hidden, unknown = (_told(answer, word) for word, answer in answers.items())
        answer = answer_of(answers[HIDDEN[how]])
        return Answer(answer.status, answer.body, {**answer.headers, "same": str(hidden == unknown)})

    def check(answer: Answer) -> str | None:
        return None if answer.headers["same"] == "True" else f"not as for what never was: {answer.body[:300]!r}"

    return Probe(f"{name}, {how}", (200, 400), send, check=check, requests=2)


def _ask(target: Target, query: str, word: str, headers: Mapping[str, str]) -> httpx.Response:
    ids = {kind.lower(): global_id(kind, word) for kind in ("Tool", "Category", "User", "Project")}
    declared = {name: value for name, value in (ids | {"key": word}).items() if f"${name}" in query}
    return target.client.post("/graphql", json={"query": query, "variables": declared}, headers=headers)


def _told(answer: httpx.Response, word: str) -> tuple[int, object]:
    """Return status and content of a response, without the key and the price."""
    content = answer.json()
    content.get("extensions", {}).pop("cost", None)
    return answer.status_code, repr(content).replace(word, "KEY")


ASKED: dict[str, str] = {
    **{
        f"to mute {article} {kind}": f"mutation($key: String!) {{ mute(kind: {kind.upper()}, key: $key) {{ changed userErrors {{ code message path }} }} }}"
        for article, kind in (("a", "tool"), ("a", "category"), ("a", "topic"), ("an", "owner"), ("a", "project"))
    },
    **{
        f"to state a {kind}": f"mutation($key: String!) {{ setInterests(interests: [{{kind: {kind.upper()}, key: $key}}]) {{ changed userErrors {{ code message path }} }} }}"
        for kind in ("tool", "category", "topic")
    },
    "to remove an interest": "mutation($key: String!) { removeInterest(interest: {kind: TOOL, key: $key}) { changed userErrors { code message path } } }",
    **{
        f"the node of a {kind}": f"query(${kind}: ID!) {{ node(id: ${kind}) {{ id __typename }} }}"
        for kind in ("tool", "category", "user", "project")
    },
    "a project by key": "query($key: String!) { project(key: $key) { key title } }",
    "projects by keys": "query($key: String!) { projects(keys: [$key]) { key title } }",
    "a search for its title": "query($key: String!) { search(query: $key, first: 100, alpha: 0) { edges { node { key } } } }",
    "tools by a search": "query($key: String!) { tools(search: $key) { edges { node { key } } } }",
    **{
        f"a filter by {kind}": f"query($key: String!) {{ newest(where: {{{kinds}: [$key]}}) {{ edges {{ node {{ key }} }} }} }}"
        for kind, kinds in (("tool", "tools"), ("category", "categories"), ("topic", "topics"))
    },
    "a filter of For You": "query($key: String!) { forYou(where: {topics: [$key]}) { strategy edges { node { key } } } }",
    "a filter of a search": 'query($key: String!) { search(query: "music", where: {tools: [$key]}) { strategy edges { node { key } } } }',
    "a filter beside a known tool": 'query($key: String!) { trending(where: {tools: [$key, "suno"]}, first: 3) { strategy edges { node { key } } } }',
    "why not": "query($key: String!) { whyNot(key: $key) { outcome summary filter rankedCount } }",
    **{
        f"a {act} of its project": f"mutation($key: String!) {{ {act}Project(key: $key) {{ changed userErrors {{ code }} }} }}"
        for act in ("like", "save", "unsave")
    },
    "a dismissal": "mutation($key: String!) { dismissProject(key: $key) { userErrors { code } } }",
    "an undoing": "mutation($key: String!) { undoDismissal(key: $key) { userErrors { code } } }",
    "a view": "mutation($key: String!) { recordInteractions(events: [{project: $key, type: VIEW}]) { recorded userErrors { code } } }",
    "an impression": "mutation($key: String!) { recordInteractions(events: [{project: $key, type: IMPRESSION}]) { results { status userErrors { code message path } } } }",
}

PROBES: list[Probe] = [
    *(pair(name, how, query, signed()) for how in ("private", "archived") for name, query in ASKED.items()),
    *(pair(name, "deleted", query, signed()) for name, query in ASKED.items() if name.startswith(("to state", "the node"))),
    *(pair(f"{name} by nobody", "private", query) for name, query in ASKED.items() if name.startswith(("the node", "a like"))),
    request("metrics through a proxy", (403,), path="/metrics", headers={"X-Forwarded-For": "127.0.0.1"}, code="FORBIDDEN"),
    request("metrics through a proxy of another make", (403,), path="/metrics", headers={"Forwarded": "for=127.0.0.1"}, code="FORBIDDEN"),
]  # fmt: skip
