"""Generations of Weaviate collections: creating, activating by moving aliases, and dropping."""

import asyncio
from collections.abc import Mapping
from typing import Any

from weaviate import WeaviateAsyncClient
from weaviate.exceptions import UnexpectedStatusCodeError

from db.errors import Store, StoreMisconfigured, StoreUnavailable
from db.vectors.base import KINDS, PROFILE, PROJECT, TOOL
from db.vectors.weaviate.collections import Collection, WeaviateCollections, number_of
from db.vectors.weaviate.connection import Connection
from db.vectors.weaviate.schema import VECTOR_NAME, Layout, Space, collection_arguments, properties_of


class WeaviateGenerations(WeaviateCollections):
    """The generations of the vector store.

    `layout` applies to new collections. `prefix` is the prefix of all collection names, for gateways that share a
    server. A replaced generation is dropped after `drop_after_s` seconds.
    """

    def __init__(self, connection: Connection, layout: Layout, prefix: str, drop_after_s: float) -> None:
        super().__init__(connection)
        self._layout = layout
        self._prefix = prefix
        self._drop_after_s = drop_after_s

    async def prepare(self, model: str, dimension: int) -> None:
        """Create missing collections for an embedding model. Collections of other models are not changed.

        Raises `StoreMisconfigured` if no Weaviate answers, the key is rejected, or the collections hold vectors of
        another dimension.
        """
        space = Space(self._prefix, model, dimension)
        active, existing = await self._active_generations(space), await self._existing_generations(space)
        for kind in KINDS:
            if kind not in active:
                number = min(existing[kind], default=max(active.values(), default=1))
                await self._create_collection(space, kind, number)
                await self._point_alias(space, kind, number)
            else:
                await self._add_missing_properties(space, kind, existing[kind][active[kind]])
        await self._check_dimension(space)
        self._space = space

    async def stage(self) -> str:
        """Create an empty generation beside the active one, drop all others, and return its name."""
        space = self._prepared()
        existing, active = await self._existing_generations(space), await self._active_generations(space)
        await self._drop_all_but(space, existing, set(active.values()))
        number = 1 + max(max(existing[kind], default=0) for kind in KINDS)
        for kind in KINDS:
            await self._create_collection(space, kind, number)
        return f"g{number}"

    async def staged(self) -> str | None:
        """Return the newest generation that has all collections, and is not active for all kinds."""
        space = self._prepared()
        existing, active = await self._existing_generations(space), await self._active_generations(space)
        complete = set.intersection(*(set(existing[kind]) for kind in KINDS))
        unfinished = [number for number in complete if any(active.get(kind, 0) < number for kind in KINDS)]
        return f"g{max(unfinished)}" if unfinished else None

    async def publish(self, generation: str) -> None:
        """Activate a generation, one kind after the other, each kind atomically. Then drop all other generations.

        If the call is interrupted, `staged` still returns the generation, and publishing it again completes the work.
        """
        space, number = self._prepared(), number_of(generation)
        existing = await self._existing_generations(space)
        if any(number not in existing[kind] for kind in KINDS):
            raise StoreUnavailable(
                Store.VECTORS, f"Weaviate at {self._connection.url} has no complete generation {generation}"
            )
        for kind in (TOOL, PROFILE, PROJECT):
            await self._point_alias(space, kind, number)
        await asyncio.sleep(self._drop_after_s)
        await self._drop_all_but(space, existing, {number})

    async def discard(self, generation: str) -> None:
        """Drop a generation that is not active."""
        space, number = self._prepared(), number_of(generation)
        if number in (await self._active_generations(space)).values():
            raise ValueError(f"generation {generation} is active")
        for kind in KINDS:
            await self._drop_collection(space.collection(kind, number))

    async def _active_generations(self, space: Space) -> dict[str, int]:
        """Return the number of the active generation by kind; kinds without one are left out."""
        aliases = await self._connection.read(lambda client: client.alias.list_all())
        return {
            kind: number
            for kind in KINDS
            if (alias := aliases.get(space.alias(kind))) is not None
            and (number := space.number(kind, alias.collection)) is not None
        }

    async def _existing_generations(self, space: Space) -> dict[str, dict[int, set[str]]]:
        """Return, by kind and number of generation, the names of the properties of the collection."""
        collections = await self._connection.read(lambda client: client.collections.list_all())
        return {
            kind: {
                number: {item.name for item in config.properties}
                for name, config in collections.items()
                if (number := space.number(kind, name)) is not None
            }
            for kind in KINDS
        }

    async def _create_collection(self, space: Space, kind: str, number: int) -> None:
        name = space.collection(kind, number)

        async def call(client: WeaviateAsyncClient) -> None:
            try:
                await client.collections.create(name, **collection_arguments(kind, space, self._layout))
            except UnexpectedStatusCodeError as error:
                if error.status_code != 422:
                    raise
                if not await client.collections.exists(name):  # if it exists, another process has created it
                    raise StoreMisconfigured(
                        Store.VECTORS,
                        f"Weaviate at {self._connection.url} cannot create the collection {name}: {error.message}",
                    ) from error

        await self._connection.write(call)

    async def _add_missing_properties(self, space: Space, kind: str, existing: set[str]) -> None:
        """Add the properties that are missing in a collection created by an older version."""
        for missing in properties_of(kind, existing):
            await self._connection.write(
                lambda client, missing=missing: client.collections.use(space.alias(kind)).config.add_property(missing)  # type: ignore[misc]
            )

    async def _point_alias(self, space: Space, kind: str, number: int) -> None:
        alias, name = space.alias(kind), space.collection(kind, number)

        async def call(client: WeaviateAsyncClient) -> None:
            if await client.alias.update(alias_name=alias, new_target_collection=name):
                return
            try:
                await client.alias.create(alias_name=alias, target_collection=name)
            except UnexpectedStatusCodeError:
                if not await client.alias.exists(alias_name=alias):
                    raise  # if it exists, another process has created it

        await self._connection.write(call)

    async def _drop_all_but(
        self, space: Space, existing: Mapping[str, Mapping[int, set[str]]], kept_numbers: set[int]
    ) -> None:
        for kind in KINDS:
            for number in set(existing[kind]) - kept_numbers:
                await self._drop_collection(space.collection(kind, number))

    async def _drop_collection(self, name: str) -> None:
        await self._connection.write(lambda client: client.collections.delete(name))

    async def _check_dimension(self, space: Space) -> None:
        def call(client: WeaviateAsyncClient) -> Any:
            collection: Collection = client.collections.use(space.alias(PROJECT))
            return collection.query.fetch_objects(limit=1, include_vector=[VECTOR_NAME], return_properties=["key"])

        for object_ in (await self._connection.read(call)).objects:
            length = len(object_.vector.get(VECTOR_NAME, ()))
            if length not in (0, space.dimension):
                raise StoreMisconfigured(
                    Store.VECTORS,
                    f"{space.alias(PROJECT)} in Weaviate holds vectors of {length} components, and the model "
                    f"{space.model} makes {space.dimension}; run `explore reindex`",
                )
