"""Writes index objects: embeds their texts, and puts them into generations of the index or takes them out."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np

from db.embeddings.base import Embedder, Vectors
from db.errors import InvalidRecord, RefusedObjects
from db.models import OutboxKind
from db.synchronization.index_documents import IndexDocument, Work
from db.vectors.base import VectorStore

Named = tuple[OutboxKind, str]
"""A shadow: which collection, and its key in the outbox."""

COLLECTIONS = {OutboxKind.PROJECT: "Project", OutboxKind.PROFILE: "UserProfile", OutboxKind.TOOL: "Tool"}
"""What the index calls each of them."""


@dataclass(frozen=True, slots=True)
class _Door:
    """How one collection is written."""

    upsert: Callable[[Sequence[Any], str | None], Awaitable[None]]
    remove: Callable[[Sequence[str], str | None], Awaitable[None]]


class IndexWriter:
    """Puts objects into the index and takes them out.

    A *generation* of None is the one in service (see `VectorStore`).
    """

    def __init__(self, vectors: VectorStore, embedder: Embedder) -> None:
        self._embedder = embedder
        self._doors = {
            OutboxKind.PROJECT: _Door(vectors.upsert_projects, vectors.remove_projects),
            OutboxKind.PROFILE: _Door(
                vectors.upsert_profiles, lambda keys, into: vectors.remove_profiles([int(key) for key in keys], into)
            ),
            OutboxKind.TOOL: _Door(vectors.upsert_tools, vectors.remove_tools),
        }

    async def remove(self, kind: OutboxKind, keys: Sequence[str], generations: Sequence[str | None]) -> None:
        """Take objects out of each generation; needs no embedder."""
        for generation in generations if keys else ():
            await self._doors[kind].remove(keys, generation)

    async def write(self, works: Mapping[OutboxKind, Work], generations: Sequence[str | None]) -> dict[Named, str]:
        """Embed all objects at once and write them into each generation.

        Returns
        -------
        dict
            What the index or the embedding model refuses, and why; all else is written.

        Raises
        ------
        StoreUnavailable
            If the index or the embedder is away. Some objects may have been written; to write them again does no harm.
        """
        names: list[Named] = [(kind, key) for kind, work in works.items() for key in work.objects]
        vectors, refused = await self._embed([works[kind].texts[key] for kind, key in names], names)
        rows = dict(zip(names, vectors, strict=True))
        for kind, work in works.items():
            objects = {
                key: replace(item, vector=rows[kind, key])
                for key, item in work.objects.items()
                if (kind, key) not in refused
            }
            for generation in generations if objects else ():
                reasons = await self._put(self._doors[kind], objects, generation)
                refused |= {(kind, key): reason for key, reason in reasons.items()}
        return refused

    async def _embed(self, texts: Sequence[str], names: Sequence[Named]) -> tuple[Vectors, dict[Named, str]]:
        """Embed all texts at once; if one is refused, one by one, with a row of zeros for each refused text."""
        nothing = np.zeros((0, self._embedder.dimension), np.float32)
        if not texts:
            return nothing, {}
        try:
            return await self._embedder.embed(texts), {}
        except InvalidRecord:
            pass
        rows, refused = [nothing], {}
        for name, text in zip(names, texts, strict=True):
            try:
                rows.append(await self._embedder.embed([text]))
            except InvalidRecord as error:
                refused[name] = error.message
                rows.append(np.zeros((1, self._embedder.dimension), np.float32))
        return np.concatenate(rows), refused

    async def _put(self, door: _Door, objects: Mapping[str, IndexDocument], generation: str | None) -> dict[str, str]:
        """Write objects, all at once; if the store names those that it refuses it took the others, else one by one."""
        try:
            await door.upsert(list(objects.values()), generation)
        except RefusedObjects as error:
            return {key: reason for key, reason in error.refused.items() if key in objects}
        except InvalidRecord as error:
            if len(objects) == 1:
                return dict.fromkeys(objects, error.message)
        else:
            return {}
        singly = [await self._put(door, {key: item}, generation) for key, item in objects.items()]
        return dict(chain.from_iterable(reasons.items() for reasons in singly))
