"""Bearer tokens (JWT): signing our own, checking signatures, and the secret for both.

What a token with a good signature must look like besides is the matter of `gateway.callers.token_rules`.
"""

import os
import secrets
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jwt

from db.models import Role
from gateway.callers.clock import Clock
from gateway.callers.issuer_keys import IssuerKeys
from gateway.callers.token_claims import MAX_KEY_LENGTH, RoleClaim, TokenClaims, is_valid_key, parse_claims
from gateway.callers.token_rules import NEW_TOKEN_ADVICE, PreviousSecret, TokenRules, bearer_token
from gateway.errors import CannotStart, Unauthenticated
from gateway.settings import Settings, make_var_dir
from gateway.token_settings import MIN_SECRET_BYTES

ALGORITHM = "HS256"
"""What the gateway signs its own tokens with."""

SECRET_FILE = "token_secret"  # noqa: S105 (a file's name)

_SENTENCES: dict[type[Exception], str] = {
    jwt.InvalidIssuerError: "The token was issued by somebody else: its claim iss must be the gateway's TOKEN_ISSUER.",
    jwt.InvalidAudienceError: "The token is meant for others: its claim aud must be the gateway's TOKEN_AUDIENCE.",
    jwt.InvalidSignatureError: f"The token was altered, or signed with another secret. {NEW_TOKEN_ADVICE}",
}


class TokenAuthority:
    """Issues bearer tokens and reads them.

    Each algorithm has keys of its own kind: HS256 the signing secret, every other one the issuer's public keys. A
    token chooses among them by its header's `alg` and `kid` and by nothing else, so that none can have its signature
    checked with a key that was meant for another algorithm.

    Parameters
    ----------
    secret
        The signing secret, at least 32 bytes.
    issuer, audience
        What the claims `iss` and `aud` must be.
    keys
        The public keys of the issuer; None if there is only the secret.
    algorithms
        Those that a token may be signed with.
    role
        Where a token says what its bearer may do.
    rules
        What a token with a good signature must look like besides.
    previous
        The secret before this one, while what it signed is still accepted.
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
        self._previous = previous
        self.rules = rules
        self.keys = keys

    @property
    def can_issue(self) -> bool:
        """Whether tokens that the secret signs are accepted."""
        return ALGORITHM in self._algorithms

    def issue(self, user_key: str, role: Role | None = None, hours: float = 24.0) -> str:
        """Sign a token for a user, good for `hours`.

        Raises
        ------
        CannotStart
            If the key is no platform key, or the gateway would refuse the token.
        """
        if not is_valid_key(user_key):
            raise CannotStart(f"a user's key has 1 to {MAX_KEY_LENGTH} characters, none of them NUL", exit_code=2)
        if not self.can_issue:
            raise CannotStart(
                f"tokens come from the issuer at TOKEN_JWKS_URL only; to accept tokens that the secret signs as well, "
                f"name {ALGORITHM} in TOKEN_ALGORITHMS"
            )
        if role is Role.ADMINISTRATOR and hours > self.rules.administrator_hours:
            raise CannotStart(
                f"an administrator's token lives at most {self.rules.administrator_hours:g} hours, not {hours:g}; give "
                f"--hours {self.rules.administrator_hours:g} or less, or raise TOKEN_ADMINISTRATOR_HOURS",
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
            claims[self._role.name] = self._role.word(role)
        return jwt.encode(claims, self._secret, ALGORITHM)

    async def read(self, header: str | None) -> TokenClaims | None:
        """Read an `Authorization` header; None if there is none.

        Raises
        ------
        Unauthenticated
            If it holds anything but a good bearer token; the message says what to do.
        IssuerAway
            If its issuer's keys are not known and cannot be fetched.
        """
        if header is None:
            return None
        token = bearer_token(header)
        try:
            algorithm, key = await self._key(token)
            return self._claims(token, algorithm, key)
        except (jwt.PyJWTError, RecursionError, ValueError) as error:
            raise Unauthenticated(self._sentence(error)) from None

    def _claims(self, token: str, algorithm: str, key: Any) -> TokenClaims:
        try:
            return parse_claims(self._verified(token, algorithm, key), self._role, self.rules)
        except jwt.InvalidSignatureError:
            previous = self._previous
            if algorithm != ALGORITHM or previous is None or previous.until <= self.rules.clock.now():
                raise
            claims = parse_claims(self._verified(token, algorithm, previous.secret), self._role, self.rules)
            return replace(claims, expires_at=min(claims.expires_at, previous.until))

    async def _key(self, token: str) -> tuple[str, Any]:
        """Choose the algorithm and the key that a token's signature is checked with."""
        if self.keys is None and self._algorithms:
            return ALGORITHM, self._secret
        header = jwt.get_unverified_header(token)
        algorithm, kid = header.get("alg"), header.get("kid")
        if algorithm not in self._algorithms:
            raise jwt.InvalidAlgorithmError
        if self.keys is None or algorithm == ALGORITHM:
            return ALGORITHM, self._secret
        found = await self.keys.find(algorithm, kid)
        if found is None:
            raise Unauthenticated(f"The token names no key of its issuer (kid, {algorithm}). {NEW_TOKEN_ADVICE}")
        return algorithm, found.key

    def _verified(self, token: str, algorithm: str, key: Any) -> dict[str, Any]:
        return jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            issuer=self._issuer,
            audience=self._audience,
            options={
                "require": ["exp", "iss", "aud", "sub"],
                "verify_exp": False,  # the times are the matter of `TokenRules`
                "verify_nbf": False,
                "verify_iat": False,
            },
        )

    def _sentence(self, error: Exception) -> str:
        if isinstance(error, jwt.MissingRequiredClaimError):
            return f"The token lacks the claim {error.claim}; exp, iss, aud and sub are needed."
        if isinstance(error, jwt.InvalidAlgorithmError):
            return f"The token must be signed with {' or '.join(self._algorithms)}."
        return _SENTENCES.get(type(error), f"The token cannot be read. {NEW_TOKEN_ADVICE}")


def token_authority(settings: Settings, clock: Clock = Clock()) -> TokenAuthority:  # noqa: B008 (it has no state)
    """Make the authority that the settings describe; no key is fetched yet.

    Raises
    ------
    CannotStart
        If the signing secret cannot be had, or no token could ever be good.
    """
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
    """Return the secret that TOKEN_SECRET replaces, if there is one.

    Raises
    ------
    CannotStart
        If only one of the secret and the time is given.
    """
    secret, until = settings.token_secret_previous, settings.token_secret_previous_until
    if secret is None and until is None:
        return None
    if secret is None or until is None:
        raise CannotStart("TOKEN_SECRET_PREVIOUS and TOKEN_SECRET_PREVIOUS_UNTIL go together; set both or neither")
    return PreviousSecret(secret.get_secret_value().encode(), until.timestamp())


def signing_secret(settings: Settings) -> bytes:
    """Give the secret of the settings, or the one in VAR_DIR/token_secret, made at the first start.

    Raises
    ------
    CannotStart
        If the file cannot be made or read, or is too short.
    """
    if settings.token_secret is not None:
        return settings.token_secret.get_secret_value().encode()
    path = make_var_dir(settings) / SECRET_FILE
    try:
        if not path.exists():
            _make_secret(path)
        secret = path.read_bytes().strip()
    except OSError as error:
        raise CannotStart(
            f"{path} cannot be read: {(error.strerror or '').lower()}; mend it or set TOKEN_SECRET"
        ) from None
    if len(secret) < MIN_SECRET_BYTES:
        raise CannotStart(f"{path} holds fewer than {MIN_SECRET_BYTES} bytes; delete it, and a new one is made")
    return secret


def _make_secret(path: Path) -> None:
    """Write the whole file elsewhere, then give it its name: of several workers that start at once, one wins."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_urlsafe(48).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    except FileExistsError:
        pass  # another worker was first; its secret is the secret
    finally:
        draft.unlink(missing_ok=True)
