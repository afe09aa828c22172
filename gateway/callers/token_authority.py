"""Signatures of bearer tokens (JWT), and the signing secret. `token_rules` has the rules for their content."""

import os
import re
import secrets
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jwt

from db.models import Role
from db.private_files import DataFile
from db.text_rules import normal_form
from gateway.callers.clock import Clock
from gateway.callers.issuer_keys import IssuerKeys
from gateway.callers.token_claims import RoleClaim, TokenClaims, parse_claims
from gateway.callers.token_rules import ADVICE, PreviousSecret, TokenRules
from gateway.data_folder import make_var_dir
from gateway.errors import CannotStart, Unauthenticated, os_reason
from gateway.settings import Settings
from gateway.token_settings import MIN_SECRET_BYTES
from scoring.use_cases.platform_keys import MAX_KEY_LENGTH, is_valid_key

ALGORITHM = "HS256"
"""The algorithm of tokens that the gateway signs."""

MAX_TOKEN = 8_192
"""Characters of the longest accepted token. Tokens of `explore token` have about 250."""

MAX_VERIFIED_TOKENS = 4_096
"""Maximum number of tokens whose verified payload is kept (4 MB). Verifying a signature takes 0.1 ms, a fifth of the
smallest request, so the signature of a token is verified once."""

# RFC 6750, section 2.1: one scheme, spaces, one token. Two tokens, joined with a comma by a proxy, are refused.
# Some issuers pad each part of a token with "=".
_BEARER = re.compile(r"bearer +([A-Za-z0-9._~+/=-]+)", re.IGNORECASE)

_MESSAGES: dict[type[Exception], str] = {
    jwt.InvalidIssuerError: "The token has another issuer: its claim iss must be the gateway's TOKEN_ISSUER.",
    jwt.InvalidAudienceError: "The token has another audience: its claim aud must be the gateway's TOKEN_AUDIENCE.",
    jwt.InvalidSignatureError: f"The token was altered, or signed with another secret. {ADVICE}",
}


class TokenAuthority:
    """Issues and verifies bearer tokens.

    HS256 uses the signing secret, and all other algorithms use the issuer's public keys. A
    token selects its key only by its header's `alg` and `kid`, so that no signature is checked with a key of another
    algorithm. `issuer` and `audience` are the required values of the claims `iss` and `aud`.
    """

    def __init__(
        self,
        secret: bytes,
        issuer: str,
        audience: str,
        *,
        keys: IssuerKeys | None = None,
        algorithms: Iterable[str] = (ALGORITHM,),
        role: RoleClaim = RoleClaim(),  # noqa: B008 (frozen)
        rules: TokenRules = TokenRules(),  # noqa: B008 (frozen)
        previous: PreviousSecret | None = None,
    ) -> None:
        self._secret = secret
        self._issuer = issuer
        self._audience = audience
        self._algorithms = tuple(name for name in algorithms if name == ALGORITHM or keys is not None)
        self._role = role
        self._previous_secret = previous
        self.rules = rules
        self.keys = keys
        # Payloads of verified tokens, with the key of the signature. The times of a payload are checked each time.
        self._payloads: OrderedDict[str, tuple[Any, dict[str, Any]]] = OrderedDict()

    @property
    def can_issue(self) -> bool:
        """Whether tokens that the secret signs are accepted."""
        return ALGORITHM in self._algorithms

    def issue(self, user_key: str, role: Role | None = None, hours: float = 24.0) -> str:
        """Sign a token for a user. Raises `CannotStart` if the gateway would refuse it."""
        if not is_valid_key(normal_form(user_key)):
            raise CannotStart(f"a user's key has 1 to {MAX_KEY_LENGTH} characters, none of them NUL", exit_code=2)
        if not self.can_issue:
            raise CannotStart(
                f"tokens come from the issuer at TOKEN_JWKS_URL only; to accept tokens that the secret signs as well, "
                f"name {ALGORITHM} in TOKEN_ALGORITHMS"
            )
        if role is Role.ADMINISTRATOR and hours > self.rules.administrator_hours:
            max_hours = f"{self.rules.administrator_hours:g}"
            raise CannotStart(
                f"an administrator's token is valid for at most {max_hours} hours, not {hours:g}; give --hours "
                f"{max_hours} or less, or raise TOKEN_ADMINISTRATOR_HOURS",
                exit_code=2,
            )
        now = int(self.rules.clock.now())
        claims: dict[str, Any] = {
            "sub": user_key,
            "iss": self._issuer,
            "aud": self._audience,
            "iat": now,
            "exp": now + int(hours * 3600),
        }
        if role is not None:
            claims[self._role.name] = self._role.role_name(role)
        return jwt.encode(claims, self._secret, ALGORITHM)

    async def read(self, header: str | None) -> TokenClaims | None:
        """Verify the token of an `Authorization` header. Return None without a header.

        Raises `Unauthenticated` if it does not hold a valid bearer token. The message states the fix. Raises
        `IssuerUnavailable` if the keys of the issuer are unknown and cannot be fetched.
        """
        if header is None:
            return None
        token = bearer_token(header)
        try:
            algorithm, key = await self._select_key(token)
            return self._claims(token, algorithm, key)
        except (jwt.PyJWTError, RecursionError, ValueError) as error:
            raise Unauthenticated(self._describe_error(error)) from None

    def _claims(self, token: str, algorithm: str, key: Any) -> TokenClaims:
        try:
            return parse_claims(self._decode(token, algorithm, key), self._role, self.rules)
        except jwt.InvalidSignatureError:
            previous = self._previous_secret
            if algorithm != ALGORITHM or previous is None or previous.valid_until <= self.rules.clock.now():
                raise
            claims = parse_claims(self._decode(token, algorithm, previous.secret), self._role, self.rules)
            return replace(claims, expires_at=min(claims.expires_at, previous.valid_until))

    async def _select_key(self, token: str) -> tuple[str, Any]:
        if self.keys is None and self._algorithms:
            return ALGORITHM, self._secret
        header = jwt.get_unverified_header(token)
        algorithm, kid = header.get("alg"), header.get("kid")
        if algorithm not in self._algorithms:
            raise jwt.InvalidAlgorithmError
        if self.keys is None or algorithm == ALGORITHM:
            return ALGORITHM, self._secret
        issuer_key = await self.keys.find(algorithm, kid)
        if issuer_key is None:
            raise Unauthenticated(f"The token's issuer has no key with this kid for {algorithm}. {ADVICE}")
        return algorithm, issuer_key.key

    def _decode(self, token: str, algorithm: str, key: Any) -> dict[str, Any]:
        verified = self._payloads.get(token)
        if verified is not None and verified[0] is key:
            self._payloads.move_to_end(token)
            return verified[1]
        payload: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            issuer=self._issuer,
            audience=self._audience,
            options={
                "require": ["exp", "iss", "aud", "sub"],
                "verify_exp": False,  # `TokenRules` checks the times
                "verify_nbf": False,
                "verify_iat": False,
            },
        )
        self._payloads[token] = (key, payload)
        if len(self._payloads) > MAX_VERIFIED_TOKENS:
            self._payloads.popitem(last=False)
        return payload

    def _describe_error(self, error: Exception) -> str:
        if isinstance(error, jwt.MissingRequiredClaimError):
            return f"The token lacks the claim {error.claim}; exp, iss, aud and sub are needed."
        if isinstance(error, jwt.InvalidAlgorithmError):
            return f"The token must be signed with {' or '.join(self._algorithms)}."
        return _MESSAGES.get(type(error), f"The token cannot be read. {ADVICE}")


def bearer_token(header: str) -> str:
    """Return the token in an `Authorization` header. Raises `Unauthenticated` if it holds anything else."""
    match = _BEARER.fullmatch(header.strip(" \t"))
    if match is None:
        raise Unauthenticated("The Authorization header must read: Bearer TOKEN")
    if len(match[1]) > MAX_TOKEN:
        raise Unauthenticated(f"The token is longer than {MAX_TOKEN} characters. {ADVICE}")
    return match[1]


def token_authority(settings: Settings, clock: Clock = Clock()) -> TokenAuthority:  # noqa: B008 (it has no state)
    """Create the token authority of the settings. Raises `CannotStart` if no token could ever be valid."""
    algorithms = settings.accepted_algorithms
    if settings.token_jwks_url and set(algorithms) == {ALGORITHM}:
        raise CannotStart("TOKEN_JWKS_URL needs an algorithm in TOKEN_ALGORITHMS besides HS256; add RS256 or ES256")
    if ALGORITHM not in algorithms and not settings.token_jwks_url:
        raise CannotStart("TOKEN_ALGORITHMS leaves HS256 out, and there is no TOKEN_JWKS_URL: nobody could sign in")
    return TokenAuthority(
        signing_secret(settings),
        settings.token_issuer,
        settings.token_audience,
        keys=IssuerKeys(settings.token_jwks_url) if settings.token_jwks_url else None,
        algorithms=algorithms,
        role=RoleClaim(settings.token_role_claim, settings.token_role_names),
        rules=TokenRules(settings.token_leeway_s, settings.token_administrator_hours, clock),
        previous=previous_secret(settings),
    )


def previous_secret(settings: Settings) -> PreviousSecret | None:
    """Return the secret that TOKEN_SECRET replaces. Raises `CannotStart` if only one of the two settings is set."""
    secret, valid_until = settings.token_secret_previous, settings.token_secret_previous_until
    if secret is None and valid_until is None:
        return None
    if secret is None or valid_until is None:
        raise CannotStart("TOKEN_SECRET_PREVIOUS and TOKEN_SECRET_PREVIOUS_UNTIL go together; set both or neither")
    return PreviousSecret(secret.get_secret_value().encode(), valid_until.timestamp())


def signing_secret(settings: Settings) -> bytes:
    """Return the secret of the settings, or of the file in VAR_DIR, which the first start creates.

    Raises `CannotStart` if the file cannot be created or read, or is too short.
    """
    if settings.token_secret is not None:
        return settings.token_secret.get_secret_value().encode()
    make_var_dir(settings)
    path = settings.data_file(DataFile.TOKEN_SECRET)
    try:
        if not path.exists():
            _make_secret(path)
        secret = path.read_bytes().strip()
    except OSError as error:
        raise CannotStart(f"{path} cannot be read: {os_reason(error)}; fix it or set TOKEN_SECRET") from None
    if len(secret) < MIN_SECRET_BYTES:
        raise CannotStart(
            f"{path} holds fewer than {MIN_SECRET_BYTES} bytes; delete it, and the next start creates a new one"
        )
    return secret


def _make_secret(path: Path) -> None:
    """Write a temporary file and link it to its final name, so that workers starting at once use the same secret."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_urlsafe(48).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(temporary, path)
    except FileExistsError:
        pass  # another worker was first: its secret is used
    finally:
        temporary.unlink(missing_ok=True)
