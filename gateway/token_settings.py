"""Settings of bearer tokens and session ids."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, NoDecode

from db.models import Role
from db.privacy.session_claims import CLAIM_DURATION
from db.time_units import parse_time
from gateway.client_addresses import is_loopback
from gateway.setting_fields import number, split

LEEWAY_S = 30.0
ADMINISTRATOR_HOURS = 24.0

MIN_SECRET_BYTES = 32
"""Minimum length of the secret: HS256 requires a key at least as long as its digest (RFC 7518, section 3.2)."""

TokenAlgorithm: TypeAlias = Literal[
    "HS256", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"
]

_SECRET_ALGORITHMS: tuple[TokenAlgorithm, ...] = ("HS256",)
_ISSUER_ALGORITHMS: tuple[TokenAlgorithm, ...] = ("RS256", "ES256", "EdDSA")


def _check_secret_length(value: Any) -> Any:
    if isinstance(value, str) and len(value.encode()) < MIN_SECRET_BYTES:
        raise ValueError(f"has {len(value.encode())} bytes")
    return value


def _check_key_set_location(value: str) -> str:
    scheme, separator, rest = value.partition("://")
    if not separator or (scheme == "https" and rest):
        return value
    if scheme == "http" and is_loopback(urlsplit(value).hostname):
        return value
    raise ValueError("is no address that keys can be trusted from")


def _parse_time(value: Any) -> Any:
    return parse_time(value) if isinstance(value, str) else value


def _parse_roles(value: Any) -> Any:
    """Parse ``name=role,name=role``."""
    return dict(part.rpartition("=")[::2] for part in split(value)) if isinstance(value, str) else value


class TokenSettings(BaseSettings):
    """Accepted tokens, their roles and their lifetimes. Part of `gateway.settings.Settings`."""

    token_secret: Annotated[SecretStr | None, BeforeValidator(_check_secret_length)] = Field(
        None,
        description=f"The secret that signs bearer tokens (HS256) and session ids, at least {MIN_SECRET_BYTES} bytes. "
        "Unset: the first start creates one in VAR_DIR/token_secret.",
        json_schema_extra={"fix": "make a longer one, for example with: openssl rand -base64 48"},
    )
    token_secret_previous: Annotated[SecretStr | None, BeforeValidator(_check_secret_length)] = Field(
        None,
        description="The secret that TOKEN_SECRET replaces. Tokens and session ids that it signed are accepted until "
        "TOKEN_SECRET_PREVIOUS_UNTIL; it signs nothing new.",
        json_schema_extra={"fix": f"give the previous secret, at least {MIN_SECRET_BYTES} bytes"},
    )
    token_secret_previous_until: Annotated[datetime | None, BeforeValidator(_parse_time)] = Field(
        None, description="The end of TOKEN_SECRET_PREVIOUS: a date and time with its zone, as in 2027-01-31T12:00:00Z."
    )
    token_issuer: str = Field("explore-gateway", description="The required value of a token's claim `iss`.")
    token_audience: str = Field("explore", description="A value that a token's claim `aud` must contain.")
    token_jwks_url: Annotated[str, AfterValidator(_check_key_set_location)] = Field(
        "",
        description="The URL of the token issuer's public keys (JWKS), as in "
        "https://login.example.com/.well-known/jwks.json, or the path of a file. Plain http is refused, except from a "
        "loopback address (localhost, 127.0.0.1, ::1). Empty: tokens are signed with the secret only.",
        repr=False,  # may hold a password
        json_schema_extra={"fix": "give one with https://, or the path of a file; http:// only from this machine"},
    )
    token_algorithms: Annotated[tuple[TokenAlgorithm, ...], NoDecode, BeforeValidator(split)] = Field(
        (),
        description="The accepted signature algorithms, separated by commas: HS256 (with the secret), and with a key "
        "of TOKEN_JWKS_URL RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA. Empty: HS256 without "
        "TOKEN_JWKS_URL; RS256, ES256 and EdDSA with it, so that only the issuer's tokens are accepted. Add HS256 to "
        "accept tokens that the secret signs as well.",
    )
    token_role_claim: str = Field(
        "role",
        min_length=1,
        max_length=200,
        description="The claim that holds the role: its name, or a path with dots, as in realm_access.roles. Its value "
        "is one name, or a list whose highest role counts.",
    )
    token_role_names: Annotated[Mapping[str, Role], NoDecode, BeforeValidator(_parse_roles)] = Field(
        {role.value: role for role in Role},
        min_length=1,
        description="The issuer's names of the roles viewer, service and administrator, separated by commas, as in "
        "explore-admins=administrator,explore-sync=service.",
    )
    token_leeway_s: float = number(
        LEEWAY_S,
        0,
        300,
        "Seconds by which the clocks of the issuer and the gateway may differ. It applies to requests, WebSockets and "
        "event streams.",
    )
    token_administrator_hours: float = Field(
        ADMINISTRATOR_HOURS,
        gt=0,
        le=87_600,
        description="The longest life of an administrator's token in hours (from `iat` to `exp`), above 0 to 87600. "
        "A longer life, or a missing `iat`, is refused.",
    )
    claimed_session_hours: float = number(
        CLAIM_DURATION / timedelta(hours=1),
        0,
        8_760,
        "Hours for which a claimed session id acts as the account that claimed it: enough for requests and tabs that "
        "still send it. After that it begins a new session.",
    )

    @property
    def accepted_algorithms(self) -> tuple[TokenAlgorithm, ...]:
        """The accepted signature algorithms, with the default filled in."""
        return self.token_algorithms or (_ISSUER_ALGORITHMS if self.token_jwks_url else _SECRET_ALGORITHMS)
