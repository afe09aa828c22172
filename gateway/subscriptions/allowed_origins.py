"""Which web pages may open a WebSocket: a browser asks no preflight for one, it only says where the page is from."""

from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

_PORTS = {"http": 80, "https": 443}


class AllowedOrigins:
    """The pages of this host, and those of other origins that are listed.

    Parameters
    ----------
    allowed
        Origins as in the setting ALLOW_ORIGINS; ``*`` for any.
    """

    def __init__(self, allowed: Iterable[str]) -> None:
        given = tuple(allowed)
        self._any = "*" in given
        self._allowed = {_normal(origin) for origin in given}

    def allow(self, connection: HTTPConnection) -> bool:
        """Say whether whoever opens this connection may; what is no browser names no origin."""
        named = connection.headers.getlist("origin")
        if not named or self._any:
            return True
        if len(named) > 1:
            return False
        origin = _normal(named[0])
        return origin is not None and (origin in self._allowed or origin[1:] == _host(connection, origin[0]))


def _normal(origin: str) -> tuple[str, str, int] | None:
    """Take an origin apart: scheme, host, port; None for what is none, as the ``null`` of a sandboxed page."""
    try:
        parts = urlsplit(origin.strip())
        if parts.scheme not in _PORTS or not parts.hostname:
            return None
        return parts.scheme, parts.hostname, parts.port or _PORTS[parts.scheme]
    except ValueError:
        return None


def _host(connection: HTTPConnection, scheme: str) -> tuple[str, int] | None:
    """Give what the request was sent to. A proxy may have taken TLS off, so the page's own scheme counts."""
    own = _normal(f"{scheme}://{connection.headers.get('host', '')}")
    return None if own is None else own[1:]
