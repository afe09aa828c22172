"""What can go wrong at the edge.

```
GatewayError
├── CannotStart          a command cannot do its work: one sentence that says how to mend it, and an exit code
│   └── InvalidSettings  a setting is wrong (exit code 2)
└── RequestRefused       a request that never reaches the graph
    ├── Unauthenticated  401: the bearer token is no good
    └── IssuerAway       503: whether it is good cannot be told now, for its issuer's keys cannot be had
```
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any


class GatewayError(Exception):
    """Base of every error that this floor raises on purpose."""


class CannotStart(GatewayError):
    """A command cannot do its work.

    Parameters
    ----------
    message
        One sentence that says what is wrong and how to mend it; printed as it stands.
    exit_code
        The process's exit code: 1 for the world's fault, 2 for the caller's.
    """

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.exit_code = exit_code


class InvalidSettings(CannotStart):
    """One setting or more cannot be used; a line for each."""

    def __init__(self, message: str) -> None:
        super().__init__(message, exit_code=2)


class RequestRefused(GatewayError):
    """A request that never reaches the graph.

    Parameters
    ----------
    status
        The HTTP status.
    code
        What a client's code can tell it by, in `extensions.code`.
    message
        What is wrong and how to mend it, for a person.
    headers
        Further response headers.
    extensions
        What a client's code can read besides the code, in `extensions`.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        headers: Mapping[str, str] = MappingProxyType({}),
        extensions: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers
        self.extensions = extensions


class Unauthenticated(RequestRefused):
    """The bearer token is no good."""

    def __init__(self, message: str) -> None:
        super().__init__(401, "UNAUTHENTICATED", message, {"WWW-Authenticate": 'Bearer error="invalid_token"'})


class IssuerAway(RequestRefused):
    """The keys of the token's issuer cannot be had, so nobody can tell whether the token is good."""

    def __init__(self, retry_after_s: float) -> None:
        message = "The keys of the token's issuer cannot be fetched just now. Try again in a moment."
        super().__init__(503, "ISSUER_UNAVAILABLE", message, {"Retry-After": f"{retry_after_s:.0f}"})
