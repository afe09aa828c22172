"""Rules for the content of every bearer token: its times, and the longest life of an administrator's token.

HTTP requests, WebSockets and event streams apply the same rules with the same clock and leeway. The signature proves
the issuer of a token (`token_authority`); these rules decide whether and how long its content is accepted.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from db.models import Role
from gateway.callers.clock import Clock
from gateway.errors import Unauthenticated
from gateway.token_settings import ADMINISTRATOR_HOURS, LEEWAY_S

LATEST_TIME_S = 253_402_300_799
"""The last second of the year 9999, the end of `datetime`. A later time is a mistake (milliseconds) or an attack."""

ADVICE = "Ask for a new one where you sign in, or make one with: explore token USER"


@dataclass(frozen=True, slots=True)
class PreviousSecret:
    """The replaced secret, and the end of its validity in seconds since 1970."""

    secret: bytes
    valid_until: float


@dataclass(frozen=True, slots=True)
class TokenTimes:
    """Expiry of an accepted token (`exp` plus the leeway), and its life from `iat` to `exp`, None without `iat`."""

    expires_at: float
    life_s: float | None


@dataclass(frozen=True, slots=True)
class TokenRules:
    """Rules of one gateway, with the settings TOKEN_LEEWAY_S and TOKEN_ADMINISTRATOR_HOURS."""

    leeway_s: float = LEEWAY_S
    administrator_hours: float = ADMINISTRATOR_HOURS
    clock: Clock = Clock()  # noqa: RUF009 (it has no state)

    def times(self, payload: Mapping[str, Any]) -> TokenTimes:
        """Check `exp`, `nbf` and `iat`. Raises `Unauthenticated` for a token that has expired or is not valid yet."""
        now = self.clock.now()
        expires, starts, issued = _time(payload, "exp"), _time(payload, "nbf"), _time(payload, "iat")
        if expires is None:
            raise Unauthenticated("The token lacks the claim exp; exp, iss, aud and sub are needed.")
        if expires + self.leeway_s <= now:
            raise Unauthenticated(f"The token has expired. {ADVICE}")
        if max(starts or 0.0, issued or 0.0) > now + self.leeway_s:
            raise Unauthenticated("The token is not valid yet. Compare the issuer's clock with the gateway's clock.")
        return TokenTimes(expires + self.leeway_s, None if issued is None else expires - issued)

    def is_short_lived(self, times: TokenTimes) -> bool:
        """Return whether the bearer may act as an administrator, if the role allows it."""
        return times.life_s is not None and times.life_s <= self.administrator_hours * 3_600

    def require_life(self, role: Role | None, times: TokenTimes) -> None:
        """Refuse a token with the role administrator that lives too long. Raises `Unauthenticated`."""
        if role is not Role.ADMINISTRATOR or self.is_short_lived(times):
            return
        if times.life_s is None:
            raise Unauthenticated("An administrator's token must have the claim iat, which says when it was issued.")
        raise Unauthenticated(
            f"An administrator's token is valid for at most {self.administrator_hours:g} hours "
            f"(TOKEN_ADMINISTRATOR_HOURS); this one is valid for {times.life_s / 3_600:.4g}. {ADVICE}"
        )


def _time(payload: Mapping[str, Any], name: str) -> float | None:
    """Parse a NumericDate (RFC 7519, section 2). Return None without the claim."""
    if name not in payload:
        return None
    value = payload[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LATEST_TIME_S:  # NaN too
        raise Unauthenticated(f"The token's {name} must be a number of seconds since 1970, up to the year 9999.")
    return float(value)
