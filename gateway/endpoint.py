"""GraphQL over HTTP: reads a request, runs it on the graph as whoever asks, and answers."""

from collections.abc import Callable
from typing import Any

import strawberry
from graphql import ExecutionResult, OperationDefinitionNode, OperationType, execute
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from strawberry.execution import optimized_is_awaitable

from gateway.documents.document import Document, DocumentRefused
from gateway.documents.documents import Documents
from gateway.documents.naming import Naming
from gateway.errors import RequestRefused
from gateway.graphql_http.answer import answer_refusal, answer_request_errors, answer_result
from gateway.graphql_http.media import JSON, negotiated
from gateway.graphql_http.request import METHODS, GraphQLRequest, read_request
from gateway.sessions import HEADER as SESSION_HEADER
from gateway.visitors import Visitor, Visitors
from resolvers.context import Asker

LONGEST_NAME = 100
"""Characters of an operation's name that are written into the log."""

OpenContext = Callable[[Request, Asker], Any]


class Endpoint:
    """The ASGI application behind `/graphql`.

    Parameters
    ----------
    graph
        The schema.
    visitors
        Who tells who is asking.
    naming
        Who finds the document that a request names.
    documents
        Who parses and validates.
    open_context
        Makes the context of one request for one asker.
    """

    def __init__(
        self,
        graph: strawberry.Schema,
        visitors: Visitors,
        naming: Naming,
        documents: Documents,
        open_context: OpenContext,
    ) -> None:
        self._graph = graph
        self._visitors = visitors
        self._naming = naming
        self._documents = documents
        self._open_context = open_context

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        request = Request(scope, receive)
        try:
            response = await self._respond(request)
        except ClientDisconnect:
            return  # nobody is left to answer
        if request.method == "HEAD":
            response.body = b""  # its length stays announced
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        if request.method == "OPTIONS":
            return Response(status_code=204, headers={"Allow": METHODS})
        media = JSON
        try:
            media = negotiated(request.headers.get("accept"))
            return await self._answer(request, media)
        except RequestRefused as refused:
            return answer_refusal(refused, media)
        except DocumentRefused as refused:
            return answer_request_errors(refused.errors, media, request.state.request_id, refused.found_while)

    async def _answer(self, request: Request, media: str) -> Response:
        """Go the way of an operation: who asks, what for, which document, may it run; then run it, and answer."""
        visitor = await self._visitors.recognise(request)
        asked = await read_request(request, visitor.max_body)
        named = await self._naming.find(asked, may_run_any=visitor.is_platform)
        document = self._documents.read(named.text)
        operation = document.operation(asked.operation_name)
        request.state.operation = operation.name.value[:LONGEST_NAME] if operation.name else None
        _require_right_method(operation, asked)
        self._documents.validate(document)
        await self._naming.register(named)
        result = await self._run(request, visitor, document, asked)
        response = answer_result(result, media, request.state.request_id)
        if visitor.new_session is not None:
            response.headers[SESSION_HEADER] = visitor.new_session
        return response

    async def _run(
        self, request: Request, visitor: Visitor, document: Document, asked: GraphQLRequest
    ) -> ExecutionResult:
        running = execute(
            self._graph._schema,
            document.node,
            context_value=self._open_context(request, visitor.asker),
            variable_values=asked.variables,
            operation_name=asked.operation_name,
            executor_class=self._graph.execution_context_class,
            hide_suggestions=not self._documents.is_open,
            is_awaitable=optimized_is_awaitable,  # type: ignore[arg-type]  # says bool, where a TypeGuard is meant
            operation_extensions=asked.extensions,
        )
        return running if isinstance(running, ExecutionResult) else await running


def _require_right_method(operation: OperationDefinitionNode, asked: GraphQLRequest) -> None:
    if operation.operation is OperationType.SUBSCRIPTION:
        message = "This address answers queries and mutations; it has no subscriptions."
        raise RequestRefused(400, "BAD_REQUEST", message)
    if operation.operation is OperationType.MUTATION and not asked.may_write:
        raise RequestRefused(405, "METHOD_NOT_ALLOWED", "Send a mutation with POST.", {"Allow": "POST"})
