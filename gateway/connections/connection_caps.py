"""Caps on the concurrent connections and requests of one client, and of one server."""

from collections.abc import Callable, Sequence

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.client_addresses import ClientAddresses, Network, client_network, is_in_networks, read_address
from gateway.json_responses import JsonResponse, error_response
from gateway.sharing.open_counts import LocalCounts, OpenCounts
from gateway.telemetry import count_refused_request

HEALTH_PATHS = frozenset({"/healthz", "/readyz"})
"""Paths of health checks, which are answered on connections over a cap too."""

RESERVED_CONNECTIONS = 128
"""Open connections over a cap of one process, for requests to `HEALTH_PATHS`. A further one closes the oldest."""

REFUSAL_CODE = "TOO_MANY_CONNECTIONS"


_ALL = "connections of all"


class ConnectionCaps:
    """Counts of the open connections of one server, and of each client that connects directly.

    Trusted proxies are exempt: `ClientLimit` counts the clients behind them.
    """

    def __init__(
        self, limit: int, max_per_client: int, proxies: Sequence[Network] = (), counts: OpenCounts | None = None
    ) -> None:
        self._limit = limit
        self._max_per_client = max_per_client
        self._proxies = proxies
        self._counts = LocalCounts() if counts is None else counts
        self.is_draining = False  # whether the process stops, and answers only the next request of each connection
        self._admitted_connections: dict[object, list[str]] = {}  # the names under which each is counted
        self._excess_connections: dict[object, Callable[[], None]] = {}

    def enter(self, connection: object, host: str | None, close: Callable[[], None]) -> JsonResponse | None:
        """Count a connection until `leave`. Return None, or for a connection over a cap the answer to its requests.

        A Unix socket has no host and no cap per client.
        """
        if not self._counts.try_acquire(_ALL, self._limit):
            return self._refuse(connection, close, _server_cap_response())
        names = [_ALL]
        if (client := self._client(host)) is not None:
            name = f"connections of {client}"
            if not self._counts.try_acquire(name, self._max_per_client):
                self._counts.release(_ALL)
                return self._refuse(connection, close, _client_cap_response(self._max_per_client))
            names.append(name)
        self._admitted_connections[connection] = names
        return None

    def leave(self, connection: object) -> None:
        """Stop counting a connection."""
        for name in self._admitted_connections.pop(connection, ()):
            self._counts.release(name)
        self._excess_connections.pop(connection, None)

    def _client(self, host: str | None) -> str | None:
        peer = read_address(host)
        return None if peer is None or is_in_networks(peer, self._proxies) else client_network(peer)

    def _refuse(self, connection: object, close: Callable[[], None], answer: JsonResponse) -> JsonResponse:
        count_refused_request(REFUSAL_CODE)
        self._excess_connections[connection] = close
        if len(self._excess_connections) > RESERVED_CONNECTIONS:
            self._excess_connections.pop(next(iter(self._excess_connections)))()
        return answer


class HealthOnly:
    """The application of a connection over a cap: `app` for requests to `HEALTH_PATHS`, `answer` for all others."""

    def __init__(self, app: ASGIApp, answer: JsonResponse) -> None:
        self._app = app
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await (self._app if scope["path"] in HEALTH_PATHS else self._answer)(scope, receive, send)


class ClientLimit:
    """Middleware that caps the concurrent requests and WebSockets of each client behind a trusted proxy."""

    def __init__(self, app: ASGIApp, addresses: ClientAddresses, limit: int, counts: OpenCounts) -> None:
        self._app = app
        self._addresses = addresses
        self._limit = limit
        self._counts = counts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or WebSocket."""
        if scope["type"] not in ("http", "websocket") or scope["path"] in HEALTH_PATHS:
            await self._app(scope, receive, send)
            return
        name = f"requests of {client_network(self._addresses.find(HTTPConnection(scope)))}"
        if not self._counts.try_acquire(name, self._limit):
            count_refused_request(REFUSAL_CODE)
            await _client_cap_response(self._limit)(scope, receive, send)
            return
        try:
            await self._app(scope, receive, send)
        finally:
            self._counts.release(name)


def _client_cap_response(limit: int) -> JsonResponse:
    message = f"Your address has {limit} connections or requests open, which is the maximum. Close some and try again."
    return error_response(429, REFUSAL_CODE, message, headers={"Retry-After": "5"})


def _server_cap_response() -> JsonResponse:
    message = "The server has reached its maximum number of connections. Try again in a few seconds."
    return error_response(503, REFUSAL_CODE, message, headers={"Retry-After": "5"})
