"""Subscriptions over a WebSocket, as the protocol graphql-transport-ws has it.

Our own, for Strawberry's would run queries and mutations past the limits, show errors unmasked, and keep one context
for as long as a socket lives: two hundred lines are less than what would have to be bent.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import ExitStack, aclosing
from typing import Any, NoReturn, Protocol

import orjson
import structlog
from graphql import OperationType
from starlette.requests import HTTPConnection
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from gateway.callers.authentication import Authentication
from gateway.callers.clock import Clock
from gateway.callers.session_ids import HEADER as SESSION_HEADER
from gateway.documents.document import DocumentRefused
from gateway.endpoint import AdmittedOperation
from gateway.errors import IssuerAway, RequestRefused
from gateway.graphql_http.request_parsing import GraphQLRequest, parse_graphql_request
from gateway.json_responses import error_entry
from gateway.masking import error_for_client
from gateway.subscriptions.allowed_origins import AllowedOrigins
from gateway.subscriptions.execution import ResponsePayload, SubscriptionExecutor
from gateway.subscriptions.stream_limits import StreamLimits, TooManyStreams

PROTOCOL = "graphql-transport-ws"

INIT_WITHIN_S = 10.0
"""How long a client may take to say who it is."""

MOST_AT_ONCE = 10
"""Subscriptions on one socket."""

LONGEST_ID = 100

LONGEST_REASON = 120
"""Bytes of a close frame's reason: a frame has room for 123."""

_FROM_PAYLOAD = ("authorization", "x-session-id")
"""Headers that a browser's WebSocket cannot send, and that the first message may hold in their place."""

log = structlog.get_logger(__name__)


class Admission(Protocol):
    """The way in that every operation takes (`gateway.endpoint.Endpoint`)."""

    async def authenticate(self, request: HTTPConnection) -> Authentication:
        """Tell who asks; raises `RequestRefused`."""

    async def admit(
        self, request: HTTPConnection, authentication: Authentication, asked: GraphQLRequest
    ) -> AdmittedOperation:
        """Let an operation in; raises `RequestRefused` or `DocumentRefused`."""


class ConnectionClosed(Exception):
    """The server ends the conversation.

    Parameters
    ----------
    code
        The close code; those of the protocol from 4400 on.
    reason
        For a person, in a few words.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class WebSocketEndpoint:
    """The ASGI application behind WebSockets to `/graphql`.

    Parameters
    ----------
    gate
        Who tells who is asking, and lets a document in.
    client_address
        Who tells where a connection comes from.
    subscriptions
        Who begins what is asked for.
    seats
        How many may be open.
    origins
        Whose pages may open one.
    idle_s
        How long one may be open without a subscription.
    clock
        Says when a token ends.
    """

    def __init__(
        self,
        gate: Admission,
        client_address: Callable[[HTTPConnection], object],
        subscriptions: SubscriptionExecutor,
        seats: StreamLimits,
        origins: AllowedOrigins,
        idle_s: float,
        clock: Clock,
    ) -> None:
        self._gate = gate
        self._address_of = client_address
        self._subscriptions = subscriptions
        self._seats = seats
        self._origins = origins
        self._idle_s = idle_s
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hold one conversation, from the handshake to the end."""
        socket = WebSocket(scope, receive, send)
        socket.state.request_id = secrets.token_hex(8)
        if not self._origins.allow(socket):
            await socket.close()  # before it is accepted: the handshake is answered with 403
            return
        started = time.perf_counter()
        with structlog.contextvars.bound_contextvars(request_id=socket.state.request_id):
            conversation = _Conversation(
                socket, self._gate, self._subscriptions, self._seats, self._idle_s, self._clock
            )
            code = await self._hold(socket, conversation)
            seconds = round(time.perf_counter() - started, 1)
            log.info("socket", path=scope["path"][:200], code=code, s=seconds, told=conversation.told)

    async def _hold(self, socket: WebSocket, conversation: "_Conversation") -> int:
        """Hold a conversation; gives the code that it was closed with."""
        offered = PROTOCOL in socket.scope["subprotocols"]
        await socket.accept(PROTOCOL if offered else None)
        if not offered:
            await socket.close(4406, "Subprotocol not acceptable: offer graphql-transport-ws")
            return 4406
        try:
            with self._seats.for_address(str(self._address_of(socket))):
                await conversation.hold()
        except WebSocketDisconnect as gone:
            return gone.code
        except (ConnectionClosed, TooManyStreams) as ended:
            code, reason = (ended.code, ended.reason) if isinstance(ended, ConnectionClosed) else (1013, ended.message)
            await socket.close(code, reason.encode()[:LONGEST_REASON].decode(errors="ignore"))
            return code
        finally:
            await conversation.end()


class _Conversation:
    """What is said on one socket."""

    def __init__(
        self,
        socket: WebSocket,
        gate: Admission,
        subscriptions: SubscriptionExecutor,
        seats: StreamLimits,
        idle_s: float,
        clock: Clock,
    ) -> None:
        self._socket = socket
        self._gate = gate
        self._subscriptions = subscriptions
        self._seats = seats
        self._idle_s = idle_s
        self._clock = clock
        self._visitor: Authentication | None = None
        self._recognized = asyncio.Event()
        self._running: dict[str, asyncio.Task[None]] = {}
        self._stack = ExitStack()
        self._quiet_since = time.monotonic()
        self.told = 0

    async def hold(self) -> NoReturn:
        """Listen until somebody ends it; raises `ConnectionClosed` if that is us, `WebSocketDisconnect` if not."""
        tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._token_ends())]
        try:
            await asyncio.gather(*tasks)  # raises as the first of them does
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        raise RuntimeError("neither task returns")  # for the type checker

    async def _listen(self) -> NoReturn:
        while True:
            await self._answer(await self._heard())

    async def _token_ends(self) -> NoReturn:
        await self._recognized.wait()
        assert self._visitor is not None  # noqa: S101 (for the type checker)
        await self._clock.until(self._visitor.expires_at)
        raise ConnectionClosed(4403, "Forbidden: the token has expired")

    async def end(self) -> None:
        """Stop everything that runs."""
        for task in self._running.values():
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)
        self._stack.close()

    async def _heard(self) -> Mapping[str, Any]:
        while True:
            try:
                async with asyncio.timeout(self._patience_s()):
                    message = await self._socket.receive()
            except TimeoutError:
                continue  # `_patience_s` says what is to be done
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(message.get("code", 1005))
            return _parsed(message)

    def _patience_s(self) -> float:
        """Give how long to listen before looking around; raises `ConnectionClosed` if it has been long enough."""
        present = time.monotonic()
        if self._visitor is None:
            left = INIT_WITHIN_S - (present - self._quiet_since)
            if left <= 0:
                raise ConnectionClosed(4408, "Connection initialisation timeout")
            return left
        if self._running:
            return self._idle_s
        left = self._idle_s - (present - self._quiet_since)
        if left <= 0:
            raise ConnectionClosed(1000, "Nothing was subscribed to")
        return left

    async def _answer(self, message: Mapping[str, Any]) -> None:
        match message.get("type"):
            case "connection_init":
                await self._begin(message.get("payload"))
            case "ping":
                await self._say({"type": "pong"})
            case "pong":
                pass
            case "subscribe":
                await self._subscribe(message)
            case "complete":
                running = self._running.get(_id(message))
                if running is not None:
                    running.cancel()
            case _:
                raise ConnectionClosed(4400, "Invalid message: unknown type")

    async def _begin(self, payload: Any) -> None:
        if self._visitor is not None:
            raise ConnectionClosed(4429, "Too many initialisation requests")
        if not isinstance(payload, dict | None):
            raise ConnectionClosed(4400, "Invalid message: payload must be an object")
        try:
            self._visitor = await self._gate.authenticate(_as_if_sent(self._socket, payload or {}))
            self._recognized.set()
            self._stack.enter_context(self._seats.for_caller(self._visitor.caller))
        except TooManyStreams as full:
            raise ConnectionClosed(4429, full.message) from None
        except IssuerAway as away:
            raise ConnectionClosed(1013, away.message) from None
        except RequestRefused as refused:
            raise ConnectionClosed(4403, f"Forbidden: {refused.message}") from None
        session = self._visitor.session_id_to_send
        await self._say({"type": "connection_ack", **({"payload": {SESSION_HEADER: session}} if session else {})})

    async def _subscribe(self, message: Mapping[str, Any]) -> None:
        if self._visitor is None:
            raise ConnectionClosed(4401, "Unauthorized")
        id_ = _id(message)
        if id_ in self._running:
            raise ConnectionClosed(4409, f"Subscriber for {id_} already exists")
        if len(self._running) >= MOST_AT_ONCE:
            full = f"A socket carries {MOST_AT_ONCE} subscriptions at once. Complete one first."
            await self._say({"type": "error", "id": id_, "payload": [error_entry("TOO_MANY_STREAMS", full)]})
            return
        task = asyncio.create_task(self._run(id_, message.get("payload"), self._visitor))
        self._running[id_] = task
        task.add_done_callback(lambda _: self._ended(id_))

    def _ended(self, id_: str) -> None:
        self._running.pop(id_, None)
        self._quiet_since = time.monotonic()

    async def _run(self, id_: str, payload: Any, authentication: Authentication) -> None:
        try:
            results = await self._begun(authentication, parse_graphql_request(payload, allows_mutation=False))
        except RequestRefused as refused:
            errors = [error_entry(refused.code, refused.message, **refused.extensions)]
            await self._say({"type": "error", "id": id_, "payload": errors})
            return
        except DocumentRefused as refused:
            request_id = self._socket.state.request_id
            errors = [error_for_client(error, request_id, refused.found_while) for error in refused.errors]
            await self._say({"type": "error", "id": id_, "payload": errors})
            return
        async with aclosing(results):
            async for result in results:
                self.told += 1
                await self._say({"type": "next", "id": id_, "payload": result})
        await self._say({"type": "complete", "id": id_})

    async def _begun(
        self, authentication: Authentication, asked: GraphQLRequest
    ) -> AsyncGenerator[ResponsePayload, None]:
        admitted = await self._gate.admit(self._socket, authentication, asked)
        if admitted.kind is not OperationType.SUBSCRIPTION:
            message = f"A socket carries subscriptions only. Send a {admitted.kind.value} over HTTP."
            raise RequestRefused(400, "BAD_REQUEST", message)
        return await self._subscriptions.begin(self._socket, authentication, admitted.prepared)

    async def _say(self, message: Mapping[str, Any]) -> None:
        await self._socket.send_text(orjson.dumps(message).decode())


def _parsed(message: Mapping[str, Any]) -> Mapping[str, Any]:
    text = message.get("text")
    if text is None:
        raise ConnectionClosed(4400, "Invalid message: send text")
    try:
        parsed = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise ConnectionClosed(4400, "Invalid message: it is not JSON") from None
    if not isinstance(parsed, dict):
        raise ConnectionClosed(4400, "Invalid message: it must be an object")
    return parsed


def _id(message: Mapping[str, Any]) -> str:
    id_ = message.get("id")
    if not isinstance(id_, str) or not 1 <= len(id_) <= LONGEST_ID:
        raise ConnectionClosed(4400, f"Invalid message: id must be text of 1 to {LONGEST_ID} characters")
    return id_


def _as_if_sent(socket: WebSocket, payload: Mapping[str, Any]) -> HTTPConnection:
    """Give the handshake with what the first message says in the place of headers; their case does not matter."""
    said = [(name.lower(), value) for name, value in payload.items() if name.lower() in _FROM_PAYLOAD]
    if not all(isinstance(value, str) for _, value in said):
        raise ConnectionClosed(4400, "Invalid message: Authorization and X-Session-Id must be text")
    replaced = {name.encode() for name, _ in said}
    kept = [(name, value) for name, value in socket.scope["headers"] if name not in replaced]
    added = [(name.encode(), value.encode("latin-1", "replace")) for name, value in said]
    return HTTPConnection({**socket.scope, "headers": [*kept, *added]})
