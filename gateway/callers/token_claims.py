"""Claims of a valid token: its user, and the role of its bearer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from db.models import Role
from db.text_rules import normal_form
from gateway.callers.token_rules import TokenRules
from gateway.errors import Unauthenticated
from scoring.use_cases.platform_keys import MAX_KEY_LENGTH, is_valid_key


@dataclass(frozen=True, slots=True)
class TokenClaims:
    """Claims of a valid token."""

    user_key: str  # the platform's key of the user, from the claim `sub`
    role: Role | None  # the role of the bearer, or None if the role of the user's row applies
    expires_at: float = field(default=0.0, compare=False)  # time from which the token is refused, in seconds since 1970
    # Whether the life of the token is short enough for an administrator.
    is_short_lived: bool = field(default=True, compare=False)


@dataclass(frozen=True, slots=True)
class RoleClaim:
    """The claim that holds the role."""

    name: str = "role"  # the claim's name, or a path into objects with dots, as in ``realm_access.roles``
    # The roles by their names in the issuer's tokens.
    names: Mapping[str, Role] = field(default_factory=lambda: {role.value: role for role in Role})

    def read(self, payload: Mapping[str, Any]) -> Role | None:
        """Return the role, the highest one of a list. Raises `Unauthenticated` for an unknown name."""
        value = self._claim(payload)
        if value is None:
            return None
        if isinstance(value, list):
            roles = [self.names[name] for name in value if isinstance(name, str) and name in self.names]
            return max(roles, key=lambda role: role.rank, default=None)
        if not isinstance(value, str) or value not in self.names:
            raise Unauthenticated(f"The token's {self.name} must be one of {', '.join(self.names)}, or be left out.")
        return self.names[value]

    def role_name(self, role: Role) -> str:
        """Return the name of a role for a token that the gateway signs."""
        return next((name for name, named_role in self.names.items() if named_role is role), role.value)

    def _claim(self, payload: Mapping[str, Any]) -> Any:
        if self.name in payload:  # first: an issuer's own claims are often URLs, with dots
            return payload[self.name]
        value: Any = payload
        for part in self.name.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        return value


def parse_claims(payload: Mapping[str, Any], role: RoleClaim, rules: TokenRules) -> TokenClaims:
    """Parse the claims of a token with a valid signature. Raises `Unauthenticated` if they break a rule."""
    times = rules.times(payload)
    subject = normal_form(payload["sub"]) if isinstance(payload["sub"], str) else ""
    if not is_valid_key(subject):
        raise Unauthenticated(
            f"The token's subject must be a user's key of 1 to {MAX_KEY_LENGTH} characters, none of them NUL."
        )
    bearer_role = role.read(payload)
    rules.require_life(bearer_role, times)
    return TokenClaims(subject, bearer_role, times.expires_at, rules.is_short_lived(times))
