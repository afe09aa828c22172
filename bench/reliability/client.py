"""Requests to the gateway, and the outcome of each."""

import time
from dataclasses import dataclass
from typing import Any

import httpx

from bench.reliability.gateway import token

TIMEOUT_S = 20.0

EDGES = "strategy degraded edges { node { key title } explanation { summary } }"
FEEDS = {
    "forYou": f"""query ($after: DateTime!) {{
        feed: forYou(first: 20, where: {{ createdAfter: $after }}) {{ {EDGES} }} }}""",
    "trending": "{ feed: trending(first: 20) { strategy degraded edges { node { key title } } } }",
    "search": f"query ($text: String!) {{ feed: search(query: $text, first: 20) {{ {EDGES} }} }}",
}
CHANGED = "changed userErrors { code message }"
WRITES = {
    "like": f"mutation ($key: String!) {{ done: likeProject(key: $key) {{ {CHANGED} }} }}",
    "save": f"mutation ($key: String!) {{ done: saveProject(key: $key) {{ {CHANGED} }} }}",
    "dismiss": f"mutation ($key: String!) {{ done: dismissProject(key: $key) {{ {CHANGED} }} }}",
    "view": """mutation ($key: String!, $id: ID!) { done: recordInteractions(
        events: [{ type: VIEW, project: $key, id: $id }]) { results { status } userErrors { code message } } }""",
    "upsert": """mutation ($projects: [ProjectInput!]!) {
        done: upsertProjects(projects: $projects) { added userErrors { code message } } }""",
    "remove": """mutation ($keys: [String!]!) {
        done: removeProjects(keys: $keys) { removed userErrors { code message } } }""",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """The outcome of a request. `problem` is empty if it was answered in full or degraded."""

    kind: str
    started_at: float  # by time.monotonic
    seconds: float
    problem: str = ""
    degraded: tuple[str, ...] = ()

    @property
    def is_feed(self) -> bool:
        """Whether it is the answer of a feed, not of a write."""
        return self.kind in FEEDS

    @property
    def is_whole(self) -> bool:
        """Whether it was answered and not degraded."""
        return not self.problem and not self.degraded


class Client:
    """A client of one gateway."""

    def __init__(self, url: str) -> None:
        self._http = httpx.AsyncClient(base_url=url, timeout=TIMEOUT_S)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def feed(self, kind: str, user: str = "", **variables: Any) -> Answer:
        """Request a page."""
        return await self._send(kind, FEEDS[kind], user, "", variables)

    async def write(self, kind: str, user: str, role: str = "", **variables: Any) -> Answer:
        """Send a mutation."""
        return await self._send(kind, WRITES[kind], user, role, variables)

    async def _send(self, kind: str, document: str, user: str, role: str, variables: dict[str, Any]) -> Answer:
        headers = {"Authorization": f"Bearer {token(user, role)}"} if user else {}
        started_at = time.monotonic()
        try:
            response = await self._http.post(
                "/graphql", json={"query": document, "variables": variables}, headers=headers
            )
            problem, degraded = outcome(response)
        except httpx.HTTPError as error:
            problem, degraded = type(error).__name__, ()
        return Answer(kind, started_at, time.monotonic() - started_at, problem, degraded)


def outcome(response: httpx.Response) -> tuple[str, tuple[str, ...]]:
    """Return the fault of a response, empty if there is none, and the stores that it names as unavailable."""
    try:
        body: dict[str, Any] = response.json()
    except ValueError:
        return f"HTTP {response.status_code}", ()
    if errors := body.get("errors"):
        return str(errors[0].get("extensions", {}).get("code", f"HTTP {response.status_code}")), ()
    data = body["data"]
    if done := data.get("done"):
        return ("refused: " + done["userErrors"][0]["code"] if done["userErrors"] else ""), ()
    return ("" if data["feed"]["edges"] else "empty"), tuple(data["feed"]["degraded"])
