"""HTTP/1 protocol: strict parsing, limits on size and time, and upgrades.

uvicorn on httptools waits without limit for the end of a head and for a client that does not read. It passes trailers
to the application as headers. If an unsupported upgrade has a body, it parses part of the body as the next request.
`graphql_http.request_parsing` limits the size and the time of a body.
"""

import asyncio
from typing import Any, cast

import httptools

from gateway.compat import HttpToolsProtocol, RequestResponseCycle, WebSocketsSansIOProtocol
from gateway.connections.connection_caps import ConnectionCaps, HealthOnly
from gateway.connections.connection_limits import (
    DEFAULT_CONNECTION_LIMITS,
    ConnectionLimits,
    ConnectionRefusal,
    StalledReader,
    check_head,
    head_too_large,
    malformed,
    too_much_framing,
    values,
)
from gateway.telemetry import count_refused_request

_UNREADABLE = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"

_UPGRADE_HEADERS = frozenset({b"upgrade", b"connection", b"proxy-connection", b"http2-settings"})
"""Headers left out of a request whose upgrade is ignored."""


class LimitedWebSocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket protocol with limits. The `LimitedHttpProtocol` before it sets its attributes."""

    reader: StalledReader
    caps: ConnectionCaps
    connection: object

    def connection_lost(self, exc: Exception | None) -> None:
        """End the WebSocket."""
        self.reader.stop()
        self.caps.leave(self.connection)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Process frames. Stop reading while the client does not read, because the server answers each ping."""
        super().data_received(data)
        if not (self.writable.is_set() or self.transport.is_closing()):
            self.transport.pause_reading()

    def pause_writing(self) -> None:
        """Pause for a client that does not read."""
        self.reader.pause()
        super().pause_writing()

    def resume_writing(self) -> None:
        """Continue to write."""
        self.reader.resume()
        super().resume_writing()
        if not (self.read_paused or self.transport.is_closing()):
            self.transport.resume_reading()


class AnswerTransport:
    """The transport of a request: its `close` ends the connection with `LimitedHttpProtocol.end`."""

    def __init__(self, protocol: "LimitedHttpProtocol") -> None:
        self._protocol = protocol
        self.write = protocol.transport.write
        self.is_closing = protocol.transport.is_closing

    def close(self) -> None:
        """End the connection after the answer."""
        self._protocol.end()


class LimitedHttpProtocol(HttpToolsProtocol):
    """uvicorn's HTTP/1 protocol with strict parsing and limits. `caps` counts the connections of the server."""

    def __init__(
        self,
        *arguments: Any,
        caps: ConnectionCaps,
        limits: ConnectionLimits = DEFAULT_CONNECTION_LIMITS,
        **options: Any,
    ) -> None:
        super().__init__(*arguments, **options)
        self.parser = httptools.HttpRequestParser(self)  # without the leniency that uvicorn switches on
        self.access_log = False  # `gateway.request_log` logs requests
        self._caps = caps
        self._limits = limits
        self.timeout_keep_alive = limits.keep_alive_timeout_s  # type: ignore[assignment]  # passed to `call_later`
        self._is_over_cap = False
        self._is_reading = True
        """False after the last request of the connection: further bytes are discarded."""
        self._is_refused = False
        self._is_in_head = False
        self._is_in_body = False
        self._head_bytes = 0
        self._framing_bytes = 0
        self._body_bytes = 0
        self._pieces = 0
        self._refusal: ConnectionRefusal | None = None
        self._running: RequestResponseCycle | None = None
        self._head_timer: asyncio.TimerHandle | None = None
        self._end_timer: asyncio.TimerHandle | None = None
        self._reader: StalledReader
        self._answer_transport: asyncio.Transport

    # The connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count the connection, and wait for the first head."""
        super().connection_made(transport)
        self._reader = StalledReader(self.loop, transport, self._limits)
        self._answer_transport = cast(asyncio.Transport, AnswerTransport(self))
        excess = self._caps.enter(self, self.client[0] if self.client else None, transport.abort)
        if excess is not None:
            self._is_over_cap = True
            self.app = HealthOnly(self.app, excess)
        self._await_head()
        if self._caps.is_draining:  # accepted just before the process stopped
            self.shutdown()

    def connection_lost(self, exc: Exception | None) -> None:
        """Notify every unanswered request: uvicorn notifies only the last one.

        The connection is also lost when the client closes its sending side: that cannot be distinguished from a client
        that has left.
        """
        self._stop_awaiting_head()
        self._reader.stop()
        self._caps.leave(self)
        if self._end_timer is not None:
            self._end_timer.cancel()
        for cycle in [self._running, *(queued for queued, _ in self.pipeline)]:
            if cycle is not None:
                _disconnect(cycle)
        self.pipeline.clear()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """Prepare for the end of the process: answer the next request with `Connection: close`.

        uvicorn closes idle connections at once, and so loses a request that is on its way.
        """
        self._caps.is_draining = True
        self.timeout_keep_alive = self._limits.drain_timeout_s  # type: ignore[assignment]  # passed to `call_later`
        if self.cycle is None or self.cycle.response_complete:
            self._unset_keepalive_if_required()
            if not self._is_in_head:
                self.timeout_keep_alive_task = self.loop.call_later(
                    self.timeout_keep_alive, self.timeout_keep_alive_handler
                )
        elif not self.cycle.response_started:
            self.cycle.keep_alive = False

    def end(self) -> None:
        """Close the connection. While the client may still be sending, wait for at most `linger_timeout_s`."""
        if not (self._is_in_body or self._is_refused):
            self.transport.close()
        elif self._end_timer is None and not self.transport.is_closing():
            self._is_reading = False
            self.flow.resume_reading()
            self.transport.write_eof()
            self._end_timer = self.loop.call_later(self._limits.linger_timeout_s, self.transport.close)

    def on_response_complete(self) -> None:
        """Continue with the next request, unless this was the last answer of the connection."""
        if self._end_timer is None:
            super().on_response_complete()
        else:
            self.server_state.total_requests += 1

    def data_received(self, data: bytes) -> None:
        """Parse received bytes."""
        if not self._is_reading:
            return
        self._unset_keepalive_if_required()
        was_in_body, body_bytes = self._is_in_body, self._body_bytes
        self._parse(data)
        if self._is_reading and self._is_in_head:
            self._head_bytes += len(data)
            if self._head_bytes > self._limits.max_head_bytes:
                self._refuse(head_too_large())
        if self._is_reading and self._is_in_body and was_in_body:
            self._framing_bytes += len(data) - (self._body_bytes - body_bytes)
            if self._framing_bytes > self._limits.max_framing_bytes + self._body_bytes:
                self._refuse(too_much_framing())
        is_idle = self.cycle is None or self.cycle.response_complete
        if self._is_reading and is_idle and self._head_timer is None and not self.transport.is_closing():
            self._await_head()

    def _parse(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._decide_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            if self._is_reading:
                self._refuse(self._refusal or malformed())

    # Callbacks of the parser

    def on_message_begin(self) -> None:
        """Begin a head. Raises `malformed()` to stop the parser after the last request."""
        if not self._is_reading:
            raise malformed()
        super().on_message_begin()
        self._is_in_head, self._head_bytes = True, 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """Add a header. Trailers, which come after a body, are ignored."""
        if not self._is_in_head:
            return
        if len(self.headers) >= self._limits.max_headers:
            raise self._stop(head_too_large())
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Check a head and start its request. `_decide_upgrade` handles a head with an upgrade.

        Raises `ConnectionRefusal` if the head is malformed or too large.
        """
        self._is_in_head = False
        self._stop_awaiting_head()
        self._check_head()
        if self.parser.should_upgrade():
            return
        super().on_headers_complete()
        self.cycle.transport = self._answer_transport
        self._is_in_body = True
        self._framing_bytes = self._body_bytes = self._pieces = 0
        if self._is_over_cap or self.expect_100_continue or self._caps.is_draining:
            # With `Expect: 100-continue`, a client that gets the final answer first may omit the body. The next bytes
            # could then be the body or another request.
            self.cycle.keep_alive = False
        if self.parser.get_http_version() == "1.0":
            self.cycle.waiting_for_100_continue = False

    def on_body(self, body: bytes) -> None:
        """Add a piece of a body. Raises `ConnectionRefusal` if the pieces are too small."""
        self._body_bytes += len(body)
        self._pieces += 1
        if self._pieces > self._limits.max_pieces + self._body_bytes // self._limits.bytes_per_piece:
            raise self._stop(too_much_framing())
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request. Reading stops after the last request of a connection."""
        if self.parser.should_upgrade():
            return
        self._is_in_body = False
        super().on_message_complete()
        self._is_reading = self.cycle.keep_alive

    def _check_head(self) -> None:
        try:
            check_head(self.parser.get_http_version(), self.url, self.headers, self._limits)
        except ConnectionRefusal as refusal:
            raise self._stop(refusal) from None
        if len(self.pipeline) >= self._limits.max_pipelined:
            message = f"{self._limits.max_pipelined} requests of this connection wait for their answers. Send fewer."
            raise self._stop(ConnectionRefusal(429, "TOO_MANY_REQUESTS", message))

    def _stop(self, refusal: ConnectionRefusal) -> ConnectionRefusal:
        """Store a refusal, because httptools raises an error of its own instead."""
        self._refusal = refusal
        return refusal

    # Upgrades

    def _decide_upgrade(self, remainder: bytes) -> None:
        """Hand over a WebSocket, refuse CONNECT, and serve any other request without its upgrade.

        llhttp stops at the end of the head, even if the head announces a body. A request whose upgrade is ignored is
        therefore parsed again without it, and with `Connection: close`: some proxies treat all bytes after an upgrade
        as another protocol. `remainder` holds the bytes after the head.
        """
        method = self.parser.get_method()
        if method == b"CONNECT":
            self._refuse(
                ConnectionRefusal(405, "METHOD_NOT_ALLOWED", "CONNECT is not supported: this server is no proxy.")
            )
        elif not remainder and method == b"GET" and self._is_websocket():
            self.scope["method"] = "GET"
            self.handle_websocket_upgrade()
        else:
            headers = [(name, value) for name, value in self.headers if name not in _UPGRADE_HEADERS]
            lines = [name + b": " + value for name, value in [*headers, (b"connection", b"close")]]
            version = self.parser.get_http_version().encode()
            head = b"\r\n".join([method + b" " + self.url + b" HTTP/" + version, *lines, b"", b""])
            self.parser = httptools.HttpRequestParser(self)
            self._parse(head + remainder)

    def _is_websocket(self) -> bool:
        """Return whether the upgrade is to a WebSocket: no request may be pending, and none may have a body."""
        is_first = self.cycle is None or self.cycle.response_complete
        has_body = values(self.headers, b"transfer-encoding") or values(self.headers, b"content-length") not in (
            [],
            [b"0"],
        )
        is_new = self.parser.get_http_version() == "1.1"
        return self._should_upgrade() and is_first and is_new and not has_body and not self._is_over_cap

    def handle_websocket_upgrade(self) -> None:
        """Hand over the connection, or refuse a malformed handshake."""
        self._is_reading = False
        super().handle_websocket_upgrade()
        websocket = cast(LimitedWebSocketProtocol, self.transport.get_protocol())
        websocket.reader, websocket.caps, websocket.connection = self._reader, self._caps, self
        if not websocket.handshake_initiated:  # the library rejects the head, and uvicorn does not send its answer
            self.transport.write(b"".join(websocket.conn.data_to_send()) or _UNREADABLE)
            self.transport.close()

    # Refusals

    def _refuse(self, refusal: ConnectionRefusal) -> None:
        """Answer a malformed request after all earlier requests, and read no further request."""
        self._is_reading, self._is_refused = False, True
        self._stop_awaiting_head()
        count_refused_request(refusal.code)
        waiting = self._running is not None and not self._running.response_complete
        if self._is_in_body and self.pipeline and self.pipeline[0][0] is self.cycle:
            self.pipeline.popleft()
        elif self._is_in_body:
            if self.cycle.response_started:
                self.end()
                return
            _disconnect(self.cycle)
            waiting = False
        self._is_in_body = False
        self.cycle = cycle = self._refusal_cycle()
        if waiting:
            self.pipeline.appendleft((cycle, refusal.answer))  # type: ignore[arg-type]
        else:
            self._start_asgi_task(cycle, refusal.answer)

    def _refusal_cycle(self) -> RequestResponseCycle:
        return RequestResponseCycle(
            scope={**(self.scope or {"type": "http"}), "method": self.parser.get_method().decode("ascii")},
            transport=self._answer_transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=False,
            on_response=self.on_response_complete,
        )

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    # Time

    def pause_writing(self) -> None:
        """Pause for a client that does not read."""
        self._reader.pause()
        super().pause_writing()

    def resume_writing(self) -> None:
        """Continue to write."""
        self._reader.resume()
        super().resume_writing()

    def _await_head(self) -> None:
        timeout_s = self._limits.over_cap_head_timeout_s if self._is_over_cap else self._limits.head_timeout_s
        self._head_timer = self.loop.call_later(timeout_s, self.transport.abort)

    def _stop_awaiting_head(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


def _disconnect(cycle: RequestResponseCycle) -> None:
    """Notify the application that the client of a request has disconnected."""
    if not cycle.response_complete:
        cycle.disconnected = True
    cycle.message_event.set()
