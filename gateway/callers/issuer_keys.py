"""Public keys of the token issuer (a JSON Web Key Set, RFC 7517), fetched and refreshed.

A token names its key by `kid`. Keys are fetched for the first token, and refreshed every five minutes while tokens
arrive. An unknown `kid` triggers another fetch, at most one in ten seconds. While the issuer is unavailable, its last
known keys are valid for a day. Keys in a token itself (`jku`, `jwk`, `x5u`, `x5c`) are ignored.
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
from gateway.errors import IssuerUnavailable, os_reason

REFRESH_AFTER_S = 300.0
"""Age from which keys are refreshed in the background. Keys of twice this age are refreshed before the request
continues, so a revoked key is refused after ten minutes at the latest, if the issuer answers."""

MAX_KEY_AGE_S = DAY_S
"""Validity of the last known keys while the issuer is unavailable. During an outage of a night, users stay signed
in."""

RETRY_AFTER_S = 10.0
"""Shortest pause between two fetches, however many tokens with unknown keys arrive."""

DEADLINE_S = 3.0
"""Time limit of a fetch. Only the first request and requests with an unknown key wait for a fetch."""

MAX_BYTES = 256 * 1024
"""Bytes of the largest accepted key set; a key has about 500 bytes."""

MAX_KEYS = 100

RSA_BITS = range(2_048, 8_192 + 1)
"""RFC 7518, section 3.3, requires at least 2,048 bits. A check with more than 8,192 takes more than a millisecond."""

KEY_TYPES: Mapping[str, tuple[str, str | None]] = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), ("RSA", None)),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
}
"""Key type and curve of each algorithm. There is no symmetric algorithm: a secret is never fetched."""

log = structlog.get_logger(__name__)

Fetch = Callable[[], Awaitable[bytes]]


class _UnusableKeySet(Exception):
    """The issuer's answer holds no usable key. The message is the reason."""


@dataclass(frozen=True, slots=True)
class IssuerKey:
    """A public key, and the algorithms whose signatures it may verify."""

    kid: str | None
    algorithms: frozenset[str]
    key: Any


class IssuerKeys:
    """Keys of one issuer, at a URL or in a file. Tests pass `fetch` instead of the download, and a `clock`."""

    def __init__(self, location: str, fetch: Fetch | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.location = display_url(location) if "://" in location else location
        self._fetch = fetch or _fetch_from(location)
        self._clock = clock
        self._keys: tuple[IssuerKey, ...] = ()
        self._fetched_at: float | None = None
        self._last_fetch_began_at = -RETRY_AFTER_S + clock()
        self._fetch_task: asyncio.Task[None] | None = None
        self.fault: str | None = None

    async def find(self, algorithm: str, kid: str | None) -> IssuerKey | None:
        """Return the key that a token's header names, or None if the issuer has no such key for this algorithm.

        Raises `IssuerUnavailable` if no keys are known, or all are older than `MAX_KEY_AGE_S`.
        """
        await self._keep_fresh()
        key = self._match(algorithm, kid)
        if key is None and self._may_retry():
            await self._fetch_now()
            key = self._match(algorithm, kid)
        if key is None and not self._has_valid_keys():
            raise IssuerUnavailable(RETRY_AFTER_S)
        return key

    async def refresh(self) -> tuple[IssuerKey, ...]:
        """Fetch the keys now, and return the valid keys. After a failure, `fault` holds the reason."""
        await self._fetch_now()
        return self._keys

    async def close(self) -> None:
        """Cancel a running fetch."""
        if self._fetch_task is not None:
            self._fetch_task.cancel()
            with suppress(asyncio.CancelledError):
                await self._fetch_task

    def _age_s(self) -> float:
        return float("inf") if self._fetched_at is None else self._clock() - self._fetched_at

    def _has_valid_keys(self) -> bool:
        return self._age_s() <= MAX_KEY_AGE_S

    def _may_retry(self) -> bool:
        is_fetching = self._fetch_task is not None and not self._fetch_task.done()
        return is_fetching or self._clock() - self._last_fetch_began_at >= RETRY_AFTER_S

    def _match(self, algorithm: str, kid: str | None) -> IssuerKey | None:
        """Return the only matching key, else None. A token may omit `kid` if the issuer has one matching key."""
        if not self._has_valid_keys():
            return None
        matching = [key for key in self._keys if algorithm in key.algorithms and kid in (None, key.kid)]
        return matching[0] if len(matching) == 1 else None

    async def _keep_fresh(self) -> None:
        if self._age_s() <= REFRESH_AFTER_S or not self._may_retry():
            return
        # After a failed fetch, and while valid keys are known, the next fetch runs in the background.
        if not self._has_valid_keys() or (self._age_s() > 2 * REFRESH_AFTER_S and self.fault is None):
            await self._fetch_now()
        else:
            self._start_fetch()

    async def _fetch_now(self) -> None:
        await asyncio.shield(self._start_fetch())

    def _start_fetch(self) -> "asyncio.Task[None]":
        """Start a fetch, or join the running one: a detached task, which is not canceled when a client disconnects."""
        if self._fetch_task is None or self._fetch_task.done():
            self._last_fetch_began_at = self._clock()
            self._fetch_task = asyncio.create_task(self._run_fetch(), name="issuer keys")
        return self._fetch_task

    async def _run_fetch(self) -> None:
        try:
            async with asyncio.timeout(DEADLINE_S):
                keys = _parse_key_set(await self._fetch())
        except TimeoutError:
            self._record_fault(f"no answer within {DEADLINE_S:.0f} s")
        except _UnusableKeySet as error:
            self._record_fault(str(error))
        except OSError as error:
            self._record_fault(os_reason(error))
        else:
            self._keys, self._fetched_at = keys, self._clock()
            self._record_fault(None)

    def _record_fault(self, fault: str | None) -> None:
        if fault is not None and self.fault is None:
            log.warning("token issuer unavailable", where=self.location, reason=fault)
        elif fault is None and self.fault is not None:
            log.info("token issuer available again", where=self.location)
        self.fault = fault


def _fetch_from(location: str) -> Fetch:
    if "://" not in location:
        return lambda: asyncio.to_thread(Path(location).read_bytes)
    return lambda: _download(location)


async def _download(url: str) -> bytes:
    """Fetch a key set. No redirect is followed: it could lead to the keys of an attacker."""
    import httpx  # noqa: PLC0415 (0.1 s, only with an issuer)

    # Plain http is allowed for this machine only, so the environment's proxy settings are ignored for an http URL.
    direct = url.startswith("http:")
    # In a thread: reading the certificates of the authorities takes 20 ms.
    client = await asyncio.to_thread(
        httpx.AsyncClient, timeout=DEADLINE_S, follow_redirects=False, trust_env=not direct
    )
    accept = {"Accept": "application/jwk-set+json, application/json;q=0.9, */*;q=0.5"}
    try:
        async with client, client.stream("GET", url, headers=accept) as answer:
            if answer.status_code != 200:
                raise _UnusableKeySet(f"it answers {answer.status_code}")
            return await _read_all(answer.aiter_bytes())
    except (httpx.HTTPError, httpx.InvalidURL) as error:  # the message of the error holds the whole URL
        raise _UnusableKeySet(f"it cannot be reached ({type(error).__name__})") from None


async def _read_all(pieces: AsyncIterator[bytes]) -> bytes:
    body = b""
    async for piece in pieces:
        body += piece
        if len(body) > MAX_BYTES:
            raise _UnusableKeySet(f"its answer is larger than {MAX_BYTES // 1024} KB")
    return body


def _parse_key_set(text: bytes) -> tuple[IssuerKey, ...]:
    """Parse a key set; keys for other purposes are ignored, as the RFC requires."""
    try:
        parsed = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise _UnusableKeySet("its answer is not JSON") from None
    entries = parsed.get("keys") if isinstance(parsed, dict) else None
    if not isinstance(entries, list):
        raise _UnusableKeySet('its answer is no key set: it has no list "keys"')
    keys = tuple(key for entry in entries[:MAX_KEYS] if (key := _parse_key(entry)) is not None)
    if not keys:
        raise _UnusableKeySet("its answer holds no public key for signatures")
    return keys


def _parse_key(jwk: Any) -> IssuerKey | None:
    if not isinstance(jwk, dict) or not _is_for_signatures(jwk):
        return None
    kind = jwk.get("kty"), jwk.get("crv") if jwk.get("kty") != "RSA" else None
    algorithms = {name for name, kind_of_key in KEY_TYPES.items() if kind_of_key == kind}
    if "alg" in jwk:
        algorithms &= {jwk["alg"]} if isinstance(jwk["alg"], str) else set()
    if not algorithms or not isinstance(jwk.get("kid"), str | None):
        return None
    if "d" in jwk:
        log.warning("private key of the issuer ignored", kid=jwk.get("kid"))
        return None
    try:
        key = jwt.PyJWK(jwk, min(algorithms)).key
    except jwt.PyJWTError:
        return None
    if isinstance(key, RSAPublicKey) and key.key_size not in RSA_BITS:
        return None
    return IssuerKey(jwk.get("kid"), frozenset(algorithms), key)


def _is_for_signatures(jwk: Mapping[str, Any]) -> bool:
    operations = jwk.get("key_ops", ["verify"])
    return jwk.get("use", "sig") == "sig" and isinstance(operations, list) and "verify" in operations
