# ruff: noqa: E501 (a probe is a line)
"""Requests that a page of another site can make a browser send (CSRF), and CORS preflight requests."""

import json
from urllib.parse import quote

from bench.abuse.probe import NONE, READING, Answer, Headers, Probe, request, with_headers

EVIL = "https://evil.example"
MUTATION = 'mutation { likeProject(key: "a") { changed } }'
QUERY = quote("{ __typename }")


def closed(answer: Answer) -> str | None:
    """Check that no other site may read the response."""
    named = [name for name in answer.headers if name.startswith("access-control-allow")]
    return f"opens to others: {named}" if named else None


def simple(
    name: str, content_type: str | None, body: bytes, statuses: tuple[int, ...] = (415,), headers: Headers = NONE
) -> Probe:
    """Return a probe of a POST that a form of another site can send."""
    given = {"Origin": EVIL, "Sec-Fetch-Site": "cross-site"}
    if content_type is not None:
        given["Content-Type"] = content_type
    return request(
        f"a form: {name}",
        statuses,
        method="POST",
        headers=with_headers(given, headers),
        body=body,
        code="UNSUPPORTED_MEDIA_TYPE",
        check=closed,
    )


def preflight(
    name: str, origin: str, method: str = "POST", headers: str = "authorization,content-type", path: str = "/graphql"
) -> Probe:
    """Return a probe of a CORS preflight request."""
    asked = {"Origin": origin, "Access-Control-Request-Method": method, "Access-Control-Request-Headers": headers}
    return request(
        f"a preflight: {name}", (200, 204, 400, 404, 405), method="OPTIONS", path=path, headers=asked, check=closed
    )


def reading(
    name: str,
    statuses: tuple[int, ...] = (403,),
    code: str | None = "PREFLIGHT_REQUIRED",
    query: str = QUERY,
    headers: Headers = NONE,
) -> Probe:
    """Return a probe of a GET that an image or link of another site can send."""
    return request(
        f"a link: {name}", statuses, path=f"/graphql?query={query}", headers=headers, code=code, check=closed
    )


JSON = json.dumps({"query": MUTATION}).encode()

PROBES: list[Probe] = [
    simple("text/plain", "text/plain", JSON),
    simple("a form", "application/x-www-form-urlencoded", b"query=" + quote(MUTATION).encode()),
    simple("a multipart form", "multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="operations"\r\n\r\n' + JSON + b"\r\n--x--"),
    simple("no type", None, JSON),
    simple("an empty type", "", JSON),
    simple("JSON behind a plain type", "text/plain; application/json", JSON),
    simple("JSON as a parameter", "text/plain; charset=application/json", JSON),
    simple("two types in one header", "text/plain, application/json", JSON),
    simple("a beacon", "text/plain;charset=UTF-8", JSON, headers={"Sec-Fetch-Mode": "no-cors"}),
    simple("JSON of GraphQL's old type", "application/graphql", MUTATION.encode()),
    simple("JSON in UTF-16", "application/json; charset=utf-16", JSON),
    simple("a CSP report", "application/csp-report", JSON),
    reading("a picture", headers={"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "image"}),
    reading("a script", headers={"Sec-Fetch-Dest": "script", "Accept": "*/*"}),
    reading("a plain type", headers={"Content-Type": "text/plain"}),
    reading("a form's type", headers={"Content-Type": "application/x-www-form-urlencoded"}),
    reading("an empty header that proves it", headers={"X-Explore-Request": ""}),
    reading("a mutation", query=quote(MUTATION)),
    reading("a mutation that proves it", (405,), "METHOD_NOT_ALLOWED", quote(MUTATION), headers=READING),
    reading("a mutation by a method in a header", (405,), "METHOD_NOT_ALLOWED", quote(MUTATION), headers={**READING, "X-HTTP-Method-Override": "POST"}),
    reading("a callback (JSONP)", query=QUERY + "&callback=evil"),
    preflight("another site", EVIL),
    preflight("no site", "null"),
    preflight("a site whose name ends like ours", "http://127.0.0.1.evil.example"),
    preflight("our host by https", "https://127.0.0.1"),
    preflight("a file", "file://"),
    preflight("DELETE", EVIL, "DELETE"),
    preflight("200 headers", EVIL, headers=",".join(f"x-{at}" for at in range(200))),
    preflight("the demo's viewers", EVIL, "GET", path="/demo/viewers"),
    preflight("metrics", EVIL, "GET", path="/metrics"),
    request("an answer to another site", (200,), method="POST", headers={"Origin": EVIL, "Content-Type": "application/json"}, body=json.dumps({"query": "{ __typename }"}).encode(), check=closed),
    request("an origin of 50,000 letters", (200,), path="/healthz", headers={"Origin": "https://" + "a" * 50_000}, check=closed),
    request("an answer in a frame", (200,), path="/", headers={"Sec-Fetch-Dest": "iframe", "Accept": "text/html"}, check=lambda answer: None if answer.headers.get("x-frame-options") == "DENY" else "may be framed"),
]  # fmt: skip
