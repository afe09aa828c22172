"""The path under which a proxy serves the gateway, such as `/feed`: PATH_PREFIX, or a trusted proxy's header.

A proxy may remove the prefix from the path of a request or leave it there. Requests without the prefix are answered
too, so that health checks can call the gateway directly.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.client_addresses import Network, is_in_networks, read_address

HEADER = "X-Forwarded-Prefix"

_PREFIX = re.compile(r"(?!/(assets|demo|graphql|healthz|metrics|readyz)(/|$))(/(?!\.{1,2}(/|$))[A-Za-z0-9._~-]+){1,10}")
"""Segments without `.`, `..` and characters that would have to be escaped; the first is not a path of the gateway."""


def parse_path_prefix(text: str) -> str:
    """Return a prefix without the slash at its end; "" for `/`. Raises `ValueError` if it cannot be a prefix."""
    prefix = text.removesuffix("/")
    if prefix and not _PREFIX.fullmatch(prefix):
        raise ValueError("is not a path prefix")
    return prefix


def public_path(scope: Mapping[str, Any], path: str) -> str:
    """Return the path by which a client reaches a path of the gateway."""
    return f"{scope.get('state', {}).get('path_prefix', '')}{path}"


class PathPrefix:
    """Middleware that removes the prefix from the path of requests, and remembers it for `public_path`.

    A proxy in `trusted` may send another prefix than `prefix`, the setting. A malformed one is ignored.
    """

    def __init__(self, app: ASGIApp, prefix: str, trusted: Sequence[Network]) -> None:
        self._app = app
        self._prefix = prefix
        self._trusted = trusted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or WebSocket."""
        if scope["type"] != "lifespan" and (prefix := self._forwarded(scope) or self._prefix):
            scope.setdefault("state", {})["path_prefix"] = prefix
            if f"{scope['path']}/".startswith(f"{prefix}/"):
                scope["path"] = scope["path"][len(prefix) :] or "/"  # in place, for the log around this middleware
        await self._app(scope, receive, send)

    def _forwarded(self, scope: Scope) -> str:
        # The last line is that of the proxy; earlier ones may come from the client.
        lines = Headers(scope=scope).getlist(HEADER) if self._trusted and scope["client"] else []
        header = lines[-1] if lines else ""
        if not header or not is_in_networks(read_address(scope["client"][0]), self._trusted):
            return ""
        try:
            return parse_path_prefix(header)
        except ValueError:
            return ""
