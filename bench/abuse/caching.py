# ruff: noqa: E501 (a probe is a line)
"""GET requests whose responses a shared cache could serve to other callers, and long or malformed validators."""

from collections.abc import Mapping
from urllib.parse import quote

from bench.abuse.probe import NONE, READING, Answer, Check, Headers, Probe, request, with_headers
from bench.abuse.tokens import signed

PUBLIC = "{ newest(first: 2) { edges { node { key } } } }"
OWN = "{ forYou(first: 2) { edges { node { key } } } }"
MARKED = "{ newest(first: 2) { edges { node { key viewerHasLiked } } } }"


def kept(answer: Answer) -> str | None:
    """Check that shared caches may store the response."""
    if not answer.headers.get("cache-control", "").startswith("public"):
        return f"is not kept: {answer.headers.get('cache-control')}"
    return "starts a session" if "x-session-id" in answer.headers else varies(answer)


def not_kept(answer: Answer) -> str | None:
    """Check that no cache may store the response."""
    control = answer.headers.get("cache-control", "")
    return None if "no-store" in control else f"may be kept: {control!r}"


def varies(answer: Answer) -> str | None:
    """Check that `Vary` distinguishes callers."""
    named = answer.headers.get("vary", "").lower()
    return None if "authorization" in named and "x-session-id" in named else f"varies by {named!r} only"


def reading(
    name: str, query: str, check: Check, statuses: tuple[int, ...] = (200,), headers: Headers = NONE, more: str = ""
) -> Probe:
    """Return a probe that sends a GET."""
    return request(
        name, statuses, path=f"/graphql?query={quote(query)}{more}", headers=with_headers(READING, headers), check=check
    )


def tagged(name: str, tag: str, statuses: tuple[int, ...] = (200,)) -> Probe:
    """Return a probe that sends a validator."""
    return reading(name, PUBLIC, kept if statuses == (200,) else lambda _: None, statuses, {"If-None-Match": tag})


OTHERS: Mapping[str, Headers] = {
    "with a token": signed(),
    "with a session": {"X-Session-Id": "s1.AAAAAAAAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"},
}

PROBES: list[Probe] = [
    reading("what is the same for all", PUBLIC, kept),
    reading("what is somebody's own", OWN, not_kept),
    reading("what is marked for somebody", MARKED, not_kept),
    reading("what is marked, in a fragment", "{ newest(first: 1) { edges { node { ...f } } } } fragment f on Project { viewerHasSaved }", not_kept),
    reading("what is marked, under another name", "{ newest(first: 1) { edges { node { key: viewerHasSaved } } } }", not_kept),
    reading("what is marked, in an operation that is not run", "query A { newest(first: 1) { kind } } query B { viewer { role } }", not_kept, more="&operationName=A"),
    reading("what is marked, behind @include", "query($y: Boolean = false) { newest(first: 1) { kind } viewer @include(if: $y) { role } }", not_kept),
    reading("what is the same for all, with a token", PUBLIC, not_kept, headers=OTHERS["with a token"]),
    reading("what is the same for all, with a token that is no good", PUBLIC, not_kept, (401,), {"Authorization": "Bearer x"}),
    reading("an error", "{ newest(first: 101) { kind } }", not_kept),
    reading("a document that is not valid", "{ nothing }", not_kept),
    reading("introspection", "{ __schema { queryType { name } } }", not_kept),
    reading("a parameter that poisons", PUBLIC, kept, more="&utm_source=<script>alert(1)</script>"),
    reading("a host that poisons", PUBLIC, lambda answer: "repeats the host" if b"evil" in answer.body or "evil" in str(answer.headers) else None, headers={"X-Forwarded-Host": "evil.example", "X-Host": "evil.example", "X-Original-URL": "/evil", "X-Rewrite-URL": "/evil", "Forwarded": "host=evil.example"}),
    tagged("a validator that matches nothing", 'W/"0"'),
    tagged("any validator", "*", (304,)),
    tagged("10,000 validators", ", ".join(f'"{at}"' for at in range(5_000))),
    tagged("a validator without an end", '"' + "a" * 30_000),
    tagged("a validator that is not ASCII", 'W/"%ff%fe"'),
    tagged("commas", "," * 30_000),
    request("a range of an answer", (200,), path=f"/graphql?query={quote(PUBLIC)}", headers={**READING, "Range": "bytes=0-1,1-2,2-3"}, check=kept),
    request("a HEAD", (200,), method="HEAD", path=f"/graphql?query={quote(PUBLIC)}", headers=READING, check=lambda answer: "has a body" if answer.body else None),
    request("a page kept for ever", (200,), path="/", headers={"Accept": "text/html"}, check=lambda answer: "is kept" if "immutable" in answer.headers.get("cache-control", "") else None),
    request("the demo's viewers", (200,), path="/demo/viewers", headers={"Host": "evil.example"}, check=not_kept),
    request("a path that looks like a picture", (404,), path="/graphql/a.png", check=not_kept),
    request("a path that looks like a style sheet", (404,), path="/demo/viewers/x.css", check=not_kept),
    request("a semicolon in a path", (404,), path="/graphql;a.css", check=not_kept),
]  # fmt: skip
