"""The index in a Weaviate cluster, for what outgrows one host.

Ids are deterministic, so writing twice changes nothing. Writes ask a quorum of the replicas and searches ask one; why
is in docs/decisions/0020-weaviate-consistency.md.
"""

import asyncio
from collections.abc import Sequence

import numpy as np
from weaviate.classes.config import ConsistencyLevel
from weaviate.classes.query import Filter, Sort
from weaviate.util import generate_uuid5

from db.errors import Store, StoreUnavailable
from db.vectors import weaviate_search
from db.vectors.base import Hits, HybridHits, Ids, ProfileDocument, ProjectDocument, ToolDocument, Vector, VectorFilter
from db.vectors.weaviate_collections import MOST_HITS, Collections
from db.vectors.weaviate_connection import Address, Connection
from db.vectors.weaviate_generations import Generations
from db.vectors.weaviate_schema import KINDS, PROFILE, PROJECT, TOOL, VECTOR, Layout, Space
from db.vectors.weaviate_writes import remove, upsert

READ_DEADLINE_S = 2.0
WRITE_DEADLINE_S = 10.0

DROP_AFTER_S = 2.0
"""How long a replaced generation stays: a search that began on it, on whichever node, may end."""


class WeaviateVectorStore:
    """Vectors in Weaviate.

    Parameters
    ----------
    address
        Where the server is, and the keys.
    layout
        Replicas, shards and vectorizer of the collections that `prepare` and `stage` make.
    batch_size
        Objects in one call.
    prefix
        Goes before the names of all collections, where several gateways share a server.
    read_deadline_s, write_deadline_s
        How long one call may take before the store counts as away.
    drop_after_s
        How long `publish` keeps what it replaced.
    """

    def __init__(
        self,
        address: Address,
        layout: Layout | None = None,
        *,
        batch_size: int = 100,
        prefix: str = "",
        read_deadline_s: float = READ_DEADLINE_S,
        write_deadline_s: float = WRITE_DEADLINE_S,
        drop_after_s: float = DROP_AFTER_S,
    ) -> None:
        self._connection = Connection(address, read_deadline_s, write_deadline_s)
        self._collections = Collections(self._connection)
        self._generations = Generations(self._connection, layout or Layout())
        self._batch_size = batch_size
        self._prefix = prefix
        self._drop_after_s = drop_after_s

    async def prepare(self, model: str, dimension: int) -> None:
        """Make the collections for this embedding model if they are not there; those of other models are left alone.

        Raises
        ------
        StoreMisconfigured
            If the address is no Weaviate's, the key is refused, or the collections hold vectors of another length.
        """
        space = Space(self._prefix, model, dimension)
        await self._generations.prepare(space)
        self._collections.space = space

    async def preload(self) -> None:
        """Do nothing: the server holds its collections ready."""

    async def upsert_projects(self, objects: Sequence[ProjectDocument], into: str | None = None) -> None:
        """Write projects."""
        await upsert(self._collections, PROJECT, {item.key: item for item in objects}, into, self._batch_size)

    async def upsert_profiles(self, objects: Sequence[ProfileDocument], into: str | None = None) -> None:
        """Write profiles."""
        by_key = {str(item.actor_id): item for item in objects}
        await upsert(self._collections, PROFILE, by_key, into, self._batch_size)

    async def upsert_tools(self, objects: Sequence[ToolDocument], into: str | None = None) -> None:
        """Write tools."""
        await upsert(self._collections, TOOL, {item.key: item for item in objects}, into, self._batch_size)

    async def remove_projects(self, keys: Sequence[str], into: str | None = None) -> None:
        """Remove projects by platform key."""
        await remove(self._collections, PROJECT, keys, into)

    async def remove_profiles(self, actor_ids: Sequence[int], into: str | None = None) -> None:
        """Remove profiles."""
        await remove(self._collections, PROFILE, [str(actor_id) for actor_id in actor_ids], into)

    async def remove_tools(self, keys: Sequence[str], into: str | None = None) -> None:
        """Remove tools by platform key."""
        await remove(self._collections, TOOL, keys, into)

    async def near(self, vector: Vector, limit: int, where: VectorFilter) -> Hits:
        """Find the projects nearest to a vector by cosine, ties by id, of at most 10,000."""
        return await weaviate_search.near(self._collections, vector, limit, where)

    async def similarities(self, vector: Vector, ids: Ids) -> Vector:
        """Give the cosine of each project to the vector; NaN for one that the index does not hold."""
        return await weaviate_search.similarities(self._collections, vector, ids)

    async def project_vectors(self, ids: Ids) -> tuple[Ids, Vector]:
        """Give the vectors of those projects that the index holds, in the order asked for."""
        return await weaviate_search.project_vectors(self._collections, ids)

    async def profile(self, actor_id: int) -> Vector | None:
        """Give an actor's profile vector."""
        uuid = generate_uuid5(str(actor_id), PROFILE)
        found = await self._collections.read(
            PROFILE,
            lambda collection: collection.query.fetch_object_by_id(
                uuid, include_vector=[VECTOR], return_properties=["user_id"]
            ),
        )
        return None if found is None else np.array(found.vector[VECTOR], np.float32)

    async def hybrid(
        self, query: str, vector: Vector | None, alpha: float, limit: int, where: VectorFilter
    ) -> HybridHits:
        """Find projects by meaning and by words, fused by relativeScoreFusion.

        Parameters
        ----------
        query
            Words; one without any letter or digit finds nothing by words.
        vector
            The query's meaning; without one, or for one of zeros, words alone count, at their weight of 1 − alpha.
        alpha
            The weight of the meaning, from 0 to 1; 1 skips the words, and 0 the meaning.
        """
        return await weaviate_search.hybrid(self._collections, query, vector, alpha, limit, where)

    async def keyword(self, query: str, limit: int, where: VectorFilter) -> Hits:
        """Find projects by words alone (BM25F), ties by id."""
        return await weaviate_search.keyword(self._collections, query, limit, where)

    async def nearest_profiles(self, vector: Vector, limit: int, exclude_actor: int | None) -> tuple[Ids, Vector]:
        """Find the actors whose profiles are nearest to a vector: their ids and cosines, ties by id."""
        return await weaviate_search.nearest_profiles(self._collections, vector, limit, exclude_actor)

    async def nearest_tools(self, vector: Vector, limit: int) -> list[tuple[str, float]]:
        """Find the tools nearest to a vector: (key, cosine), ties by key."""
        return await weaviate_search.nearest_tools(self._collections, vector, limit)

    async def counts(self, generation: str | None = None) -> dict[str, int]:
        """Count the objects of each collection."""

        async def count(kind: str) -> int:
            counted = await self._collections.read(
                kind, lambda held: held.aggregate.over_all(total_count=True), generation=generation
            )
            return int(counted.total_count or 0)

        return dict(zip(KINDS, await asyncio.gather(*map(count, KINDS)), strict=True))

    async def listing(
        self, collection: str, after: str | None, limit: int, generation: str | None = None
    ) -> list[tuple[str, str]]:
        """Give the (key, fingerprint) pairs of a kind by key, those after a key."""
        where = None if after is None else Filter.by_property("key").greater_than(after)
        found = await self._collections.read(
            collection,
            lambda held: held.query.fetch_objects(
                limit=min(limit, MOST_HITS),
                filters=where,
                sort=Sort.by_property("key", ascending=True),
                return_properties=["key", "fingerprint"],
            ),
            generation=generation,
            level=ConsistencyLevel.QUORUM,
        )
        return [(str(one.properties["key"]), str(one.properties.get("fingerprint") or "")) for one in found.objects]

    async def health(self) -> None:
        """Raise `StoreUnavailable` unless REST says it is ready and, once prepared, gRPC answers a search."""
        ready = await self._connection.read(lambda client: client.is_ready())
        if not ready:
            raise StoreUnavailable(Store.VECTORS, f"Weaviate at {self._connection.url} says that it is not ready")
        if self._collections.space is not None:
            await self._collections.read(
                PROJECT, lambda held: held.query.fetch_objects(limit=1, return_properties=["key"])
            )

    async def stage(self) -> str:
        """Make an empty generation beside the one in service, drop all others, and give its name."""
        return await self._generations.stage(self._collections.prepared())

    async def staged(self) -> str | None:
        """Name the newest generation that is complete but not, or not wholly, in service."""
        return await self._generations.staged(self._collections.prepared())

    async def publish(self, generation: str) -> None:
        """Put a generation into service, kind by kind; each swap is atomic. Then drop all others of this space.

        If it is interrupted, `staged` names the generation again, and publishing it again ends the work.
        """
        await self._generations.publish(self._collections.prepared(), generation, self._drop_after_s)

    async def discard(self, generation: str) -> None:
        """Drop a generation that is not in service."""
        await self._generations.discard(self._collections.prepared(), generation)

    async def scrub(self) -> None:
        """Do nothing: its files are the server's, which merges removed objects away by itself."""

    async def close(self) -> None:
        """Close the connection."""
        await self._connection.close()
