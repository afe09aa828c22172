"""Errors of the gateway layer. Some modules define further subclasses beside their limits."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

MAX_STATED_AMOUNT = 10**9
"""Largest amount that a message states exactly. Nested fragments can make amounts of hundreds of digits."""


class GatewayError(Exception):
    """Base of every error that this layer raises on purpose."""


class CannotStart(GatewayError):
    """A command cannot do its work: one sentence with the fault and the fix.

    The exit code is 1 for a problem of the installation, 2 for wrong usage.
    """

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.exit_code = exit_code


class InvalidSettings(CannotStart):
    """One or more settings are wrong. The message has one line for each."""

    def __init__(self, message: str) -> None:
        super().__init__(message, exit_code=2)


class RequestRefused(GatewayError):
    """A request that never reaches the graph. The message states the fault and the fix.

    `code` is the value of `extensions.code`. `headers` go to the response, `extensions` to the entry of `errors`.
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
    """The bearer token is invalid."""

    def __init__(self, message: str) -> None:
        super().__init__(401, "UNAUTHENTICATED", message, {"WWW-Authenticate": 'Bearer error="invalid_token"'})


class IssuerUnavailable(RequestRefused):
    """The token cannot be checked, because the keys of its issuer are unavailable."""

    def __init__(self, retry_after_s: float) -> None:
        message = "The keys of the token's issuer cannot be fetched just now. Try again in a moment."
        super().__init__(503, "ISSUER_UNAVAILABLE", message, {"Retry-After": f"{retry_after_s:.0f}"})


class OverLimit(RequestRefused):
    """A request that exceeds a limit. The extensions have the requested and the allowed amount."""

    def __init__(self, code: str, message: str, *, asked: int, allowed: int) -> None:
        super().__init__(400, code, message, extensions={"asked": min(asked, MAX_STATED_AMOUNT), "allowed": allowed})


def format_amount(number: int) -> str:
    """Format a number for a message. A number above `MAX_STATED_AMOUNT` becomes "over 1,000,000,000"."""
    return f"{number:,}" if number < MAX_STATED_AMOUNT else f"over {MAX_STATED_AMOUNT:,}"


def os_reason(error: OSError) -> str:
    """Return the reason of a failed system call for the middle of a sentence."""
    return (error.strerror or str(error) or type(error).__name__).lower()
