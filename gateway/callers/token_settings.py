"""The settings that say whose tokens are good, and what they let their bearers do."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, NoDecode

from db.models import Role

MIN_SECRET_BYTES = 32
"""HS256 asks for a key at least as long as its digest (RFC 7518, section 3.2)."""

TokenAlgorithm: TypeAlias = Literal[
    "HS256", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"
]


def split(value: Any) -> Any:
    """Read a list that is written with commas."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _secret_is_long(value: Any) -> Any:
    if isinstance(value, str) and len(value.encode()) < MIN_SECRET_BYTES:
        raise ValueError(f"has {len(value.encode())} bytes")
    return value


def _key_set(value: str) -> str:
    scheme, separator, rest = value.partition("://")
    if separator and (scheme not in ("http", "https") or not rest):
        raise ValueError("is no address of a key set")
    return value


def _roles(value: Any) -> Any:
    """Read ``word=role,word=role``."""
    return dict(part.rpartition("=")[::2] for part in split(value)) if isinstance(value, str) else value


class TokenSettings(BaseSettings):
    """What `Settings` says of tokens."""

    token_secret: Annotated[SecretStr | None, BeforeValidator(_secret_is_long)] = Field(
        None,
        description=f"The secret that signs bearer tokens (HS256) and session ids, at least {MIN_SECRET_BYTES} bytes. "
        "Unset: one is made at the first start and kept in VAR_DIR/token_secret.",
        json_schema_extra={"mend": "make a longer one, for example with: openssl rand -base64 48"},
    )
    token_issuer: str = Field(
        "explore-gateway",
        description="What a token's claim `iss` must be.",
    )
    token_audience: str = Field(
        "explore",
        description="What a token's claim `aud` must be or hold.",
    )
    token_jwks_url: Annotated[str, AfterValidator(_key_set)] = Field(
        "",
        description="Where the issuer of tokens publishes its public keys (JWKS), as in "
        "https://login.example.com/.well-known/jwks.json, or the path of a file. Empty: tokens are signed with the "
        "secret only.",
        repr=False,  # an address may hold a password
        json_schema_extra={"mend": "write an address that begins with https:// or http://, or the path of a file"},
    )
    token_algorithms: Annotated[tuple[TokenAlgorithm, ...], NoDecode, BeforeValidator(split)] = Field(
        ("HS256", "RS256", "ES256", "EdDSA"),
        min_length=1,
        description="The algorithms that a token may be signed with, separated by commas: HS256 (with the secret), "
        "and with a key of TOKEN_JWKS_URL RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA. Leave "
        "HS256 out where only the issuer's tokens shall count.",
    )
    token_role_claim: str = Field(
        "role",
        min_length=1,
        max_length=200,
        description="The claim that says what a token's bearer may do: its name, or a path with dots, as in "
        "realm_access.roles. It holds one word, or a list of which the highest role counts.",
    )
    token_role_words: Annotated[Mapping[str, Role], NoDecode, BeforeValidator(_roles)] = Field(
        {role.value: role for role in Role},
        min_length=1,
        description="The issuer's words for our roles, separated by commas, as in "
        "explore-admins=administrator,explore-sync=service; the roles are viewer, service and administrator.",
    )
    token_leeway_s: float = Field(
        30.0,
        ge=0,
        le=300,
        description="Seconds by which our clock and the issuer's may differ, 0 to 300.",
    )
