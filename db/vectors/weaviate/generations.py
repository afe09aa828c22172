"""Generations of Weaviate collections: created, activated by moving an alias, and dropped."""

import asyncio
from collections.abc import Mapping
from typing import Any

from weaviate import WeaviateAsyncClient
from weaviate.exceptions import UnexpectedStatusCodeError

from db.errors import Store, StoreMisconfigured, StoreUnavailable
from db.vectors.base import KINDS, PROFILE, PROJECT, TOOL
from db.vectors.weaviate.collections import Collection, number_of
from db.vectors.weaviate.connection import Connection
from db.vectors.weaviate.schema import VECTOR, Layout, Space, collection_arguments, properties_of


class Generations:
    """Creates, swaps and drops the collections of embedding spaces; `layout` applies to new ones."""

    def __init__(self, connection: Connection, layout: Layout) -> None:
        self._connection = connection
        self._layout = layout

    async def prepare(self, space: Space) -> None:
        """Create the missing collections of this space; those of other spaces are left alone.

        Raises
        ------
        StoreMisconfigured
            If no Weaviate answers, the key is rejected, or the collections hold vectors of another dimension.
        """
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

    async def stage(self, space: Space) -> str:
        """Create an empty generation beside the active one, drop all others, and return its name."""
        existing, served = await self._existing(space), await self._served(space)
        await self._drop_all_but(space, existing, set(served.values()))
        number = 1 + max(max(existing[kind], default=0) for kind in KINDS)
        for kind in KINDS:
            await self._make(space, kind, number)
        return f"g{number}"

    async def staged(self, space: Space) -> str | None:
        """Return the newest generation that is complete but not, or only partly, active."""
        existing, served = await self._existing(space), await self._served(space)
        complete = set.intersection(*(set(existing[kind]) for kind in KINDS))
        newer = [number for number in complete if any(served.get(kind, 0) < number for kind in KINDS)]
        return f"g{max(newer)}" if newer else None

    async def publish(self, space: Space, generation: str, drop_after_s: float) -> None:
        """Activate a generation, kind by kind, and drop all others of this space after `drop_after_s` seconds."""
        number = number_of(generation)
        existing = await self._existing(space)
        if any(number not in existing[kind] for kind in KINDS):
            raise StoreUnavailable(
                Store.VECTORS, f"Weaviate at {self._connection.url} has no complete generation {generation}"
            )
        for kind in (TOOL, PROFILE, PROJECT):
            await self._point(space, kind, number)
        await asyncio.sleep(drop_after_s)
        await self._drop_all_but(space, existing, {number})

    async def discard(self, space: Space, generation: str) -> None:
        """Drop a generation that is not active."""
        number = number_of(generation)
        if number in (await self._served(space)).values():
            raise ValueError(f"generation {generation} is active")
        for kind in KINDS:
            await self._drop(space.collection(kind, number))

    async def _served(self, space: Space) -> dict[str, int]:
        """Return the active generation of each kind that has one."""
        aliases = await self._connection.read(lambda client: client.alias.list_all())
        found = {
            kind: space.number(kind, aliases[space.alias(kind)].collection)
            for kind in KINDS
            if space.alias(kind) in aliases
        }
        return {kind: number for kind, number in found.items() if number is not None}

    async def _existing(self, space: Space) -> dict[str, dict[int, set[str]]]:
        """Return the generations of each kind, and the names of their properties."""
        collections = await self._connection.read(lambda client: client.collections.list_all())
        return {
            kind: {
                number: {item.name for item in config.properties}
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
                    return  # created by another process
                if error.status_code == 422:
                    raise StoreMisconfigured(
                        Store.VECTORS,
                        f"Weaviate at {self._connection.url} cannot create the collection {name}: {error.message}",
                    ) from error
                raise

        await self._connection.write(call)

    async def _complete(self, space: Space, kind: str, existing: set[str]) -> None:
        """Add the properties that a collection created by an older version lacks."""
        for missing in properties_of(kind, existing):
            await self._connection.write(
                lambda client, missing=missing: client.collections.use(space.alias(kind)).config.add_property(missing)  # type: ignore[misc]
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
                    raise  # otherwise it was created by another process

        await self._connection.write(call)

    async def _drop_all_but(self, space: Space, existing: Mapping[str, Mapping[int, set[str]]], kept: set[int]) -> None:
        for kind in KINDS:
            for number in set(existing[kind]) - kept:
                await self._drop(space.collection(kind, number))

    async def _drop(self, name: str) -> None:
        await self._connection.write(lambda client: client.collections.delete(name))

    async def _check_dimension(self, space: Space) -> None:
        def call(client: WeaviateAsyncClient) -> Any:
            collection: Collection = client.collections.use(space.alias(PROJECT))
            return collection.query.fetch_objects(limit=1, include_vector=[VECTOR], return_properties=["key"])

        for found in (await self._connection.read(call)).objects:
            length = len(found.vector.get(VECTOR, ()))
            if length not in (0, space.dimension):
                raise StoreMisconfigured(
                    Store.VECTORS,
                    f"{space.alias(PROJECT)} in Weaviate holds vectors of {length} components, and the model "
                    f"{space.model} makes {space.dimension}; run `explore reindex`",
                )
