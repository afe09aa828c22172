"""An embedder behind a cache, so that the provider does not charge for a text twice.

The cache must not be shared with rankings. It evicts the entries that expire first: vectors (6 KB, 90 days) would
displace rankings (30 minutes).
"""

import hashlib
import logging
from collections.abc import Sequence

import numpy as np

from db.cache.base import Cache, entries
from db.cache.single_flight import Computed, get_or_compute
from db.embeddings.base import BatchEmbedder, Vectors
from db.errors import InvalidRecord, StoreUnavailable

log = logging.getLogger(__name__)

TTL_S = 90 * 86_400.0
"""TTL of a cached vector: 90 days."""

LOCK_S = 30.0


class CachedEmbedder:
    """An embedder behind a cache. While the cache is unavailable, every text is sent to the embedder."""

    def __init__(self, embedder: BatchEmbedder, cache: Cache, ttl_s: float = TTL_S) -> None:
        self.model, self.dimension = embedder.model, embedder.dimension
        self._embedder = embedder
        self._cache = cache
        self._ttl_s = ttl_s
        self._key_prefix = f"{embedder.model}\0{embedder.dimension}\0".encode()

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """Embed texts into unit vectors. Only texts that are not cached are sent to the embedder, each once.

        Raises `StoreUnavailable` if a text cannot be embedded, and `InvalidRecord` if the model rejects a text, whose
        index is the path; vectors computed before the error are cached.
        """
        keys = [self._key(text) for text in texts]
        text_by_key = dict(zip(keys, texts, strict=True))
        vector_by_key = await self._cached_vectors(list(text_by_key))
        missing = {key: text for key, text in text_by_key.items() if key not in vector_by_key}
        try:
            if len(missing) == 1:
                vector_by_key |= await self._embed_one(*next(iter(missing.items())))
            elif missing:
                vector_by_key |= await self._embed_many(missing)
        except InvalidRecord as error:
            rejected_key = list(missing)[int(error.path[0])]
            raise InvalidRecord(error.message, (keys.index(rejected_key),)) from error
        vectors = np.empty((len(texts), self.dimension), np.float32)
        for row, key in enumerate(keys):
            vectors[row] = np.frombuffer(vector_by_key[key], "<f4")
        return vectors

    async def close(self) -> None:
        """Close the embedder and the cache."""
        await self._embedder.close()
        await self._cache.close()

    def _key(self, text: str) -> str:
        digest = hashlib.blake2b(self._key_prefix + text.encode(errors="surrogatepass"), digest_size=20)
        return f"embedding:{digest.hexdigest()}"

    async def _cached_vectors(self, keys: list[str]) -> dict[str, bytes]:
        try:
            values = await self._cache.get_many(keys)
            damaged = [key for key, value in values.items() if not self._is_valid(value)]
            for key in damaged:
                log.warning("%s is not a vector of %s components; embedding the text again", key, self.dimension)
                await self._cache.delete(key)
        except StoreUnavailable as error:
            log.debug("cached vectors are unavailable: %s", error)
            return {}
        return {key: value for key, value in values.items() if key not in damaged}

    def _is_valid(self, value: bytes) -> bool:
        return len(value) == 4 * self.dimension and bool(np.isfinite(np.frombuffer(value, "<f4")).all())

    async def _embed_one(self, key: str, text: str) -> dict[str, bytes]:
        """Embed one text, usually a search query. Concurrent callers share one computation."""

        async def compute() -> Computed[None]:
            return Computed(_packed((await self._embedder.embed([text]))[0]), self._ttl_s)

        return {key: (await get_or_compute(self._cache, key, compute, lock_s=LOCK_S)).value}

    async def _embed_many(self, missing: dict[str, str]) -> dict[str, bytes]:
        """Embed texts, and cache each batch at once. No single flight: only one worker embeds a text."""
        keys = list(missing)

        async def keep(rows: Sequence[int], vectors: Vectors) -> None:
            values = {keys[row]: _packed(vector) for row, vector in zip(rows, vectors, strict=True)}
            try:
                await self._cache.put_many(entries(values, self._ttl_s))
            except StoreUnavailable as error:
                log.debug("%s vectors are not cached: %s", len(values), error)

        vectors = await self._embedder.embed(list(missing.values()), keep)
        return {key: _packed(vector) for key, vector in zip(keys, vectors, strict=True)}


def _packed(vector: Vectors) -> bytes:
    return vector.astype("<f4").tobytes()
