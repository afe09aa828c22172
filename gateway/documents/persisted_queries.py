"""Automatic persisted queries: a client sends a document once and its SHA-256 from then on (Apollo's protocol).

They lie in the cache, so that what one process was told all of them know. A document names itself by its hash, hence
nobody can put another one in its place; without the cache a client is told that its document is not known, and sends it
whole again.
"""

from contextlib import suppress
from hashlib import sha256

from db.cache.base import Cache
from db.errors import StoreUnavailable
from gateway.documents.bounded import BoundedByText

REMEMBERED_CHARACTERS = 1_000_000
"""Text that each process holds without asking the cache: some hundred documents of clients."""


def digest(text: str) -> str:
    """Give the hash by which a document is known."""
    return sha256(text.encode()).hexdigest()


class PersistedQueries:
    """Documents that clients have registered.

    Parameters
    ----------
    cache
        Where they are kept.
    ttl_s
        For how many seconds after the last use.
    max_bytes
        The longest that is kept.
    """

    def __init__(self, cache: Cache, ttl_s: float, max_bytes: int) -> None:
        self._cache = cache
        self._ttl_s = ttl_s
        self._max_bytes = max_bytes
        self._remembered: BoundedByText[str] = BoundedByText(REMEMBERED_CHARACTERS)

    async def text(self, hash_: str) -> str | None:
        """Give the document with this hash; None if nobody has registered it lately, or the cache is away."""
        known = self._remembered.get(hash_)
        if known is not None:
            return known
        with suppress(StoreUnavailable):  # the guard has counted and logged it
            found = await self._cache.get(_key(hash_), extend_s=self._ttl_s)
            if found is not None and sha256(found).hexdigest() == hash_:
                return self._remember(hash_, found.decode())
        return None

    async def register(self, text: str) -> None:
        """Keep a document that has proved valid. One that is too long is left out: its client goes on sending it."""
        body = text.encode()
        hash_ = sha256(body).hexdigest()
        if len(body) > self._max_bytes or hash_ in self._remembered:
            return
        with suppress(StoreUnavailable):
            await self._cache.put(_key(hash_), body, self._ttl_s)
            self._remember(hash_, text)

    def _remember(self, hash_: str, text: str) -> str:
        self._remembered.put(hash_, text, len(text))
        return text

    async def close(self) -> None:
        """Let go of the cache."""
        await self._cache.close()


def _key(hash_: str) -> str:
    return f"document:{hash_}"
