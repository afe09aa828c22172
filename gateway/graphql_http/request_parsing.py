"""Parameters of a GraphQL request over HTTP; each violation of the specification is answered with a 4xx status."""

import asyncio
import json
from collections import Counter
from typing import Any

import orjson
from starlette.requests import Request
from starlette.types import Message, Receive

from gateway.callers.session_ids import HEADER as SESSION_HEADER
from gateway.documents.graphql_request import GraphQLRequest, bad_request, parse_graphql_request
from gateway.errors import RequestRefused

METHODS = "GET, HEAD, POST, OPTIONS"
READ_METHODS = frozenset({"GET", "HEAD"})
"""Methods whose parameters are in the URL; they run queries only."""

PREFLIGHT_HEADERS = ("X-Explore-Request", "Apollo-Require-Preflight", "X-Apollo-Operation-Name")
"""Headers whose value does not matter: a page of another site can send one only if a preflight allows it."""

_PREFLIGHT_FORCING_HEADERS = (*PREFLIGHT_HEADERS, "Authorization", SESSION_HEADER)
"""All headers that force a preflight."""

_SIMPLE_TYPES = frozenset({"", "application/x-www-form-urlencoded", "multipart/form-data", "text/plain"})
"""Content types that a form can send without a preflight."""

_PARAMETERS = frozenset({"query", "operationName", "variables", "extensions", "documentId"})


async def read_request(request: Request, max_body_bytes: int, timeout_s: float) -> GraphQLRequest:
    """Read the parameters of a request, whose body has at most `max_body_bytes` and arrives within `timeout_s`.

    Raises `RequestRefused`: 400 if it cannot be parsed, 403 if a page of another site could have forged it, 405 for
    another method, 408 if the body is too slow, 413 if it is too large, 415 if it is not JSON.
    """
    if request.method in READ_METHODS:
        _require_preflight(request)
        return parse_graphql_request(_from_url(request), allows_mutation=False)
    if request.method != "POST":
        raise RequestRefused(405, "METHOD_NOT_ALLOWED", "Use POST, or GET for queries.", {"Allow": METHODS})
    _require_json(request)
    return parse_graphql_request(
        _parse_json(await _body(request, max_body_bytes, timeout_s), "The body"), allows_mutation=True
    )


def _require_preflight(request: Request) -> None:
    """Refuse a request that a page of another site could send without a preflight."""
    if _media_type(request) not in _SIMPLE_TYPES or any(
        request.headers.get(name) for name in _PREFLIGHT_FORCING_HEADERS
    ):
        return
    message = (
        f"Send the header {PREFLIGHT_HEADERS[0]} (any value) with a GET request; {PREFLIGHT_HEADERS[1]} and "
        f"{PREFLIGHT_HEADERS[2]} serve as well. It proves that no page of another site made the browser send this."
    )
    raise RequestRefused(403, "PREFLIGHT_REQUIRED", message)


def _require_json(request: Request) -> None:
    if _media_type(request) != "application/json" or _charset(request) != "utf-8":
        message = "Send the operation as JSON in UTF-8, with Content-Type: application/json."
        raise RequestRefused(415, "UNSUPPORTED_MEDIA_TYPE", message)
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        message = "Send the body uncompressed: Content-Encoding is not supported."
        raise RequestRefused(415, "UNSUPPORTED_MEDIA_TYPE", message, {"Accept-Encoding": "identity"})


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _charset(request: Request) -> str:
    for parameter in request.headers.get("content-type", "").split(";")[1:]:
        name, _, value = parameter.strip().partition("=")
        if name.lower() == "charset":
            return value.strip('"').lower().replace("utf8", "utf-8")
    return "utf-8"


async def _body(request: Request, limit: int, timeout_s: float) -> bytes:
    """Read a body, and count its bytes as they arrive, with or without a Content-Length."""
    content_length = request.headers.get("content-length", "")
    if content_length.isdecimal() and int(content_length) > limit:
        raise _too_large(limit)
    limited = Request(request.scope, _limit_body(request.receive, limit))
    try:
        async with asyncio.timeout(timeout_s):
            return await limited.body()
    except TimeoutError:
        message = f"The body did not arrive within {timeout_s:g} s. Send it faster, or in smaller pieces."
        raise RequestRefused(408, "BODY_TOO_SLOW", message, {"Connection": "close"}) from None


def _limit_body(receive: Receive, limit: int) -> Receive:
    received = 0

    async def receive_limited() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > limit:
            raise _too_large(limit)
        return message

    return receive_limited


def _too_large(limit: int) -> RequestRefused:
    message = f"The body is larger than {limit // 1024} KB. Send it in smaller pieces."
    # The rest of the body is not read, so this connection cannot carry another request.
    return RequestRefused(413, "BODY_TOO_LARGE", message, {"Connection": "close"})


def _from_url(request: Request) -> dict[str, Any]:
    parameters = [(name, value) for name, value in request.query_params.multi_items() if name in _PARAMETERS]
    repeated = next((name for name, count in Counter(name for name, _ in parameters).items() if count > 1), None)
    if repeated is not None:
        raise bad_request(f"The address has the parameter {repeated} more than once.")
    data: dict[str, Any] = dict(parameters)
    for name in ("variables", "extensions"):
        if data.get(name):
            data[name] = _parse_json(data[name], f"The parameter {name}")
        else:
            data.pop(name, None)
    return data


def _parse_json(text: str | bytes, subject: str) -> Any:
    try:
        return orjson.loads(text)
    except json.JSONDecodeError as error:
        raise bad_request(f"{subject} is not JSON (line {error.lineno}, column {error.colno}).") from None
