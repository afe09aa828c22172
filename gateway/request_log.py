"""Middleware of every request: its id, one line in the log, the security headers, and an answer to internal errors."""

import re
import secrets
import time

import structlog
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.json_responses import error_response
from gateway.masking import INTERNAL
from gateway.telemetry import observe_request

REQUEST_ID_HEADER = "X-Request-Id"

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
KNOWN_PATHS = frozenset({"/", "/graphql", "/healthz", "/readyz", "/metrics"})
"""Paths with metrics of their own. All other paths share one metric, so that unknown paths cannot fill the memory."""

_QUIET = frozenset({"/healthz", "/readyz", "/metrics"})
"""Paths that monitoring requests every few seconds: logged at debug."""

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
}

log = structlog.get_logger(__name__)


class RequestLog:
    """The outermost middleware, which binds the request id to all log lines."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        status = 499  # the client disconnected before the answer
        started = time.perf_counter()

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _add_headers(message, request_id)
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, send_with_headers)
            except Exception:
                log.exception("request failed")
                if status != 499:
                    raise  # part of the answer is sent: the server must cut the connection
                answer = error_response(500, "INTERNAL", INTERNAL, requestId=request_id)
                await answer(scope, receive, send_with_headers)
            finally:
                _write_line(scope, status, started)


def _request_id(scope: Scope) -> str:
    """Return the id that the client or a proxy has sent if it is well-formed, else a new one (64 random bits)."""
    header = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"").decode("latin-1")
    return header if _REQUEST_ID.fullmatch(header) else secrets.token_hex(8)


def _add_headers(message: Message, request_id: str) -> None:
    headers = MutableHeaders(scope=message)
    for name, value in SECURITY_HEADERS.items():
        headers.setdefault(name, value)
    headers[REQUEST_ID_HEADER] = request_id


def _write_line(scope: Scope, status: int, started: float) -> None:
    seconds = time.perf_counter() - started
    path = scope["path"] if scope["path"] in KNOWN_PATHS else "other"
    if scope["state"].get("is_stream"):  # a stream's duration is not a response time
        path += " (stream)"
    observe_request(path, status, seconds)
    operation = scope["state"].get("operation")
    is_quiet = scope["path"] in _QUIET or scope["state"].get("is_shed")  # `gateway.load_shedding` logs a summary
    write = log.debug if is_quiet else log.info
    write(
        "request",
        method=scope["method"],
        path=scope["path"][:200],
        status=status,
        ms=round(seconds * 1000, 1),
        **({"operation": operation} if operation else {}),
    )
