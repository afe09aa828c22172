"""Origins of web pages that may open a WebSocket. Browsers send no preflight for it, only the page's origin."""

from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

_PORTS = {"http": 80, "https": 443}


class AllowedOrigins:
    """The origins of pages that may connect: this host, and the origins in ALLOW_ORIGINS (``*`` for any)."""

    def __init__(self, allowed: Iterable[str]) -> None:
        origins = tuple(allowed)
        self._allows_any = "*" in origins
        self._allowed_origins = {_parse(origin) for origin in origins}

    def allow(self, connection: HTTPConnection) -> bool:
        """Return whether this connection may be opened. A client that sends no origin is no browser."""
        origins = connection.headers.getlist("origin")
        if not origins or self._allows_any:
            return True
        if len(origins) > 1:
            return False
        origin = _parse(origins[0])
        return origin is not None and (origin in self._allowed_origins or origin[1:] == _host(connection, origin[0]))


def _parse(origin: str) -> tuple[str, str, int] | None:
    """Return scheme, host and port, or None for an opaque origin, such as ``null`` of a sandboxed page."""
    try:
        parts = urlsplit(origin.strip())
        if parts.scheme not in _PORTS or not parts.hostname:
            return None
        return parts.scheme, parts.hostname, parts.port or _PORTS[parts.scheme]
    except ValueError:
        return None


def _host(connection: HTTPConnection, scheme: str) -> tuple[str, int] | None:
    """Return the requested host and port. The default port is that of the page's scheme: a proxy may terminate TLS."""
    requested = _parse(f"{scheme}://{connection.headers.get('host', '')}")
    return None if requested is None else requested[1:]
