"""Public keys of the token issuer (a JSON Web Key Set, RFC 7517), fetched and refreshed.

A token names its key by `kid`. Keys are fetched for the first token, and refreshed every five minutes while tokens
arrive; an unknown `kid` triggers another fetch, at most every ten seconds however many tokens name unknown keys. While
the issuer is away its last known keys are valid for a day. Keys in a token itself (`jku`, `jwk`, `x5u`, `x5c`) are
ignored.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
import orjson
import structlog
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from db.redaction import display_url
from db.time_units import DAY_S
from gateway.errors import IssuerAway

REFRESH_AFTER_S = 300.0
"""Older keys are refreshed in the background; keys of twice this age, before the request. So a revoked key is refused
after ten minutes at the latest, if the issuer answers."""

MAX_KEY_AGE_S = DAY_S
"""Validity of the last known keys while the issuer is away: a night's outage locks nobody out."""

RETRY_AFTER_S = 10.0
"""Pause between two fetches, whatever tokens arrive."""

DEADLINE_S = 3.0
"""Deadline of a fetch. Only the first request and one with an unknown key wait for it."""

MAX_BYTES = 256 * 1024
"""Size of the largest accepted key set; a key has about 500."""

MAX_KEYS = 100

RSA_BITS = range(2_048, 8_192 + 1)
"""RFC 7518, section 3.3, requires 2,048 at least; above 8,192 a check costs more than a millisecond."""

KEY_TYPES: Mapping[str, tuple[str, str | None]] = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), ("RSA", None)),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
}
"""Key type and curve of each algorithm. There is no symmetric one: a secret is never fetched."""

log = structlog.get_logger(__name__)

Fetch = Callable[[], Awaitable[bytes]]


class _Unusable(Exception):
    """The issuer's answer holds no usable key; the text is the reason."""


@dataclass(frozen=True, slots=True)
class IssuerKey:
    """A public key, and the algorithms whose signatures it may verify."""

    kid: str | None
    algorithms: frozenset[str]
    key: Any


class IssuerKeys:
    """Keys of one issuer, at a URL or in a file; `fetch` replaces the download, and `clock` the monotonic clock."""

    def __init__(self, where: str, fetch: Fetch | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.where = display_url(where) if "://" in where else where
        self._fetch = fetch or _fetch_from(where)
        self._clock = clock
        self._keys: tuple[IssuerKey, ...] = ()
        self._fetched_at: float | None = None
        self._asked_at = -RETRY_AFTER_S + clock()
        self._flight: asyncio.Task[None] | None = None
        self.fault: str | None = None

    async def find(self, algorithm: str, kid: str | None) -> IssuerKey | None:
        """Return the key that a token's header names; None if the issuer has no such key for this algorithm.

        Raises `IssuerAway` if no keys are known, or all are older than `MAX_KEY_AGE_S`.
        """
        await self._keep_fresh()
        found = self._match(algorithm, kid)
        if found is None and self._may_retry():
            await self._fetched()
            found = self._match(algorithm, kid)
        if found is None and not self._is_known():
            raise IssuerAway(RETRY_AFTER_S)
        return found

    async def refresh(self) -> tuple[IssuerKey, ...]:
        """Fetch the keys now, and return those known afterwards; `fault` holds the error, if any."""
        await self._fetched()
        return self._keys

    async def close(self) -> None:
        """Cancel a running fetch."""
        if self._flight is not None:
            self._flight.cancel()
            with suppress(asyncio.CancelledError):
                await self._flight

    def _age_s(self) -> float:
        return float("inf") if self._fetched_at is None else self._clock() - self._fetched_at

    def _is_known(self) -> bool:
        return self._age_s() <= MAX_KEY_AGE_S

    def _may_retry(self) -> bool:
        is_asking = self._flight is not None and not self._flight.done()
        return is_asking or self._clock() - self._asked_at >= RETRY_AFTER_S

    def _match(self, algorithm: str, kid: str | None) -> IssuerKey | None:
        """Find the one key that fits. A token may omit `kid` only where one key fits."""
        if not self._is_known():
            return None
        fitting = [key for key in self._keys if algorithm in key.algorithms and kid in (None, key.kid)]
        return fitting[0] if len(fitting) == 1 else None

    async def _keep_fresh(self) -> None:
        if self._age_s() <= REFRESH_AFTER_S or not self._may_retry():
            return
        # An issuer that did not answer last time is asked in the background.
        if not self._is_known() or (self._age_s() > 2 * REFRESH_AFTER_S and self.fault is None):
            await self._fetched()
        else:
            self._begin()

    async def _fetched(self) -> None:
        await asyncio.shield(self._begin())

    def _begin(self) -> "asyncio.Task[None]":
        """Start a fetch, or join the running one: a detached task, which no client's disconnect cancels."""
        if self._flight is None or self._flight.done():
            self._asked_at = self._clock()
            self._flight = asyncio.create_task(self._ask(), name="issuer keys")
        return self._flight

    async def _ask(self) -> None:
        try:
            async with asyncio.timeout(DEADLINE_S):
                keys = _usable(await self._fetch())
        except (OSError, _Unusable) as error:  # TimeoutError is an OSError
            self._note(_reason(error))
        else:
            self._keys, self._fetched_at = keys, self._clock()
            self._note(None)

    def _note(self, fault: str | None) -> None:
        if fault is not None and self.fault is None:
            log.warning("token issuer unavailable", where=self.where, reason=fault)
        elif fault is None and self.fault is not None:
            log.info("token issuer available again", where=self.where)
        self.fault = fault


def _fetch_from(where: str) -> Fetch:
    if "://" not in where:
        return lambda: asyncio.to_thread(Path(where).read_bytes)
    return lambda: _download(where)


async def _download(url: str) -> bytes:
    """Fetch a key set. No redirect is followed: it could lead to the keys of an attacker."""
    import httpx  # noqa: PLC0415 (0.1 s, only with an issuer)

    # In a thread: reading the authorities' certificates takes 20 ms.
    # Plain http goes to this machine only (TOKEN_JWKS_URL), and so through no proxy that the environment names.
    direct = url.startswith("http:")
    client = await asyncio.to_thread(
        httpx.AsyncClient, timeout=DEADLINE_S, follow_redirects=False, trust_env=not direct
    )
    accept = {"Accept": "application/jwk-set+json, application/json;q=0.9, */*;q=0.5"}
    try:
        async with client, client.stream("GET", url, headers=accept) as answer:
            if answer.status_code != 200:
                raise _Unusable(f"it answers {answer.status_code}")
            return await _read_all(answer.aiter_bytes())
    except (httpx.HTTPError, httpx.InvalidURL) as error:  # its message holds the whole URL
        raise _Unusable(f"it cannot be reached ({type(error).__name__})") from None


async def _read_all(pieces: AsyncIterator[bytes]) -> bytes:
    body = b""
    async for piece in pieces:
        body += piece
        if len(body) > MAX_BYTES:
            raise _Unusable(f"its answer is larger than {MAX_BYTES // 1024} KB")
    return body


def _usable(text: bytes) -> tuple[IssuerKey, ...]:
    """Parse a key set; keys for other purposes are ignored, as the RFC requires."""
    try:
        read = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise _Unusable("its answer is not JSON") from None
    listed = read.get("keys") if isinstance(read, dict) else None
    if not isinstance(listed, list):
        raise _Unusable('its answer is no key set: it has no list "keys"')
    keys = tuple(key for one in listed[:MAX_KEYS] if (key := _key(one)) is not None)
    if not keys:
        raise _Unusable("its answer holds no public key for signatures")
    return keys


def _key(given: Any) -> IssuerKey | None:
    if not isinstance(given, dict) or not _is_for_signatures(given):
        return None
    kind = given.get("kty"), given.get("crv") if given.get("kty") != "RSA" else None
    algorithms = {name for name, wanted in KEY_TYPES.items() if wanted == kind}
    if "alg" in given:
        algorithms &= {given["alg"]} if isinstance(given["alg"], str) else set()
    if not algorithms or not isinstance(given.get("kid"), str | None):
        return None
    if "d" in given:
        log.warning("private key of the issuer ignored", kid=given.get("kid"))
        return None
    try:
        key = jwt.PyJWK(given, min(algorithms)).key
    except jwt.PyJWTError:
        return None
    if isinstance(key, RSAPublicKey) and key.key_size not in RSA_BITS:
        return None
    return IssuerKey(given.get("kid"), frozenset(algorithms), key)


def _is_for_signatures(given: Mapping[str, Any]) -> bool:
    operations = given.get("key_ops", ["verify"])
    return given.get("use", "sig") == "sig" and isinstance(operations, list) and "verify" in operations


def _reason(error: OSError | _Unusable) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {DEADLINE_S:.0f} s"
    if isinstance(error, _Unusable):
        return str(error)
    return (error.strerror or type(error).__name__).lower()
