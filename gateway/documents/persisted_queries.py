"""Automatic persisted queries: a client sends a document once, and only its SHA-256 from then on (Apollo's protocol).

Documents are stored in the cache that all processes share. The key is the hash of the document, so nobody can replace a
document. If the cache is unavailable, the answer is that the document is unknown, and the client sends it again.
"""

from contextlib import suppress
from hashlib import sha256

from db.cache.base import Cache
from db.cache.lru_cache import LruCache
from db.errors import StoreUnavailable

MAX_LOCAL_CHARACTERS = 1_000_000
"""Characters of documents that each process keeps in memory: about a hundred documents."""


def digest(text: str) -> str:
    """Return the hash that names a document."""
    return sha256(text.encode()).hexdigest()


class PersistedQueries:
    """Documents that clients have registered. Each is kept for `ttl_s` seconds after its last use."""

    def __init__(self, cache: Cache, ttl_s: float, max_bytes: int) -> None:
        self._cache = cache
        self._ttl_s = ttl_s
        self._max_bytes = max_bytes
        self._local: LruCache[str, str] = LruCache(MAX_LOCAL_CHARACTERS)

    async def text(self, hash_: str) -> str | None:
        """Return the document with this hash, or None if it is not registered, or the cache is unavailable."""
        text = self._local.get(hash_)
        if text is not None:
            return text
        with suppress(StoreUnavailable):  # the guard has counted and logged it
            body = await self._cache.get(_key(hash_), extend_s=self._ttl_s)
            if body is not None and sha256(body).hexdigest() == hash_:
                text = body.decode()
                self._local.put(hash_, text, len(text))
                return text
        return None

    async def register(self, text: str) -> None:
        """Store a valid document. A document that is too long is not stored: its client continues to send it."""
        body = text.encode()
        hash_ = sha256(body).hexdigest()
        if len(body) > self._max_bytes or self._local.get(hash_) is not None:
            return
        with suppress(StoreUnavailable):
            await self._cache.put(_key(hash_), body, self._ttl_s)
            self._local.put(hash_, text, len(text))

    async def close(self) -> None:
        """Close the cache."""
        await self._cache.close()


def _key(hash_: str) -> str:
    return f"document:{hash_}"
