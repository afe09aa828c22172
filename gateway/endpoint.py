"""GraphQL over HTTP: reads a request, runs its operation for the caller, and responds."""

import orjson
from graphql import ExecutionResult, OperationType, execute_root_selection_set
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.admission import Admission, AdmittedOperation
from gateway.callers.authentication import Authentication
from gateway.callers.session_ids import HEADER as SESSION_HEADER
from gateway.documents.document import DocumentRefused
from gateway.documents.graphql_request import GraphQLRequest
from gateway.errors import RequestRefused
from gateway.graphql_http.disconnection import while_connected
from gateway.graphql_http.media_types import EVENTS, JSON, accepts_event_stream, negotiate_media_type
from gateway.graphql_http.public_caching import PublicCaching
from gateway.graphql_http.request_parsing import METHODS, READ_METHODS, read_request
from gateway.graphql_http.responses import refusal_response, request_error_response, result_response
from gateway.graphql_http.shared_answers import SharedAnswer, SharedAnswers
from gateway.limits.limits import run_within
from gateway.load_shedding import CallerClass, LoadShedder, Overloaded, Priority, priority_of
from gateway.subscriptions.event_streams import EventStreams
from gateway.telemetry import count_operation, count_refused_request
from resolvers.common.context import Context
from resolvers.common.field_costs import Sharing
from scoring.use_cases.unit_of_work import Caller


class Endpoint:
    """The ASGI application behind `/graphql`. Without `streams`, subscriptions are refused."""

    def __init__(
        self,
        admission: Admission,
        shedder: LoadShedder,
        caching: PublicCaching,
        streams: EventStreams | None = None,
    ) -> None:
        self._admission = admission
        self._shedder = shedder
        self._caching = caching
        self._streams = streams
        self._shared_answers = SharedAnswers()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        request = Request(scope, receive)
        try:
            response = await self._respond(request)
        except ClientDisconnect:
            return  # there is no client to answer
        if request.method == "HEAD":
            response.body = b""  # Content-Length keeps the length of the body
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        if request.method == "OPTIONS":
            return Response(status_code=204, headers={"Allow": METHODS})
        media = JSON
        try:
            media = negotiate_media_type(request.headers.get("accept"))
            return await self._answer(request, media)
        except RequestRefused as refusal:
            request.state.is_shed = isinstance(refusal, Overloaded)
            count_refused_request(refusal.code)
            return refusal_response(refusal, media)
        except DocumentRefused as refusal:
            return request_error_response(refusal.errors, media, request.state.request_id, refusal.default_code)

    async def _answer(self, request: Request, media: str) -> Response:
        authentication = await self._admission.authenticate(request)
        self._shedder.refuse_early(CallerClass.of(authentication))
        limits = self._admission.limits
        max_body_bytes = limits.max_body_bytes(is_privileged=authentication.is_privileged)
        parameters = await read_request(request, max_body_bytes, limits.body_timeout_s)
        admitted = await self._admission.admit(request, authentication, parameters)
        if admitted.kind is OperationType.SUBSCRIPTION:
            return await self._stream(request, authentication, admitted)
        sharing = self._caching.sharing(request, admitted.document) if authentication.is_anonymous else Sharing.NONE
        if sharing is not Sharing.NONE:
            is_public = sharing is Sharing.PUBLIC and request.method in READ_METHODS
            return await self._answer_shared(request, media, authentication, parameters, admitted, is_public=is_public)
        context = _open_context(request, authentication)
        try:
            running = self._run_in_turn(context, authentication, admitted)
            # A mutation runs to its end: a client that has disconnected must not leave half of its fields executed.
            is_mutation = admitted.kind is OperationType.MUTATION
            result = await (running if is_mutation else while_connected(request.receive, running))
        finally:
            if context.has_changed_catalog:
                self._shared_answers.discard()
        response = result_response(result, media, request.state.request_id, {"cost": admitted.cost})
        session_id = self._admission.authenticator.session_id_to_send(authentication, context.caller.session_key)
        return _with_session(response, session_id)

    async def _stream(self, request: Request, authentication: Authentication, admitted: AdmittedOperation) -> Response:
        if self._streams is None:
            raise RequestRefused(400, "BAD_REQUEST", "This gateway has no subscriptions: SUBSCRIPTIONS is off.")
        if request.method == "HEAD":
            raise RequestRefused(405, "METHOD_NOT_ALLOWED", "Send a subscription with GET or POST.", {"Allow": METHODS})
        if not accepts_event_stream(request.headers.get("accept")):
            message = f"Send a subscription over a WebSocket (graphql-transport-ws), or with Accept: {EVENTS}."
            raise RequestRefused(406, "NOT_ACCEPTABLE", message)
        async with self._shedder.turn(priority_of(authentication, admitted.kind, admitted.points)):
            beginning = self._streams.begin(request, authentication, admitted.prepared)
            stream = await while_connected(request.receive, beginning)
        return _with_session(stream, authentication.session_id_to_send)

    async def _answer_shared(
        self,
        request: Request,
        media: str,
        authentication: Authentication,
        parameters: GraphQLRequest,
        admitted: AdmittedOperation,
        *,
        is_public: bool,
    ) -> Response:
        """Return the answer that all anonymous callers share. If it is public, it has no session id and no budget."""
        opted_out = authentication.caller.opted_out

        async def run(is_shared: bool) -> SharedAnswer:
            shared_caller = Authentication(Caller(opted_out=opted_out))
            context = _open_context(request, shared_caller)
            caller = CallerClass.SHARED if is_shared else CallerClass.ANONYMOUS
            async with self._shedder.turn(Priority(caller, True, admitted.points)):
                result = await self._run(context, shared_caller, admitted)
            if result.errors or not context.is_complete:
                return SharedAnswer(result, None)
            data = orjson.dumps(result.data)
            return SharedAnswer(ExecutionResult(orjson.Fragment(data), None), data)  # type: ignore[arg-type]

        variables = orjson.dumps(parameters.variables, option=orjson.OPT_SORT_KEYS)
        key = (admitted.document.text, parameters.operation_name, variables, opted_out)
        answer = self._shared_answers.recall(key)
        if answer is None:
            answer = await while_connected(request.receive, self._shared_answers.find(key, run))
        if answer.data is not None and is_public:
            return self._caching.response(answer, answer.data, media, request)
        extensions = {} if is_public else {"cost": admitted.cost}
        response = result_response(answer.result, media, request.state.request_id, extensions)
        return _with_session(response, None if is_public else authentication.session_id_to_send)

    async def _run_in_turn(
        self, context: Context, authentication: Authentication, admitted: AdmittedOperation
    ) -> ExecutionResult:
        async with self._shedder.turn(priority_of(authentication, admitted.kind, admitted.points)):
            return await self._run(context, authentication, admitted)

    async def _run(
        self, context: Context, authentication: Authentication, admitted: AdmittedOperation
    ) -> ExecutionResult:
        if isinstance(admitted.prepared, list):
            return ExecutionResult(None, admitted.prepared)
        admitted.prepared.context_value = context
        result = execute_root_selection_set(admitted.prepared)
        if not isinstance(result, ExecutionResult):
            timeout_s = self._admission.limits.timeout_s(is_privileged=authentication.is_privileged)
            result = await run_within(timeout_s, result, context.stop)
        count_operation(is_compiled=not getattr(admitted.prepared, "resolved_fields", 0))
        return result


def _open_context(request: Request, authentication: Authentication) -> Context:
    context: Context = request.app.state.runtime.open_context(caller=authentication.caller)
    return context


def _with_session(response: Response, session_id: str | None) -> Response:
    if session_id is not None:
        response.headers[SESSION_HEADER] = session_id
    return response
