"""GraphQL over HTTP: reads a request, runs it on the graph as whoever asks, and answers."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from cross_web import AsyncHTTPRequestAdapter, HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, Response
from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.http import GraphQLHTTPResponse, GraphQLRequestData
from strawberry.http.base import BaseRequestProtocol
from strawberry.schema.base import BaseSchema
from strawberry.types import ExecutionResult

from db.models import Role
from gateway.answers import error_answer, refusal
from gateway.auth import Authority
from gateway.errors import RequestRefused, Unauthenticated
from gateway.masking import visible
from gateway.networks import Networks
from gateway.sessions import HEADER as SESSION_HEADER
from gateway.sessions import Sessions
from resolvers.context import Asker

MAX_BODY = 256 * 1024
"""Bytes of a viewer's request body: 500 events are about 114 KB."""

MAX_BODY_OF_SERVICE = 8 * 1024 * 1024
"""Bytes of a request body whose token has the role service or administrator: catalogue writes come in batches."""

_NAME = re.compile(r"[_A-Za-z][_0-9A-Za-z]{0,99}")
_OPERATION = re.compile(r"\b(?:query|mutation|subscription)\s+([_A-Za-z][_0-9A-Za-z]{0,99})")
_CDN = re.compile(r"https://[^/\"'\s]+")

OpenContext = Callable[[Request, Asker], Any]


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who sent a request, and the session id to give back if one was made for them."""

    asker: Asker
    new_session: str | None = None

    @property
    def max_body(self) -> int:
        """Bytes that this visitor's request body may have."""
        return MAX_BODY_OF_SERVICE if self.asker.role in (Role.SERVICE, Role.ADMINISTRATOR) else MAX_BODY


class Endpoint(GraphQL[Any, None]):
    """The ASGI application behind `/graphql`.

    Parameters
    ----------
    schema
        The graph.
    authority, sessions
        Who reads tokens and session ids.
    open_context
        Makes the context of one request for one asker.
    graphiql
        Whether a browser that opens the address gets Strawberry's stock GraphiQL page.
    networks
        Who names the network that a request comes from; None if that shall not count.
    """

    def __init__(
        self,
        schema: BaseSchema,
        authority: Authority,
        sessions: Sessions,
        open_context: OpenContext,
        *,
        graphiql: bool,
        networks: Networks | None = None,
    ) -> None:
        super().__init__(schema, graphql_ide="graphiql" if graphiql else None, subscription_protocols=())
        self._authority = authority
        self._sessions = sessions
        self._networks = networks
        self._open_context = open_context

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        request = Request(scope, receive)
        try:
            response = await self._answer(request, receive)
        except RequestRefused as refused:
            response = refusal(refused)
        except HTTPException as error:
            response = _from_strawberry(error)
        except ClientDisconnect:
            return  # nobody is left to answer
        await response(scope, receive, send)

    async def _answer(self, request: Request, receive: Receive) -> Response:
        if self.should_render_graphql_ide(self.request_adapter_class(request)):
            return await self.render_graphql_ide(request)
        visitor = await self._visitor(request)
        request.state.visitor = visitor
        limited = Request(request.scope, _limited(request, receive, visitor.max_body))
        response: Response = await self.run(limited)
        response.headers["Cache-Control"] = "no-store"
        if visitor.new_session is not None:
            response.headers[SESSION_HEADER] = visitor.new_session
        return response

    async def _visitor(self, request: Request) -> Visitor:
        headers = request.headers.getlist("authorization")
        if len(headers) > 1:
            raise Unauthenticated("Send one Authorization header, not several.")
        claims = await self._authority.read(headers[0] if headers else None)
        session_key = self._sessions.read(request.headers.get(SESSION_HEADER))
        network = self._networks.name(request.client.host) if self._networks and request.client else None
        if claims is not None:
            return Visitor(Asker(claims.user_key, session_key, claims.role, network))
        if session_key is not None:
            return Visitor(Asker(session_key=session_key, network=network))
        session_key, signed = self._sessions.issue()
        return Visitor(Asker(session_key=session_key, network=network), signed)

    async def get_context(self, request: Request | WebSocket, response: Response | WebSocket) -> Any:
        """Make the context of one request."""
        if not isinstance(request, Request):
            raise TypeError("this endpoint speaks HTTP only")
        return self._open_context(request, request.state.visitor.asker)

    def should_render_graphql_ide(self, request: BaseRequestProtocol) -> bool:
        """Say whether a person has opened the address in a browser.

        Stricter than Strawberry, which shows the page to any client that accepts ``*/*`` too.
        """
        asks_something = not request.query_params.keys().isdisjoint({"query", "extensions"})
        is_browser = "text/html" in request.headers.get("accept", "")
        return self.graphql_ide is not None and request.method == "GET" and is_browser and not asks_something

    async def render_graphql_ide(self, request: Request) -> Response:
        """Give the page, under the content policy that its scripts from a CDN need."""
        page = self.graphql_ide_html
        hosts = " ".join(sorted(set(_CDN.findall(page))))
        policy = (
            f"default-src 'none'; script-src 'unsafe-inline' {hosts}; style-src 'unsafe-inline' {hosts}; "
            f"font-src data: {hosts}; img-src data:; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'"
        )
        return HTMLResponse(page, headers={"Content-Security-Policy": policy})

    async def parse_http_body(self, request: AsyncHTTPRequestAdapter) -> GraphQLRequestData:
        """Read the operation out of a request.

        Raises
        ------
        RequestRefused
            If there is none, or it is not shaped as GraphQL over HTTP says.
        """
        if request.method == "GET":
            data = _from_address(request.query_params)
        else:
            content_type = (request.content_type or "").partition(";")[0].strip().lower()
            if content_type != "application/json":
                raise RequestRefused(
                    415, "UNSUPPORTED_MEDIA_TYPE", "Send the operation as JSON, with Content-Type: application/json."
                )
            data = _parsed(await request.get_body(), "The body")
        return _operation(data)

    async def execute_operation(
        self,
        request: Request,
        request_adapter: AsyncHTTPRequestAdapter,
        request_data: GraphQLRequestData | list[GraphQLRequestData],
        *rest: Any,
        **named: Any,
    ) -> Any:
        """Run the operation, and leave its name for the log."""
        if isinstance(request_data, GraphQLRequestData):
            request.state.operation = _operation_name(request_data)
        return await super().execute_operation(request, request_adapter, request_data, *rest, **named)

    async def process_result(self, request: Request, result: ExecutionResult) -> GraphQLHTTPResponse:
        """Shape the answer; of an error only what the client should see."""
        answer: GraphQLHTTPResponse = {"data": result.data}
        if result.errors:
            request_id = getattr(request.state, "request_id", "")
            answer["errors"] = [visible(error, request_id) for error in result.errors]
        if result.extensions:
            answer["extensions"] = result.extensions
        return answer

    def encode_json(self, data: object) -> bytes:
        """Write an answer."""
        return orjson.dumps(data)


def _limited(request: Request, receive: Receive, limit: int) -> Receive:
    """Count a body as it arrives, whether or not its length was announced."""
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > limit:
        raise _too_large(limit)
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


def _from_address(parameters: Mapping[str, Any]) -> dict[str, Any]:
    data = dict(parameters)
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


def _operation(data: Any) -> GraphQLRequestData:
    if isinstance(data, list):
        raise _bad_request("The body is a JSON array. Operations are taken one at a time: send an object.")
    if not isinstance(data, dict):
        raise _bad_request('The body must be a JSON object with a query, as in {"query": "{ __typename }"}.')
    query, name = data.get("query"), data.get("operationName")
    if not isinstance(query, str) or not query.strip():
        raise _bad_request('The request has no query. Send it as a string, as in {"query": "{ __typename }"}.')
    if not isinstance(name, str | None):
        raise _bad_request("The operationName must be a string or null.")
    for field in ("variables", "extensions"):
        if not isinstance(data.get(field), dict | None):
            raise _bad_request(f"The {field} must be a JSON object or null.")
    return GraphQLRequestData(query, data.get("variables"), name or None, data.get("extensions"))


def _operation_name(data: GraphQLRequestData) -> str | None:
    """Give the name for the log: a proper name only, so that nobody can write lines of their own into it."""
    if data.operation_name is not None:
        return data.operation_name if _NAME.fullmatch(data.operation_name) else None
    found = _OPERATION.search((data.query or "")[:1_000])
    return found[1] if found else None


def _from_strawberry(error: HTTPException) -> Response:
    if error.status_code == 405:
        return error_answer(405, "METHOD_NOT_ALLOWED", "Use POST, or GET for queries.", headers={"Allow": "GET, POST"})
    return error_answer(error.status_code, "BAD_REQUEST", f"{error.reason.rstrip('.')}.")
