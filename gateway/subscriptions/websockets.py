"""Subscriptions over WebSockets: the protocol graphql-transport-ws.

Strawberry's implementation is not used: it runs queries and mutations without the limits, shows internal errors to
clients, and keeps one context for the life of a socket.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import ExitStack, aclosing
from dataclasses import dataclass
from typing import Any, NoReturn

import orjson
import structlog
from graphql import OperationType
from starlette.requests import HTTPConnection
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from gateway.admission import Admission
from gateway.callers.authentication import Authentication
from gateway.callers.clock import Clock
from gateway.callers.session_ids import HEADER as SESSION_HEADER
from gateway.documents.document import DocumentRefused
from gateway.documents.graphql_request import GraphQLRequest, parse_graphql_request
from gateway.errors import IssuerUnavailable, RequestRefused
from gateway.json_responses import error_entry
from gateway.load_shedding import LoadShedder, priority_of
from gateway.masking import error_for_client
from gateway.subscriptions.allowed_origins import AllowedOrigins
from gateway.subscriptions.execution import ResponsePayload, begin_subscription
from gateway.subscriptions.stream_limits import StreamLimits, TooManyStreams

PROTOCOL = "graphql-transport-ws"

INIT_TIMEOUT_S = 10.0
"""Seconds within which a client must authenticate."""

MAX_SUBSCRIPTIONS = 10
"""Maximum number of subscriptions on one socket."""

MAX_ID = 100
"""Characters of the longest subscription id."""

MAX_REASON_BYTES = 120
"""Bytes of the longest close reason; a close frame has room for 123."""

_PAYLOAD_HEADERS = ("authorization", "x-session-id")
"""Headers that a browser's WebSocket cannot send. The first message may contain them instead."""

log = structlog.get_logger(__name__)


class ConnectionClosed(Exception):
    """The server closes the connection, with a close code (the protocol's from 4400 on) and a short reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@dataclass(frozen=True, slots=True)
class WebSocketEndpoint:
    """The ASGI application behind WebSockets to `/graphql`."""

    admission: Admission
    shedder: LoadShedder
    stream_limits: StreamLimits
    origins: AllowedOrigins
    idle_s: float  # seconds for which a socket without subscriptions stays open
    clock: Clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        socket = WebSocket(scope, receive, send)
        socket.state.request_id = secrets.token_hex(8)
        if not self.origins.allow(socket):
            await socket.close()  # before it is accepted: the handshake is answered with 403
            return
        started = time.perf_counter()
        with structlog.contextvars.bound_contextvars(request_id=socket.state.request_id):
            connection = _Connection(socket, self)
            code = await self._serve(socket, connection)
            seconds = round(time.perf_counter() - started, 1)
            log.info("websocket", path=scope["path"][:200], code=code, s=seconds, results=connection.results)

    async def _serve(self, socket: WebSocket, connection: "_Connection") -> int:
        """Serve a connection, and return its close code."""
        is_offered = PROTOCOL in socket.scope["subprotocols"]
        await socket.accept(PROTOCOL if is_offered else None)
        if not is_offered:
            await socket.close(4406, "Subprotocol not acceptable: offer graphql-transport-ws")
            return 4406
        try:
            address = self.admission.authenticator.client_address(socket)
            with self.stream_limits.for_address(str(address)):
                await connection.serve()
        except WebSocketDisconnect as disconnect:
            return disconnect.code
        except (ConnectionClosed, TooManyStreams) as error:
            code, reason = (error.code, error.reason) if isinstance(error, ConnectionClosed) else (1013, error.message)
            await socket.close(code, reason.encode()[:MAX_REASON_BYTES].decode(errors="ignore"))
            return code
        finally:
            await connection.end()


class _Connection:
    """The state of one connection."""

    def __init__(self, socket: WebSocket, endpoint: WebSocketEndpoint) -> None:
        self._socket = socket
        self._endpoint = endpoint
        self._authentication: Authentication | None = None
        self._authenticated = asyncio.Event()
        self._subscriptions: dict[str, asyncio.Task[None]] = {}
        self._stack = ExitStack()
        self._idle_since = time.monotonic()
        self.results = 0

    async def serve(self) -> NoReturn:
        """Serve until one side ends the connection. Raises `ConnectionClosed` or `WebSocketDisconnect`."""
        tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._close_with_token())]
        try:
            await asyncio.gather(*tasks)  # raises the first exception of a task
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        raise RuntimeError("neither task returns")  # for the type checker

    async def _listen(self) -> NoReturn:
        while True:
            await self._handle(await self._next_message())

    async def _close_with_token(self) -> NoReturn:
        await self._authenticated.wait()
        assert self._authentication is not None  # noqa: S101 (for the type checker)
        await self._endpoint.clock.sleep_until(self._authentication.expires_at)
        raise ConnectionClosed(4403, "Forbidden: the token has expired")

    async def end(self) -> None:
        """Cancel all subscriptions."""
        for task in self._subscriptions.values():
            task.cancel()
        await asyncio.gather(*self._subscriptions.values(), return_exceptions=True)
        self._stack.close()

    async def _next_message(self) -> Mapping[str, Any]:
        while True:
            try:
                async with asyncio.timeout(self._timeout_s()):
                    message = await self._socket.receive()
            except TimeoutError:
                continue  # `_timeout_s` closes the connection if its time is over
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(message.get("code", 1005))
            return _parse_message(message)

    def _timeout_s(self) -> float:
        """Return the seconds to wait for a message. Raises `ConnectionClosed` if they are over."""
        now = time.monotonic()
        if self._authentication is None:
            left_s = INIT_TIMEOUT_S - (now - self._idle_since)
            if left_s <= 0:
                raise ConnectionClosed(4408, "Connection initialisation timeout")
            return left_s
        if self._subscriptions:
            return self._endpoint.idle_s
        left_s = self._endpoint.idle_s - (now - self._idle_since)
        if left_s <= 0:
            raise ConnectionClosed(1000, "No subscription")
        return left_s

    async def _handle(self, message: Mapping[str, Any]) -> None:
        match message.get("type"):
            case "connection_init":
                await self._authenticate(message.get("payload"))
            case "ping":
                await self._send({"type": "pong"})
            case "pong":
                pass
            case "subscribe":
                await self._subscribe(message)
            case "complete":
                running = self._subscriptions.get(_subscription_id(message))
                if running is not None:
                    running.cancel()
            case _:
                raise ConnectionClosed(4400, "Invalid message: unknown type")

    async def _authenticate(self, payload: Any) -> None:
        if self._authentication is not None:
            raise ConnectionClosed(4429, "Too many initialisation requests")
        if not isinstance(payload, dict | None):
            raise ConnectionClosed(4400, "Invalid message: payload must be an object")
        try:
            handshake = _with_headers(self._socket, payload or {})
            self._authentication = await self._endpoint.admission.authenticate(handshake)
            self._authenticated.set()
            self._stack.enter_context(self._endpoint.stream_limits.for_caller(self._authentication.caller))
        except TooManyStreams as error:
            raise ConnectionClosed(4429, error.message) from None
        except IssuerUnavailable as error:
            raise ConnectionClosed(1013, error.message) from None
        except RequestRefused as refusal:
            raise ConnectionClosed(4403, f"Forbidden: {refusal.message}") from None
        session_id = self._authentication.session_id_to_send
        await self._send({"type": "connection_ack"} | ({"payload": {SESSION_HEADER: session_id}} if session_id else {}))

    async def _subscribe(self, message: Mapping[str, Any]) -> None:
        if self._authentication is None:
            raise ConnectionClosed(4401, "Unauthorized")
        id_ = _subscription_id(message)
        if id_ in self._subscriptions:
            raise ConnectionClosed(4409, f"Subscriber for {id_} already exists")
        if len(self._subscriptions) >= MAX_SUBSCRIPTIONS:
            text = f"A WebSocket can have {MAX_SUBSCRIPTIONS} subscriptions at once. Complete one first."
            await self._send_errors(id_, [error_entry("TOO_MANY_STREAMS", text)])
            return
        task = asyncio.create_task(self._run(id_, message.get("payload"), self._authentication))
        self._subscriptions[id_] = task
        task.add_done_callback(lambda _: self._remove_subscription(id_))

    def _remove_subscription(self, id_: str) -> None:
        self._subscriptions.pop(id_, None)
        self._idle_since = time.monotonic()

    async def _run(self, id_: str, payload: Any, authentication: Authentication) -> None:
        try:
            results = await self._start(authentication, parse_graphql_request(payload, allows_mutation=False))
        except RequestRefused as refusal:
            await self._send_errors(id_, [error_entry(refusal.code, refusal.message, **refusal.extensions)])
            return
        except DocumentRefused as refusal:
            request_id = self._socket.state.request_id
            await self._send_errors(
                id_, [error_for_client(error, request_id, refusal.default_code) for error in refusal.errors]
            )
            return
        async with aclosing(results):
            async for result in results:
                self.results += 1
                await self._send({"type": "next", "id": id_, "payload": result})
        await self._send({"type": "complete", "id": id_})

    async def _start(
        self, authentication: Authentication, parameters: GraphQLRequest
    ) -> AsyncGenerator[ResponsePayload, None]:
        admitted = await self._endpoint.admission.admit(self._socket, authentication, parameters)
        if admitted.kind is not OperationType.SUBSCRIPTION:
            message = f"A WebSocket accepts only subscriptions. Send a {admitted.kind.value} over HTTP."
            raise RequestRefused(400, "BAD_REQUEST", message)
        async with self._endpoint.shedder.turn(priority_of(authentication, admitted.kind, admitted.points)):
            return await begin_subscription(self._socket, authentication, admitted.prepared)

    async def _send_errors(self, id_: str, errors: list[dict[str, Any]]) -> None:
        await self._send({"type": "error", "id": id_, "payload": errors})

    async def _send(self, message: Mapping[str, Any]) -> None:
        await self._socket.send_text(orjson.dumps(message).decode())


def _parse_message(message: Mapping[str, Any]) -> Mapping[str, Any]:
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


def _subscription_id(message: Mapping[str, Any]) -> str:
    id_ = message.get("id")
    if not isinstance(id_, str) or not 1 <= len(id_) <= MAX_ID:
        raise ConnectionClosed(4400, f"Invalid message: id must be text of 1 to {MAX_ID} characters")
    return id_


def _with_headers(socket: WebSocket, payload: Mapping[str, Any]) -> HTTPConnection:
    """Return the handshake with headers from the payload of the first message, whose names are case-insensitive."""
    headers = [(name.lower(), value) for name, value in payload.items() if name.lower() in _PAYLOAD_HEADERS]
    if not all(isinstance(value, str) for _, value in headers):
        raise ConnectionClosed(4400, "Invalid message: Authorization and X-Session-Id must be text")
    replaced = {name.encode() for name, _ in headers}
    other_headers = [(name, value) for name, value in socket.scope["headers"] if name not in replaced]
    payload_headers = [(name.encode(), value.encode("latin-1", "replace")) for name, value in headers]
    return HTTPConnection({**socket.scope, "headers": [*other_headers, *payload_headers]})
