"""An embedder that is never asked twice for the same text: vectors are kept by what they were made from.

Give it a cache of its own: a vector of 1,536 components is 6 KB and lives 90 days, and would drive rankings, which live
30 minutes, out of a cache that evicts what expires first.
"""

import asyncio
import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from db.cache.base import Cache
from db.cache.single_flight import compute_once
from db.embeddings.base import Embedder, Vectors
from db.errors import StoreUnavailable

log = logging.getLogger(__name__)

SNAPSHOT_TTL_S = 90 * 86_400.0
"""Texts that come back after a quarter of a year are paid for again."""

CHUNK = 256
"""New texts that are asked for together: what was answered is kept even if the next chunk fails."""

LOCK_S = 30.0


@dataclass(slots=True)
class Memory:
    """How often the vectors were at hand.

    Attributes
    ----------
    hits
        Texts whose vector was kept.
    misses
        Texts that the embedder was asked for.
    """

    hits: int = 0
    misses: int = 0


class CachedEmbedder:
    """An embedder behind a cache.

    Parameters
    ----------
    embedder
        Asked for what is not kept.
    cache
        Where vectors are kept; while it is away all texts go to the embedder.
    kept_s
        How long.

    Attributes
    ----------
    memory
        Hits and misses since the start.
    """

    def __init__(self, embedder: Embedder, cache: Cache, kept_s: float = SNAPSHOT_TTL_S) -> None:
        self._embedder = embedder
        self._cache = cache
        self._kept_s = kept_s
        self._space = f"{embedder.model}\0{embedder.dimension}\0".encode()
        self.memory = Memory()

    @property
    def model(self) -> str:
        """The model's name."""
        return self._embedder.model

    @property
    def dimension(self) -> int:
        """Components of each vector."""
        return self._embedder.dimension

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """Embed texts into unit vectors; only new ones are paid for, each once.

        Raises
        ------
        StoreUnavailable
            If a new text cannot be embedded; those that could be are kept.
        """
        keys = [self._key(text) for text in texts]
        wanted = dict(zip(keys, texts, strict=True))
        found = await self._recall(list(wanted))
        missing = {key: text for key, text in wanted.items() if key not in found}
        self.memory.hits += len(texts) - len(missing)
        if len(missing) == 1:
            found |= await self._make_one(*next(iter(missing.items())))
        elif missing:
            found |= await self._make_many(missing)
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

    async def _recall(self, keys: list[str]) -> dict[str, bytes]:
        try:
            found = await self._cache.get_many(keys)
            damaged = [key for key, value in found.items() if not self._is_sound(value)]
            for key in damaged:
                log.warning("%s holds no vector of %s components; it is made anew", key, self.dimension)
                await self._cache.delete(key)
        except StoreUnavailable as away:
            log.debug("vectors are made anew: %s", away)
            return {}
        return {key: value for key, value in found.items() if key not in damaged}

    def _is_sound(self, value: bytes) -> bool:
        return len(value) == 4 * self.dimension and bool(np.isfinite(np.frombuffer(value, "<f4")).all())

    async def _make_one(self, key: str, text: str) -> dict[str, bytes]:
        """Embed one text, most often a search query: once for all who want it at the same moment."""

        async def make() -> bytes:
            return (await self._ask({key: text}))[key]

        return {key: await compute_once(self._cache, key, make, ttl_s=self._kept_s, lock_s=LOCK_S)}

    async def _make_many(self, missing: dict[str, str]) -> dict[str, bytes]:
        """Embed the texts of a batch; that of one worker alone, so that nobody else waits for them."""
        items = list(missing.items())
        chunks = [dict(items[start : start + CHUNK]) for start in range(0, len(items), CHUNK)]
        made = await asyncio.gather(*map(self._ask_and_keep, chunks), return_exceptions=True)
        for chunk in made:
            if isinstance(chunk, BaseException):
                raise chunk
        return {key: value for chunk in made if isinstance(chunk, dict) for key, value in chunk.items()}

    async def _ask_and_keep(self, texts: dict[str, str]) -> dict[str, bytes]:
        values = await self._ask(texts)
        try:
            await self._cache.put_many(values, self._kept_s)
        except StoreUnavailable as away:
            log.debug("%s vectors are not kept: %s", len(values), away)
        return values

    async def _ask(self, texts: dict[str, str]) -> dict[str, bytes]:
        self.memory.misses += len(texts)
        vectors = await self._embedder.embed(list(texts.values()))
        return {key: vector.astype("<f4").tobytes() for key, vector in zip(texts, vectors, strict=True)}
