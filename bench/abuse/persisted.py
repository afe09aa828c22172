# ruff: noqa: E501 (a probe is a line)
"""Documents requested by a hash or id that is wrong, forged, long, or names a document that must not run."""

import json
from hashlib import sha256
from typing import Any

from bench.abuse.documents import towering
from bench.abuse.probe import GRAPHQL_TYPE, READING, Answer, Probe, Target, answer_of, posting, request


def digest(text: str) -> str:
    """Return the hash of a document."""
    return sha256(text.encode()).hexdigest()


def extension(hash_: Any, version: Any = 1) -> dict[str, Any]:
    """Return the request extension that names a document by hash."""
    return {"persistedQuery": {"version": version, "sha256Hash": hash_}}


def named(name: str, code: str | None, statuses: tuple[int, ...] = (400,), **body: Any) -> Probe:
    """Return a probe that requests a document by hash or id."""
    return posting(name, json.dumps(body).encode(), code, statuses, GRAPHQL_TYPE)


def twice(name: str, query: str, code: str | None, variables: object, statuses: tuple[int, ...]) -> Probe:
    """Return a probe that registers a document with small variables, then runs it by hash with other variables."""

    def send(target: Target) -> Answer:
        first = {"query": query, "extensions": extension(digest(query)), "variables": {"n": 1}}
        target.client.post("/graphql", json=first, headers=GRAPHQL_TYPE)
        second = {"extensions": extension(digest(query)), "variables": variables}
        return answer_of(target.client.post("/graphql", json=second, headers=GRAPHQL_TYPE))

    return Probe(name, statuses, send, code, requests=2)


TOWER = "query($n: Int!) " + towering(7, 2).replace("(first: 7)", "(first: $n)")
TYPENAME = "{ __typename }"

PROBES: list[Probe] = [
    named("a hash that nobody registered", "PERSISTED_QUERY_NOT_FOUND", extensions=extension("0" * 64)),
    named("a hash of another document", "PERSISTED_QUERY_HASH_MISMATCH", query=TYPENAME, extensions=extension(digest("{ a }"))),
    named("a hash in capitals", "PERSISTED_QUERY_HASH_MISMATCH", query=TYPENAME, extensions=extension(digest(TYPENAME).upper())),
    named("a hash of 60,000 letters", "BAD_REQUEST", extensions=extension("a" * 60_000)),
    named("a hash that is a number", "BAD_REQUEST", extensions=extension(7)),
    named("a hash that is a list", "BAD_REQUEST", extensions=extension(["a"])),
    named("a hash that is a path", "PERSISTED_QUERY_NOT_FOUND", extensions=extension("../../../etc/passwd")),
    named("a hash that is a key of the cache", "PERSISTED_QUERY_NOT_FOUND", extensions=extension("document:" + "0" * 55)),
    named("a hash that is empty", "BAD_REQUEST", extensions=extension("")),
    named("a hash of a later protocol", "BAD_REQUEST", query=TYPENAME, extensions=extension(digest(TYPENAME), 2)),
    named("an extension that is a list", "BAD_REQUEST", query=TYPENAME, extensions={"persistedQuery": []}),
    named("extensions that are nested deep", "BAD_REQUEST", (200, 400), query=TYPENAME, extensions={"persistedQuery": json.loads("[" * 400 + "]" * 400)}),
    named("extensions of 200 KB", None, (200,), query=TYPENAME, extensions={f"a{at}": "a" * 100 for at in range(1_700)}),
    named("an id and a query", "BAD_REQUEST", query=TYPENAME, documentId="a"),
    named("an id and a hash", "BAD_REQUEST", documentId="a", extensions=extension("0" * 64)),
    named("an id that nobody knows", "PERSISTED_QUERY_NOT_FOUND", (404,), documentId="sha256:" + "0" * 64),
    named("an id of 60,000 letters", "BAD_REQUEST", documentId="a" * 60_000),
    named("a document that is not valid", "GRAPHQL_VALIDATION_FAILED", query="{ nothing }", extensions=extension(digest("{ nothing }"))),
    named("a document that was not valid, by its hash", "PERSISTED_QUERY_NOT_FOUND", extensions=extension(digest("{ nothing }"))),
    twice("a document registered small and run large", TOWER, "TOO_COSTLY", {"n": 100.0}, (400,)),
    twice("a document registered with a number and run with text", TOWER, "BAD_USER_INPUT", {"n": "100"}, (400,)),
    request("an id in the address that nobody knows", (404,), path=f"/graphql?documentId=sha256:{'1' * 64}", headers={**READING, **GRAPHQL_TYPE}, code="PERSISTED_QUERY_NOT_FOUND"),
    request("a parameter twice", (400,), path="/graphql?query={a}&query={b}", headers=READING, code="BAD_REQUEST"),
    request("extensions in the address that are no JSON", (400,), path="/graphql?query={a}&extensions={", headers=READING, code="BAD_REQUEST"),
]  # fmt: skip
