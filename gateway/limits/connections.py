"""What a connection may keep the server waiting for, and how large the head of a request may be.

uvicorn on httptools waits for ever for the end of a head, keeps all of it, and waits for ever for somebody who does not
read the answer. The time that a body may take is `graphql_http.request`'s.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES = 64 * 1024
"""Address and headers of one request. Proxies and browsers stop at 8 to 32 KB."""

HEAD_WITHIN_S = 10.0
"""From the connection, or from the first byte of a further request, to the end of the head."""

WRITE_WITHIN_S = 30.0
"""How long a client may take none of what waits for it."""

_TOO_LONG = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class HeadTooLong(Exception):
    """Ends the parsing of a head."""


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's protocol with the three bounds above."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._head_bytes = 0
        self._is_in_head = False
        self._is_too_long = False
        self._is_handed_over = False
        self._head_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first head."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._stop_awaiting_head()
        self._stop_awaiting_reader()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Begin to count a head."""
        super().on_message_begin()
        self._is_in_head, self._head_bytes = True, 0

    def data_received(self, data: bytes) -> None:
        """Take in what came; end the connection if its head has no end."""
        super().data_received(data)
        if self._is_in_head:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES and not self.transport.is_closing():
                self._is_too_long = True
                self.send_400_response("")
        is_idle = self.cycle is None or self.cycle.response_complete
        if is_idle and self._head_timer is None and not (self._is_handed_over or self.transport.is_closing()):
            self._await_head()

    def on_headers_complete(self) -> None:
        """Pass a head on that is no longer than it may be.

        Raises
        ------
        HeadTooLong
            If it is: the parser stops, and uvicorn has the request refused.
        """
        self._is_in_head = False
        self._stop_awaiting_head()
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > HEAD_BYTES:
            self._is_too_long = True
            raise HeadTooLong
        super().on_headers_complete()

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection over: a WebSocket has no further heads, and looks after its own silences."""
        self._is_handed_over = True
        self._stop_awaiting_head()
        super().handle_websocket_upgrade()

    def send_400_response(self, msg: str) -> None:
        """Refuse a request that is no HTTP, or whose head is too long, and end the connection."""
        if not self._is_too_long:
            super().send_400_response(msg)
            return
        self.transport.write(_TOO_LONG)
        self.transport.close()

    def pause_writing(self) -> None:
        """Wait for a client who does not read."""
        super().pause_writing()
        self._write_timer = self.loop.call_later(WRITE_WITHIN_S, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on: it reads."""
        self._stop_awaiting_reader()
        super().resume_writing()

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_WITHIN_S, self.transport.abort)

    def _stop_awaiting_head(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _stop_awaiting_reader(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None
