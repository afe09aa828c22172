"""From an HTTP request to what it asks for. Whatever is not shaped as GraphQL over HTTP says is one clear 4xx."""

import asyncio
import json
from collections import Counter
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.requests import Request
from starlette.types import Message, Receive

from gateway.errors import RequestRefused

METHODS = "GET, HEAD, POST, OPTIONS"
READING = frozenset({"GET", "HEAD"})
"""Methods that carry a query in the address, and may carry nothing that changes anything."""

PREFLIGHT_HEADERS = ("X-Explore-Request", "Apollo-Require-Preflight", "X-Apollo-Operation-Name")
"""Headers that exist only to be there: no page of another site can send one unless a preflight allows it."""

_FORCING = (*PREFLIGHT_HEADERS, "Authorization", "X-Session-Id")
"""The above, and those of ours that a browser does not send across sites by itself either."""

_SIMPLE_TYPES = frozenset({"", "application/x-www-form-urlencoded", "multipart/form-data", "text/plain"})
"""Content types that a form can send: no preflight asks for them."""

_PARAMETERS = frozenset({"query", "operationName", "variables", "extensions", "documentId"})


@dataclass(frozen=True, slots=True)
class GraphQLRequest:
    """What a request asks for, before anybody has looked at the document.

    Attributes
    ----------
    query
        The document's text; None if it is named by `document_id` or by the extension `persistedQuery`.
    operation_name
        Which operation of the document to run.
    variables, extensions
        As sent; their shape beyond "a JSON object" is not checked here.
    document_id
        Names a document that the gateway is to know already.
    allows_mutation
        Whether the request may carry a mutation: it came by POST.
    """

    query: str | None = None
    operation_name: str | None = None
    variables: dict[str, Any] | None = None
    extensions: dict[str, Any] | None = None
    document_id: str | None = None
    allows_mutation: bool = True


async def read_request(request: Request, max_body: int, within_s: float) -> GraphQLRequest:
    """Read what a request asks for.

    Parameters
    ----------
    request
        GET, HEAD or POST.
    max_body
        Bytes that its body may have.
    within_s
        Seconds that its body may take to arrive.

    Raises
    ------
    RequestRefused
        400 if it cannot be read, 403 if it could be forged by a page of another site, 405 for another method, 408 if
        the body is too slow, 413 if it is too large, 415 if it is not JSON.
    """
    if request.method in READING:
        _require_preflight(request)
        return parse_graphql_request(_from_address(request), allows_mutation=False)
    if request.method != "POST":
        raise RequestRefused(405, "METHOD_NOT_ALLOWED", "Use POST, or GET for queries.", {"Allow": METHODS})
    _require_json(request)
    return parse_graphql_request(_parsed(await _body(request, max_body, within_s), "The body"), allows_mutation=True)


def _require_preflight(request: Request) -> None:
    """Refuse what a page of another site could make a browser send without asking us first."""
    content_type = _media_type(request)
    if content_type not in _SIMPLE_TYPES or any(request.headers.get(name) for name in _FORCING):
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
        message = "Send the body uncompressed: Content-Encoding is not taken."
        raise RequestRefused(415, "UNSUPPORTED_MEDIA_TYPE", message, {"Accept-Encoding": "identity"})


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _charset(request: Request) -> str:
    for parameter in request.headers.get("content-type", "").split(";")[1:]:
        name, _, value = parameter.strip().partition("=")
        if name.lower() == "charset":
            return value.strip('"').lower().replace("utf8", "utf-8")
    return "utf-8"


async def _body(request: Request, limit: int, within_s: float) -> bytes:
    """Read a body and count it as it arrives, whether or not its length was announced."""
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > limit:
        raise _too_large(limit)
    counted = Request(request.scope, _limited(request.receive, limit))
    try:
        async with asyncio.timeout(within_s):
            return await counted.body()
    except TimeoutError:
        message = f"The body did not arrive within {within_s:g} s. Send it faster, or in smaller pieces."
        raise RequestRefused(408, "BODY_TOO_SLOW", message, {"Connection": "close"}) from None


def _limited(receive: Receive, limit: int) -> Receive:
    received = 0

    async def counted() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > limit:
            raise _too_large(limit)
        return message

    return counted


def _too_large(limit: int) -> RequestRefused:
    message = f"The body is larger than {limit // 1024} KB. Send it in smaller pieces."
    # What is left of the body is not read, so this connection cannot carry another request.
    return RequestRefused(413, "BODY_TOO_LARGE", message, {"Connection": "close"})


def _bad_request(message: str) -> RequestRefused:
    return RequestRefused(400, "BAD_REQUEST", message)


def _from_address(request: Request) -> dict[str, Any]:
    given = [(name, value) for name, value in request.query_params.multi_items() if name in _PARAMETERS]
    twice = next((name for name, times in Counter(name for name, _ in given).items() if times > 1), None)
    if twice is not None:
        raise _bad_request(f"The address has the parameter {twice} more than once.")
    data: dict[str, Any] = dict(given)
    for name in ("variables", "extensions"):
        if data.get(name):
            data[name] = _parsed(data[name], f"The parameter {name}")
        else:
            data.pop(name, None)
    return data


def _parsed(text: str | bytes, what: str) -> Any:
    try:
        return orjson.loads(text)
    except json.JSONDecodeError as error:
        raise _bad_request(f"{what} is not JSON (line {error.lineno}, column {error.colno}).") from None


def parse_graphql_request(data: Any, *, allows_mutation: bool) -> GraphQLRequest:
    """Read what is asked for out of JSON. Raises `RequestRefused` (400) where it has another shape."""
    if isinstance(data, list):
        raise _bad_request("The body is a JSON array. Operations are taken one at a time: send an object.")
    if not isinstance(data, dict):
        raise _bad_request('The body must be a JSON object with a query, as in {"query": "{ __typename }"}.')
    for field in ("query", "operationName", "documentId"):
        if not isinstance(data.get(field), str | None):
            raise _bad_request(f"The {field} must be a string or null.")
    for field in ("variables", "extensions"):
        if not isinstance(data.get(field), dict | None):
            raise _bad_request(f"The {field} must be a JSON object or null.")
    query, document_id = (data.get("query") or "").strip(), data.get("documentId")
    return GraphQLRequest(
        query=data["query"] if query else None,
        operation_name=data.get("operationName") or None,
        variables=data.get("variables"),
        extensions=data.get("extensions"),
        document_id=document_id or None,
        allows_mutation=allows_mutation,
    )
