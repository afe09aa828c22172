"""What a good token says: whose it is, and what its bearer may do."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from db.models import Role
from gateway.callers.token_rules import TokenRules
from gateway.errors import Unauthenticated

MAX_KEY_LENGTH = 200
"""Characters of the longest user key, as in the import format."""

_RANK = {role: rank for rank, role in enumerate((Role.VIEWER, Role.SERVICE, Role.ADMINISTRATOR))}


@dataclass(frozen=True, slots=True)
class TokenClaims:
    """What a good token says.

    Attributes
    ----------
    user_key
        The platform's key of the user, from the claim `sub`.
    role
        What the token lets its bearer do; None leaves it to the user's row.
    expires_at
        The moment from which the token is refused, in seconds since 1970.
    is_short_lived
        Whether its life is short enough for an administrator's token.
    """

    user_key: str
    role: Role | None
    expires_at: float = field(default=0.0, compare=False)
    is_short_lived: bool = field(default=True, compare=False)


@dataclass(frozen=True, slots=True)
class RoleClaim:
    """Where a token says what its bearer may do, and in which words.

    Attributes
    ----------
    name
        The claim: its name as it stands, or a path into objects with dots, as in ``realm_access.roles``.
    words
        The issuer's words for our roles; without any, the words are the roles' own.
    """

    name: str = "role"
    words: Mapping[str, Role] = field(default_factory=lambda: {role.value: role for role in Role})

    def read(self, payload: Mapping[str, Any]) -> Role | None:
        """Give the role; of a list of words the highest, for an issuer names everything there that it knows.

        Raises
        ------
        Unauthenticated
            If the claim is one word that is no role, or neither a word nor a list.
        """
        given = self._claim(payload)
        if given is None:
            return None
        if isinstance(given, list):
            roles = [self.words[word] for word in given if isinstance(word, str) and word in self.words]
            return max(roles, key=_RANK.__getitem__, default=None)
        if not isinstance(given, str) or given not in self.words:
            raise Unauthenticated(f"The token's {self.name} must be one of {', '.join(self.words)}, or be left out.")
        return self.words[given]

    def word(self, role: Role) -> str:
        """Give the word for a role in a token of our own."""
        return next((word for word, meant in self.words.items() if meant is role), role.value)

    def _claim(self, payload: Mapping[str, Any]) -> Any:
        if self.name in payload:  # first: an issuer's own claims are often named like addresses, dots and all
            return payload[self.name]
        found: Any = payload
        for part in self.name.split("."):
            found = found.get(part) if isinstance(found, dict) else None
        return found


def is_valid_key(value: Any) -> bool:
    """Say whether this can be the key of a user in every store."""
    if not isinstance(value, str) or not 1 <= len(value) <= MAX_KEY_LENGTH or "\x00" in value:
        return False
    return not any("\ud800" <= character <= "\udfff" for character in value)  # half a character: no store takes it


def parse_claims(payload: Mapping[str, Any], role: RoleClaim, rules: TokenRules) -> TokenClaims:
    """Read the claims of a token whose signature, issuer and audience are good.

    Raises
    ------
    Unauthenticated
        If the token's times break a rule, it names nobody, or a role that there is not.
    """
    times = rules.times(payload)
    if not is_valid_key(payload["sub"]):
        raise Unauthenticated(
            f"The token's subject must be a user's key of 1 to {MAX_KEY_LENGTH} characters, none of them NUL."
        )
    found = role.read(payload)
    rules.require_life(found, times)
    return TokenClaims(payload["sub"], found, times.expires_at, rules.is_short_lived(times))
