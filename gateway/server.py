"""Server processes: a listening socket, uvicorn on it, and a clean stop."""

import errno
import resource
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial

import structlog
import uvicorn
from starlette.types import ASGIApp
from uvicorn.supervisors import Multiprocess

from gateway.connections.connection_caps import RESERVED_CONNECTIONS, ConnectionCaps
from gateway.connections.connection_limits import DEFAULT_CONNECTION_LIMITS, ConnectionLimits
from gateway.connections.http_protocol import LimitedHttpProtocol, LimitedWebSocketProtocol
from gateway.errors import CannotStart, os_reason
from gateway.settings import Settings
from gateway.sharing.shared_folder import open_counts

BACKLOG = 2048
"""Connections that may wait to be accepted: uvicorn's default."""

MAX_MESSAGE_BYTES = 256 * 1024
"""Bytes of the largest WebSocket message, the default of MAX_BODY_KB. A larger message closes the socket (1009)."""

SHUTDOWN_GRACE_S = 10
"""Seconds for running requests to finish when the server stops."""

WORKER_TIMEOUT_S = 60
"""Seconds after which a server process that does not answer is replaced. A process does not answer during its imports,
which take 2 s of CPU. With uvicorn's 5 s, a busy machine would never finish a start."""

OTHER_FILES = 512
"""Open files of a process besides client connections: stores, logs, and modules during their import."""

log = structlog.get_logger(__name__)


@contextmanager
def listen(settings: Settings) -> Iterator[socket.socket]:
    """Bind the address before any other work, so that a port in use is reported at once.

    Raises `CannotStart`, with the reason and the fix, if that fails.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((settings.host, settings.port))
            listening.listen(BACKLOG)
        except OSError as error:
            raise CannotStart(_describe_bind_error(error, settings)) from None
        listening.set_inheritable(True)
        yield listening


def server_config(
    settings: Settings,
    app: str | ASGIApp,
    *,
    factory: bool = False,
    limits: ConnectionLimits = DEFAULT_CONNECTION_LIMITS,
) -> uvicorn.Config:
    """Return uvicorn's configuration for an application."""
    caps = ConnectionCaps(
        settings.max_connections, settings.max_connections_address, settings.trusted_proxies, open_counts()
    )
    return uvicorn.Config(
        app,
        factory=factory,
        workers=settings.workers,
        loop="uvloop",
        http=partial(LimitedHttpProtocol, caps=caps, limits=limits),  # type: ignore[arg-type]  # a factory of protocols
        proxy_headers=False,  # `gateway.client_addresses` reads them
        ws=LimitedWebSocketProtocol if settings.subscriptions else "none",
        ws_max_size=MAX_MESSAGE_BYTES,
        ws_per_message_deflate=False,  # a result has 150 bytes, and no message expands to a thousand times its size
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=SHUTDOWN_GRACE_S,
        timeout_worker_healthcheck=WORKER_TIMEOUT_S,
    )


def raise_file_limit(connections: int) -> None:
    """Raise the limit of open files for this number of connections, as far as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = connections + RESERVED_CONNECTIONS + OTHER_FILES
    allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < needed:
        log.warning("limit of open files too low for MAX_CONNECTIONS", files=allowed, needed=needed)


class ServerProcesses(Multiprocess):
    """Several server processes. SIGHUP replaces one after the other, and loses no request.

    `on_restart` is called after all of them have been replaced. A new process that does not start ends the restart, and
    those that were not replaced yet go on.
    """

    def __init__(self, config: uvicorn.Config, listening: socket.socket, on_restart: Callable[[], None]) -> None:
        super().__init__(config, sockets=[listening])
        self._on_restart = on_restart

    def handle_hup(self) -> None:
        """Replace all processes."""
        before = {process.pid for process in self.processes}
        super().handle_hup()
        if before.isdisjoint(process.pid for process in self.processes):
            self._on_restart()
        elif not self.should_exit.is_set():
            log.error("restart ended early: a new server process did not start, its own log lines say why")


def run_server(settings: Settings, listening: socket.socket, on_restart: Callable[[], None]) -> None:
    """Serve until a signal stops the process. `on_restart` is called after all processes have been replaced."""
    raise_file_limit(settings.max_connections)
    config = server_config(settings, "gateway.app:create", factory=True)
    # uvicorn stops cleanly at a signal and then raises it once more. SIGTERM must not end the process before the worker
    # process has been stopped.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt):
        if settings.workers > 1:
            ServerProcesses(config, listening, on_restart).run()
        else:
            uvicorn.Server(config).run(sockets=[listening])


def browser_url(listening: socket.socket) -> str:
    """Return the URL for a browser on this machine."""
    host, port = listening.getsockname()[:2]
    if host in ("0.0.0.0", "::"):  # noqa: S104 (only compared)
        host = "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _describe_bind_error(error: OSError, settings: Settings) -> str:
    address = f"port {settings.port} of {settings.host}"
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return f"HOST is {settings.host!r}, which is not an address of this machine; use 127.0.0.1, for example"
    if error.errno == errno.EADDRINUSE:
        return f"{address} is in use; stop the program that listens there, or choose another with --port or PORT"
    if error.errno == errno.EACCES:
        return f"{address} may not be opened by this user; choose one above 1023 with --port or PORT"
    return f"{address} cannot be opened: {os_reason(error)}"
