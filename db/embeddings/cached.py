"""An embedder behind a cache, so that no text is paid for twice.

It needs a cache of its own: a vector of 1,536 components has 6 KB and lives 90 days, and would displace rankings, which
live 30 minutes, from a cache that evicts the entries that expire first.
"""

import asyncio
import hashlib
import logging
from collections.abc import Sequence

import numpy as np

from db.cache.base import Cache
from db.cache.single_flight import Computed, get_or_compute
from db.embeddings.base import Embedder, Vectors
from db.errors import StoreUnavailable

log = logging.getLogger(__name__)

TTL_S = 90 * 86_400.0
"""Texts that return after a quarter of a year are paid for again."""

CHUNK = 256
"""New texts of one request: an answered chunk is kept even if the next one fails."""

LOCK_S = 30.0


class CachedEmbedder:
    """An embedder behind a cache. While the cache is unavailable, all texts go to the embedder."""

    def __init__(self, embedder: Embedder, cache: Cache, ttl_s: float = TTL_S) -> None:
        self.model, self.dimension = embedder.model, embedder.dimension
        self._embedder = embedder
        self._cache = cache
        self._ttl_s = ttl_s
        self._space = f"{embedder.model}\0{embedder.dimension}\0".encode()

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """Embed texts into unit vectors; only new texts reach the embedder, each once.

        Raises `StoreUnavailable` if a new text cannot be embedded; the vectors of the others are kept.
        """
        keys = [self._key(text) for text in texts]
        wanted = dict(zip(keys, texts, strict=True))
        found = await self._cached(list(wanted))
        missing = {key: text for key, text in wanted.items() if key not in found}
        if len(missing) == 1:
            found |= await self._embed_one(*next(iter(missing.items())))
        elif missing:
            found |= await self._embed_many(missing)
        vectors = np.empty((len(texts), self.dimension), np.float32)
        for row, key in enumerate(keys):
            vectors[row] = np.frombuffer(found[key], "<f4")
        return vectors

    async def close(self) -> None:
        """Close the embedder and the cache."""
        await self._embedder.close()
        await self._cache.close()

    def _key(self, text: str) -> str:
        digest = hashlib.blake2b(self._space + text.encode(errors="surrogatepass"), digest_size=20)
        return f"embedding:{digest.hexdigest()}"

    async def _cached(self, keys: list[str]) -> dict[str, bytes]:
        try:
            found = await self._cache.get_many(keys)
            damaged = [key for key, value in found.items() if not self._is_sound(value)]
            for key in damaged:
                log.warning("%s is not a vector of %s components; embedding the text again", key, self.dimension)
                await self._cache.delete(key)
        except StoreUnavailable as away:
            log.debug("cached vectors are unavailable: %s", away)
            return {}
        return {key: value for key, value in found.items() if key not in damaged}

    def _is_sound(self, value: bytes) -> bool:
        return len(value) == 4 * self.dimension and bool(np.isfinite(np.frombuffer(value, "<f4")).all())

    async def _embed_one(self, key: str, text: str) -> dict[str, bytes]:
        """Embed one text, most often a search query: once for all concurrent callers."""

        async def compute() -> Computed[None]:
            return Computed((await self._embed({key: text}))[key], self._ttl_s)

        return {key: (await get_or_compute(self._cache, key, compute, lock_s=LOCK_S)).value}

    async def _embed_many(self, missing: dict[str, str]) -> dict[str, bytes]:
        """Embed a batch without single flight: batches are the work of one worker."""
        items = list(missing.items())
        chunks = [dict(items[start : start + CHUNK]) for start in range(0, len(items), CHUNK)]
        made = await asyncio.gather(*map(self._embed_and_keep, chunks), return_exceptions=True)
        for chunk in made:
            if isinstance(chunk, BaseException):
                raise chunk
        return {key: value for chunk in made if isinstance(chunk, dict) for key, value in chunk.items()}

    async def _embed_and_keep(self, texts: dict[str, str]) -> dict[str, bytes]:
        values = await self._embed(texts)
        try:
            await self._cache.put_many(values, self._ttl_s)
        except StoreUnavailable as away:
            log.debug("%s vectors are not cached: %s", len(values), away)
        return values

    async def _embed(self, texts: dict[str, str]) -> dict[str, bytes]:
        vectors = await self._embedder.embed(list(texts.values()))
        return {key: vector.astype("<f4").tobytes() for key, vector in zip(texts, vectors, strict=True)}
