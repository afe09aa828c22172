"""Who is asking: from a bearer token (JWT, HS256) to an `Asker`, and the secret that signs both tokens and sessions."""

import os
import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt

from db.models import Role
from gateway.errors import CannotStart, Unauthenticated
from gateway.settings import MIN_SECRET_BYTES, Settings, make_var_dir

ALGORITHM = "HS256"
LEEWAY_S = 30
"""How far apart our clock and the issuer's may be."""

MAX_TOKEN = 8_192
"""Characters of the longest token that is looked at: our own have about 250."""

MAX_KEY = 200
"""Characters of the longest user key, as in the import format."""

SECRET_FILE = "token_secret"  # noqa: S105 (a file's name)

_MAKE_ONE = "Ask for a new one where you sign in, or make one with: explore token USER"

_SENTENCES: dict[type[Exception], str] = {
    jwt.ExpiredSignatureError: f"The token has expired. {_MAKE_ONE}",
    jwt.ImmatureSignatureError: "The token is not valid yet. Compare its issuer's clock with ours.",
    jwt.InvalidIssuerError: "The token was issued by somebody else: its claim iss must be the gateway's TOKEN_ISSUER.",
    jwt.InvalidAudienceError: "The token is meant for others: its claim aud must be the gateway's TOKEN_AUDIENCE.",
    jwt.InvalidAlgorithmError: f"The token must be signed with {ALGORITHM}.",
    jwt.InvalidSignatureError: f"The token was altered, or signed with another secret. {_MAKE_ONE}",
}


@dataclass(frozen=True, slots=True)
class Claims:
    """What a good token says."""

    user_key: str
    role: Role | None


class Authority:
    """Issues bearer tokens and reads them.

    Parameters
    ----------
    secret
        The signing secret, at least 32 bytes.
    issuer, audience
        What the claims `iss` and `aud` must be.
    """

    def __init__(self, secret: bytes, issuer: str, audience: str) -> None:
        self._secret = secret
        self._issuer = issuer
        self._audience = audience

    def issue(self, user_key: str, role: Role | None = None, hours: float = 24.0) -> str:
        """Sign a token for a user, good for `hours`.

        Raises
        ------
        CannotStart
            If the key is no platform key.
        """
        if not _is_key(user_key):
            raise CannotStart(f"a user's key has 1 to {MAX_KEY} characters, none of them NUL", exit_code=2)
        now = int(time.time())
        claims: dict[str, Any] = {
            "sub": user_key,
            "iss": self._issuer,
            "aud": self._audience,
            "iat": now,
            "exp": now + int(hours * 3600),
        }
        if role is not None:
            claims["role"] = role.value
        return jwt.encode(claims, self._secret, ALGORITHM)

    def read(self, header: str | None) -> Claims | None:
        """Read an `Authorization` header; None if there is none.

        Raises
        ------
        Unauthenticated
            If it holds anything but a good bearer token; the message says what to do.
        """
        if header is None:
            return None
        scheme, _, token = header.strip().partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token or " " in token:
            raise Unauthenticated("The Authorization header must read: Bearer TOKEN")
        if len(token) > MAX_TOKEN:
            raise Unauthenticated(f"The token is longer than {MAX_TOKEN} characters. {_MAKE_ONE}")
        return _claims(self._verified(token))

    def _verified(self, token: str) -> dict[str, Any]:
        try:
            return jwt.decode(
                token,
                self._secret,
                algorithms=[ALGORITHM],
                issuer=self._issuer,
                audience=self._audience,
                leeway=LEEWAY_S,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except (jwt.PyJWTError, RecursionError, ValueError) as error:
            raise Unauthenticated(_sentence(error)) from None


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


def _is_key(value: Any) -> bool:
    if not isinstance(value, str) or not 1 <= len(value) <= MAX_KEY or "\x00" in value:
        return False
    return not any("\ud800" <= character <= "\udfff" for character in value)  # half a character: no store takes it


def _claims(payload: dict[str, Any]) -> Claims:
    if not _is_key(payload["sub"]):
        raise Unauthenticated(
            f"The token's subject must be a user's key of 1 to {MAX_KEY} characters, none of them NUL."
        )
    role = payload.get("role")
    if role is not None and role not in tuple(Role):
        raise Unauthenticated(f"The token's role must be one of {', '.join(Role)}, or be left out.")
    return Claims(payload["sub"], Role(role) if role is not None else None)


def _sentence(error: Exception) -> str:
    if isinstance(error, jwt.MissingRequiredClaimError):
        return f"The token lacks the claim {error.claim}; exp, iss, aud and sub are needed."
    return _SENTENCES.get(type(error), f"The token cannot be read. {_MAKE_ONE}")
