"""The server's process or processes: a socket, uvicorn on it, and a clean end."""

import errno
import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial

import structlog
import uvicorn
from starlette.types import ASGIApp
from uvicorn.supervisors import Multiprocess

from gateway.connections.connection_caps import RESERVE, ConnectionCaps
from gateway.connections.connection_limits import DEFAULT_CONNECTION_LIMITS, ConnectionLimits
from gateway.connections.http_protocol import LimitedHttpProtocol, LimitedWebSocketProtocol
from gateway.errors import CannotStart
from gateway.settings import Settings
from gateway.telemetry import share_between_processes

BACKLOG = 2048
"""Connections that may wait to be accepted, as in uvicorn."""

MAX_MESSAGE = 256 * 1024
"""Bytes of a WebSocket message, as of a viewer's request body; a larger one closes the socket (1009)."""

GRACE_S = 10
"""How long running requests may take to end when the server stops."""

WORKER_ANSWERS_WITHIN_S = 60
"""How long a worker may be silent before it is replaced. While it imports the product it cannot answer, which takes
2 s of CPU: uvicorn's 5 s are too few on a busy machine, and it would be killed and started for ever."""


OTHER_FILES = 512
"""Files that a process opens besides connections of clients: stores, logs, modules while they load."""

log = structlog.get_logger(__name__)


@contextmanager
def listen(settings: Settings) -> Iterator[socket.socket]:
    """Take the address before any work is done, so that a port in use is found at once.

    Raises
    ------
    CannotStart
        If it cannot be had: one sentence that says why, and what to do.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((settings.host, settings.port))
            listening.listen(BACKLOG)
        except OSError as error:
            raise CannotStart(_sentence(error, settings)) from None
        listening.set_inheritable(True)
        yield listening


def server_config(
    settings: Settings,
    app: str | ASGIApp,
    *,
    factory: bool = False,
    bounds: ConnectionLimits = DEFAULT_CONNECTION_LIMITS,
) -> uvicorn.Config:
    """Say how an application is served."""
    caps = ConnectionCaps(settings.max_connections, settings.max_connections_address, settings.trusted_proxies)
    return uvicorn.Config(
        app,
        factory=factory,
        workers=settings.workers,
        loop="uvloop",
        http=partial(LimitedHttpProtocol, caps=caps, bounds=bounds),  # type: ignore[arg-type]  # makes the protocol
        proxy_headers=False,  # `gateway.client_addresses` reads them, of whom the settings name
        ws=LimitedWebSocketProtocol if settings.subscriptions else "none",
        ws_max_size=MAX_MESSAGE,
        ws_per_message_deflate=False,  # what is told has 150 bytes; and no message unfolds to a thousand times its size
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_S,
        timeout_worker_healthcheck=WORKER_ANSWERS_WITHIN_S,
    )


def raise_file_limit(connections: int) -> None:
    """Raise the number of files that the process may open, as far as the system allows, to hold so many connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = connections + RESERVE + OTHER_FILES
    allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < needed:
        log.warning("the process may open fewer files than MAX_CONNECTIONS needs", files=allowed, needed=needed)


def run_server(settings: Settings, listening: socket.socket) -> None:
    """Serve until a signal says stop."""
    raise_file_limit(settings.max_connections)
    config = server_config(settings, "gateway.app:create", factory=True)
    # uvicorn stops cleanly at Ctrl-C and then raises the signal once more for whoever called it.
    with suppress(KeyboardInterrupt):
        if settings.workers > 1:
            with share_between_processes():
                Multiprocess(config, sockets=[listening]).run()
        else:
            uvicorn.Server(config).run(sockets=[listening])


def address_of(listening: socket.socket) -> str:
    """Give the URL that a browser on this machine can open."""
    host, port = listening.getsockname()[:2]
    if host in ("0.0.0.0", "::"):  # noqa: S104 (shown as something that can be opened)
        host = "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _sentence(error: OSError, settings: Settings) -> str:
    where = f"port {settings.port} of {settings.host}"
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return f"HOST is {settings.host!r}, which is no address of this machine; 127.0.0.1 always is"
    if error.errno == errno.EADDRINUSE:
        return f"{where} is in use; stop what listens there, or choose another with --port or PORT"
    if error.errno == errno.EACCES:
        return f"{where} may not be opened by this user; choose one above 1023 with --port or PORT"
    return f"{where} cannot be opened: {(error.strerror or str(error)).lower()}"
