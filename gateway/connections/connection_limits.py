"""Limits of one HTTP connection, refusals of requests that exceed them, and the deadline of slow readers."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.json_responses import JsonResponse, error_response


@dataclass(frozen=True)
class ConnectionLimits:
    """Limits of one connection."""

    max_head_bytes: int = 64 * 1024  # of the request line and the headers. Proxies and browsers stop at 8 to 32 KB.
    max_headers: int = 200  # of one request. Browsers send about 20, chains of proxies add about 20.
    # Maximum bytes of chunk sizes, chunk extensions and trailers, in addition to the number of bytes of the body. The
    # limit is checked after each read (up to 256 KB) in the middle of a body.
    max_framing_bytes: int = 16 * 1024
    # Maximum pieces (chunks and reads) of a body, in addition to one piece for each `bytes_per_piece` bytes. A chunk of
    # one byte costs about 2 µs, as much as 1 KB in one piece.
    max_pieces: int = 1_000
    bytes_per_piece: int = 64
    max_pipelined: int = 20  # requests that wait for the answer to an earlier request
    # Seconds from the connection, or from the first byte of a further request, to the end of the head.
    head_timeout_s: float = 10.0
    over_cap_head_timeout_s: float = 2.0  # `head_timeout_s` of a connection over a cap
    keep_alive_timeout_s: float = 5.0  # seconds from an answer to the first byte of the next request
    drain_timeout_s: float = 1.0  # `keep_alive_timeout_s` of a process that stops
    # Interval in seconds in which a slow reader must read `min_read_bytes`. A client that reads nothing is disconnected
    # after one to two intervals.
    stall_interval_s: float = 15.0
    min_read_bytes: int = 1_024  # per `stall_interval_s`
    # Seconds for which a connection stays open after its last answer and discards received bytes. Closing it at once
    # would reset it, and the client could lose the answer.
    linger_timeout_s: float = 2.0


DEFAULT_CONNECTION_LIMITS = ConnectionLimits()


class ConnectionRefusal(Exception):
    """A refusal of a request that is malformed or exceeds a limit. It ends the parsing."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message

    @property
    def answer(self) -> JsonResponse:
        """The answer, which ends the connection."""
        return error_response(self.status, self.code, self.message, headers={"Connection": "close"})


_HOST = re.compile(rb"[A-Za-z0-9._~!$&'()*+;=:%\[\]-]*")
"""Characters of a host name, an address and a port (RFC 3986), without the comma that joins two headers."""

Headers = Sequence[tuple[bytes, bytes]]
"""Pairs of a name in lower case and a value."""


def check_head(version: str, url: bytes, headers: Headers, limits: ConnectionLimits) -> None:
    """Check size, version, `Host` and `Transfer-Encoding`, which the parser does not check.

    Raises `ConnectionRefusal` if the head is malformed or too large.
    """
    if len(url) + sum(len(name) + len(value) for name, value in headers) > limits.max_head_bytes:
        raise head_too_large()
    if version not in ("1.0", "1.1"):
        raise malformed("Send the request as HTTP/1.1 or HTTP/1.0.")
    hosts = values(headers, b"host")
    if len(hosts) > 1 or (version == "1.1" and not hosts) or not all(map(_HOST.fullmatch, hosts)):
        raise malformed("Send one Host header that holds a host name and a port.")
    codings = values(headers, b"transfer-encoding")
    if codings and (version == "1.0" or [coding.strip().lower() for coding in codings] != [b"chunked"]):
        raise malformed("Send the body with a Content-Length, or as HTTP/1.1 in chunks.")


def values(headers: Headers, name: bytes) -> list[bytes]:
    """Return the values of all headers of a name."""
    return [value for header, value in headers if header == name]


class StalledReader:
    """Ends a connection whose client does not read its answers, also while the connection is closing."""

    def __init__(self, loop: asyncio.AbstractEventLoop, transport: asyncio.Transport, limits: ConnectionLimits) -> None:
        self._loop = loop
        self._transport = transport
        self._limits = limits
        self._is_paused = False
        self._previous_bytes: int | None = None
        self._timer = loop.call_later(limits.stall_interval_s, self._check)

    def pause(self) -> None:
        """Note that the write buffer is full."""
        self._is_paused = True

    def resume(self) -> None:
        """Note that the write buffer has room."""
        self._is_paused, self._previous_bytes = False, None

    def stop(self) -> None:
        """Stop the timer."""
        self._timer.cancel()

    def _check(self) -> None:
        """Disconnect a client whose write buffer has not shrunk.

        While paused or closing, nothing is added to the buffer.
        """
        if self._is_paused or self._transport.is_closing():
            unread_bytes = self._transport.get_write_buffer_size()
            if self._previous_bytes is not None and unread_bytes > self._previous_bytes - self._limits.min_read_bytes:
                self._transport.abort()
                return
            self._previous_bytes = unread_bytes
        self._timer = self._loop.call_later(self._limits.stall_interval_s, self._check)


def malformed(message: str = "The request is not well-formed HTTP.") -> ConnectionRefusal:
    """Return the refusal of a malformed request."""
    return ConnectionRefusal(400, "BAD_REQUEST", message)


def head_too_large() -> ConnectionRefusal:
    """Return the refusal of a head beyond `ConnectionLimits.max_head_bytes` or `ConnectionLimits.max_headers`."""
    return ConnectionRefusal(
        431, "HEADERS_TOO_LARGE", "The address and the headers are too large. Send fewer or shorter ones."
    )


def too_much_framing() -> ConnectionRefusal:
    """Return the refusal of a body beyond `ConnectionLimits.max_framing_bytes` or `ConnectionLimits.max_pieces`."""
    message = "The body comes in too many small pieces, or with too much between them. Send larger chunks."
    return ConnectionRefusal(400, "BAD_REQUEST", message)
