"""GraphQL over HTTP: reads a request, runs it on the graph as whoever asks, and answers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import strawberry
from graphql import (
    ExecutionResult,
    Executor,
    GraphQLError,
    OperationDefinitionNode,
    OperationType,
    execute_root_selection_set,
)
from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from strawberry.execution import optimized_is_awaitable

from gateway.callers.authentication import Authentication, Authenticator
from gateway.callers.session_ids import HEADER as SESSION_HEADER
from gateway.documents.document import Document, DocumentRefused
from gateway.documents.document_cache import DocumentCache
from gateway.documents.resolution import DocumentResolver
from gateway.errors import RequestRefused, Unauthenticated
from gateway.graphql_http.media_types import EVENTS, JSON, accepts_event_stream, negotiate_media_type
from gateway.graphql_http.public_caching import PublicCaching
from gateway.graphql_http.request_parsing import METHODS, GraphQLRequest, read_request
from gateway.graphql_http.responses import refusal_response, request_error_response, result_response
from gateway.limits.budget import REFUSED_POINTS, REQUEST_POINTS, UNAUTHENTICATED_POINTS, Budgets, OverBudget
from gateway.limits.deadline import within
from gateway.limits.limits import Limits
from gateway.limits.rate_limits import RateLimitStore
from gateway.subscriptions.event_streams import EventStreams
from gateway.telemetry import count_refused_request
from scoring.use_cases.unit_of_work import Caller

MOST_VARIABLE_ERRORS, MOST_OF_MANY = 50, 10
"""Errors that are written out of few variables, and of many. An error quotes the whole value that it is about: 50
of an object with 9,000 unknown fields take 100 ms of CPU, 10 take 25 ms."""

LONGEST_NAME = 100
"""Characters of an operation's name that are written into the log."""


class OperationContext(Protocol):
    """What this file needs to know of `resolvers.common.context.Context`."""

    is_complete: bool
    caller: Caller

    def stop(self) -> None:
        """Let go of what the operation still waits for: its time is over."""


OpenContext = Callable[[HTTPConnection, Caller], OperationContext]


@dataclass(frozen=True, slots=True)
class AdmittedOperation:
    """An operation that may run.

    Attributes
    ----------
    kind
        Query, mutation or subscription.
    cost
        What it cost and what is left, for `extensions`.
    prepared
        Its executor, with the variables coerced and without a context; or the errors of its variables.
    """

    document: Document
    kind: OperationType
    cost: Mapping[str, int]
    prepared: Executor[Any] | list[GraphQLError]


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
    limits, budgets
        What an operation may ask for, and what callers have left.
    caching
        Which answers may be kept by caches.
    open_context
        Makes the context of one request for one asker.
    streams
        Who answers subscriptions; None if there are none.
    """

    def __init__(
        self,
        graph: strawberry.Schema,
        visitors: Authenticator,
        naming: DocumentResolver,
        documents: DocumentCache,
        limits: Limits,
        budgets: Budgets,
        caching: PublicCaching,
        open_context: OpenContext,
        streams: EventStreams | None = None,
    ) -> None:
        self._graph = graph
        self._visitors = visitors
        self._naming = naming
        self._documents = documents
        self._limits = limits
        self._budgets = budgets
        self._caching = caching
        self._open_context = open_context
        self._streams = streams

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
            media = negotiate_media_type(request.headers.get("accept"))
            return await self._answer(request, media)
        except RequestRefused as refused:
            count_refused_request(refused.code)
            return refusal_response(refused, media)
        except DocumentRefused as refused:
            return request_error_response(refused.errors, media, request.state.request_id, refused.found_while)

    async def _answer(self, request: Request, media: str) -> Response:
        """Go the way of an operation: who asks, what for, may they ask for so much; then run it, and answer."""
        authentication = await self.authenticate(request)
        asked = await read_request(
            request, self._limits.max_body(is_privileged=authentication.is_privileged), self._limits.body_timeout_s
        )
        admitted = await self.admit(request, authentication, asked)
        if admitted.kind is OperationType.SUBSCRIPTION:
            return await self._stream(request, authentication, admitted)
        if authentication.is_anonymous and self._caching.is_shared(request, admitted.document):
            return await self._answer_all(request, media, admitted, opted_out=authentication.caller.opted_out)
        context = self._open_context(request, authentication.caller)
        result = await self._run(context, authentication, admitted)
        response = result_response(result, media, request.state.request_id, {"cost": admitted.cost})
        return _with_session(response, self._visitors.session_id_to_send(authentication, context.caller.session_key))

    async def _stream(self, request: Request, authentication: Authentication, admitted: AdmittedOperation) -> Response:
        if self._streams is None:
            raise RequestRefused(400, "BAD_REQUEST", "This gateway has no subscriptions: SUBSCRIPTIONS is off.")
        if request.method == "HEAD":
            raise RequestRefused(405, "METHOD_NOT_ALLOWED", "Send a subscription with GET or POST.", {"Allow": METHODS})
        if not accepts_event_stream(request.headers.get("accept")):
            message = f"Send a subscription over a WebSocket (graphql-transport-ws), or with Accept: {EVENTS}."
            raise RequestRefused(406, "NOT_ACCEPTABLE", message)
        stream = await self._streams.begin(request, authentication, admitted.prepared)
        return _with_session(stream, authentication.session_id_to_send)

    async def _answer_all(
        self, request: Request, media: str, admitted: AdmittedOperation, *, opted_out: bool
    ) -> Response:
        """Answer everybody unknown at once: without a session, and without what is left of somebody's budget."""
        authentication = Authentication(Caller(opted_out=opted_out))
        context = self._open_context(request, authentication.caller)
        result = await self._run(context, authentication, admitted)
        response = result_response(result, media, request.state.request_id)
        is_complete = context.is_complete and not result.errors
        return self._caching.mark(response, request) if is_complete else response

    async def authenticate(self, request: HTTPConnection) -> Authentication:
        """Tell who asks, whichever way they came; a token that is no good costs the address points."""
        try:
            return await self._visitors.authenticate(request)
        except Unauthenticated:
            await self._budgets.charge_address(
                self._visitors.client_address(request), UNAUTHENTICATED_POINTS, _windows(request)
            )
            raise

    async def admit(
        self, request: HTTPConnection, authentication: Authentication, asked: GraphQLRequest
    ) -> AdmittedOperation:
        """Let an operation in that is within the limits and the caller's budget, and that the schema can answer.

        Raises
        ------
        RequestRefused, DocumentRefused
            If it may not be run, whatever its kind and whichever way it came; each says why.
        """
        try:
            named = await self._naming.find(asked, may_run_any=authentication.is_privileged)
            document, operation = self._read(request, asked, named.text)
            coercing = self._limits.measure(document, asked.variables, is_privileged=authentication.is_privileged)
            if coercing:
                await self._budgets.charge(authentication, coercing, _windows(request))
            prepared = self._prepare(document, asked, most_errors=0)
            cost = REQUEST_POINTS + self._price(document, operation, prepared, authentication)
            budget = await self._budgets.charge(authentication, cost, _windows(request))
            self._documents.validate(document)
        except OverBudget:
            raise
        except (RequestRefused, DocumentRefused):
            await self._budgets.charge(authentication, REFUSED_POINTS, _windows(request))
            raise
        await self._naming.register(named)
        if isinstance(prepared, list):
            # It has been paid for: the errors can be written out.
            prepared = self._prepare(document, asked, MOST_OF_MANY if coercing else MOST_VARIABLE_ERRORS)
        left = {} if budget is None else budget.extension
        return AdmittedOperation(document, operation.operation, {**left, "asked": coercing + cost}, prepared)

    def _prepare(
        self, document: Document, asked: GraphQLRequest, most_errors: int
    ) -> Executor[Any] | list[GraphQLError]:
        """Coerce the variables, once for pricing and running; gives their errors if they do not fit."""
        return self._graph.execution_context_class.build(
            self._graph._schema,
            document.node,
            raw_variable_values=asked.variables,
            operation_name=asked.operation_name,
            max_coercion_errors=most_errors,
            is_awaitable=optimized_is_awaitable,  # type: ignore[arg-type]  # says bool, where a TypeGuard is meant
            hide_suggestions=not self._documents.is_open,
            operation_extensions=asked.extensions,
        )

    def _price(
        self,
        document: Document,
        operation: OperationDefinitionNode,
        prepared: Executor[Any] | list[GraphQLError],
        authentication: Authentication,
    ) -> int:
        """Return the points of an operation; one whose variables do not fit will not run."""
        if isinstance(prepared, list):
            return REFUSED_POINTS
        return self._limits.cost(
            document, operation, prepared.variable_values.coerced, is_privileged=authentication.is_privileged
        )

    def _read(
        self, request: HTTPConnection, asked: GraphQLRequest, text: str
    ) -> tuple[Document, OperationDefinitionNode]:
        document = self._documents.read(text)
        operation = document.operation(asked.operation_name)
        request.state.operation = operation.name.value[:LONGEST_NAME] if operation.name else None
        _require_right_method(operation, asked)
        return document, operation

    async def _run(
        self, context: OperationContext, authentication: Authentication, admitted: AdmittedOperation
    ) -> ExecutionResult:
        if isinstance(admitted.prepared, list):
            return ExecutionResult(None, admitted.prepared)
        admitted.prepared.context_value = context
        running = execute_root_selection_set(admitted.prepared)
        if isinstance(running, ExecutionResult):
            return running
        return await within(self._limits.timeout_s(is_privileged=authentication.is_privileged), running, context.stop)


def _with_session(response: Response, session: str | None) -> Response:
    if session is not None:
        response.headers[SESSION_HEADER] = session
    return response


def _windows(request: HTTPConnection) -> RateLimitStore:
    windows: RateLimitStore = request.app.state.runtime.windows
    return windows


def _require_right_method(operation: OperationDefinitionNode, asked: GraphQLRequest) -> None:
    if operation.operation is OperationType.MUTATION and not asked.allows_mutation:
        raise RequestRefused(405, "METHOD_NOT_ALLOWED", "Send a mutation with POST.", {"Allow": "POST"})
