"""The index in a Weaviate cluster, for what outgrows one host.

Ids are deterministic, so writing twice changes nothing. Writes ask a quorum of the replicas and searches ask one; why
is in docs/decisions/weaviate.md. Batches are sent by `insert_many` and never by `batch.stream()`, whose failure leaves
the client closed for good (weaviate-python-client issue 2139).
"""

import asyncio
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from weaviate import WeaviateAsyncClient
from weaviate.classes.config import ConsistencyLevel
from weaviate.classes.data import DataObject
from weaviate.classes.query import Filter, HybridFusion, MetadataQuery, Sort
from weaviate.collections import CollectionAsync
from weaviate.collections.classes.filters import FilterReturn
from weaviate.exceptions import UnexpectedStatusCodeError, WeaviateInsertManyAllFailedError
from weaviate.util import generate_uuid5

from db.errors import InvalidRecord, RefusedObjects, Store, StoreMisconfigured, StoreUnavailable
from db.vectors.base import (
    Hits,
    HybridHits,
    Ids,
    ProfileObject,
    ProjectObject,
    ToolObject,
    Vector,
    VectorFilter,
)
from db.vectors.fusion import WINDOW, Leg, fuse
from db.vectors.weaviate_connection import Address, Connection
from db.vectors.weaviate_hits import (
    SCORE_DECIMALS,
    Parts,
    conditions,
    explained,
    hybrid_hits,
    keyword_hits,
    matches_nothing,
    nearest_hits,
    similarity,
)
from db.vectors.weaviate_schema import (
    FEATURES,
    KEYWORD_PROPERTIES,
    KINDS,
    PROFILE,
    PROJECT,
    PROPERTIES_OF,
    TOOL,
    VECTOR,
    Layout,
    Space,
    collection_arguments,
    missing_properties,
)

T = TypeVar("T")
Objects = TypeVar("Objects", ProjectObject, ProfileObject, ToolObject)
Collection = CollectionAsync[Any, Any]

READ_DEADLINE_S = 2.0
WRITE_DEADLINE_S = 10.0

MOST_HITS = 10_000
"""Weaviate gives no more (QUERY_MAXIMUM_RESULTS), however it is asked."""

MORE_FOR_TIES = 16
"""Hits fetched beyond the limit, so that a tie at the limit can be broken by id."""

VECTORS_AT_ONCE = 1_000
REMOVED_AT_ONCE = 1_000

DROP_AFTER_S = 2.0
"""How long a replaced generation stays: a search that began on it, on whichever node, may end."""

PASSING = re.compile(
    r"deadline|unavailable|timeout|timed out|connection|consistency|replica|read-?only|shutting down|not ready|memory"
    r"|leader|no space|context canceled|rate limit|\b429\b|\b50[0234]\b",
    re.IGNORECASE,
)
"""Errors of an object that are the server's trouble and not the object's: worth another try."""


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
        self._layout = layout or Layout()
        self._batch_size = batch_size
        self._prefix = prefix
        self._drop_after_s = drop_after_s
        self._space: Space | None = None

    async def prepare(self, model: str, dimension: int) -> None:
        """Make the collections for this embedding model if they are not there; those of other models are left alone.

        Raises
        ------
        StoreMisconfigured
            If the address is no Weaviate's, the key is refused, or the collections hold vectors of another length.
        """
        space = Space(self._prefix, model, dimension)
        served = await self._served(space)
        existing = await self._existing(space)
        for kind in KINDS:
            if kind not in served:
                number = min(existing[kind], default=max(served.values(), default=1))
                await self._make(space, kind, number)
                await self._point(space, kind, number)
            else:
                await self._complete(space, kind, existing[kind][served[kind]])
        await self._check_dimension(space)
        self._space = space

    async def upsert_projects(self, objects: Sequence[ProjectObject], into: str | None = None) -> None:
        """Write projects."""
        await self._upsert(PROJECT, {item.key: item for item in objects}, into)

    async def upsert_profiles(self, objects: Sequence[ProfileObject], into: str | None = None) -> None:
        """Write profiles."""
        await self._upsert(PROFILE, {str(item.actor_id): item for item in objects}, into)

    async def upsert_tools(self, objects: Sequence[ToolObject], into: str | None = None) -> None:
        """Write tools."""
        await self._upsert(TOOL, {item.key: item for item in objects}, into)

    async def remove_projects(self, keys: Sequence[str], into: str | None = None) -> None:
        """Remove projects by platform key."""
        await self._remove(PROJECT, keys, into)

    async def remove_profiles(self, actor_ids: Sequence[int], into: str | None = None) -> None:
        """Remove profiles."""
        await self._remove(PROFILE, [str(actor_id) for actor_id in actor_ids], into)

    async def remove_tools(self, keys: Sequence[str], into: str | None = None) -> None:
        """Remove tools by platform key."""
        await self._remove(TOOL, keys, into)

    async def near(self, vector: Vector, limit: int, where: VectorFilter) -> Hits:
        """Find the projects nearest to a vector by cosine, ties by id, of at most 10,000."""
        vector = self._unit(vector)
        limit = min(limit, MOST_HITS)
        if limit <= 0 or not vector.any() or matches_nothing(where):
            return Hits()
        window = min(limit + MORE_FOR_TIES, MOST_HITS)
        while True:
            found = await self._nearest(PROJECT, vector, window, conditions(where), FEATURES)
            exhausted = len(found) < window or window == MOST_HITS
            # Hits that tie with the last one may lie beyond the window.
            if exhausted or round(similarity(found[limit - 1]) - similarity(found[-1]), SCORE_DECIMALS) > 0:
                return nearest_hits(found, limit)
            window = min(4 * window, MOST_HITS)

    async def similarities(self, vector: Vector, ids: Ids) -> Vector:
        """Give the cosine of each project to the vector; NaN for one that the index does not hold."""
        vector = self._unit(vector)
        known: dict[int, float] = {}
        for some in _chunks(np.unique(ids).tolist(), MOST_HITS):
            only = Filter.by_property("project_id").contains_any(some)
            found = await self._nearest(PROJECT, vector, len(some), only, ["project_id"])
            known |= {one.properties["project_id"]: similarity(one) for one in found}
        scores = [known.get(id_, np.nan) for id_ in ids.tolist()]
        return np.array(scores, np.float32).round(SCORE_DECIMALS)

    async def project_vectors(self, ids: Ids) -> tuple[Ids, Vector]:
        """Give the vectors of those projects that the index holds, in the order asked for."""
        held: dict[int, list[float]] = {}
        for some in _chunks(np.unique(ids).tolist(), VECTORS_AT_ONCE):
            held |= await self._vectors(list(some))
        known = [id_ for id_ in ids.tolist() if id_ in held]
        vectors = np.array([held[id_] for id_ in known], np.float32)
        return np.array(known, np.int64), vectors.reshape(len(known), self._prepared().dimension)

    async def profile(self, actor_id: int) -> Vector | None:
        """Give an actor's profile vector."""
        uuid = generate_uuid5(str(actor_id), PROFILE)
        found = await self._read(
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
        if not 0 <= alpha <= 1:
            raise ValueError(f"alpha {alpha} does not lie from 0 to 1")
        limit = min(limit, MOST_HITS)
        words = _clean(query) if alpha < 1 else ""
        meaning = None if vector is None or alpha == 0 else self._unit(vector)
        if meaning is not None and not meaning.any():
            meaning = None
        if limit <= 0 or matches_nothing(where) or (meaning is None and not words):
            return HybridHits()
        if meaning is None or not words:
            return await self._fused_here(words, meaning, alpha, limit, where)
        return await self._fused(words, meaning, alpha, limit, where)

    async def keyword(self, query: str, limit: int, where: VectorFilter) -> Hits:
        """Find projects by words alone (BM25F), ties by id."""
        words, limit = _clean(query), min(limit, MOST_HITS)
        if limit <= 0 or not words or matches_nothing(where):
            return Hits()
        return keyword_hits(await self._by_words(words, limit, where), limit)

    async def nearest_profiles(self, vector: Vector, limit: int, exclude_actor: int | None) -> tuple[Ids, Vector]:
        """Find the actors whose profiles are nearest to a vector: their ids and cosines, ties by id."""
        vector, limit = self._unit(vector), min(limit, MOST_HITS)
        if limit <= 0 or not vector.any():
            return np.empty(0, np.int64), np.empty(0, np.float32)
        where = None if exclude_actor is None else Filter.by_property("user_id").not_equal(exclude_actor)
        found = await self._nearest(PROFILE, vector, limit, where, ["user_id"])
        ids = np.array([one.properties["user_id"] for one in found], np.int64)
        scores = np.array([similarity(one) for one in found], np.float32).round(SCORE_DECIMALS)
        order = np.lexsort((ids, -scores))
        return ids[order], scores[order]

    async def nearest_tools(self, vector: Vector, limit: int) -> list[tuple[str, float]]:
        """Find the tools nearest to a vector: (key, cosine), ties by key."""
        vector, limit = self._unit(vector), min(limit, MOST_HITS)
        if limit <= 0 or not vector.any():
            return []
        found = await self._nearest(TOOL, vector, limit, None, ["key"])
        pairs = [(str(one.properties["key"]), round(similarity(one), SCORE_DECIMALS)) for one in found]
        return sorted(pairs, key=lambda pair: (-pair[1], pair[0]))

    async def counts(self, generation: str | None = None) -> dict[str, int]:
        """Count the objects of each collection."""

        async def count(kind: str) -> int:
            counted = await self._read(
                kind, lambda held: held.aggregate.over_all(total_count=True), generation=generation
            )
            return int(counted.total_count or 0)

        return dict(zip(KINDS, await asyncio.gather(*map(count, KINDS)), strict=True))

    async def listing(
        self, collection: str, after: str | None, limit: int, generation: str | None = None
    ) -> list[tuple[str, str]]:
        """Give the (key, fingerprint) pairs of a kind by key, those after a key."""
        where = None if after is None else Filter.by_property("key").greater_than(after)
        found = await self._read(
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
        if self._space is not None:
            await self._read(PROJECT, lambda held: held.query.fetch_objects(limit=1, return_properties=["key"]))

    async def stage(self) -> str:
        """Make an empty generation beside the one in service, drop all others, and give its name."""
        space = self._prepared()
        existing, served = await self._existing(space), await self._served(space)
        await self._drop_all_but(space, existing, set(served.values()))
        number = 1 + max(max(existing[kind], default=0) for kind in KINDS)
        for kind in KINDS:
            await self._make(space, kind, number)
        return f"g{number}"

    async def staged(self) -> str | None:
        """Name the newest generation that is complete but not, or not wholly, in service."""
        space = self._prepared()
        existing, served = await self._existing(space), await self._served(space)
        complete = set.intersection(*(set(existing[kind]) for kind in KINDS))
        newer = [number for number in complete if any(served.get(kind, 0) < number for kind in KINDS)]
        return f"g{max(newer)}" if newer else None

    async def publish(self, generation: str) -> None:
        """Put a generation into service, kind by kind; each swap is atomic. Then drop all others of this space.

        If it is interrupted, `staged` names the generation again, and publishing it again ends the work.
        """
        space, number = self._prepared(), _number(generation)
        existing = await self._existing(space)
        if any(number not in existing[kind] for kind in KINDS):
            raise StoreUnavailable(
                Store.VECTORS, f"Weaviate at {self._connection.url} has no complete generation {generation}"
            )
        for kind in (TOOL, PROFILE, PROJECT):
            await self._point(space, kind, number)
        await asyncio.sleep(self._drop_after_s)
        await self._drop_all_but(space, existing, {number})

    async def discard(self, generation: str) -> None:
        """Drop a generation that is not in service."""
        space, number = self._prepared(), _number(generation)
        if number in (await self._served(space)).values():
            raise ValueError(f"generation {generation} is in service")
        for kind in KINDS:
            await self._drop(space.collection(kind, number))

    async def close(self) -> None:
        """Close the connection."""
        await self._connection.close()

    def _prepared(self) -> Space:
        if self._space is None:
            raise StoreUnavailable(
                Store.VECTORS, f"Weaviate at {self._connection.url} has not been prepared for an embedding model"
            )
        return self._space

    def _unit(self, vector: Vector) -> Vector:
        dimension = self._prepared().dimension
        if vector.shape != (dimension,):
            raise ValueError(
                f"a vector of shape {vector.shape} cannot be compared with those of {dimension} components"
            )
        return _unit(vector)

    def _held(
        self, client: WeaviateAsyncClient, kind: str, generation: str | None, level: ConsistencyLevel
    ) -> Collection:
        space = self._prepared()
        name = space.alias(kind) if generation is None else space.collection(kind, _number(generation))
        held: Collection = client.collections.use(name, skip_argument_validation=True)
        return held.with_consistency_level(level)

    async def _read(
        self,
        kind: str,
        call: Callable[[Collection], Any],
        *,
        generation: str | None = None,
        level: ConsistencyLevel = ConsistencyLevel.ONE,
    ) -> Any:
        self._prepared()
        return await self._connection.read(lambda client: call(self._held(client, kind, generation, level)))

    async def _nearest(
        self, kind: str, vector: Vector, limit: int, where: FilterReturn | None, properties: list[str]
    ) -> list[Any]:
        found = await self._read(
            kind,
            lambda held: held.query.near_vector(
                vector.tolist(),
                limit=limit,
                filters=where,
                target_vector=VECTOR,
                return_metadata=MetadataQuery(distance=True),
                return_properties=properties,
            ),
        )
        return list(found.objects)

    async def _vectors(self, ids: list[int]) -> dict[int, list[float]]:
        found = await self._read(
            PROJECT,
            lambda held: held.query.fetch_objects(
                limit=len(ids),
                filters=Filter.by_property("project_id").contains_any(ids),
                include_vector=[VECTOR],
                return_properties=["project_id"],
            ),
        )
        return {one.properties["project_id"]: one.vector[VECTOR] for one in found.objects}

    async def _by_words(self, words: str, limit: int, where: VectorFilter) -> list[Any]:
        found = await self._read(
            PROJECT,
            lambda held: held.query.bm25(
                words,
                limit=limit,
                query_properties=list(KEYWORD_PROPERTIES),
                filters=conditions(where),
                return_metadata=MetadataQuery(score=True),
                return_properties=FEATURES,
            ),
        )
        return list(found.objects)

    async def _fused(self, words: str, meaning: Vector, alpha: float, limit: int, where: VectorFilter) -> HybridHits:
        found = await self._read(
            PROJECT,
            lambda held: held.query.hybrid(
                words,
                vector=meaning.tolist(),
                alpha=alpha,
                limit=limit,
                query_properties=list(KEYWORD_PROPERTIES),
                filters=conditions(where),
                fusion_type=HybridFusion.RELATIVE_SCORE,
                target_vector=VECTOR,
                return_metadata=MetadataQuery(score=True, explain_score=True),
                return_properties=FEATURES,
            ),
        )
        parts = explained(found.objects)
        if parts is None:
            return await self._fused_here(words, meaning, alpha, limit, where)
        return hybrid_hits(found.objects, parts)

    async def _fused_here(
        self, words: str, meaning: Vector | None, alpha: float, limit: int, where: VectorFilter
    ) -> HybridHits:
        """Ask for the legs and fuse them here: for one leg alone, or a server that explains itself in another way."""
        window = min(max(WINDOW, limit), MOST_HITS)

        async def by_meaning() -> list[Any]:
            if meaning is None:
                return []
            return await self._nearest(PROJECT, meaning, window, conditions(where), FEATURES)

        async def by_words() -> list[Any]:
            return await self._by_words(words, window, where) if words else []

        near, matching = await asyncio.gather(by_meaning(), by_words())
        held = {str(one.uuid): one for one in (*matching, *near)}
        vector_leg = _leg(near, [similarity(one) for one in near])
        keyword_leg = _leg(matching, [one.metadata.score for one in matching])
        fused = fuse(vector_leg, keyword_leg, alpha)[:limit]
        return hybrid_hits(
            [held[hit.uuid] for hit in fused], [Parts(hit.vector_part, hit.keyword_part) for hit in fused]
        )

    async def _upsert(self, kind: str, objects: Mapping[str, Objects], into: str | None) -> None:
        vectors = _checked({key: item.vector for key, item in objects.items()}, self._prepared().dimension)
        sent = [
            DataObject(
                properties=PROPERTIES_OF[kind](item),
                uuid=generate_uuid5(key, kind),
                vector={VECTOR: vectors[key].tolist()},
            )
            for key, item in objects.items()
        ]
        refused: dict[str, str] = {}
        for keys, some in zip(_chunks(list(objects), self._batch_size), _chunks(sent, self._batch_size), strict=True):
            refused |= await self._insert(kind, keys, some, into)
        if refused:
            raise RefusedObjects(refused)

    async def _insert(
        self, kind: str, keys: Sequence[str], objects: Sequence[DataObject[Any, Any]], into: str | None
    ) -> dict[str, str]:
        """Write one batch; give the keys that the server refuses and why."""

        async def call(client: WeaviateAsyncClient) -> dict[int, str]:
            held = self._held(client, kind, into, ConsistencyLevel.QUORUM)
            try:
                answer = await held.data.insert_many(objects)
            except WeaviateInsertManyAllFailedError as error:
                return dict.fromkeys(range(len(objects)), str(error.message))
            return {index: error.message for index, error in answer.errors.items()} if answer.has_errors else {}

        refused = await self._connection.write(call)
        for reason in refused.values():
            if PASSING.search(reason) or "could not find class" in reason:
                raise StoreUnavailable(Store.VECTORS, f"Weaviate at {self._connection.url}: {reason}")
        return {keys[index]: reason for index, reason in refused.items()}

    async def _remove(self, kind: str, keys: Sequence[str], into: str | None) -> None:
        for some in _chunks(keys, REMOVED_AT_ONCE):
            which = Filter.by_id().contains_any([generate_uuid5(key, kind) for key in some])
            removed = await self._connection.write(
                lambda client, which=which: self._held(  # type: ignore[misc]
                    client, kind, into, ConsistencyLevel.QUORUM
                ).data.delete_many(which)
            )
            if removed.failed:
                raise StoreUnavailable(Store.VECTORS, f"{removed.failed} of {len(some)} objects could not be removed")

    async def _served(self, space: Space) -> dict[str, int]:
        """Give the generation in service of each kind that has one."""
        aliases = await self._connection.read(lambda client: client.alias.list_all())
        found = {
            kind: space.number(kind, aliases[space.alias(kind)].collection)
            for kind in KINDS
            if space.alias(kind) in aliases
        }
        return {kind: number for kind, number in found.items() if number is not None}

    async def _existing(self, space: Space) -> dict[str, dict[int, set[str]]]:
        """Give the generations of each kind, and the names of their properties."""
        collections = await self._connection.read(lambda client: client.collections.list_all())
        return {
            kind: {
                number: {one.name for one in config.properties}
                for name, config in collections.items()
                if (number := space.number(kind, name)) is not None
            }
            for kind in KINDS
        }

    async def _make(self, space: Space, kind: str, number: int) -> None:
        name = space.collection(kind, number)

        async def call(client: WeaviateAsyncClient) -> None:
            try:
                await client.collections.create(name, **collection_arguments(kind, space, self._layout))
            except UnexpectedStatusCodeError as error:
                if error.status_code == 422 and await client.collections.exists(name):
                    return  # another process was quicker
                if error.status_code == 422:
                    raise StoreMisconfigured(
                        Store.VECTORS, f"Weaviate at {self._connection.url} makes no collection {name}: {error.message}"
                    ) from error
                raise

        await self._connection.write(call)

    async def _complete(self, space: Space, kind: str, there: set[str]) -> None:
        """Add the properties that a collection made by an older version of this code lacks."""
        for one in missing_properties(kind, there):
            await self._connection.write(
                lambda client, one=one: client.collections.use(space.alias(kind)).config.add_property(one)  # type: ignore[misc]
            )

    async def _point(self, space: Space, kind: str, number: int) -> None:
        alias, name = space.alias(kind), space.collection(kind, number)

        async def call(client: WeaviateAsyncClient) -> None:
            if await client.alias.update(alias_name=alias, new_target_collection=name):
                return
            try:
                await client.alias.create(alias_name=alias, target_collection=name)
            except UnexpectedStatusCodeError:
                if not await client.alias.exists(alias_name=alias):
                    raise  # else another process was quicker

        await self._connection.write(call)

    async def _drop_all_but(self, space: Space, existing: Mapping[str, Mapping[int, set[str]]], kept: set[int]) -> None:
        for kind in KINDS:
            for number in set(existing[kind]) - kept:
                await self._drop(space.collection(kind, number))

    async def _drop(self, name: str) -> None:
        await self._connection.write(lambda client: client.collections.delete(name))

    async def _check_dimension(self, space: Space) -> None:
        def call(client: WeaviateAsyncClient) -> Any:
            held: Collection = client.collections.use(space.alias(PROJECT))
            return held.query.fetch_objects(limit=1, include_vector=[VECTOR], return_properties=["key"])

        for one in (await self._connection.read(call)).objects:
            length = len(one.vector.get(VECTOR, ()))
            if length not in (0, space.dimension):
                raise StoreMisconfigured(
                    Store.VECTORS,
                    f"{space.alias(PROJECT)} in Weaviate holds vectors of {length} components, and the model "
                    f"{space.model} makes {space.dimension}; run `explore reindex`",
                )


def _chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for first in range(0, len(items), size):
        yield items[first : first + size]


def _unit(vector: Vector) -> Vector:
    length = np.linalg.norm(vector)
    return (vector / length if length > 0 else vector).astype(np.float32)


def _checked(vectors: Mapping[str, Vector], dimension: int) -> dict[str, Vector]:
    for key, vector in vectors.items():
        if vector.shape != (dimension,) or not np.isfinite(vector).all():
            raise InvalidRecord(f"the vector of {key!r} is not {dimension} finite numbers")
    return {key: _unit(vector) for key, vector in vectors.items()}


def _clean(query: str) -> str:
    """Give a query as it can be sent; one without any letter or digit is empty."""
    sendable = query.encode("utf-8", "ignore").decode()
    return sendable if any(sign.isalnum() for sign in sendable) else ""


def _leg(objects: Sequence[Any], scores: Sequence[float]) -> Leg:
    return Leg([str(one.uuid) for one in objects], np.array(scores, np.float32))


def _number(generation: str) -> int:
    match = re.fullmatch(r"g(\d+)", generation)
    if match is None:
        raise ValueError(f"{generation!r} names no generation")
    return int(match[1])
